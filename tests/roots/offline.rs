//! Verification where there is no network: in an empty network namespace, whose loopback device is down too.

use crate::{
    common::{Boltseal, Ran, image},
    instance::{IDENTITY, ISSUER, Sigstore},
    repository::{Repository, Server, State},
};
use boltseal::{
    oci::{Descriptor, Digest, ImageManifest, Repository as Place, media_type},
    registry::{Access, Options, Session},
};
use std::{fs, process::Command};

const TERMS: [&str; 5] =
    ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER, "--insecure-ignore-sct"];

/// Runs boltseal in an empty network namespace.
fn cut_off(machine: &Boltseal, arguments: &[&str]) -> Ran {
    let inner = machine.command();
    let mut command = Command::new("unshare");
    command.args(["-rn", "--"]).arg(inner.get_program()).args(arguments);
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ran::of(command.current_dir(machine.home.path()))
}

/// An image in a layout `layout`, with a bundle by the private Sigstore; its reference by digest.
async fn signed_layout(machine: &Boltseal, sigstore: &Sigstore) -> String {
    let dir = machine.home.path().join("layout");
    let made = image::write(&dir, "1.0", "offline");
    let digest: Digest = made.index.parse().expect("a digest");
    let bundle = sigstore.bundle(&digest);
    let index = fs::read(dir.join("blobs/sha256").join(digest.hex())).expect("the index");
    let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(media_type::BUNDLE_V03, &bundle)]);
    manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
    manifest.subject = Some(Descriptor::of("application/vnd.oci.image.index.v1+json", &index));
    let session = Session::new(Options::default()).expect("a session");
    let repo = session.open(&Place::Layout(dir), Access::PullPush).expect("the layout");
    repo.push_blob(media_type::EMPTY_CONTENT).await.expect("a blob");
    repo.push_blob(&bundle).await.expect("a blob");
    repo.attach(&manifest).await.expect("a referrer");
    format!("oci:layout@{digest}")
}

// [V-250] [V-252]
#[tokio::test(flavor = "multi_thread")]
async fn files_and_images_are_verified_without_any_network() {
    // Without one nothing would be shown here, and that is no pass.
    let can = Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success());
    assert!(can, "this machine allows no network namespace (unshare -rn)");
    let (machine, sigstore) = (Boltseal::new(), Sigstore::new());
    let home = machine.home.path();
    sigstore.write(home);
    let reference = signed_layout(&machine, &sigstore).await;
    fs::write(home.join("app"), "an app").expect("a file");
    fs::write(home.join("app.json"), sigstore.bundle(&Digest::sha256(b"an app"))).expect("a file");
    let create = ["root", "create", "--fulcio", "fulcio.pem", "--rekor", "rekor.pub", "--out", "corp.json"];
    cut_off(&machine, &create).expect(0);
    let repository = Repository::new().await;
    let trusted_root = fs::read(home.join("corp.json")).expect("a file");
    repository.publish(&State { version: 1, trusted_root: &trusted_root, hours: 24 }).await;
    let server = Server::start(repository.folder());
    let start = repository.first_root().display().to_string();
    machine.run(["root", "add", "corp", "--mirror", &server.url, "--root", &start]).expect(0);
    let asked = server.asked().len();
    // That it is cut off: the same address is out of reach.
    cut_off(&machine, &["root", "update", "corp"]).expect(4);

    for root in ["./corp.json", "corp"] {
        let blob = [&["blob", "verify", "--bundle", "app.json", "--trusted-root", root, "app"], &TERMS[..]].concat();
        cut_off(&machine, &blob).expect(0);
        let verify = [&["verify", "--trusted-root", root, &reference], &TERMS[..]].concat();
        cut_off(&machine, &verify).expect(0);
    }
    let policy = format!(
        "version: 1\nauthorities:\n  ci: {{ keyless: {{ issuer: \"{ISSUER}\", subject: \"{IDENTITY}\", trusted-root: corp, sct: optional }} }}\n\
         images:\n  \"oci:layout\": {{ signatures: {{ from: [ci] }} }}\n"
    );
    fs::write(home.join("policy.yaml"), &policy).expect("a file");
    let by_policy = ["verify", "--policy", "policy.yaml", &reference];
    cut_off(&machine, &by_policy).expect(0);
    fs::write(home.join("policy.yaml"), policy.replace("trusted-root: corp", "trusted-root: corp.json"))
        .expect("a file");
    cut_off(&machine, &by_policy).expect(0);

    // Who is not meant, and by whom nothing is vouched for, is denied all the same.
    fs::write(home.join("other"), "another app").expect("a file");
    let other = [&["blob", "verify", "--bundle", "app.json", "--trusted-root", "corp", "other"], &TERMS[..]].concat();
    cut_off(&machine, &other).expect(1);
    let public = [&["verify", &reference], &TERMS[..]].concat();
    cut_off(&machine, &public).expect(1);
    assert_eq!(server.asked().len(), asked, "nobody asked the mirror");
}
