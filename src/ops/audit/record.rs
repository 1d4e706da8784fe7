//! What an audit says: the one shape that NDJSON, SARIF, JUnit, CSV, the text table and the HTML report are made of.

use crate::{oci::Digest, ops::provenance::Chain};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

pub use crate::ops::provenance::Told;

/// The version of the records. A member that is added keeps it; one that goes, or changes its meaning, raises it.
pub const RECORD_VERSION: u32 = 1;

/// The gap, or the reason, of an image of which the input does not say which digest runs.
pub const RUNNING_UNKNOWN: &str = "running-digest-unknown";

/// One record with its version: a line of NDJSON.
#[derive(Clone, Debug, Serialize)]
pub struct Line<'r> {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The record.
    #[serde(flatten)]
    pub record: &'r Record,
}

impl<'r> Line<'r> {
    /// A record in its version.
    #[must_use]
    pub fn of(record: &'r Record) -> Self {
        Self { version: RECORD_VERSION, record }
    }
}

/// What an audit writes, one after the other: images and unusable entries as they come, the summary at the end. Without a
/// summary an audit was cut off.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Record {
    /// An image, once, wherever it runs.
    Image(Box<ImageRecord>),
    /// An entry of the input that names no image.
    Input(InputRecord),
    /// The end.
    Summary(Box<Summary>),
}

/// One image: what the policy says of it, and what is known beside that.
///
/// `reference`, `places`, `reasons`, `gaps` and `signers` hold other people's words: whoever shows them makes them harmless
/// for the place where they are shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecord {
    /// The image as it is named where it runs, in its one spelling: `docker.io/library/busybox:1`.
    pub reference: String,
    /// The digest that was judged; `None` where none could be told.
    pub digest: Option<Digest>,
    /// Who named that digest.
    pub digest_from: Option<DigestFrom>,
    /// The index that lists it, where evidence of that index counted for it.
    pub index: Option<Digest>,
    /// Where it runs; the first [`crate::limits::AUDIT_PLACES`].
    pub places: Vec<Place>,
    /// In how many places it runs; 0 where the input says nothing of that.
    pub place_count: u64,
    /// What the policy says.
    pub decision: Decision,
    /// Why it is not allowed, the most specific first. The ids are those of SPEC.md.
    pub reasons: Vec<Told>,
    /// The scope that counted; `None` where none matched.
    pub scope: Option<String>,
    /// The scope's mode, `enforced`, `permissive` or `disabled`; `None` where nothing could be judged.
    pub mode: Option<String>,
    /// Whether it is what its tag means now.
    pub drift: Drift,
    /// When it was signed; `None` where no signature that counts tells a time.
    pub signed: Option<Signed>,
    /// Who signed it: signatures that hold.
    pub signers: Vec<Signer>,
    /// What is not known, or weaker than it looks. The ids are those of SPEC.md, "Audit".
    pub gaps: Vec<Told>,
    /// What it was built from, where that was followed.
    pub chain: Option<Chain>,
    /// What was checked of it, in words.
    pub checked: Vec<String>,
    /// What was not checked of it, in words.
    pub not_checked: Vec<String>,
    /// The exit code that it alone would have had.
    pub exit: u8,
}

/// Who named a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestFrom {
    /// Whoever runs it: a runtime's status, or a layout that holds it.
    Running,
    /// The input names it by digest.
    Asked,
    /// The repository's signed map of its tags.
    SignedTag,
    /// The registry: nobody signed it.
    RegistryTag,
}

/// Where an image runs. What the input does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container's name or id, or the volume's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What it is there.
    pub role: Role,
}

/// What an image is where it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A container.
    #[default]
    Container,
    /// A container that runs before the others.
    Init,
    /// A container that was added to look into a pod.
    Ephemeral,
    /// A volume.
    Volume,
    /// It lies there, and need not run.
    Stored,
}

/// What the policy says of an image: the words of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is allowed.
    Allowed,
    /// It is denied.
    Denied,
    /// It would be denied; the mode is permissive.
    WouldDeny,
    /// Something could not be read.
    CouldNotTell,
    /// The mode is disabled: nothing was judged.
    NotJudged,
}

