//! A registry with a token server: passwords, refresh tokens, rights to pull alone, nobody in particular.

use crate::{
    access::{Guarded, docker_config_with, password},
    bench::{Case, P256, says},
    common::{
        Ran,
        token_server::{READER, REFRESH, TokenServer, WRITER},
    },
};
use serde_json::{Value, json};
use std::fs;

const NEEDS: [&str; 3] = ["docker-registry", "oras", "cosign"];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("a token server takes a password", &NEEDS, by_password),
        Case::new("a token server takes a refresh token", &NEEDS, by_refresh_token),
        Case::new("rights to pull alone verify, and to sign fails without a trace", &NEEDS, pull_only),
        Case::new("nobody in particular pulls what is public", &NEEDS, anonymous),
    ]
}

fn start(repository: &str) -> (TokenServer, Guarded, tempfile::TempDir) {
    let server = TokenServer::start();
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = folder.path().join("token.pem");
    fs::write(&certificate, &server.certificate).expect("a file");
    let guarded = Guarded::start(&server.registry(&certificate.display().to_string()), repository);
    (server, guarded, folder)
}

fn boltseal(guarded: &Guarded, entry: Option<&Value>, arguments: &[&str]) -> Ran {
    let mut command = guarded.bench.boltseal.command();
    if let Some(entry) = entry {
        command.env("DOCKER_CONFIG", docker_config_with(&guarded.bench, entry));
    }
    Ran::of(command.args(arguments))
}

fn by_password() {
    let (server, guarded, _folder) = start("private/app");
    let config = docker_config_with(&guarded.bench, &password(WRITER.0, WRITER.1));
    guarded.round_trip(&[], &[("DOCKER_CONFIG", &config)], &[]);
    assert!(server.grants().iter().all(|grant| grant == "password alice"), "{:?}", server.grants());
}

fn by_refresh_token() {
    let (server, guarded, _folder) = start("private/app");
    let config = docker_config_with(&guarded.bench, &json!({ "identitytoken": REFRESH }));
    guarded.round_trip(&[], &[("DOCKER_CONFIG", &config)], &[]);
    assert!(server.grants().iter().all(|grant| grant == "refresh_token alice"), "{:?}", server.grants());
}

fn pull_only() {
    let (_server, guarded, _folder) = start("private/app");
    let [writer, reader] = [WRITER, READER].map(|(user, secret)| password(user, secret));
    let tag = guarded.image.tag();
    let file = guarded.bench.file("predicate.txt", "text");
    let sign = ["sign", "--key", &P256.private(), &tag];
    let attest = ["attest", "--key", &P256.private(), "--type", "custom", "--predicate", &file, &tag];
    let before = guarded.held();
    for format in ["both", "bundle", "simple"] {
        says(
            &boltseal(&guarded, Some(&reader), &[&sign[..], &["--format", format]].concat()).expect(4),
            "no push permission",
        );
    }
    for format in ["both", "bundle", "att"] {
        says(
            &boltseal(&guarded, Some(&reader), &[&attest[..], &["--format", format]].concat()).expect(4),
            "no push permission",
        );
    }
    assert_eq!(guarded.held(), before, "something was left behind");
    let verify = ["verify", "--key", &P256.public(), &tag];
    boltseal(&guarded, Some(&reader), &verify).expect(1);
    boltseal(&guarded, Some(&writer), &sign).expect(0);
    boltseal(&guarded, Some(&reader), &verify).expect(0);
    let to = format!("oci:{}:v1", guarded.bench.home().join("pulled").display());
    boltseal(&guarded, Some(&reader), &["pull", "--key", &P256.public(), "--to", &to, &tag]).expect(0);
}

fn anonymous() {
    let (server, guarded, _folder) = start("public/app");
    let tag = guarded.image.tag();
    let verify = ["verify", "--key", &P256.public(), &tag];
    boltseal(&guarded, None, &verify).expect(1);
    let before = guarded.held();
    boltseal(&guarded, None, &["sign", "--key", &P256.private(), &tag]).expect(4);
    assert_eq!(guarded.held(), before);
    boltseal(&guarded, Some(&password(WRITER.0, WRITER.1)), &["sign", "--key", &P256.private(), &tag]).expect(0);
    boltseal(&guarded, None, &verify).expect(0);
    assert!(server.grants().iter().any(|grant| grant == "anonymous"), "{:?}", server.grants());
    let private = tag.replace("public/", "private/");
    boltseal(&guarded, None, &["verify", "--key", &P256.public(), &private]).expect(4);
}
