//! Who signs: a key, or somebody for whom an identity provider speaks. The one joint between what is signed and how.

use super::{
    OpsError,
    attach::{seal_checked, verified_by},
};
use crate::{
    crypto::hash::sha256,
    format::{
        bundle,
        dsse::{Envelope, EnvelopeSignature},
        keyless_bundle::{CertifiedBundle, SignedContent},
    },
    limits::Limits,
    oci::{Digest, media_type},
    sign::{
        Signer,
        keyless::{Announced, Certified, Keyless, KeylessError, LogMode, Witnessed, Witnesses, lasts},
    },
    store::{Unfinished, UnfinishedStore},
    trust::{self, Anchors, TrustedRoot},
    verify::{Artifact, Blob, BlobKind, Collected, Demands, Place, Rejection, Verified, Via, verify_blob},
};
use jiff::Timestamp;
use sigstore_types::DerCertificate;
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// Who signs.
#[derive(Clone, Copy)]
pub enum Signatory<'a> {
    /// Whoever holds a key.
    Key(&'a dyn Signer),
    /// The subject of an identity token.
    Identity(&'a Identity),
}

/// Somebody who signs without a key of their own, for one run.
#[derive(Debug)]
pub struct Identity {
    /// The services, and the certificate of the run.
    pub keyless: Keyless,
    /// Who was shown as the one whom the signatures will name.
    pub announced: Announced,
    /// What the services' answers are verified by, before anything is pushed.
    pub root: Arc<TrustedRoot>,
    /// Where signatures wait whose witnesses are missing; without, they are lost.
    pub unfinished: Option<UnfinishedStore>,
    /// Issuer and subject as the certificate names them, once there is one.
    certified: OnceLock<(String, String)>,
}

/// Who has witnessed a signature that was made without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// Its places in transparency logs.
    pub indices: Vec<u64>,
    /// How many timestamps it has.
    pub timestamps: usize,
    /// Which witnesses it goes without, and why: with [`LogMode::BestEffort`] alone.
    pub missing: Vec<String>,
    /// Whether it was made by a run before this one, which could not finish it.
    pub resumed: bool,
}

/// An envelope, ready to be pushed.
pub(super) struct Made {
    pub envelope: Envelope,
    pub bundle: Vec<u8>,
    pub logging: Option<Logging>,
    keep: Option<Keep>,
}

/// What has to be kept if it can't be pushed.
struct Keep {
    name: [u8; 32],
    unfinished: Unfinished,
}

impl Signatory<'_> {
    /// What its signatures are verified by.
    pub(super) fn anchors(&self) -> Anchors {
        match self {
            Self::Key(signer) => Anchors::new(vec![signer.public_key().clone()]),
            Self::Identity(identity) => identity.anchors(),
        }
    }

    /// Whether what its anchors verify is its own, and has the witnesses that a new one would have.
    pub(super) fn made(&self, verified: &Verified) -> bool {
        match self {
            Self::Key(_) => true,
            Self::Identity(identity) => {
                let who = identity.named().unwrap_or((&identity.announced.issuer, &identity.announced.subject));
                let demands = identity.demands(identity.keyless.log_mode() != LogMode::None);
                names(verified) == Some(who) && verified.backing().meets(&demands).is_ok()
            }
        }
    }

    /// Signs a statement's bytes about a digest. `place` is where it goes, for what waits to be found again.
    pub(super) async fn make(&self, payload: Vec<u8>, about: &Digest, place: &str) -> Result<Made, OpsError> {
        match self {
            Self::Key(signer) => {
                let envelope = seal_checked(payload, *signer, about).await?;
                let bundle = bundle::encode_keyed(&envelope, &signer.public_key().hint());
                Ok(Made { envelope, bundle, logging: None, keep: None })
            }
            Self::Identity(identity) => {
                let what = To { name: name(place, about, &payload), about: format!("{place}@{about}") };
                identity.seal(payload, about, &what).await
            }
        }
    }
}

/// Where a signature goes.
struct To {
    /// Its name among those that wait.
    name: [u8; 32],
    about: String,
}

/// A signature with what is needed to witness it.
struct Draft {
    bundle: CertifiedBundle,
    not_after: Timestamp,
    resumed: bool,
}

fn name(place: &str, about: &Digest, payload: &[u8]) -> [u8; 32] {
    let parts = [place.as_bytes(), about.to_string().as_bytes(), &sha256(payload)].map(sha256);
    sha256(parts.as_flattened())
}

/// Whom a certificate names: issuer and subject.
fn names(verified: &Verified) -> Option<(&str, &str)> {
    match verified.identity() {
        trust::Identity::Certificate { issuer, san } => Some((issuer, san)),
        _ => None,
    }
}

