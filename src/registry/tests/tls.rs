use super::{
    server::{Memory, Server, say},
    *,
};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::{path::Path, sync::Arc};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

const BLOB: &[u8] = b"0123456789";

/// A private authority, a server that it vouches for, and a client, as files.
struct Pki {
    dir: tempfile::TempDir,
    acceptor: TlsAcceptor,
}

fn pki(asks_clients: bool) -> Pki {
    let dir = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    std::fs::write(dir.path().join("ca.crt"), authority.pem()).unwrap();
    let issue = |name: &str, usage| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &issuer).unwrap(), key)
    };
    let (certificate, key) = issue("client.example", ExtendedKeyUsagePurpose::ClientAuth);
    std::fs::write(dir.path().join("client.cert"), certificate.pem()).unwrap();
    std::fs::write(dir.path().join("client.key"), key.serialize_pem()).unwrap();
    let (certificate, key) = issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = if asks_clients {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Pki { dir, acceptor: TlsAcceptor::from(Arc::new(config)) }
}

fn trusting(dir: &Path) -> Options {
    Options { registry_ca: vec![dir.join("ca.crt")], ..quick() }
}

async fn read(server: &Server, options: Options) -> Result<Vec<u8>, RegistryError> {
    open_with(server, options, Access::PullPush).blob(&Descriptor::of("a/b", BLOB), 100).await
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named_and_http2_is_spoken() {
    let pki = pki(false);
    let server = Server::serve(Some(pki.acceptor.clone()), |_, _| say(200, &[], BLOB)).await;
    assert_eq!(read(&server, trusting(pki.dir.path())).await.unwrap(), BLOB);
    assert_eq!(server.calls()[0].version, http::Version::HTTP_2);
    let certs_d = tempfile::tempdir().unwrap();
    let folder = certs_d.path().join(server.address.to_string());
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(pki.dir.path().join("ca.crt"), folder.join("ca.crt")).unwrap();
    let environment = Environment { certs_d: vec![certs_d.path().to_owned()], ..Environment::default() };
    assert_eq!(read(&server, Options { environment, ..quick() }).await.unwrap(), BLOB);
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_trusted() {
    let (ours, other) = (pki(false), pki(false));
    let server = Server::serve(Some(ours.acceptor.clone()), |_, _| say(200, &[], BLOB)).await;
    // One more try would take longer than the operation may.
    let once = || Options { backoff: Duration::from_secs(60), ..trusting(other.dir.path()) };
    for insecure_http in [false, true] {
        let error = read(&server, Options { insecure_http, ..once() }).await.unwrap_err();
        assert!(matches!(&error.fault, Fault::Connection(message) if message.contains("certificate")), "{error}");
    }
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_shown_from_a_flag_or_the_hosts_folder() {
    let pki = pki(true);
    let dir = pki.dir.path();
    let server = Server::serve(Some(pki.acceptor.clone()), |_, _| say(200, &[], BLOB)).await;
    assert!(read(&server, trusting(dir)).await.is_err());
    let client_certificate = Some((dir.join("client.cert"), dir.join("client.key")));
    assert_eq!(read(&server, Options { client_certificate, ..trusting(dir) }).await.unwrap(), BLOB);
    let certs_d = tempfile::tempdir().unwrap();
    let folder = certs_d.path().join(server.address.to_string());
    std::fs::create_dir(&folder).unwrap();
    for name in ["ca.crt", "client.cert", "client.key"] {
        std::fs::copy(dir.join(name), folder.join(name)).unwrap();
    }
    let environment = Environment { certs_d: vec![certs_d.path().to_owned()], ..Environment::default() };
    assert_eq!(read(&server, Options { environment, ..quick() }).await.unwrap(), BLOB);
}

#[tokio::test]
async fn a_plain_registry_on_this_machine_works_beside_a_tls_setting() {
    let pki = pki(false);
    let server = Server::start(|_, _| say(200, &[], BLOB)).await;
    assert_eq!(read(&server, trusting(pki.dir.path())).await.unwrap(), BLOB);
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn a_registry_on_this_machine_that_means_its_400_is_believed() {
    let server = Server::start(|_, _| say(400, &[], r#"{"errors":[{"code":"NAME_INVALID"}]}"#)).await;
    let error = read(&server, quick()).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Status { status: 400, message } if message == "NAME_INVALID"), "{error}");
}

#[tokio::test]
async fn no_redirect_leads_from_https_down_to_http() {
    let pki = pki(false);
    let plain = Server::start(|_, _| say(200, &[], BLOB)).await;
    let location = format!("http://localhost:{}/x", plain.address.port());
    let server = Server::serve(Some(pki.acceptor.clone()), move |_, _| say(302, &[("location", &location)], "")).await;
    let error = read(&server, trusting(pki.dir.path())).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Protocol(_)), "{error}");
    assert!(plain.calls().is_empty());
}

#[tokio::test]
async fn an_upload_address_in_plain_http_of_the_same_host_stays_https() {
    let pki = pki(false);
    let memory = Memory::default();
    let handler = memory.handler();
    let server = Server::serve(Some(pki.acceptor.clone()), move |call, nth| {
        let mut answer = handler(call, nth);
        if call.method == "POST" {
            // docker-registry behind a TLS proxy that says nothing of it.
            let location = "http://127.0.0.1/v2/app/blobs/uploads/1?state=s%2Fx".parse().unwrap();
            answer.headers_mut().insert("location", location);
        }
        answer
    })
    .await;
    open_with(&server, trusting(pki.dir.path()), Access::PullPush).push_blob(BLOB).await.unwrap();
    assert_eq!(memory.state.lock().unwrap().blobs.len(), 1);
}

#[tokio::test]
async fn unusable_tls_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Options { registry_ca: vec![dir.path().join("none.pem")], ..quick() };
    assert!(Session::new(missing).unwrap_err().to_string().contains("none.pem"));
    std::fs::write(dir.path().join("junk.pem"), "junk").unwrap();
    let junk = Options { registry_ca: vec![dir.path().join("junk.pem")], ..quick() };
    let server = Server::start(|_, _| say(200, &[], BLOB)).await;
    let error = read(&server, junk).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Setting { path, .. } if path.ends_with("junk.pem")), "{error}");
}
