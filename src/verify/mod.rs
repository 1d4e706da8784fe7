//! The only maker of [`Verified`]: pure, synchronous; limits and anchors are arguments.
//!
//! [`verify_all`] takes bytes and gives findings. It is the one path: the command line, the library, the fuzzers and
//! the benchmarks call the same function.

mod backing;
mod blob;
mod certificate;
mod claim;
mod embedded;
mod findings;
mod log;
mod rejection;
mod seal;
mod signature;
mod subject;

pub use crate::{
    format::{
        SignedReference,
        evidence::{Blob, BlobKind, Collected, Place, Unread, Via},
        legacy::LegacyMaterial,
    },
    oci::Artifact,
};
pub use backing::{Backing, Demands, Logged, Stamped};
pub use blob::{Detached, DetachedOver, verify_blob, verify_detached};
pub use findings::{Claim, Findings, Format, Rejected, Verified};
pub use rejection::Rejection;
pub use subject::{Pinned, Subject, SubjectError, TrustFinding};

use crate::{
    crypto::SigningCertificate,
    format::{
        bundle::{Bundle, Content, Material, MessageSignature},
        dsse::{Envelope, EnvelopeSignature, decode_base64},
        legacy::Decoded,
        log_entry::LogEntry,
        simple_signing::Payload,
    },
    limits::Limits,
    oci::{Digest, media_type::IN_TOTO},
    trust::{Anchors, Identity},
};
use jiff::Timestamp;
use seal::{Over, Seal};
use std::collections::BTreeMap;

/// Judges all that was found for a subject, each piece by itself.
///
/// For each piece it checks, in this order: that its place does not hold more than are judged; its size; that it is what
/// its media type says; that keys of `anchors`, or a certificate that leads to one of their trusted roots, made its
/// signatures over exactly these bytes; that log entries and timestamps by whom such a root names are about this signature,
/// and hold; that the certificate was valid at each time that they state, or `now` where there is none; that the signed bytes
/// are a statement or payload that names the subject's digest (or that of the index that lists it). What passes is
/// [`Verified`], what does not is [`Rejected`]; rejected pieces neither help nor harm the others.
///
/// A statement that lies in the subject's index ([`Subject::with_embedded`]) is signed by nobody. It becomes the claim of
/// whoever signed the index, or the attestation manifest around it, as an image; [`Format`] says so. Checked: the chain of
/// digests from the index to its bytes, and that it names the image which the index lists it for. Whether it is good enough is
/// the policy's say.
///
/// It does not check: whether a policy is satisfied ([`crate::policy`] does): how many logs or timestamps there are, who
/// signed, which repository or tag was signed. Nor the revocation of certificates, which Sigstore has none of.
pub fn verify_all(
    subject: &Subject,
    collected: Collected,
    anchors: &Anchors,
    now: Timestamp,
    limits: &Limits,
) -> Findings {
    let Collected { blobs, unread } = collected;
    let own: Vec<_> = subject.digests().collect();
    let manifests = subject.embedded().into_iter().flat_map(|embedded| embedded.listed().iter());
    let digests: Vec<_> = own.iter().copied().chain(manifests.map(|(entry, _)| entry.digest)).collect();
    let judge = Judge { about: About::Image(&digests), anchors, now, limits };
    let mut statements = Vec::new();
    let mut findings = Findings { subject: subject.clone(), verified: Vec::new(), rejected: Vec::new(), unread };
    let mut judged: BTreeMap<(Digest, Via), usize> = BTreeMap::new();
    for blob in blobs {
        let count = judged.entry((blob.place.subject, blob.place.via)).or_default();
        *count += usize::from(blob.kind.is_judged());
        if *count > limits.attachments {
            let what = format!("an attachment of {} ({})", blob.place.subject, blob.place.via);
            let why = format!("over the limit of {} attachments", limits.attachments);
            findings.unread.push(Unread { what, why });
            continue;
        }
        if blob.kind == BlobKind::Statement {
            statements.push(blob);
            continue;
        }
        match judge.blob(&blob) {
            Ok(verified) => findings.verified.extend(verified),
            Err(rejection) => findings.rejected.push(Rejected { place: blob.place, rejection }),
        }
    }
    let signatures = std::mem::take(&mut findings.verified);
    embedded::judge(subject, statements, &signatures, limits, &mut findings);
    // What is signed of an attestation manifest is said of no image; it is told once, whoever else signed it.
    let (verified, mut other): (Vec<_>, Vec<_>) = signatures.into_iter().partition(|one| own.contains(&one.digest));
    findings.verified.extend(verified);
    other.dedup_by(|one, before| one.place == before.place);
    let attested = other.into_iter().filter(|one| matches!(one.claim, Claim::Attestation { .. }));
    findings.rejected.extend(attested.map(|Verified { digest, place, .. }| Rejected {
        place,
        rejection: Rejection::SubjectMismatch(format!("{digest}, an attestation manifest")),
    }));
    findings
}