impl Decision {
    /// All words, the good ones first.
    pub const WORDS: [&'static str; 5] = ["allowed", "would-deny", "not-judged", "could-not-tell", "denied"];

    /// The word for it, as `verify` has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::WouldDeny => "would-deny",
            Self::CouldNotTell => "could-not-tell",
            Self::NotJudged => "not-judged",
        }
    }
}

/// Whether the digest that runs is the one that its tag means now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Drift {
    /// It is, or lies in the index that is.
    #[serde(rename_all = "camelCase")]
    Current {
        /// Who says what the tag means.
        basis: Basis,
    },
    /// The tag means another digest.
    #[serde(rename_all = "camelCase")]
    Differs {
        /// What the tag means now.
        now: Digest,
        /// Who says what the tag means.
        basis: Basis,
    },
    /// The tag stands for nothing: the signed map does not list it, or the registry does not have it.
    #[serde(rename_all = "camelCase")]
    TagNotSigned {
        /// Who says so.
        basis: Basis,
        /// Why.
        why: String,
    },
    /// It can't be told.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Drift {
    /// All words.
    pub const WORDS: [&'static str; 4] = ["current", "differs", "tag-not-signed", "unknown"];

    /// The word for it: `current`, `differs`, `tag-not-signed`, `unknown`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Current { .. } => "current",
            Self::Differs { .. } => "differs",
            Self::TagNotSigned { .. } => "tag-not-signed",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// Who says what a tag means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The repository's signed map of its tags.
    Signed,
    /// The registry: a hint, which nobody signed.
    Registry,
}

/// When an image was signed: by the newest signature that counts and tells its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signed {
    /// When.
    pub at: Timestamp,
    /// Seconds from then to the audit; negative where that lies ahead.
    pub age_seconds: i64,
    /// Whether a log or a timestamp authority says so; else the signer alone.
    pub witnessed: bool,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The authority of the policy that they speak for; `None` where the signature holds and the policy did not count it.
    pub authority: Option<String>,
    /// Who: a key's fingerprint, or who a certificate names and who says so.
    pub principal: String,
    /// What they signed: `signature`, `tag`, or an attestation's type.
    pub what: String,
}

/// An entry of the input that names no image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InputRecord {
    /// Where it stands: a line's number, or a path into JSON.
    pub at: String,
    /// What stands there, its first [`crate::limits::AUDIT_ENTRY_SHOWN`] bytes.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
    /// The exit code that it alone would have had: 3 for a text that is no reference, 4 for an image that has no name.
    pub exit: u8,
}

/// What an audit comes to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// What was audited: each source as it was typed.
    pub from: Vec<String>,
    /// Images that were judged, each once.
    pub images: u64,
    /// Places that they run in.
    pub places: u64,
    /// Entries that name an image which an earlier one named, beyond the first.
    pub repeated: u64,
    /// Entries of the input that name no image.
    pub unusable: u64,
    /// Images that are other shards'.
    pub elsewhere: u64,
    /// Tags that are evidence by their names, `sha256-….sig` and the like, and no images.
    pub evidence_tags: u64,
    /// How many images have each decision, by its word; all words are there.
    pub decisions: BTreeMap<&'static str, u64>,
    /// How many images have each state of drift, by its word; all words are there.
    pub drift: BTreeMap<&'static str, u64>,
    /// The policy that was judged by.
    pub policy: PolicySource,
    /// The share of the images that was audited.
    pub shard: Option<Shard>,
    /// When it began; ages are counted to here, and everything is judged by this time.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// The version of this program.
    pub boltseal: String,
    /// Which input was not read to its end and why, if one was not.
    pub cut: Option<String>,
    /// The worst of all exit codes.
    pub exit: u8,
}

/// Where a policy came from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySource {
    /// The file; `None` where flags said it.
    pub file: Option<String>,
    /// The file's digest.
    pub digest: Option<Digest>,
}

/// One of several shares of the images, which together are all and have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Which, from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}