impl Identity {
    /// Signs with these services; `announced` is whom the user was shown.
    #[must_use]
    pub fn new(
        keyless: Keyless,
        announced: Announced,
        root: Arc<TrustedRoot>,
        unfinished: Option<UnfinishedStore>,
    ) -> Self {
        Self { keyless, announced, root, unfinished, certified: OnceLock::new() }
    }

    /// Issuer and subject as the run's certificate names them, once it has signed something.
    #[must_use]
    pub fn named(&self) -> Option<(&str, &str)> {
        self.certified.get().map(|(issuer, subject)| (issuer.as_str(), subject.as_str()))
    }

    fn anchors(&self) -> Anchors {
        Anchors::default().with_roots([Arc::clone(&self.root)])
    }

    /// What has to stand behind a signature of ours: a log where there is one, and all that the trusted root can verify.
    fn demands(&self, logged: bool) -> Demands {
        let scts = usize::from(!self.root.ct_logs.is_empty());
        Demands { logs: usize::from(logged), proofs: false, timestamps: 0, scts }
    }

    async fn seal(&self, payload: Vec<u8>, about: &Digest, to: &To) -> Result<Made, OpsError> {
        let same = |content: &SignedContent| match content {
            SignedContent::Envelope(envelope) => envelope.payload == payload,
            SignedContent::Message { .. } => false,
        };
        let draft = match self.kept(to, same) {
            Some(draft) => draft,
            None => {
                let payload_type = media_type::IN_TOTO.to_owned();
                let mut envelope = Envelope { payload_type, payload, signatures: Vec::new() };
                let certified = self.keyless.certificate().await?;
                let signature = certified.sign(&envelope.pae())?;
                envelope.signatures.push(EnvelopeSignature { key_hint: None, signature });
                Draft::new(&certified, SignedContent::Envelope(envelope))
            }
        };
        let (draft, missing) = self.witnessed(draft, to).await?;
        let SignedContent::Envelope(envelope) = draft.bundle.content.clone() else {
            return Err(OpsError::NoEnvelope);
        };
        let bundle = draft.bundle.encode();
        let checked = self.verify_own(about, &draft.bundle, |anchors| {
            let place = Place { subject: *about, via: Via::Supplied, manifest: None, layer: 0 };
            let blob = Blob { place, kind: BlobKind::Bundle, bytes: bundle.clone() };
            match verified_by(anchors, about, Collected { blobs: vec![blob], unread: Vec::new() }) {
                (_, Some(rejection)) => Err(rejection),
                (verified, None) => Ok(verified),
            }
        });
        self.unless_resumed(&draft, to, checked)?;
        let logging = Some(draft.logging(&missing));
        let keep = Some(Keep { name: to.name, unfinished: self.unfinished_of(&draft, to) });
        Ok(Made { envelope, bundle, logging, keep })
    }

    /// Signs bytes that are elsewhere; the bundle.
    pub(super) async fn sign_message(&self, message: &[u8], about: &Digest) -> Result<(Vec<u8>, Logging), OpsError> {
        let to = To { name: name("", about, message), about: about.to_string() };
        let hash = sha256(message);
        let same =
            |content: &SignedContent| matches!(content, SignedContent::Message { sha256, .. } if *sha256 == hash);
        let draft = match self.kept(&to, same) {
            Some(draft) => draft,
            None => {
                let certified = self.keyless.certificate().await?;
                let signature = certified.sign(message)?;
                Draft::new(&certified, SignedContent::Message { sha256: hash, signature })
            }
        };
        let (draft, missing) = self.witnessed(draft, &to).await?;
        let bundle = draft.bundle.encode();
        let artifact = Artifact::from_bytes(message.to_vec());
        let checked = self.verify_own(about, &draft.bundle, |anchors| {
            verify_blob(&artifact, bundle.clone(), anchors, Timestamp::now(), &Limits::default())
        });
        self.unless_resumed(&draft, &to, checked)?;
        if let Some(store) = &self.unfinished {
            store.forget(&to.name);
        }
        Ok((bundle, draft.logging(&missing)))
    }

    /// A signature by the same identity that a run before could not finish, and that can still be finished: its log entry
    /// must not show a time at which the certificate was over, and without any time nobody could verify it.
    fn kept(&self, to: &To, same: impl Fn(&SignedContent) -> bool) -> Option<Draft> {
        let kept = self.unfinished.as_ref()?.load(&to.name)?;
        let by_us = (&kept.issuer, &kept.subject) == (&self.announced.issuer, &self.announced.subject);
        let bundle = CertifiedBundle::decode(kept.bundle).filter(|bundle| by_us && same(&bundle.content))?;
        let witnesses = Witnesses { entries: bundle.entries.clone(), timestamps: bundle.timestamps.clone() };
        let in_time = lasts(kept.not_after) || self.keyless.can_finish_late(&witnesses);
        in_time.then_some(Draft { bundle, not_after: kept.not_after, resumed: true })
    }

