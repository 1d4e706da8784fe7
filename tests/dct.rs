//! Docker Content Trust is read as docker reads it, or refused: forged metadata, a server in this process, saved files.
#![cfg(feature = "net")]

mod common;
#[path = "dct/forge.rs"]
mod forge;
#[path = "dct/import.rs"]
mod import;

use boltseal::{
    limits::{NOTARY_FILE_BYTES, NOTARY_TIMESTAMP_BYTES},
    oci::{Digest, RepositoryName},
    ops::import_dct::{self, DigestThere, ImportDctError, Imported, Pin, TagNow},
    registry::{
        Fault, Options, Session,
        embedded::{Embedded, EmbeddedOptions, Hook},
    },
    trust::notary::{Files, NotaryError, NotaryState, PinnedKey, RootPin, Rules, Skipped, Warning, verify},
};
use common::{Boltseal, hostile};
use forge::{Delegate, FAR, Holder, Repository, delegations, sign, targets};
use http::{Response, StatusCode, header};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

const GUN: &str = "registry.example.com/acme/web";
const OLD: &[u8] = b"an old manifest";
const NEW: &[u8] = b"the new manifest";
const NOW: &str = "2026-11-22T00:00:00Z";

fn check(files: &Files, pin: &RootPin) -> Result<NotaryState, NotaryError> {
    let floors = BTreeMap::new();
    verify(files, &Rules { repository: GUN, pin, floors: &floors, now: NOW.parse().unwrap(), allow_expired: false })
}

fn by_keys(pins: impl IntoIterator<Item = PinnedKey>) -> RootPin {
    RootPin::Keys(pins.into_iter().collect())
}

fn skipped(state: &NotaryState) -> Vec<(&str, &Skipped)> {
    let warnings = state.warnings().iter();
    warnings
        .filter_map(|warning| match warning {
            Warning::SkippedRole { role, why } => Some((role.as_str(), why)),
            _ => None,
        })
        .collect()
}

/// A repository with `1.0` in `targets` (old) and in `targets/releases` (new), the latter's file as `change` makes it.
fn with_releases(threshold: u64, change: impl FnOnce(&Holder, &Holder) -> Vec<u8>) -> (NotaryState, Holder) {
    let (alice, bob) = (Holder::bare(), Holder::bare());
    let mut repository = Repository::new(GUN);
    let releases = Delegate("targets/releases", vec![&alice, &bob], threshold, vec![""]);
    repository.put_targets(&[("1.0", OLD)], &[releases]).put("targets/releases", change(&alice, &bob)).seal();
    let state = check(&repository.files, &by_keys([repository.root.pin()])).unwrap();
    (state, alice)
}

fn releases(expires: &str, signers: &[&Holder]) -> Vec<u8> {
    sign(&targets(1, expires, &[("1.0", NEW)], delegations(&[])), signers)
}

#[test]
fn a_good_delegation_comes_first() {
    let (state, _) = with_releases(2, |alice, bob| releases(FAR, &[alice, bob]));
    assert_eq!((state.tags()["1.0"].digest, state.warnings()), (Digest::sha256(NEW), &[][..]));
}

#[test]
fn an_under_signed_tampered_expired_or_broken_delegation_is_left_out_and_named() {
    let unmet = Skipped::ThresholdUnmet { found: 1, threshold: 2 };
    let (state, _) = with_releases(2, |alice, _| releases(FAR, &[alice, alice]));
    assert_eq!(skipped(&state), [("targets/releases", &unmet)]);
    assert_eq!((state.tags()["1.0"].digest, state.tags()["1.0"].role.as_str()), (Digest::sha256(OLD), "targets"));

    let (state, _) = with_releases(2, |alice, _| releases(FAR, &[alice, &Holder::bare()]));
    assert_eq!(skipped(&state), [("targets/releases", &unmet)]);

    // Tampered with by whoever holds the snapshot and timestamp keys: the hashes fit, the signature does not.
    let (state, _) = with_releases(1, |alice, _| {
        let good = String::from_utf8(releases(FAR, &[alice])).unwrap();
        good.replace("\"version\":1", "\"version\":2").into_bytes()
    });
    assert_eq!(skipped(&state), [("targets/releases", &Skipped::ThresholdUnmet { found: 0, threshold: 1 })]);

    let (state, _) = with_releases(1, |alice, _| releases("2026-11-21T00:00:00Z", &[alice]));
    assert!(matches!(skipped(&state)[..], [("targets/releases", Skipped::Expired(_))]));

    let (state, _) = with_releases(1, |_, _| b"{}".to_vec());
    assert!(matches!(skipped(&state)[..], [("targets/releases", Skipped::Malformed(_))]));
}

