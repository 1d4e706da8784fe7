//! A server's certificate, read again when its files change.

use super::ServerSettings;
use crate::limits::{KEY_FILE_BYTES, SETTINGS_BYTES};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier},
};
use zeroize::Zeroizing;

/// The files, and what is served of them.
pub struct Certificates {
    files: Files,
    current: RwLock<Current>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

struct Current {
    read: Material,
    acceptor: TlsAcceptor,
}

/// What stands in the files.
#[derive(PartialEq, Eq)]
struct Material {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Certificates {
    /// Loads the certificate that settings name, if they name one.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(settings: &ServerSettings) -> Result<Option<Self>, String> {
        let (certificate, key) = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) if settings.client_ca.is_none() => return Ok(None),
            _ => {
                return Err(
                    "server: certificate and key are needed, both or neither, and both for client-ca".to_owned()
                );
            }
        };
        let files = Files { certificate, key, client_ca: settings.client_ca.clone() };
        let read = files.read()?;
        let acceptor = files.acceptor(&read)?;
        Ok(Some(Self { files, current: RwLock::new(Current { read, acceptor }) }))
    }

    /// What connections are accepted with now.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).acceptor.clone()
    }

    /// Reads the files again; whether there was something new. On an error the old certificate stays.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn refresh(&self) -> Result<bool, String> {
        let read = self.files.read()?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).read == read {
            return Ok(false);
        }
        let acceptor = self.files.acceptor(&read)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { read, acceptor };
        Ok(true)
    }
}

impl Files {
    fn read(&self) -> Result<Material, String> {
        let client_ca = self.client_ca.as_deref().map(|path| bytes(path, SETTINGS_BYTES)).transpose()?;
        Ok(Material {
            certificate: bytes(&self.certificate, SETTINGS_BYTES)?,
            key: Zeroizing::new(bytes(&self.key, KEY_FILE_BYTES)?),
            client_ca,
        })
    }

    fn acceptor(&self, read: &Material) -> Result<TlsAcceptor, String> {
        let chain = certificates(&self.certificate, &read.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read.key)
            .map_err(|_| format!("{}: holds no unencrypted PEM private key", self.key.display()))?;
        let builder = ServerConfig::builder();
        let builder = match (&self.client_ca, &read.client_ca) {
            (Some(path), Some(pem)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, pem)? {
                    roots.add(authority).map_err(|error| format!("{}: {error}", path.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| format!("{}: {error}", path.display()))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let made = builder.with_single_cert(chain, key);
        let mut config = made.map_err(|error| format!("{}: {error}", self.certificate.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| format!("{}: broken PEM", path.display()))?;
    if found.is_empty() { Err(format!("{}: holds no PEM certificate", path.display())) } else { Ok(found) }
}

fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > most { Err(failed(&format!("has more than {most} bytes"))) } else { Ok(bytes) }
}