    /// Has a signature witnessed. One that lacks what is required is kept, and is an error.
    async fn witnessed(&self, mut draft: Draft, to: &To) -> Result<(Draft, Vec<KeylessError>), OpsError> {
        let leaf = DerCertificate::from_bytes(&draft.bundle.leaf);
        let what = match &draft.bundle.content {
            SignedContent::Envelope(envelope) => Witnessed::Envelope(envelope),
            SignedContent::Message { sha256, signature } => Witnessed::Message { sha256: *sha256, signature },
        };
        let have = Witnesses {
            entries: std::mem::take(&mut draft.bundle.entries),
            timestamps: std::mem::take(&mut draft.bundle.timestamps),
        };
        let (witnesses, mut missing) = self.keyless.witness(&leaf, &what, have).await;
        let shows_time = witnesses.show_time();
        (draft.bundle.entries, draft.bundle.timestamps) = (witnesses.entries, witnesses.timestamps);
        let enough = missing.is_empty() || self.keyless.log_mode() == LogMode::BestEffort;
        if enough && shows_time {
            return Ok((draft, missing));
        }
        let why = match missing.pop() {
            Some(why) if !enough => why,
            Some(why) => KeylessError::NoTime { why: why.to_string() },
            None => KeylessError::NoTime { why: "no log and no timestamp authority gave a time".to_owned() },
        };
        let keep = Keep { name: to.name, unfinished: self.unfinished_of(&draft, to) };
        let until = draft.not_after;
        Err(OpsError::Unfinished { about: to.about.clone(), why: Box::new(why), until, kept: self.keep(&keep) })
    }

    /// Has our own verifier read what was just made: what it would refuse, or what has less behind it than was asked for, is
    /// never pushed.
    fn verify_own(
        &self,
        about: &Digest,
        bundle: &CertifiedBundle,
        judge: impl FnOnce(&Anchors) -> Result<Vec<Verified>, Rejection>,
    ) -> Result<(), OpsError> {
        let unverified = |rejection| OpsError::Unwitnessed { root: self.root.name().to_owned(), rejection };
        let verified = judge(&self.anchors()).map_err(unverified)?;
        let Some(verified) = verified.first().filter(|verified| verified.digest() == about) else {
            return Err(unverified(Rejection::SignerUnknown { hint: None }));
        };
        verified.backing().meets(&self.demands(!bundle.entries.is_empty())).map_err(unverified)?;
        if let Some((issuer, subject)) = names(verified) {
            self.certified.get_or_init(|| (issuer.to_owned(), subject.to_owned()));
        }
        Ok(())
    }

    /// What was kept and does not verify is of no use to anybody: the next run makes it anew.
    fn unless_resumed(&self, draft: &Draft, to: &To, checked: Result<(), OpsError>) -> Result<(), OpsError> {
        if let (true, Err(_), Some(store)) = (draft.resumed, &checked, &self.unfinished) {
            store.forget(&to.name);
        }
        checked
    }

    fn unfinished_of(&self, draft: &Draft, to: &To) -> Unfinished {
        let who = (self.announced.issuer.clone(), self.announced.subject.clone());
        let bundle = serde_json::from_slice(&draft.bundle.encode()).unwrap_or_default();
        Unfinished::new(to.about.clone(), who, draft.not_after, bundle)
    }

    fn keep(&self, keep: &Keep) -> Option<PathBuf> {
        self.unfinished.as_ref()?.keep(&keep.name, &keep.unfinished).ok()
    }
}

impl Draft {
    fn new(certified: &Certified, content: SignedContent) -> Self {
        let leaf = certified.leaf().as_bytes().to_vec();
        let bundle = CertifiedBundle { content, leaf, entries: Vec::new(), timestamps: Vec::new() };
        Self { bundle, not_after: certified.not_after(), resumed: false }
    }

    fn logging(&self, missing: &[KeylessError]) -> Logging {
        Logging {
            indices: self.bundle.entries.iter().map(|entry| entry.log_index.get()).collect(),
            timestamps: self.bundle.timestamps.len(),
            missing: missing.iter().map(ToString::to_string).collect(),
            resumed: self.resumed,
        }
    }
}

impl Made {
    /// To be told what became of the push: what could not be pushed is kept, so that it need not be logged twice.
    pub(super) fn pushed<T>(&self, by: Signatory<'_>, push: Result<T, OpsError>) -> Result<T, OpsError> {
        if let (Signatory::Identity(identity), Some(keep)) = (by, &self.keep) {
            match (&push, &identity.unfinished) {
                (Ok(_), Some(store)) => store.forget(&keep.name),
                (Err(_), Some(_)) => drop(identity.keep(keep)),
                (_, None) => {}
            }
        }
        push
    }
}
