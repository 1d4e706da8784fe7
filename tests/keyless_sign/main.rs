//! Signing without a key, as it is typed, with a private Sigstore and a registry in this process.

#[cfg(unix)]
mod action;
mod blobs;
#[path = "../common/mod.rs"]
mod common;
mod logins;
#[path = "../common/sigstore/mod.rs"]
mod sigstore;

use boltseal::{
    oci::{Reference, Repository},
    registry::{
        Access, Options, Session,
        embedded::{Answer, Embedded, EmbeddedOptions, Exchange, Hook},
    },
};
use common::{Boltseal, Ran, image};
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sigstore::server::{Endpoint, Sigstore};
use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const WHO: &str = "jane@example.com";

/// A registry with images, a Sigstore, and a machine that somebody with a token works on.
struct World {
    registry: Embedded,
    sigstore: Sigstore,
    machine: Boltseal,
}

impl World {
    async fn new(tags: &[&str]) -> Self {
        Self::with(tags, EmbeddedOptions::default()).await
    }

    async fn with(tags: &[&str], options: EmbeddedOptions) -> Self {
        let registry = Embedded::start(options).await.expect("a registry");
        let world = Self { registry, sigstore: Sigstore::start().await, machine: Boltseal::new() };
        world.sigstore.write(world.machine.home.path(), WHO);
        for tag in tags {
            world.push(tag).await;
        }
        world
    }

    async fn push(&self, tag: &str) {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("layout");
        let made = image::write(&dir, tag, tag);
        let session = Session::new(Options::default()).expect("a session");
        let from = session.open(&Repository::Layout(dir), Access::Pull).expect("the layout");
        let to: Reference = self.at(tag).parse().expect("a name");
        image::copy(&from, &session.open(&to.repository, Access::PullPush).expect("it"), tag, &made).await;
    }

    fn at(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.registry.address())
    }

    /// Runs a line with the instance of this world; `@x` is the tag `x`.
    fn run(&self, config: &str, line: &str) -> Ran {
        self.within(config, line, &[])
    }

    fn within(&self, config: &str, line: &str, environment: &[(&str, &str)]) -> Ran {
        let mut command = self.machine.command();
        for word in line.split_whitespace() {
            command.arg(word.strip_prefix('@').map_or_else(|| word.to_owned(), |tag| self.at(tag)));
        }
        command.env("BOLTSEAL_SIGNING_CONFIG", format!("{config}.json"));
        command.env("BOLTSEAL_TRUSTED_ROOT", "trusted_root.json").envs(environment.iter().copied());
        tokio::task::block_in_place(|| Ran::of(&mut command))
    }

    fn verify(&self, tag: &str, more: &str) -> Ran {
        let line = format!(
            "verify --certificate-identity {WHO} --certificate-oidc-issuer {} --trusted-root trusted_root.json {more} @{tag}",
            self.sigstore.url
        );
        self.run("signing_config", &line)
    }

    fn token(&self, claims: &Value) -> String {
        self.sigstore.services.oidc.token(claims, Timestamp::now())
    }

    fn file(&self, name: &str, content: &str) {
        fs::write(self.machine.home.path().join(name), content).expect("a file");
    }

    fn kept(&self) -> Vec<PathBuf> {
        let dir = self.machine.home.path().join(".local/state/boltseal/unfinished");
        let Ok(files) = fs::read_dir(dir) else { return Vec::new() };
        files.map(|file| file.expect("a file").path()).collect()
    }
}

fn logs(ran: &Ran) -> Vec<Value> {
    let json = ran.json();
    json["results"][0]["signed"].as_array().expect("digests").iter().map(|one| one["log"].clone()).collect()
}

