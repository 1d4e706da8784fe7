//! TLS with a certification authority of one's own, and with client certificates.

use crate::{
    access::Guarded,
    bench::{Case, P256, says, text},
    common::Ran,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::{fs, path::Path};

const NEEDS: [&str; 3] = ["docker-registry", "oras", "cosign"];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("a registry behind a private certification authority", &NEEDS, private_authority),
        Case::new("a registry that asks for client certificates", &NEEDS, client_certificate),
        Case::new("containerd's verifier has authorities and certificates of its own", &NEEDS, verifier),
    ]
}

/// An authority, a server's and a client's certificate, as PEM files.
struct Material {
    folder: tempfile::TempDir,
}

impl Material {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        for (name, purpose) in
            [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).expect("a file");
            fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).expect("a file");
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> String {
        text(&self.folder.path().join(Path::new(name)))
    }

    /// docker-registry's configuration.
    fn registry(&self, client: bool) -> String {
        let clients = if client { format!(", clientcas: [{}]", self.file("ca.pem")) } else { String::new() };
        let (certificate, key) = (self.file("server.pem"), self.file("server.key"));
        format!("http:\n  addr: \"@ADDRESS@\"\n  tls: {{certificate: {certificate}, key: {key}{clients}}}\n")
    }
}

fn private_authority() {
    let material = Material::make();
    let registry = Guarded::start(&material.registry(false), "app");
    let authority = material.file("ca.pem");
    let unknown = registry.bench.boltseal_verify(&P256, &[&registry.image.tag()]).expect(4);
    says(&unknown, "UnknownIssuer");
    registry.round_trip(&["--registry-ca", &authority], &[], &["--registry-cacert", &authority]);
}

/// As containerd calls it: what it knows of TLS stands in its own file, or in `hosts.toml`.
fn verifier() {
    let material = Material::make();
    let registry = Guarded::start(&material.registry(true), "app");
    let (authority, certificate, key) =
        (material.file("ca.pem"), material.file("client.pem"), material.file("client.key"));
    let ours = ["--registry-ca", &authority, "--registry-client-cert", &certificate, "--registry-client-key", &key];
    registry.bench.boltseal_sign(&P256, &[&ours[..], &[&registry.image.tag()]].concat()).expect(0);
    let policy = format!(
        "version: 1\nauthorities: {{ release: {{ key: {} }} }}\nimages: {{ '**': {{ signatures: {{ from: [release] }} }} }}\n",
        P256.public()
    );
    registry.bench.file("policy.yaml", &policy);
    let digest = &registry.image.layout.index;
    let call = |more: &str, name: &str| {
        let config =
            registry.bench.file("containerd.toml", &format!("state = \"state\"\nhosts = [\"certs.d\"]\n{more}"));
        let descriptor = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
        let descriptor = registry.bench.file("descriptor", &descriptor);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_boltseal"));
        command.env_clear().env("BOLTSEAL_CONFIG", config).stdin(fs::File::open(descriptor).expect("a file"));
        Ran::of(command.args([
            "-name",
            name,
            "-digest",
            digest,
            "-stdin-media-type",
            "application/vnd.oci.descriptor.v1+json",
        ]))
    };
    let named = registry.image.tag();
    says(&call("", &named).expect(4), "could not tell");
    let folder = registry.bench.home().join("certs.d/registry.example.test");
    fs::create_dir_all(&folder).expect("a folder");
    let hosts = |more: &str| {
        let text = format!("server = \"https://{}\"\n{more}", registry.bench.address);
        fs::write(folder.join("hosts.toml"), text).expect("a file");
    };
    let elsewhere = named.replace(&registry.bench.address, "registry.example.test");
    hosts("skip_verify = true\n");
    says(&call("", &elsewhere).expect(4), "UnknownIssuer");
    // Without the client's certificate nobody is let in.
    hosts(&format!("ca = \"{authority}\"\n"));
    call("", &elsewhere).expect(4);
    hosts(&format!("ca = [\"{authority}\"]\nclient = [[\"{certificate}\", \"{key}\"]]\n"));
    says(&call("", &elsewhere).expect(0), "allowed: ");
    hosts(&format!("client = [[\"{certificate}\", \"{key}\"]]\n"));
    says(&call(&format!("registry-ca = [\"{authority}\"]"), &elsewhere).expect(0), "allowed: ");
}

fn client_certificate() {
    let material = Material::make();
    let registry = Guarded::start(&material.registry(true), "app");
    let (authority, certificate, key) =
        (material.file("ca.pem"), material.file("client.pem"), material.file("client.key"));
    // By TLS 1.3 a client learns of the refusal with the first answer, or by a closed connection.
    registry.bench.boltseal_verify(&P256, &["--registry-ca", &authority, &registry.image.tag()]).expect(4);
    let ours = ["--registry-ca", &authority, "--registry-client-cert", &certificate, "--registry-client-key", &key];
    let theirs =
        ["--registry-cacert", &authority, "--registry-client-cert", &certificate, "--registry-client-key", &key];
    registry.round_trip(&ours, &[], &theirs);
}
