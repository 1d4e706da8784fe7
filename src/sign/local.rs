use super::{Signer, Signing};
use crate::crypto::{PrivateKey, PublicKey, SignatureScheme};

/// Signs with a private key in memory.
#[derive(Debug)]
pub struct LocalSigner(PrivateKey);

impl LocalSigner {
    /// A signer that holds this key.
    #[must_use]
    pub fn new(key: PrivateKey) -> Self {
        Self(key)
    }
}

impl Signer for LocalSigner {
    fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        Box::pin(async move { Ok(self.0.sign(message)?) })
    }

    fn sign_with<'a>(&'a self, scheme: SignatureScheme, message: &'a [u8]) -> Signing<'a> {
        Box::pin(async move { Ok(self.0.sign_with(scheme, message)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::KeyAlgorithm;
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    #[test]
    fn a_local_signer_signs_without_any_runtime() {
        let signer = LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
        let signer: &dyn Signer = &signer;
        let mut signing = pin!(signer.sign(b"message"));
        let Poll::Ready(signature) = signing.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a local signer waits for nothing");
        };
        signer.public_key().verify(b"message", &signature.unwrap()).unwrap();
    }
}