struct Judge<'a> {
    about: About<'a>,
    anchors: &'a Anchors,
    now: Timestamp,
    limits: &'a Limits,
}

/// What is judged.
#[derive(Clone, Copy)]
enum About<'a> {
    /// An image, or what lies in its index, by the digests that signed bytes may name, its own first.
    Image(&'a [Digest]),
    Artifact(&'a Artifact),
}

/// Who signed, and what else stands behind it.
struct Signer {
    identity: Identity,
    backing: Backing,
}

/// What the signed bytes say, once a signature over them holds.
struct Said {
    digest: Digest,
    claim: Claim,
}

impl Judge<'_> {
    fn blob(&self, blob: &Blob) -> Result<Vec<Verified>, Rejection> {
        let size = blob.bytes.len() as u64;
        if size > self.limits.attachment_bytes {
            return Err(Rejection::OverLimit(format!("{size} bytes, at most {}", self.limits.attachment_bytes)));
        }
        match &blob.kind {
            BlobKind::Bundle => self.bundle(blob),
            BlobKind::Envelope { material } => {
                let envelope = Envelope::decode(&blob.bytes).map_err(malformed)?;
                self.envelope(blob, &envelope, Format::Envelope, &self.came(material)?)
            }
            BlobKind::SimpleSigning { signature, material } => self.simple_signing(blob, signature, material),
            BlobKind::Statement => Err(Rejection::Uncovered),
            BlobKind::Malformed { why } => Err(Rejection::Malformed(why.clone())),
            BlobKind::Foreign { media_type } => Err(Rejection::FormatUnsupported(media_type.clone())),
        }
    }

    fn bundle(&self, blob: &Blob) -> Result<Vec<Verified>, Rejection> {
        let Bundle { content, material, entries, timestamps, proofs } =
            Bundle::decode(&blob.bytes).map_err(malformed)?;
        let chain = match material {
            Material::PublicKey { .. } => Vec::new(),
            Material::Certificates(chain) => chain,
        };
        self.count(chain.len(), entries.len(), timestamps.len())?;
        let certificates = chain.iter().map(|der| SigningCertificate::from_der(der).map_err(malformed));
        let certificates = certificates.collect::<Result<_, _>>()?;
        let came = Came { certificates, entries, timestamps, proofs };
        match content {
            Content::Envelope(envelope) => self.envelope(blob, &envelope, Format::Bundle, &came),
            Content::Message(message) => self.message(blob, &message, &came),
        }
    }

    /// What came in annotations: a log's promise is all that these formats have, so no proof is asked for.
    fn came(&self, material: &LegacyMaterial) -> Result<Came, Rejection> {
        let Decoded { certificates, entry, timestamp } = material.decode().map_err(malformed)?;
        self.count(certificates.len(), 1, 1)?;
        let (entries, timestamps) = (entry.into_iter().collect(), timestamp.into_iter().collect());
        Ok(Came { certificates, entries, timestamps, proofs: false })
    }

    /// What came along costs time, each piece of it: no more than may be.
    fn count(&self, certificates: usize, entries: usize, timestamps: usize) -> Result<(), Rejection> {
        let limits = self.limits;
        let counted = [
            ("certificates", certificates, limits.certificates),
            ("log entries", entries, limits.log_entries),
            ("timestamps", timestamps, limits.timestamps),
        ];
        match counted.into_iter().find(|(_, count, most)| count > most) {
            Some((what, count, most)) => {
                Err(Rejection::OverLimit(format!("{count} {what} beside one signature, at most {most}")))
            }
            None => Ok(()),
        }
    }

    fn envelope(
        &self,
        blob: &Blob,
        envelope: &Envelope,
        format: Format,
        came: &Came,
    ) -> Result<Vec<Verified>, Rejection> {
        let (count, most) = (envelope.signatures.len(), self.limits.envelope_signatures);
        if count > most {
            return Err(Rejection::OverLimit(format!("{count} signatures in one envelope, at most {most}")));
        }
        let signers = self.signers(Over::Envelope(envelope), &envelope.signatures, came)?;
        if envelope.payload_type != IN_TOTO {
            return Err(Rejection::FormatUnsupported(format!("an envelope of {}", envelope.payload_type)));
        }
        let said = match self.about {
            About::Image(digests) => claim::of_statement(&envelope.payload, digests, self.limits),
            About::Artifact(artifact) => {
                claim::of_statement(&envelope.payload, &artifact.digests().collect::<Vec<_>>(), self.limits)
            }
        }?;
        Ok(verified(blob, format, signers, &said))
    }

    fn simple_signing(
        &self,
        blob: &Blob,
        signature: &str,
        material: &LegacyMaterial,
    ) -> Result<Vec<Verified>, Rejection> {
        let signature = decode_base64(signature)
            .ok_or_else(|| Rejection::Malformed("the signature annotation is no base64".to_owned()))?;
        let signature = EnvelopeSignature { key_hint: None, signature };
        let came = self.came(material)?;
        let signers = self.signers(Over::Bytes(&blob.bytes), &[signature], &came)?;
        let payload = Payload::decode(&blob.bytes).map_err(malformed)?;
        let About::Image(digests) = self.about else {
            return Err(Rejection::FormatUnsupported("a signature of an image".to_owned()));
        };
        let said = claim::of_payload(payload, digests)?;
        Ok(verified(blob, Format::SimpleSigning, signers, &said))
    }

    /// A signature over a file. Over an image's manifest it would say nothing that its signer meant of an image.
    fn message(&self, blob: &Blob, message: &MessageSignature, came: &Came) -> Result<Vec<Verified>, Rejection> {
        let About::Artifact(artifact) = self.about else {
            return Err(Rejection::FormatUnsupported("a message signature".to_owned()));
        };
        let said = blob::of_message(artifact, message)?;
        let signatures = [EnvelopeSignature { key_hint: None, signature: message.signature.clone() }];
        let signers = self.signers(Over::Artifact(artifact, message), &signatures, came)?;
        Ok(verified(blob, Format::Bundle, signers, &said))
    }

    /// Who made one of these signatures: the holder of the certificate that came along, or keys of the anchors.
    fn signers(&self, over: Over<'_>, signatures: &[EnvelopeSignature], came: &Came) -> Result<Vec<Signer>, Rejection> {
        let Some((leaf, chain)) = came.certificates.split_first() else {
            return self.keys(over, signatures, came);
        };
        if self.anchors.roots.is_empty() {
            return Err(Rejection::NoTrustedRoot);
        }
        let made = |one: &&EnvelopeSignature| over.is_signed_by(leaf.public_key(), &one.signature);
        let made = signatures.iter().find(made).ok_or(Rejection::CertificateSignatureInvalid)?;
        let seal = came.seal(over, &made.signature);
        let mut holders = Vec::new();
        let mut nearest = None;
        for root in &self.anchors.roots {
            match certificate::holder(&seal, leaf, chain, root, self.now) {
                Ok((identity, backing)) => holders.push(Signer { identity, backing }),
                Err(stranger @ Rejection::CertificateUntrusted { .. }) => nearest = nearest.or(Some(stranger)),
                Err(rejection) => nearest = Some(rejection),
            }
        }
        match nearest {
            Some(rejection) if holders.is_empty() => Err(rejection),
            _ => Ok(holders),
        }
    }

    /// The keys of the anchors that made these signatures, with what the first root that names it says of each.
    fn keys(&self, over: Over<'_>, signatures: &[EnvelopeSignature], came: &Came) -> Result<Vec<Signer>, Rejection> {
        let mut signers = Vec::new();
        for (key, signature) in signature::signers(self.anchors, over, signatures)? {
            let seal = came.seal(over, signature);
            let mut backing = Backing::default();
            for root in &self.anchors.roots {
                backing = certificate::backing(&seal, seal::By::Key(key), root, self.now)?;
                if !backing.logs.is_empty() || !backing.timestamps.is_empty() {
                    break;
                }
            }
            signers.push(Signer { identity: Identity::Key(key.fingerprint()), backing });
        }
        Ok(signers)
    }
}

/// What came along with a signature, decoded.
struct Came {
    /// The signer's certificate first; empty where a key is to be known.
    certificates: Vec<SigningCertificate>,
    entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
    proofs: bool,
}

impl Came {
    fn seal<'a>(&'a self, over: Over<'a>, signature: &'a [u8]) -> Seal<'a> {
        Seal { over, signature, entries: &self.entries, timestamps: &self.timestamps, proofs: self.proofs }
    }
}

/// The one constructor of [`Verified`].
fn verified(blob: &Blob, format: Format, signers: Vec<Signer>, said: &Said) -> Vec<Verified> {
    let one = |Signer { identity, backing }: Signer| Verified {
        identity,
        digest: said.digest,
        claim: said.claim.clone(),
        place: blob.place.clone(),
        format,
        backing,
    };
    signers.into_iter().map(one).collect()
}

fn malformed(error: impl std::fmt::Display) -> Rejection {
    Rejection::Malformed(error.to_string())
}

#[cfg(test)]
mod tests;
