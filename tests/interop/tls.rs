//! TLS with a certification authority of one's own, and with client certificates.

use crate::{
    access::Guarded,
    bench::{Case, P256, says, text},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::{fs, path::Path};

const NEEDS: [&str; 3] = ["docker-registry", "oras", "cosign"];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("a registry behind a private certification authority", &NEEDS, private_authority),
        Case::new("a registry that asks for client certificates", &NEEDS, client_certificate),
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
