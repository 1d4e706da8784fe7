use super::*;
use oci_spec::distribution::Reference as Oracle;
use proptest::prelude::*;

const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// What oci-spec (the parser of oci-client) accepts and we refuse, each on purpose.
fn refused_on_purpose(text: &str) -> bool {
    let name = text.split('@').next().unwrap_or_default();
    let (first, rest) = name.split_once('/').map_or(("", name), |(first, rest)| (first, rest));
    // It lets an upper-case first component of a Docker Hub path through, which no registry takes.
    let upper = !first.contains(['.', ':']) && first.bytes().any(|b| b.is_ascii_uppercase());
    // It takes upper-case hex and sha384, which image-spec does not register.
    let digest = text.split_once('@').is_some_and(|(_, digest)| digest.parse::<Digest>().is_err());
    // It takes any number of digits as a port.
    let port = first.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_err());
    // Written back in lower case it would be a layout's folder.
    let layout = first.to_ascii_lowercase().starts_with("oci:");
    // What has a dot and an underscore is no host, and it looks for it below Docker Hub's.
    let underscore = first.contains('.') && first.contains('_');
    // It counts the repository's name before `library/` is put in front.
    upper || digest || port || layout || underscore || rest.len() > 240
}

fn agree(text: &str) {
    match (text.parse::<Reference>(), Oracle::try_from(text)) {
        (Ok(ours), Ok(theirs)) => {
            let Repository::Registry(name) = &ours.repository else { panic!("{text}: a layout?") };
            let theirs_host = canonical_host(theirs.registry());
            assert_eq!((name.host.as_str(), name.path.as_str()), (theirs_host.as_str(), theirs.repository()), "{text}");
            assert_eq!(ours.tag_or_latest(), theirs.tag(), "{text}");
            assert_eq!(ours.digest.map(|d| d.to_string()).as_deref(), theirs.digest(), "{text}");
            assert_eq!(ours.to_string().parse(), Ok(ours), "{text}");
        }
        (Err(_), Err(_)) => {}
        (Ok(ours), Err(theirs)) => assert!(text.contains('['), "{text}: we say {ours}, oci-spec says {theirs}"),
        (Err(ours), Ok(_)) => assert!(refused_on_purpose(text), "{text}: {ours}"),
    }
}

/// The accepted and refused examples of oci-spec 0.10's own tests, and ours.
// [V-01]
#[test]
fn the_examples_of_oci_spec_are_read_alike() {
    for text in [
        "busybox",
        "test.com:tag",
        "test.com:5000",
        "test.com/repo:tag",
        "test:5000/repo",
        "test:5000/repo:tag",
        &format!("test:5000/repo@sha256:{}", "f".repeat(64)),
        &format!("test:5000/repo:tag@sha256:{}", "f".repeat(64)),
        "lowercase:Uppercase",
        "sub-dom1.foo.com/bar/baz/quux",
        "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
        "b.gcr.io/test.example.com/my-app:test.example.com",
        "xn--n3h.com/myimage:xn--n3h.com",
        &format!("xn--7o8h.com/myimage:xn--7o8h.com@sha512:{}", "f".repeat(128)),
        "foo_bar.com:8080",
        "3_b.d/q:x",
        "foo/foo_bar.com:8080",
        "opensuse/leap:15.3",
        "",
        ":justtag",
        "@sha256:ffffffffffffffffffffffffffffffffff",
        "repo@sha256:ffffffffffffffffffffffffffffffffff",
        "validname@invaliddigest:ffff",
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "aa/asdf$$^/aa",
        &format!("{}a:tag", "a/".repeat(128)),
        &format!("{}a", "a/".repeat(127)),
        "-foo/bar",
        "foo/bar-",
        "a__b/c",
        "a___b",
        "a.-b",
        "a--b",
        "localhost/x",
        "LOCALHOST/x",
        "a.b/",
        "/a",
        "a//b",
        "a:",
        "a@",
        "a:b:c",
        "a.b:1/x",
        "a.b:/x",
        "a.b:99999/x",
        "index.docker.io/x",
        "index.docker.io/a/b",
        "docker.io/x",
        "127.0.0.1:5000/a/b:c",
        &format!("x@sha256:{}", HEX.to_uppercase()),
    ] {
        agree(text);
    }
}

#[test]
fn names_are_filled_in_and_layouts_are_folders() {
    let shown = |text: &str| text.parse::<Reference>().map(|r| r.to_string());
    assert_eq!(shown("busybox").as_deref(), Ok("docker.io/library/busybox"));
    assert_eq!(shown("[::1]:5000/a:b").as_deref(), Ok("[::1]:5000/a:b"));
    assert!(shown("[::g]/a").is_err() && shown("[::1/a").is_err() && shown("[::1]5/a").is_err());
    let layout = "oci:/tmp/a:b/dir:v1".parse::<Reference>().expect("a layout");
    assert_eq!(layout.repository, Repository::Layout("/tmp/a:b/dir".into()));
    assert_eq!(layout.tag.as_deref(), Some("v1"));
    assert_eq!(shown(&format!("oci:dir@sha256:{HEX}")), Ok(format!("oci:dir@sha256:{HEX}")));
    assert!(shown("oci:").is_err() && shown("oci::tag").is_err() && shown("oci:dir:").is_err());
}

#[test]
fn a_host_has_one_spelling_that_stays_a_host() {
    let host = |text: &str| text.parse::<RepositoryName>().expect(text).host;
    assert_eq!(host("Registry.Example.com:0443/app"), "registry.example.com");
    assert_eq!(host("registry.example.com:05000/app"), "registry.example.com:5000");
    assert_eq!((host("registry:443/app"), host("5oci:000/app")), ("registry:443".into(), "5oci:0".into()));
    assert_eq!((host("[0:0::1]:443/app"), host("localhost:443/app")), ("[::1]".into(), "localhost".into()));
}

// [V-01]
#[test]
fn no_spelling_of_a_host_is_written_back_as_a_folder() {
    for text in ["oCi:0000/p", "OCI:5000/app", "Oci:443/app"] {
        assert!(matches!(text.parse::<Reference>(), Err(ReferenceError::Host { .. })), "{text}");
        assert!(text.to_lowercase().parse::<RepositoryName>().is_err(), "{text}");
    }
    let named = "oci.example:5000/app".parse::<Reference>().expect("a registry");
    assert!(matches!(named.repository, Repository::Registry(_)));
}

#[test]
fn the_host_is_told_without_its_port() {
    let host = |text: &str| text.parse::<RepositoryName>().expect(text).host_without_port().to_owned();
    assert_eq!(
        (host("[::1]:5000/a"), host("a.b:1/x"), host("localhost/x")),
        ("::1".into(), "a.b".into(), "localhost".into())
    );
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_is_written_back(text in "\\PC{0,80}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        }
    }

    #[test]
    fn texts_near_the_grammar_are_read_as_oci_spec_does(
        text in "([a-zA-Z0-9.-]{1,8}(:[0-9]{1,5})?/)?[a-z0-9._/-]{1,12}(:[A-Za-z0-9_.-]{1,6})?(@sha256:[0-9a-f]{64})?"
    ) {
        agree(&text);
    }
}