#[test]
fn one_key_under_two_ids_is_one_holder() {
    let bare = Holder::bare();
    let certified = bare.renamed("alice");
    assert_ne!(bare.id(), certified.id());
    let mut repository = Repository::new(GUN);
    let delegate = Delegate("targets/releases", vec![&bare, &certified], 2, vec![""]);
    repository.put_targets(&[], &[delegate]).put("targets/releases", releases(FAR, &[&bare, &certified])).seal();
    let state = check(&repository.files, &by_keys([repository.root.pin()])).unwrap();
    assert_eq!(skipped(&state), [("targets/releases", &Skipped::ThresholdUnmet { found: 1, threshold: 2 })]);
    assert!(state.tags().is_empty());
}

#[test]
fn delegated_roles_speak_of_what_was_delegated_to_them_alone() {
    let (alice, deep) = (Holder::bare(), Holder::bare());
    let mut repository = Repository::new(GUN);
    let top = [
        Delegate("targets/alice", vec![&alice], 1, vec!["1."]),
        Delegate("targets/releases", vec![&alice], 1, vec!["1."]),
    ];
    let below = [
        Delegate("targets/alice/deep", vec![&deep], 1, vec!["2.", "1.0"]),
        Delegate("targets/bob/deep", vec![&deep], 1, vec![""]),
    ];
    let tags: &[(&str, &[u8])] = &[("1.0", NEW), ("1.1", NEW), ("2.0", NEW)];
    repository
        .put_targets(&[("no tag", OLD), ("2.0", OLD)], &top)
        .put("targets/alice", sign(&targets(1, FAR, tags, delegations(&below)), &[&alice]))
        .put("targets/alice/deep", sign(&targets(1, FAR, tags, delegations(&[])), &[&deep]))
        .put("targets/releases", releases(FAR, &[&alice]))
        .seal();
    let state = check(&repository.files, &by_keys([repository.root.pin()])).unwrap();
    let shown: Vec<_> = state.tags().iter().map(|(tag, signed)| (tag.as_str(), signed.signers.join(" "))).collect();
    assert_eq!(shown, [("1.0", "alice alice/deep".to_owned()), ("2.0", String::new())]);
    assert_eq!(skipped(&state), [("targets/bob/deep", &Skipped::NotAChild("targets/alice".to_owned()))]);
    let mut ids: Vec<_> = state.warnings().iter().map(|warning| format!("{}: {warning}", warning.id())).collect();
    ids.sort();
    assert_eq!(ids.len(), 6, "{ids:#?}");
    assert!(ids[0].contains("not-a-tag") && ids[1].contains("not-released: \"1.1\""), "{ids:#?}");
    assert!(ids[2..5].iter().all(|id| id.starts_with("out-of-path: targets/alice")), "{ids:#?}");
}

#[test]
fn a_root_is_followed_only_where_the_one_before_signed_it() {
    let mut repository = Repository::new(GUN);
    let first = repository.files["root"].clone();
    let (heir, thief) = (Holder::certified(GUN), Holder::certified(GUN));
    let pins = [by_keys([repository.root.pin()]), RootPin::Cache(first.clone())];
    let rotated = repository.root_file(2, &[&heir], 1, &[&heir, &repository.root]);
    repository.put_targets(&[], &[]).put("1.root", first.clone()).put("root", rotated).seal();
    for pin in &pins {
        assert_eq!(check(&repository.files, pin).unwrap().root_version(), 2);
    }
    let taken = repository.root_file(2, &[&thief], 1, &[&thief]);
    repository.put("root", taken).seal();
    for pin in &pins {
        assert_eq!(check(&repository.files, pin).unwrap_err().id(), "root-changed");
    }
    let unheld = repository.root_file(2, &[&heir], 1, &[&repository.root]);
    repository.put("root", unheld).seal();
    assert_eq!(check(&repository.files, &pins[0]).unwrap_err().id(), "threshold-unmet", "the heir did not sign");
    // Begun anew with the same version: not what was remembered.
    let anew = repository.root_file(1, &[&thief], 1, &[&thief, &repository.root]);
    repository.files.remove("1.root");
    repository.put("root", anew).seal();
    for pin in &pins {
        assert!(["root-changed", "not-pinned"].contains(&check(&repository.files, pin).unwrap_err().id()));
    }
}

