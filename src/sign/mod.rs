//! Making signatures: the one trait that every holder of a private key implements.

#[cfg(feature = "net")]
pub mod keyless;
mod local;
mod tuf;

pub use local::LocalSigner;
pub use tuf::sign_metadata;

use crate::{
    crypto::{Fingerprint, KeyAlgorithm, PrivateKeyError, PublicKey, SignatureError, SignatureScheme},
    format::dsse::{Envelope, EnvelopeSignature},
    oci::media_type,
};
use std::{pin::Pin, sync::Arc};

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
    /// The signer signs in its one way only, and that is another.
    #[error("this signer of key {key} makes no {scheme} signatures")]
    Scheme {
        /// What was asked for.
        scheme: SignatureScheme,
        /// The signer's key.
        key: Fingerprint,
    },
    /// A key that the metadata to be signed does not list.
    #[error("key {key} is not among the keys that the metadata lists")]
    NotListed {
        /// The signer's key.
        key: Fingerprint,
    },
    /// What the signer made is no signature of its key.
    #[error(transparent)]
    Unverified(#[from] SignatureError),
}

/// Holds a private key, or knows who does.
///
/// Signing is a future, since a key management service is a request away; it needs no particular runtime.
pub trait Signer: Send + Sync {
    /// The public half of the key that signs.
    fn public_key(&self) -> &PublicKey;

    /// Signs exactly these bytes, so that [`PublicKey::verify`] of [`Signer::public_key`] accepts the result.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a>;

    /// Signs so that [`PublicKey::verify_with`] accepts the result.
    ///
    /// The same as [`Signer::sign`] for every kind of key but RSA; a signer that has RSA keys and can do PSS says so here.
    fn sign_with<'a>(&'a self, scheme: SignatureScheme, message: &'a [u8]) -> Signing<'a> {
        let key = self.public_key();
        let one_way = !matches!(key.algorithm(), KeyAlgorithm::Rsa(_)) && scheme.fits(key.algorithm());
        if one_way {
            return self.sign(message);
        }
        let refused = SignError::Scheme { scheme, key: key.fingerprint() };
        Box::pin(async move { Err(refused) })
    }
}

/// A signer that several hold.
impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public_key(&self) -> &PublicKey {
        (**self).public_key()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        (**self).sign(message)
    }

    fn sign_with<'a>(&'a self, scheme: SignatureScheme, message: &'a [u8]) -> Signing<'a> {
        (**self).sign_with(scheme, message)
    }
}