// [V-145]
#[tokio::test(flavor = "multi_thread")]
async fn fifty_digests_take_one_certificate() {
    let tags: Vec<String> = (0..17).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    let world = World::new(&names).await;
    let all = names.iter().map(|tag| format!("@{tag}")).collect::<Vec<_>>().join(" ");
    let ran = world.run("signing_config", &format!("sign -y -o json --identity-token token {all}")).expect(0);
    let json = ran.json();
    let signed: usize = json["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|one| one["signed"].as_array().expect("it").len())
        .sum();
    assert!(signed >= 50, "{signed}");
    assert_eq!(world.sigstore.count(Endpoint::Fulcio), 1);
    assert_eq!(world.sigstore.count(Endpoint::Rekor2), signed);
    assert_eq!(json["identity"], json!({ "issuer": world.sigstore.url, "subject": WHO, "certificates": 1 }));
    for tag in ["t0", "t16"] {
        world.verify(tag, "").expect(0);
    }
    // Signing twice adds nothing, and asks for nothing.
    let again = world.run("signing_config", "sign -y -o json --identity-token token @t3").expect(0).json();
    assert!(
        again["results"][0]["signed"].as_array().expect("it").iter().all(|one| one["bundle"] == "already there"),
        "{again}"
    );
    assert_eq!(world.sigstore.count(Endpoint::Fulcio), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_generations_of_the_log_are_spoken() {
    let world = World::new(&["one", "two"]).await;
    for (tag, config, log) in
        [("one", "signing_config_rekor1", Endpoint::Rekor1), ("two", "signing_config_rekor2", Endpoint::Rekor2)]
    {
        let ran = world.run(config, &format!("sign -y -o json --identity-token token @{tag}")).expect(0);
        assert!(
            logs(&ran)
                .iter()
                .all(|log| log["indices"].as_array().is_some_and(|all| all.len() == 1) && log["timestamps"] == 1),
            "{ran:?}"
        );
        assert_eq!(world.sigstore.count(log), 3);
        world.verify(tag, "").expect(0);
    }
    world.file("predicate.json", "{\"buildDefinition\":{},\"runDetails\":{}}");
    let line = "attest -y -o json --identity-token token --type slsaprovenance1 --predicate predicate.json @one";
    let attested = world.run("signing_config_rekor1", line).expect(0).json();
    assert_eq!((&attested["identity"]["subject"], &attested["key"]), (&json!(WHO), &Value::Null));
    world.verify("one", "--type slsaprovenance1").expect(0);
}

// [V-146]
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_busy_is_asked_again_as_it_says() {
    let world = World::new(&["one", "two"]).await;
    world.sigstore.fail(Endpoint::Rekor2, 2, 429, Some(1));
    world.sigstore.fail(Endpoint::Fulcio, 1, 503, None);
    world.sigstore.fail(Endpoint::Timestamp, 1, 503, None);
    world.run("signing_config_rekor2", "sign -y --identity-token token @one").expect(0);
    assert_eq!(world.sigstore.count(Endpoint::Fulcio), 2);
    assert_eq!(world.sigstore.count(Endpoint::Rekor2), 3 + 2);
    world.verify("one", "").expect(0);
    assert!(world.kept().is_empty());
    // Another log of the configuration takes over from one that stays down.
    world.sigstore.fail(Endpoint::Rekor2, 100, 503, None);
    world.run("signing_config", "sign -y --identity-token token @two").expect(0);
    assert_eq!(world.sigstore.count(Endpoint::Rekor1), 3);
    world.verify("two", "").expect(0);
}

// [V-147]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_does_not_take_is_kept_and_finished_by_the_next_run() {
    let world = World::new(&["one"]).await;
    let line = "sign -y -o json --index-only --identity-token token @one";
    world.sigstore.fail(Endpoint::Rekor1, 4, 503, None);
    let ran = world.run("signing_config_rekor1", line).expect(4);
    assert!(ran.stderr.contains("the transparency log at") && ran.stderr.contains("answered 503"), "{}", ran.stderr);
    let [kept] = &world.kept()[..] else { panic!("one file: {:?}", world.kept()) };
    assert!(ran.stderr.contains(&kept.display().to_string()), "{}", ran.stderr);
    let content = fs::read_to_string(kept).expect("it");
    assert!(!content.contains("PRIVATE") && !content.contains("eyJhbGciOiJFUzI1NiI"), "{content}");
    world.verify("one", "").expect(1);

    // The same signature, and no other certificate.
    let before = (world.sigstore.count(Endpoint::Fulcio), world.sigstore.count(Endpoint::Timestamp));
    let ran = world.run("signing_config_rekor1", line).expect(0);
    assert_eq!((world.sigstore.count(Endpoint::Fulcio), world.sigstore.count(Endpoint::Timestamp)), before);
    assert_eq!(logs(&ran)[0]["resumed"], true, "{}", ran.stdout);
    assert!(world.kept().is_empty());
    world.verify("one", "").expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_finished_neither_by_somebody_else_nor_after_its_time() {
    let world = World::new(&["one"]).await;
    let line = "sign -y -o json --index-only --identity-token token @one";
    let fail = || world.sigstore.fail(Endpoint::Rekor1, 4, 503, None);
    fail();
    world.run("signing_config_rekor1", line).expect(4);
    world.file("other", &world.sigstore.services.oidc.email_token("joe@example.com", Timestamp::now()));
    let other = world.run("signing_config_rekor1", &line.replace("token @", "other @")).expect(0);
    assert_eq!((logs(&other)[0]["resumed"].clone(), world.sigstore.count(Endpoint::Fulcio)), (json!(false), 2));

    fail();
    world.run("signing_config_rekor1", line).expect(4);
    let [kept] = &world.kept()[..] else { panic!("one file") };
    let mut content: Value = serde_json::from_str(&fs::read_to_string(kept).expect("it")).expect("JSON");
    content["notAfter"] = json!("2020-01-01T00:00:00Z");
    fs::write(kept, content.to_string()).expect("it");
    // An entry of today would show a time at which the certificate was over: a new one is made.
    let ran = world.run("signing_config_rekor1", line).expect(0);
    assert_eq!((logs(&ran)[0]["resumed"].clone(), world.sigstore.count(Endpoint::Fulcio)), (json!(false), 4));
    assert!(world.kept().is_empty());
    world.verify("one", "").expect(0);
}

// [V-148]
#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_it_is_pushed_only_if_that_was_said_and_is_said() {
    let world = World::new(&["one", "two", "three"]).await;
    world.sigstore.fail(Endpoint::Rekor2, 100, 503, None);
    let line = "sign -y --index-only --identity-token token";
    let ran = world.run("signing_config_rekor2", &format!("{line} --log best-effort @one")).expect(0);
    assert!(ran.stdout.contains("not logged; timestamped; without the transparency log at"), "{}", ran.stdout);
    world.verify("one", "").expect(1);
    world.verify("one", "--insecure-ignore-tlog").expect(0);

    let asked = world.sigstore.count(Endpoint::Rekor2);
    let ran = world.run("signing_config_rekor2", &format!("{line} --log none @two")).expect(0);
    assert!(ran.stdout.contains("(not logged; timestamped)"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("a transparency log shows"), "{}", ran.stderr);
    assert_eq!(world.sigstore.count(Endpoint::Rekor2), asked);

    // Nothing would show when it was signed.
    world.sigstore.fail(Endpoint::Timestamp, 100, 503, None);
    let ran = world.run("signing_config_rekor2", &format!("{line} --log best-effort @three")).expect(4);
    assert!(ran.stderr.contains("nothing shows when it was signed"), "{}", ran.stderr);
    world.verify("three", "--insecure-ignore-tlog").expect(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_fails_keeps_what_was_logged() {
    let full = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&full);
    let hook: Hook = Arc::new(move |exchange: &Exchange| {
        let refused = refuses.load(Ordering::Relaxed)
            && exchange.method == Method::PUT
            && exchange.path_and_query.contains("/manifests/");
        refused.then(|| {
            let mut answer = Answer::new(common::hostile::body("full"));
            *answer.status_mut() = StatusCode::FORBIDDEN;
            answer
        })
    });
    let world = World::with(&["one"], EmbeddedOptions { hook: Some(hook), ..EmbeddedOptions::default() }).await;
    let line = "sign -y -o json --index-only --identity-token token";
    let missing = format!("{line} {}/app@sha256:{}", world.registry.address(), "0".repeat(64));
    world.run("signing_config_rekor2", &missing).expect(4);
    assert_eq!(world.sigstore.count(Endpoint::Fulcio), 0, "nothing is signed that is not there");

    full.store(true, Ordering::Relaxed);
    world.run("signing_config_rekor2", &format!("{line} @one")).expect(4);
    assert_eq!((world.kept().len(), world.sigstore.count(Endpoint::Rekor2)), (1, 1));
    full.store(false, Ordering::Relaxed);
    let ran = world.run("signing_config_rekor2", &format!("{line} @one")).expect(0);
    assert_eq!(logs(&ran)[0]["resumed"], true);
    assert_eq!((world.kept().len(), world.sigstore.count(Endpoint::Rekor2)), (0, 1), "it was logged once");
    world.verify("one", "").expect(0);
}

// [V-141]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_can_t_be_used_is_not_sent() {
    let world = World::new(&["one"]).await;
    let now = Timestamp::now().as_second();
    for (name, claims, said) in [
        ("expired", json!({ "sub": "me", "exp": now - 10 }), "it expired at"),
        ("other", json!({ "sub": "me", "aud": "vault" }), "it was made for vault, expected the audience \"sigstore\""),
    ] {
        let token = world.token(&claims);
        world.file(name, &token);
        let ran = world.run("signing_config", &format!("sign -y --identity-token {name} @one")).expect(3);
        assert!(ran.stderr.contains(said) && !ran.stderr.contains(&token[..40]), "{}", ran.stderr);
    }
    let ran = world.run("signing_config", "sign -y --identity-token none @one").expect(3);
    assert!(ran.stderr.contains("none: "), "{}", ran.stderr);
    assert_eq!(world.sigstore.requests().len(), 0);
}

// [V-140]
#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_public_is_shown_before_anything_is_sent() {
    let world = World::new(&["one"]).await;
    let ran = world.run("signing_config", "sign --identity-token token @one").expect(2);
    assert!(
        ran.stderr.contains(&format!("Signing as {WHO}\n  issuer                 {}", world.sigstore.url)),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("public for good") && ran.stderr.contains("pass -y"), "{}", ran.stderr);
    assert_eq!(world.sigstore.requests().len(), 0);
    let ran = world.run("signing_config", "sign -y --identity-token token @one").expect(0);
    assert!(ran.stderr.contains(&format!("Signing as {WHO}")), "{}", ran.stderr);
}

// [V-144]
#[tokio::test(flavor = "multi_thread")]
async fn the_ci_system_s_identity_signs_without_a_flag() {
    let world = World::new(&["one", "two"]).await;
    let actions = format!("{}/actions?api-version=2", world.sigstore.url);
    let github =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", actions.as_str()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "a-runner-s-secret")];
    let ran = world.within("signing_config", "sign -y -o json @one", &github).expect(0);
    assert!(
        ran.stderr.contains("repository             acme/cart") && !ran.stderr.contains("secret"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.json()["identity"]["certificates"], 1);
    let token = fs::read_to_string(world.machine.home.path().join("token")).expect("it");
    let both = [github[0], github[1], ("SIGSTORE_ID_TOKEN", token.as_str())];
    let ran = world.within("signing_config", "sign -y -o json @two", &both).expect(0);
    assert_eq!(ran.json()["identity"]["subject"], WHO);

    // One that fails is not replaced by another: that would be somebody else.
    let down =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:9/"), github[1], ("BUILDKITE_AGENT_ACCESS_TOKEN", "x")];
    let ran = world.within("signing_config", "sign -y @one", &down).expect(4);
    assert!(
        ran.stderr.contains("GitHub Actions' token service at http://127.0.0.1:9/: no connection"),
        "{}",
        ran.stderr
    );
    let none = world.run("signing_config", "sign -y --keyless @one").expect(3);
    assert!(none.stderr.contains("no identity: nobody is at a terminal"), "{}", none.stderr);
    world.run("signing_config", "sign -y @one").expect(2);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_buildkite_agent_and_google_s_metadata_server_are_asked_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new(&["one"]).await;
    let bin = world.machine.home.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let agent = bin.join("buildkite-agent");
    let script = "#!/bin/sh\n[ \"$*\" = 'oidc request-token --audience sigstore' ] && /bin/cat \"$HOME/token\"\n";
    fs::write(&agent, script).expect("a file");
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("it");
    let path = bin.display().to_string();
    let ran = world.within(
        "signing_config",
        "sign -y -o json --index-only @one",
        &[("BUILDKITE_AGENT_ACCESS_TOKEN", "x"), ("PATH", &path)],
    );
    assert_eq!(ran.expect(0).json()["identity"]["subject"], WHO);
    let host = world.sigstore.url.trim_start_matches("http://");
    let ran = world.within("signing_config", "sign -y --index-only @one", &[("GCE_METADATA_HOST", host)]).expect(3);
    assert!(ran.stderr.contains("Google's metadata server at http://127.0.0.1"), "{}", ran.stderr);
}

// [V-143] [V-149]
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_missing_or_over_is_the_operator_s_to_mend() {
    let world = World::new(&["one"]).await;
    let sign = "sign -y --identity-token token";
    let ran = world.run("nowhere", &format!("{sign} @one")).expect(3);
    assert!(ran.stderr.contains("nowhere.json"), "{}", ran.stderr);
    let path = world.machine.home.path().join("signing_config.json");
    let over =
        fs::read_to_string(&path).expect("it").replace("\"start\":", "\"end\":\"2021-01-01T00:00:00Z\",\"start\":");
    world.file("over.json", &over);
    let ran = world.run("over", &format!("{sign} @one")).expect(3);
    assert!(ran.stderr.contains("that is valid at") && ran.stderr.contains("get a newer one"), "{}", ran.stderr);
    let lone = world.within("signing_config", &format!("{sign} @one"), &[("BOLTSEAL_TRUSTED_ROOT", "public-good")]);
    // A root of another instance verifies nothing of this one: nothing is pushed.
    let lone = lone.expect(3);
    assert!(lone.stderr.contains("does not verify by the trusted root public-good"), "{}", lone.stderr);
    world.verify("one", "").expect(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_service_is_could_not_tell_and_a_refusal_is_not() {
    let world = World::new(&["one"]).await;
    world.sigstore.fail(Endpoint::Fulcio, 4, 500, None);
    world.run("signing_config", "sign -y --identity-token token @one").expect(4);
    world.sigstore.fail(Endpoint::Fulcio, 1, 403, None);
    let ran = world.run("signing_config", "sign -y --identity-token token @one").expect(3);
    assert!(ran.stderr.contains("Fulcio at") && ran.stderr.contains("answered 403: not now"), "{}", ran.stderr);
    world.sigstore.fail(Endpoint::Fulcio, 1, 429, Some(3_600));
    let ran = world.run("signing_config", "sign -y --identity-token token @one").expect(4);
    assert!(ran.stderr.contains("asked to wait 3600s"), "{}", ran.stderr);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn formats_and_tags_that_need_a_key_say_so() {
    let world = World::new(&["one"]).await;
    for format in ["simple", "both"] {
        let line = format!("sign -y --identity-token token --format {format} @one");
        let ran = world.run("signing_config", &line).expect(2);
        assert!(ran.stderr.contains("without a key bundles are written"), "{}", ran.stderr);
    }
    let ran = world.run("signing_config", "sign -y --keyless --key x.key @one").expect(2);
    assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
}
