use super::*;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn user(name: &str) -> Option<Credential> {
    Some(Credential::Basic { username: name.to_owned(), password: Secret::new("pw".to_owned()) })
}

/// A file with entries `key` -> user, the password always `pw`.
fn auths(entries: &[(&str, &str)]) -> String {
    let entry = |(key, user): &(&str, &str)| format!(r#""{key}":{{"username":"{user}","password":"pw"}}"#);
    format!(r#"{{"auths":{{{}}}}}"#, entries.iter().map(entry).collect::<Vec<_>>().join(","))
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

async fn find(environment: &Environment, repository: &str) -> Result<Option<Credential>, Fault> {
    let found = Credentials::new(environment.clone()).find(&repository.parse().unwrap()).await?;
    assert!(found.len() < 2, "one source counts");
    Ok(found.into_iter().next())
}

/// All sources present, each with a user of its own name for `x.example`.
fn everywhere(dir: &Path) -> Environment {
    let one = |user: &str| auths(&[("x.example", user)]);
    write(&dir.join("registry-auth-file"), &one("registry-auth-file"));
    write(&dir.join("docker/config.json"), &one("docker-config"));
    write(&dir.join("run/containers/auth.json"), &one("runtime"));
    write(&dir.join("xdg/containers/auth.json"), &one("xdg"));
    write(&dir.join("home/.config/containers/auth.json"), &one("dot-config"));
    write(&dir.join("home/.docker/config.json"), &one("home"));
    write(&dir.join("home/.dockercfg"), r#"{"x.example":{"username":"dockercfg","password":"pw"}}"#);
    Environment {
        home: Some(dir.join("home")),
        docker_config: Some(dir.join("docker")),
        docker_auth_config: Some(Zeroizing::new(one("docker-auth-config"))),
        registry_auth_file: Some(dir.join("registry-auth-file")),
        xdg_runtime_dir: Some(dir.join("run")),
        xdg_config_home: Some(dir.join("xdg")),
        ..Environment::default()
    }
}

#[tokio::test]
async fn sources_are_asked_in_the_documented_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut env = everywhere(dir.path());
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("registry-auth-file"));
    env.registry_auth_file = None;
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("docker-auth-config"));
    env.docker_auth_config = Some(Zeroizing::new(auths(&[("y.example", "other")])));
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("docker-config"), "an entry for others is passed over");
    env.docker_auth_config = None;
    env.docker_config = None;
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("runtime"));
    env.xdg_runtime_dir = Some(dir.path().join("missing"));
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("xdg"));
    env.xdg_config_home = None;
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("dot-config"));
    fs::remove_file(dir.path().join("home/.config/containers/auth.json")).unwrap();
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("home"));
    env.docker_config = Some(dir.path().join("missing"));
    assert_eq!(find(&env, "x.example/app").await.unwrap(), user("dockercfg"), "DOCKER_CONFIG stands for ~/.docker");
    assert_eq!(find(&env, "z.example/app").await.unwrap(), None);
    assert_eq!(find(&Environment::default(), "x.example/app").await.unwrap(), None);
}

// [V-330]
#[tokio::test]
async fn pull_secrets_come_before_all_else_by_their_entries_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut env = everywhere(dir.path());
    let helpers = r#"{"credsStore":"evil","credHelpers":{"y.example":"evil"},"auths":{"y.example":{}}}"#;
    let secrets = [
        auths(&[("x.example", "first"), ("https://index.docker.io/v1/", "first")]),
        auths(&[
            ("x.example", "second"),
            ("x.example/team", "second"),
            ("docker.io", "second"),
            ("y.example", "second"),
        ]),
    ];
    env.pull_secrets = [helpers].into_iter().map(str::to_owned).chain(secrets).map(Zeroizing::new).collect();
    // The operator's entry is longer, and its helper comes before its entries; the pod has one all the same.
    let own = r#"{"auths":{"x.example/team/app":{"username":"own","password":"pw"},"z.example":{"username":"own","password":"pw"}},
        "credHelpers":{"x.example":"missing"},"credsStore":""}"#;
    write(&dir.path().join("registry-auth-file"), own);
    for (repository, expected) in [
        ("x.example/app", &["first", "second"][..]),
        ("x.example/team/app", &["second", "first"]),
        ("docker.io/library/app", &["first", "second"]),
        ("y.example/app", &["second"]),
        ("z.example/app", &["own"]),
    ] {
        let found = Credentials::new(env.clone()).find(&repository.parse().unwrap()).await.unwrap();
        assert_eq!(found, expected.iter().filter_map(|name| user(name)).collect::<Vec<_>>(), "{repository}");
    }
}