#[test]
fn being_listed_in_a_root_is_not_having_signed_it() {
    let mut repository = Repository::new(GUN);
    let (mine, thief) = (Holder::certified(GUN), Holder::certified(GUN));
    let listed = repository.root_file(1, &[&mine, &thief], 1, &[&thief]);
    repository.put_targets(&[], &[]).put("root", listed).seal();
    assert_eq!(check(&repository.files, &by_keys([mine.pin()])).unwrap_err().id(), "not-pinned");
    let both = repository.root_file(1, &[&mine, &thief], 2, &[&mine, &thief]);
    repository.put("root", both).seal();
    assert_eq!(check(&repository.files, &by_keys([mine.pin()])).unwrap_err().id(), "not-pinned", "two have to sign");
    let state =
        check(&repository.files, &by_keys([mine.pin(), mine.file_id().to_string().parse().unwrap(), thief.pin()]));
    assert_eq!(state.unwrap().roles()[0].threshold, 2);
}

#[test]
fn one_root_key_for_two_repositories_does_not_make_them_one() {
    let mut other = Repository::new("registry.example.com/acme/other");
    other.put_targets(&[("1.0", OLD)], &[]).seal();
    assert_eq!(check(&other.files, &by_keys([other.root.pin()])).unwrap_err().id(), "wrong-repository");
    let mut nameless = Repository::new(GUN);
    let bare = Holder::bare();
    let root = nameless.root_file(1, &[&bare], 1, &[&bare]);
    nameless.put_targets(&[("1.0", OLD)], &[]).put("root", root).seal();
    assert_eq!(check(&nameless.files, &by_keys([bare.pin()])).unwrap_err().id(), "wrong-repository");
    let mut all = Repository::new("registry.example.com/acme/*");
    all.put_targets(&[("1.0", OLD)], &[]).seal();
    assert!(check(&all.files, &by_keys([all.root.pin()])).is_ok());
}

fn good() -> (Repository, RepositoryName) {
    let mut repository = Repository::new(GUN);
    repository.put_targets(&[("1.0", OLD)], &[]).seal();
    (repository, GUN.parse().unwrap())
}

fn saved_by(repository: &Repository, name: &RepositoryName, path: &Path) {
    let pin = Pin { root: by_keys([repository.root.pin()]), floors: BTreeMap::new() };
    let now = NOW.parse().unwrap();
    let imported = Imported::verify(name, repository.files.clone(), pin, now, false).unwrap();
    imported.save(path, "https://notary.example.com", now, &json!({ "tags": [] })).unwrap();
}

