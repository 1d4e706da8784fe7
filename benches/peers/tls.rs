//! refreg behind TLS 1.3, with a certificate of a private authority.

use crate::common::peers;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::{
    error::Error,
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

/// Runs until it is dropped.
pub struct TlsRegistry {
    pub address: SocketAddr,
    /// The authority's certificate, PEM.
    pub authority: PathBuf,
    process: Child,
    _home: tempfile::TempDir,
}

impl Drop for TlsRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn start() -> Result<TlsRegistry, Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let file = |name: &str| home.path().join(name);
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(file("ca.pem"), authority.self_signed(&authority_key)?.pem())?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    fs::write(file("server.pem"), certificate.pem())?;
    fs::write(file("server.key"), key.serialize_pem())?;

    let address = peers::free_address();
    let mut command = peers::tool("refreg", home.path());
    command.arg(address.to_string()).args([file("server.pem"), file("server.key")]);
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let authority = file("ca.pem");
    let registry = TlsRegistry { address, authority, process, _home: home };
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > patience {
            return Err(format!("refreg does not listen on {address}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(registry)
}
