use super::{Backing, Place, Rejection, SignedReference, Subject, Unread};
use crate::{format::predicate::Predicate, oci::Digest, trust::Identity};
use std::collections::BTreeMap;

/// One signature that holds: this identity said this of this digest. Made by [`super::verify_all`] alone.
#[must_use]
#[derive(Clone, Debug)]
pub struct Verified {
    pub(super) identity: Identity,
    pub(super) digest: Digest,
    pub(super) claim: Claim,
    pub(super) place: Place,
    pub(super) format: Format,
    pub(super) backing: Backing,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// "This image": an image signature.
    Signature {
        /// The references that the signer wrote beside the digest, with a tag where one was signed; empty in cosign's bundles.
        references: Vec<SignedReference>,
        /// The signer's annotations (`-a key=value`).
        annotations: BTreeMap<String, String>,
    },
    /// "This, of this image": an in-toto attestation.
    Attestation {
        /// The predicate's type, a URI.
        predicate_type: String,
        /// The predicate.
        predicate: Predicate,
        /// The references that the signer wrote beside the digest.
        references: Vec<SignedReference>,
    },
}

/// How a verified piece of evidence was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// A Sigstore bundle.
    Bundle,
    /// cosign's simple signing (`.sig`).
    SimpleSigning,
    /// A bare DSSE envelope (`.att`).
    Envelope,
    /// A signature in a file of its own.
    Detached,
    /// An unsigned statement that lies in the index: the claim of whoever signed the index.
    CoveredByIndex,
    /// An unsigned statement that lies in the index: the claim of whoever signed the attestation manifest that holds it.
    CoveredByManifest,
}

impl Verified {
    /// Who signed.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The digest that the claim is about: the subject's, or that of the index that lists it; of a statement that lies in
    /// an index, that of the image.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What was signed.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Where it was found.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How it was written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What stands behind it beside the signature itself.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        &self.backing
    }
}

/// A piece of evidence that does not count, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it was found.
    pub place: Place,
    /// Why it does not count.
    pub rejection: Rejection,
}

/// What held, what was rejected and what could not be read, for one subject: all that a policy sees.
/// Made by [`super::verify_all`] alone.
#[must_use]
#[derive(Clone, Debug)]
pub struct Findings {
    pub(super) subject: Subject,
    pub(super) verified: Vec<Verified>,
    pub(super) rejected: Vec<Rejected>,
    pub(super) unread: Vec<Unread>,
}

impl Findings {
    /// What is judged.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The signatures that hold.
    pub fn verified(&self) -> &[Verified] {
        &self.verified
    }

    /// The evidence that does not count.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// What could not be read.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }
}

#[cfg(test)]
impl Findings {
    /// Findings without a verification, for the tests of what is made of them.
    pub(crate) fn for_test(
        subject: Subject,
        verified: Vec<Verified>,
        rejected: Vec<Rejected>,
        unread: Vec<Unread>,
    ) -> Self {
        Self { subject, verified, rejected, unread }
    }
}

#[cfg(test)]
impl Verified {
    /// A signature that was never made, for the same tests.
    pub(crate) fn for_test(identity: Identity, digest: Digest, claim: Claim, place: Place) -> Self {
        Self { identity, digest, claim, place, format: Format::Bundle, backing: Backing::default() }
    }

    /// The same, written otherwise.
    pub(crate) fn written(self, format: Format) -> Self {
        Self { format, ..self }
    }
}