#[tokio::test]
async fn registry_auth_file_is_the_only_one_where_it_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut env = everywhere(dir.path());
    write(&dir.path().join("registry-auth-file"), "{}");
    assert_eq!(find(&env, "x.example/app").await.unwrap(), None);
    env.registry_auth_file = Some(dir.path().join("missing"));
    assert!(matches!(find(&env, "x.example/app").await, Err(Fault::Credentials(_))));
}

#[tokio::test]
async fn the_most_specific_name_wins_however_it_is_written() {
    let content = auths(&[
        ("x.example", "host"),
        ("x.example/team", "team"),
        ("x.example/team/app", "app"),
        ("https://old.example/v1/", "url"),
        ("old2.example/v2/", "version"),
        ("p.example:5000", "port"),
        ("https://index.docker.io/v1/", "hub"),
    ]);
    let env = Environment { docker_auth_config: Some(Zeroizing::new(content)), ..Environment::default() };
    for (repository, expected) in [
        ("x.example/team/app", Some("app")),
        ("x.example/team/app/sub", Some("app")),
        ("x.example/team/application", Some("team")),
        ("x.example/other", Some("host")),
        ("old.example/a/b", Some("url")),
        ("old2.example/a/b", Some("version")),
        ("p.example:5000/a", Some("port")),
        ("p.example/a", None),
        ("busybox", Some("hub")),
        ("evil-x.example/team", None),
    ] {
        assert_eq!(find(&env, repository).await.unwrap(), expected.and_then(user), "{repository}");
    }
}

