use super::{World, error, json};
use crate::common::{Ran, key, proxy::Settings};
use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use serde_json::Value;
use std::fs;

async fn ready(world: &World) -> Value {
    let url = format!("http://{}/readyz", world.proxy.address);
    json(world.client.get(url).send().await.expect("an answer")).await
}

// [V-308]
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cant_be_used_is_no_start() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let address = registry.address().to_string();
    let table = crate::common::images::Table::small(&address).await;
    let file = Settings::of(&address).write(table.machine.home.path());
    let start = || -> Ran { table.ask(&["serve", "proxy", "--config", &file]) };
    let good = fs::read_to_string(table.policy()).expect("the policy");
    for (bad, part) in
        [("version: 2", "policy"), ("", "policy"), (&*good.replace("release.pub", "gone.pub"), "gone.pub")]
    {
        fs::write(table.policy(), bad).expect("a file");
        let ran = start().expect(3);
        assert!(ran.stderr.contains(part) && ran.stdout.is_empty(), "{}{}", ran.stdout, ran.stderr);
    }
    fs::remove_file(table.policy()).expect("it goes");
    start().expect(3);
    fs::write(table.policy(), good).expect("a file");
    for (wrong, part) in [
        (Settings { upstreams: vec!["nowhere".to_owned()], ..Settings::default() }, "no registry"),
        (Settings { more: "upstream = 1", ..Settings::of(&address) }, "unknown field"),
        (Settings { more: "names = { a = \"quay.io\" }", ..Settings::of(&address) }, "not among"),
        (Settings { cache: "ttl = -1".to_owned(), ..Settings::of(&address) }, "seconds"),
        (Settings { server: "certificate = \"a\"".to_owned(), ..Settings::of(&address) }, "both or neither"),
        (Settings { judge: "lock = \"gone.lock\"".to_owned(), ..Settings::of(&address) }, "gone.lock"),
    ] {
        wrong.write(table.machine.home.path());
        let ran = start().expect(3);
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

// [V-308] [V-309]
#[tokio::test(flavor = "multi_thread")]
async fn a_new_policy_counts_and_a_broken_one_leaves_the_old_one_standing() {
    let world =
        World::small(EmbeddedOptions::default(), |settings| settings.cache = "ttl = 600\ntag-ttl = 600".to_owned())
            .await;
    let signed = "plain/signed/manifests/1.0";
    assert_eq!(world.get(signed).await.status(), 200);
    let good = fs::read_to_string(world.table.policy()).expect("the policy");
    fs::write(world.table.policy(), "version: 2").expect("a file");
    let told = |level: &'static str| move |line: &Value| line["event"] == "policy" && line["level"] == level;
    tokio::task::block_in_place(|| world.proxy.wait_for("it shouts", told("error")));
    assert_eq!(world.get(signed).await.status(), 200);
    let told_ready = ready(&world).await;
    assert_eq!((&told_ready["ready"], &told_ready["degraded"]), (&true.into(), &true.into()), "{told_ready}");
    assert!(world.metrics().await.contains("boltseal_policy_degraded 1"));
    // The same file, another key in it: what was allowed by the old one is not held any more.
    fs::write(world.table.policy(), good).expect("a file");
    fs::copy(key("qa.test.pub"), world.table.file("release.pub")).expect("a key");
    tokio::task::block_in_place(|| world.proxy.wait_for("it is read", told("info")));
    let (status, _, message) = error(world.get(signed).await).await;
    assert!(status == 403 && message.contains("signer-unknown"), "{message}");
    assert_eq!(ready(&world).await["degraded"], false);
}

// [V-311]
#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_without_a_restart() {
    let made = |name: &str| {
        let made =
            rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), name.to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let (first, second) = (made("first"), made("second"));
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = crate::common::images::Table::small(&registry.address().to_string()).await;
    let write = |(certificate, key): &(String, String)| {
        fs::write(table.file("tls.crt"), certificate).expect("a file");
        fs::write(table.file("tls.key"), key).expect("a file");
    };
    write(&first);
    let (certificate, key) = (table.file("tls.crt"), table.file("tls.key"));
    let world = World::with(registry, table, |settings| {
        settings.server = "certificate = \"tls.crt\"\nkey = \"tls.key\"\nobserve = \"127.0.0.1:0\"".to_owned();
    });
    let ask = async |trusted: &str| {
        let root = reqwest::Certificate::from_pem(trusted.as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([root]).build().expect("a client");
        let url = format!("https://{}/v2/plain/signed/manifests/1.0", world.proxy.address);
        client.get(url).send().await.is_ok_and(|answer| answer.status() == 200)
    };
    assert!(ask(&first.0).await && !ask(&second.0).await);
    // One that can't be used changes nothing.
    fs::write(&certificate, "nothing").expect("a file");
    tokio::task::block_in_place(|| {
        world.proxy.wait_for("it shouts", |line| line["event"] == "certificate" && line["level"] == "error")
    });
    assert!(ask(&first.0).await);
    fs::write(&certificate, &second.0).expect("a file");
    fs::write(&key, &second.1).expect("a file");
    tokio::task::block_in_place(|| {
        world.proxy.wait_for("it is read", |line| line["event"] == "certificate" && line["level"] == "info")
    });
    assert!(ask(&second.0).await && !ask(&first.0).await);
}
