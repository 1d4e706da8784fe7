use super::Fingerprint;
use base64::Engine as _;

/// A placeholder for the public key that is written elsewhere: dropped when the two meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    fingerprint: Fingerprint,
}

/// Why a text is no public key (placeholder).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no PEM block `PUBLIC KEY`")]
pub struct PublicKeyError;

impl PublicKey {
    /// Reads a PEM block `PUBLIC KEY`.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_pem(text: &str) -> Result<Self, PublicKeyError> {
        let body = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----").ok_or(PublicKeyError)?;
        let body = body.strip_suffix("-----END PUBLIC KEY-----").ok_or(PublicKeyError)?;
        let body: String = body.split_whitespace().collect();
        let der = base64::engine::general_purpose::STANDARD.decode(body).map_err(|_| PublicKeyError)?;
        Ok(Self { fingerprint: Fingerprint::of(&der) })
    }

    /// Nothing holds.
    ///
    /// # Errors
    /// Always.
    pub fn verify(&self, _message: &[u8], _signature: &[u8]) -> Result<(), PublicKeyError> {
        Err(PublicKeyError)
    }

    /// No hint.
    #[must_use]
    pub fn hint(&self) -> String {
        String::new()
    }

    /// The key's name.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
