//! Roots of an operator's own: made of files, named, and those of cosign's variables.

use crate::{
    common::{Boltseal, Ran},
    instance::{IDENTITY, ISSUER, Sigstore},
};
use boltseal::oci::Digest;
use std::fs;

/// A machine that has the private Sigstore's files, and a file `app` with its bundle `app.json`.
async fn machine(sigstore: &Sigstore) -> Boltseal {
    let machine = Boltseal::new();
    let home = machine.home.path();
    sigstore.write(home);
    fs::write(home.join("app"), "an app").expect("a file");
    fs::write(home.join("app.json"), sigstore.bundle(&Digest::sha256(b"an app"))).expect("a file");
    machine
}

fn verify(machine: &Boltseal, root: Option<&str>, variables: &[(&str, &str)]) -> Ran {
    let mut command = machine.command();
    command.args(["blob", "verify", "--bundle", "app.json", "app", "--insecure-ignore-sct"]);
    command.args(["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER]);
    command.args(root.into_iter().flat_map(|root| ["--trusted-root", root]));
    Ran::of(command.envs(variables.iter().copied()))
}

const BOTH: [(&str, &str); 2] = [("SIGSTORE_ROOT_FILE", "fulcio.pem"), ("SIGSTORE_REKOR_PUBLIC_KEY", "rekor.pub")];

// [V-256]
#[tokio::test]
async fn cosign_s_variables_take_the_place_of_what_public_good_has_of_their_kind() {
    let machine = machine(&Sigstore::new()).await;
    verify(&machine, None, &[]).expect(1);
    let said = verify(&machine, None, &BOTH).expect(0).stderr;
    assert!(said.contains("SIGSTORE_ROOT_FILE, SIGSTORE_REKOR_PUBLIC_KEY"), "{said}");
    // One alone: the other kind is public-good's, whose log has not seen this.
    verify(&machine, None, &BOTH[..1]).expect(1);
    verify(&machine, None, &BOTH[1..]).expect(1);
    // What is typed comes first, and an empty variable is none.
    verify(&machine, Some("public-good"), &BOTH).expect(1);
    assert_eq!(verify(&machine, None, &[("SIGSTORE_ROOT_FILE", "")]).expect(1).stderr, "");
    // One that names nothing usable is not as if it were not set.
    verify(&machine, None, &[("SIGSTORE_ROOT_FILE", "nowhere.pem")]).expect(3);
    verify(&machine, None, &[("SIGSTORE_ROOT_FILE", "rekor.pub")]).expect(3);
    verify(&machine, None, &[("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "fulcio.pem")]).expect(3);
    verify(&machine, None, &[("SIGSTORE_TSA_CERTIFICATE_FILE", "fulcio.pem")]).expect(3);
}

// [V-257]
#[tokio::test]
async fn variables_do_not_change_what_a_policy_means() {
    let machine = machine(&Sigstore::new()).await;
    let policy = |root: &str| {
        let text = format!(
            "version: 1\nauthorities:\n  ci: {{ keyless: {{ issuer: \"{ISSUER}\", subject: \"{IDENTITY}\"{root} }} }}\n\
             images:\n  \"registry.example.com/**\": {{ signatures: {{ from: [ci] }} }}\n"
        );
        fs::create_dir_all(machine.home.path().join("etc")).expect("a folder");
        fs::write(machine.home.path().join("etc/policy.yaml"), text).expect("a file");
        let mut command = machine.command();
        Ran::of(command.args(["policy", "check", "etc/policy.yaml"]).env("SIGSTORE_ROOT_FILE", "nowhere.pem"))
    };
    policy("").expect(0);
    policy(", trusted-root: github").expect(0);
    // A word is a name, and a file is one of the policy's folder: never of the working directory.
    policy(", trusted-root: corp").expect(3);
    let made = machine.run(["root", "create", "--fulcio", "fulcio.pem", "--out", "corp"]).expect(0);
    assert_eq!(made.stdout, "corp: written\n");
    policy(", trusted-root: corp").expect(3);
    policy(", trusted-root: ./corp").expect(3);
    machine.run(["root", "add", "corp", "./corp"]).expect(0);
    policy(", trusted-root: corp").expect(0);
    fs::rename(machine.home.path().join("corp"), machine.home.path().join("etc/corp")).expect("a file");
    policy(", trusted-root: ./corp").expect(0);
}

// [V-258]
#[tokio::test]
async fn a_word_is_a_name_and_never_a_file_of_the_working_directory() {
    let machine = machine(&Sigstore::new()).await;
    let create = ["root", "create", "--fulcio", "fulcio.pem", "--rekor", "rekor.pub", "--out", "corp"];
    machine.run(create).expect(0);
    let unknown = verify(&machine, Some("corp"), &[]).expect(3);
    assert!(unknown.stderr.contains("./corp"), "{}", unknown.stderr);
    verify(&machine, Some("./corp"), &[]).expect(0);
    fs::copy(machine.home.path().join("corp"), machine.home.path().join("CORP_1")).expect("a file");
    verify(&machine, Some("CORP_1"), &[]).expect(3);
    machine.run(["root", "add", "corp", "corp"]).expect(0);
    fs::remove_file(machine.home.path().join("corp")).expect("it was there");
    verify(&machine, Some("corp"), &[]).expect(0);
    machine.run(["root", "add", "github", "./x.json"]).expect(3);
    // Not over what has the name, unless that is meant.
    machine.run(["root", "create", "--rekor", "rekor.pub", "--out", "less.json"]).expect(0);
    machine.run(["root", "add", "corp", "less.json"]).expect(2);
    machine.run(["root", "add", "public-good", "less.json", "--force"]).expect(2);
    verify(&machine, Some("corp"), &[]).expect(0);
    machine.run(["root", "add", "corp", "less.json", "--force"]).expect(0);
    verify(&machine, Some("corp"), &[]).expect(1);
    // For all users of a machine.
    let shared = machine.home.path().join("shared").display().to_string();
    verify(&machine, Some("corp"), &[("BOLTSEAL_ROOTS", &shared)]).expect(3);
}

#[tokio::test]
async fn what_a_root_is_made_of_is_shown() {
    let machine = machine(&Sigstore::new()).await;
    let mut command = machine.command();
    command.args(["root", "create", "--rekor", "rekor.pub,url=https://rekor.corp.example", "--with-default-services"]);
    let made = Ran::of(command.args(["--out", "mixed.json"]).env("SIGSTORE_ROOT_FILE", "fulcio.pem")).expect(0);
    assert!(made.stderr.contains("SIGSTORE_ROOT_FILE"), "{}", made.stderr);
    let shown = machine.run(["root", "show", "mixed.json", "-o", "json"]).expect(0).json();
    let root = &shown["roots"][0];
    assert_eq!(root["source"]["kind"], "file");
    assert_eq!(root["authorities"][0]["name"], "CN=root,O=sigstore.test");
    assert_eq!(root["authorities"].as_array().map(Vec::len), Some(1));
    assert_eq!(root["logs"][0]["url"], "https://rekor.corp.example");
    assert_eq!(root["logs"][0]["key"]["fingerprint"], root["logs"][0]["id"], "it is named by its key");
    assert_eq!(root["ctLogs"][0]["url"], "https://ctfe.sigstore.dev/test");
    assert_eq!(root["timestampAuthorities"][0]["signer"]["name"], "CN=sigstore-tsa,O=sigstore.dev");
    // What can't be used is told, and does not hinder the rest.
    let text = fs::read_to_string(machine.home.path().join("mixed.json")).expect("a file");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into();
    fs::write(machine.home.path().join("mixed.json"), value.to_string()).expect("a file");
    let shown = machine.run(["root", "show", "mixed.json"]).expect(0);
    assert!(shown.stdout.contains("left out: log https://rekor.corp.example"), "{}", shown.stdout);
    machine.run(["root", "show", "app.json"]).expect(3);
    let all = machine.run(["root", "show", "-o", "json"]).expect(0).json();
    let names: Vec<_> = all["roots"].as_array().expect("roots").iter().map(|root| root["name"].as_str()).collect();
    assert_eq!(names, [Some("public-good"), Some("github")]);
}