#[test]
fn what_was_saved_is_read_again_and_what_it_says_of_itself_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("web.dct.json");
    let (repository, name) = good();
    saved_by(&repository, &name, &path);
    let saved = import_dct::read_saved(&path, &name).unwrap();
    assert_eq!((saved.files, saved.source_hint.as_str()), (repository.files.clone(), "https://notary.example.com"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
    let mut text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let thief = Repository::new(GUN);
    text["notTrustedWhenRead"]["pin"]["keys"] = json!([thief.root.pin().to_string()]);
    fs::write(&path, text.to_string()).unwrap();
    let files = import_dct::read_saved(&path, &name).unwrap().files;
    assert_eq!(check(&files, &by_keys([thief.root.pin()])).unwrap_err().id(), "not-pinned");
    assert!(check(&files, &by_keys([repository.root.pin()])).is_ok());
    let other: RepositoryName = "registry.example.com/acme/other".parse().unwrap();
    assert!(matches!(import_dct::read_saved(&path, &other), Err(ImportDctError::OtherRepository { .. })));
    for (member, value) in [("type", json!("x")), ("version", json!(2)), ("files", json!({ "root": "*" }))] {
        let mut broken = text.clone();
        broken[member] = value;
        fs::write(&path, broken.to_string()).unwrap();
        assert!(matches!(import_dct::read_saved(&path, &name), Err(ImportDctError::NotSaved { .. })), "{member}");
    }
}

/// A state that notary itself made, with an RSA and a P-384 key, and a root that was changed twice.
#[test]
fn rsa_pss_and_p384_of_the_real_notary_verify_from_the_first_root_on() {
    let name: RepositoryName = "localhost:24950/acme/web".parse().unwrap();
    let path = Path::new("testdata/dct/rsa-and-p384.saved.json");
    let files = import_dct::read_saved(path, &name).unwrap().files;
    let pin = Pin { root: RootPin::Cache(files["1.root"].clone()), floors: BTreeMap::new() };
    let imported = Imported::verify(&name, files, pin, NOW.parse().unwrap(), false).unwrap();
    let state = imported.state();
    assert_eq!((state.root_version(), state.warnings()), (4, &[][..]));
    let tag = &state.tags()["1.0"];
    assert_eq!((tag.role.as_str(), &tag.signers[..]), ("targets/releases", &["bob".to_owned()][..]));
}

/// A Notary server: the embedded registry with metadata before it.
fn notary(name: &str, files: &Files) -> Hook {
    let (prefix, served) = (format!("/v2/{name}/_trust/tuf/"), forge::served(files));
    Arc::new(move |exchange| {
        let file = exchange.path().strip_prefix(&prefix)?;
        let mut answer = Response::new(hostile::body(served.get(file).cloned().unwrap_or_default()));
        if !served.contains_key(file) {
            *answer.status_mut() = StatusCode::NOT_FOUND;
        }
        Some(answer)
    })
}

async fn serve(hooks: Vec<Hook>) -> (Embedded, Session, String) {
    let options = EmbeddedOptions { hook: Some(hostile::any(hooks)), ..EmbeddedOptions::default() };
    let registry = Embedded::start(options).await.unwrap();
    let session = Session::new(Options { backoff: Duration::from_millis(1), ..Options::default() }).unwrap();
    let address = format!("http://{}", registry.address());
    (registry, session, address)
}

#[tokio::test]
async fn a_server_is_read_by_hash_with_its_older_roots() {
    let (mut repository, name) = good();
    let first = repository.files["root"].clone();
    let heir = Holder::certified(GUN);
    let second = repository.root_file(2, &[&heir], 1, &[&heir, &repository.root]);
    repository.put("1.root", first).put("root", second).seal();
    let (registry, session, address) = serve(vec![notary(GUN, &repository.files)]).await;
    let files = import_dct::fetch(&session, &name, &address).await.unwrap();
    assert_eq!(files, repository.files);
    let asked: Vec<_> = registry.requests().into_iter().map(|request| request.path_and_query).collect();
    assert_eq!(asked.len(), 5, "timestamp, root, snapshot, targets, 1.root: {asked:?}");
    assert!(check(&files, &by_keys([repository.root.pin()])).is_ok());
}

#[tokio::test]
async fn a_server_that_has_nothing_lies_or_floods_is_told_apart() {
    let (repository, name) = good();
    let (_registry, session, address) = serve(vec![hostile::refused("/_trust/", 404, usize::MAX, None)]).await;
    let error = import_dct::fetch(&session, &name, &address).await.unwrap_err();
    assert!(matches!(error, ImportDctError::NoTrustData { .. }), "{error}");

    let swapped = hostile::swapped("/targets.", "application/json", "{}");
    let (_registry, session, address) = serve(vec![swapped, notary(GUN, &repository.files)]).await;
    let error = import_dct::fetch(&session, &name, &address).await.unwrap_err();
    assert!(matches!(&error, ImportDctError::Server(e) if matches!(e.fault, Fault::Size { .. })), "{error}");

    for (part, limit) in [("/timestamp.json", NOTARY_TIMESTAMP_BYTES), ("/root.json", NOTARY_FILE_BYTES)] {
        let (_registry, session, address) = serve(vec![hostile::endless(part), notary(GUN, &repository.files)]).await;
        let error = import_dct::fetch(&session, &name, &address).await.unwrap_err().to_string();
        assert!(error.contains(&limit.to_string()), "{error}");
    }

    let refused = hostile::refused("/_trust/", 503, usize::MAX, None);
    let (_registry, session, address) = serve(vec![refused]).await;
    let error = import_dct::fetch(&session, &name, &address).await.unwrap_err();
    assert!(matches!(&error, ImportDctError::Server(e) if !e.is_not_found()), "{error}");
}

#[tokio::test]
async fn a_token_is_asked_for_under_the_repositorys_full_name() {
    let (repository, name) = good();
    let token: Hook = Arc::new(|exchange| {
        (exchange.path() == "/token").then(|| Response::new(hostile::body(r#"{"token":"let-me-in"}"#)))
    });
    let guard: Hook = Arc::new(|exchange| {
        let known = exchange.headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer let-me-in");
        let host = exchange.headers[header::HOST].to_str().unwrap();
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"notary\"");
        (!known).then(|| {
            let mut answer = Response::new(hostile::body(""));
            *answer.status_mut() = StatusCode::UNAUTHORIZED;
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
            answer
        })
    });
    let (registry, session, address) = serve(vec![token, guard, notary(GUN, &repository.files)]).await;
    import_dct::fetch(&session, &name, &address).await.unwrap();
    let asked: Vec<_> = registry.requests().into_iter().map(|request| request.path_and_query).collect();
    let tokens: Vec<_> = asked.iter().filter(|path| path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1, "{asked:?}");
    assert!(tokens[0].contains("scope=repository%3Aregistry.example.com%2Facme%2Fweb%3Apull"), "{tokens:?}");
}

#[test]
fn a_servers_address_is_scheme_host_and_port() {
    let session = Session::new(Options::default()).unwrap();
    let name: RepositoryName = GUN.parse().unwrap();
    for good in ["https://notary.example.com", "https://notary.example.com:4443/", "http://127.0.0.1:1"] {
        assert!(session.notary(good, &name).is_ok(), "{good}");
    }
    for bad in
        ["notary.example.com", "ftp://a.b", "https://a.b/path", "https://u:p@a.b", "https://a.b/?x", "http://a.b"]
    {
        assert!(session.notary(bad, &name).is_err(), "{bad}");
    }
    assert_eq!(import_dct::default_server(&"acme/web".parse().unwrap()), "https://notary.docker.io");
    assert_eq!(import_dct::default_server(&name), "https://registry.example.com");
}

const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

async fn push(registry: &Embedded, tag: &str, manifest: &str) {
    use boltseal::registry::{Access, Selector};
    let session = Session::new(Options::default()).unwrap();
    let name: RepositoryName = format!("{}/acme/web", registry.address()).parse().unwrap();
    let repo = session.open(&boltseal::oci::Repository::Registry(name), Access::PullPush).unwrap();
    repo.push_blob(b"{}").await.unwrap();
    let kind = boltseal::oci::media_type::IMAGE_MANIFEST;
    repo.push_manifest_bytes(&Selector::Tag(tag.to_owned()), kind, manifest.as_bytes()).await.unwrap();
}

/// The whole command, with a registry that is its own Notary server.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_verifies_compares_and_saves() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let name = format!("127.0.0.1:{port}/acme/web");
    let mut repository = Repository::new(&name);
    let moved = MANIFEST.replace("\"layers\":[]", "\"layers\":[],\"annotations\":{}");
    let tags: &[(&str, &[u8])] = &[("1.0", MANIFEST.as_bytes()), ("gone", OLD), ("moved", MANIFEST.as_bytes())];
    repository.put_targets(tags, &[]).seal();
    let options = EmbeddedOptions { port, hook: Some(notary(&name, &repository.files)), ..EmbeddedOptions::default() };
    let registry = Embedded::start(options).await.unwrap();
    push(&registry, "1.0", MANIFEST).await;
    push(&registry, "moved", &moved).await;

    let boltseal = Boltseal::new();
    let (key, server) = (repository.root.pin().to_string(), format!("http://127.0.0.1:{port}"));
    let import = ["trust", "import-dct", &name, "-o", "json"];
    let run = |more: &[&str]| boltseal.run(import.iter().chain(more));
    let ran = run(&["--root-key", &key, "--server", &server, "--save", "web.dct.json"]).expect(0);
    let json = ran.json();
    assert!(ran.stderr.contains("no new trust was written"), "{}", ran.stderr);
    assert_eq!(
        (&json["verified"], &json["trustWritten"], &json["saved"]),
        (&json!(true), &json!(false), &json!("web.dct.json"))
    );
    let registry_says = |tag: usize| (&json["tags"][tag]["registry"]["digest"], &json["tags"][tag]["registry"]["tag"]);
    assert_eq!(registry_says(0), (&json!("there"), &json!("same")));
    assert_eq!(registry_says(1), (&json!("absent"), &json!("absent")));
    assert_eq!(registry_says(2), (&json!("there"), &json!("other")));
    assert_eq!(json["tags"][2]["registry"]["tagDigest"], Digest::sha256(moved.as_bytes()).to_string());

    drop(registry);
    let again = run(&["--root-key", &key, "--from", "web.dct.json", "--offline", "--dry-run"]).expect(0);
    assert!(!again.stderr.contains("no new trust"), "{}", again.stderr);
    assert_eq!(again.json()["tags"][0]["digest"], Digest::sha256(MANIFEST.as_bytes()).to_string());
    assert_eq!(again.json()["tags"][0]["registry"], Value::Null);
    let thief = Holder::certified(&name).pin().to_string();
    let wrong = run(&["--root-key", &thief, "--from", "web.dct.json", "--offline", "--save", "not.json"]).expect(1);
    assert_eq!((&wrong.json()["verified"], &wrong.json()["reason"]["id"]), (&json!(false), &json!("not-pinned")));
    assert!(!boltseal.home.path().join("not.json").exists());
    run(&["--root-key", "no.pem", "--from", "web.dct.json"]).expect(3);
    run(&["--trust-cache", ".", "--from", "web.dct.json"]).expect(3);
    run(&["--root-key", &key, "--from", "nothing.json"]).expect(3);
    run(&["--root-key", &key, "--server", "no address"]).expect(3);
    run(&["--root-key", &key, "--server", &server]).expect(4);
    run(&["--root-key", &key, "--from", "web.dct.json"]).expect(4);
    run(&["--server", &server]).expect(2);
    run(&["--root-key", &key, "--offline"]).expect(2);
    boltseal.run(["trust", "import-dct", "acme/web:1", "--root-key", &key]).expect(2);
}

/// Docker's own folder, as `docker trust` leaves it: source and pin at once.
#[test]
fn dockers_folder_is_read_and_pins_its_root_and_its_versions() {
    let boltseal = Boltseal::new();
    let copy = |state: &str, folder: &str| {
        let to = boltseal.home.path().join(folder).join("tuf/localhost:15000/acme/web/metadata");
        fs::create_dir_all(to.join("targets")).unwrap();
        fs::create_dir_all(to.join("../changelist")).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dct").join(state);
        for file in ["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice", "targets/bob"] {
            let file = format!("{file}.json");
            if from.join(&file).exists() {
                fs::copy(from.join(&file), to.join(&file)).unwrap();
            }
        }
    };
    copy("state.A", "old");
    copy("state.C", "new");
    let run = |from: &str, cache: &str| {
        let name = "localhost:15000/acme/web";
        boltseal.run([
            "trust",
            "import-dct",
            name,
            "--from",
            from,
            "--trust-cache",
            cache,
            "--offline",
            "--allow-expired",
        ])
    };
    let ran = run("new", "old").expect(0);
    assert!(
        ran.stdout.contains("signer   alice ") && ran.stdout.contains("\n  2.0  sha256:37ad5da6"),
        "{}",
        ran.stdout
    );
    let ran = run("old", "new").expect(1);
    assert!(ran.stdout.contains("reason   rollback: "), "{}", ran.stdout);
    let ran = boltseal.run(["trust", "import-dct", "acme/none", "--from", "new", "--trust-cache", "new"]).expect(3);
    assert!(ran.stderr.contains("new/tuf/docker.io/acme/none/metadata/root.json"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_not_a_registry_that_has_nothing() {
    let (repository, _) = good();
    let refused = hostile::refused("/manifests/", 500, usize::MAX, None);
    let (registry, session, _address) = serve(vec![refused]).await;
    let here: RepositoryName = format!("{}/acme/web", registry.address()).parse().unwrap();
    let state = check(&repository.files, &by_keys([repository.root.pin()])).unwrap();
    let compared = import_dct::compare(&session, &here, &state).await.unwrap();
    assert!(compared["1.0"].is_unread());
    assert!(
        matches!(compared["1.0"].digest, DigestThere::Unread(_)) && matches!(compared["1.0"].tag, TagNow::Unread(_))
    );
}
