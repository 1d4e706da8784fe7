//! Making signatures: the one trait that every holder of a private key implements.

mod local;

pub use local::LocalSigner;

use crate::{
    crypto::{PrivateKeyError, PublicKey},
    format::dsse::{Envelope, EnvelopeSignature},
    oci::media_type,
};
use std::pin::Pin;

/// Signs a statement's bytes: the envelope with its one signature.
///
/// # Errors
/// The signer did not sign.
pub async fn seal(statement: Vec<u8>, signer: &dyn Signer) -> Result<Envelope, SignError> {
    let payload_type = media_type::IN_TOTO.to_owned();
    let mut envelope = Envelope { payload_type, payload: statement, signatures: Vec::new() };
    let signature = signer.sign(&envelope.pae()).await?;
    envelope.signatures.push(EnvelopeSignature { key_hint: None, signature });
    Ok(envelope)
}

/// The future of a signature's bytes.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SignError>> + Send + 'a>>;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The private key in memory did not sign.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
}

/// Holds a private key, or knows who does.
///
/// Signing is a future, since a key management service is a request away; it needs no particular runtime.
pub trait Signer: Send + Sync {
    /// The public half of the key that signs.
    fn public_key(&self) -> &PublicKey;

    /// Signs exactly these bytes, so that [`PublicKey::verify`] of [`Signer::public_key`] accepts the result.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a>;
}