#[tokio::test]
async fn every_kind_of_entry_is_read() {
    for (entry, expected) in [
        // alice:pa:ss, padded with zero bytes as Docker does
        (r#"{"auth":"YWxpY2U6cGE6c3MAAA=="}"#, Some(("alice", "pa:ss"))),
        (r#"{"auth":""}"#, None),
        ("{}", None),
    ] {
        let content = format!(r#"{{"auths":{{"x.example":{entry}}}}}"#);
        let env = Environment { docker_auth_config: Some(Zeroizing::new(content)), ..Environment::default() };
        let expected = expected.map(|(username, password)| Credential::Basic {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        });
        assert_eq!(find(&env, "x.example/a").await.unwrap(), expected, "{entry}");
    }
}

#[tokio::test]
async fn broken_files_are_named_and_never_quoted() {
    for content in [r#"{"auths":{"x.example":{"auth":{"s3cret":1}}}}"#, r#"{"auths":"s3cret"}"#, "s3cret"] {
        let env =
            Environment { docker_auth_config: Some(Zeroizing::new(content.to_owned())), ..Environment::default() };
        let error = find(&env, "x.example/a").await.unwrap_err().to_string();
        assert!(error.contains("DOCKER_AUTH_CONFIG") && !error.contains("s3cret"), "{error}");
    }
    for entry in [r#"{"auth":"s3cret!"}"#, r#"{"auth":"czNjcmV0"}"#, r#"{"password":"s3cret"}"#] {
        let content = format!(r#"{{"auths":{{"x.example":{entry}}}}}"#);
        let env = Environment { docker_auth_config: Some(Zeroizing::new(content)), ..Environment::default() };
        let error = find(&env, "x.example/a").await.unwrap_err().to_string();
        assert!(error.contains("x.example") && !error.contains("s3cret"), "{error}");
    }
    let secret = user("alice").unwrap();
    assert!(!format!("{secret:?}").contains("pw"));
    let env = Environment { docker_auth_config: Some(Zeroizing::new("s3cret".to_owned())), ..Environment::default() };
    assert!(!format!("{env:?}").contains("s3cret"));
}

/// A helper `docker-credential-NAME` that logs what it is asked for and runs `script`.
fn helper(dir: &Path, name: &str, script: &str) {
    let path = dir.join(format!("docker-credential-{name}"));
    let log = dir.join("log");
    fs::write(&path, format!("#!/bin/sh\nserver=$(cat)\necho \"$1 $server\" >> {}\n{script}\n", log.display()))
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_helpers(dir: &Path, config: &str) -> Environment {
    let path = format!("{}:/usr/bin:/bin", dir.display());
    Environment {
        docker_auth_config: Some(Zeroizing::new(config.to_owned())),
        path: Some(path.into()),
        ..Environment::default()
    }
}

#[tokio::test]
async fn helpers_come_before_the_store_and_that_before_entries() {
    let dir = tempfile::tempdir().unwrap();
    helper(dir.path(), "one", r#"echo '{"ServerURL":"x","Username":"one","Secret":"pw"}'"#);
    helper(dir.path(), "all", r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"rt"}'"#);
    helper(dir.path(), "none", "echo 'credentials not found in native keychain'; exit 1");
    let entry = r#""auths":{"x.example":{"username":"file","password":"pw"}}"#;
    let env =
        with_helpers(dir.path(), &format!(r#"{{"credHelpers":{{"x.example":"one"}},"credsStore":"all",{entry}}}"#));
    assert_eq!(find(&env, "x.example/a").await.unwrap(), user("one"));
    let token = Some(Credential::Identity(Secret::new("rt".to_owned())));
    assert_eq!(find(&env, "busybox").await.unwrap(), token);
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    assert_eq!(log, "get x.example\nget https://index.docker.io/v1/\n");
    let env = with_helpers(dir.path(), &format!(r#"{{"credsStore":"none",{entry}}}"#));
    assert_eq!(find(&env, "x.example/a").await.unwrap(), user("file"));
    assert_eq!(find(&env, "y.example/a").await.unwrap(), None);
}

#[tokio::test]
async fn a_helper_is_asked_once_a_run() {
    let dir = tempfile::tempdir().unwrap();
    helper(dir.path(), "one", r#"echo '{"Username":"one","Secret":"pw"}'"#);
    let credentials = Credentials::new(with_helpers(dir.path(), r#"{"credsStore":"one"}"#));
    for repository in ["x.example/a", "x.example/b"] {
        assert_eq!(credentials.find(&repository.parse().unwrap()).await.unwrap(), [user("one").unwrap()]);
    }
    assert_eq!(fs::read_to_string(dir.path().join("log")).unwrap(), "get x.example\n");
}

#[tokio::test]
async fn a_helper_that_fails_is_no_anonymous_access() {
    let dir = tempfile::tempdir().unwrap();
    helper(dir.path(), "locked", "echo 'the key ring is locked'; exit 1");
    helper(dir.path(), "junk", "echo s3cret");
    helper(dir.path(), "endless", "yes");
    for (name, words) in [
        ("locked", "the key ring is locked"),
        ("junk", "no JSON"),
        ("endless", "more than is read"),
        ("missing", "could not be started"),
        ("../../bin/sh", "no program's"),
    ] {
        let env = with_helpers(dir.path(), &format!(r#"{{"credsStore":"{name}"}}"#));
        let error = find(&env, "x.example/a").await.unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{name}: {error}");
    }
}
