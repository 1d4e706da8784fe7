use super::{CanonicalError, PatternError, RoleName, canonical};
use crate::{
    json::{self, JsonError},
    limits::{TUF_ROLE_KEYS, TUF_SIGNATURES, TUF_VERSION},
};
use bytes::Bytes;
use jiff::{Timestamp, fmt::strtime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Why bytes are no metadata of a role.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not strict JSON of `{signed, signatures}`, or `signed` has not the role's members.
    #[error("the metadata is {0}")]
    Json(#[from] JsonError),
    /// The metadata of another role.
    #[error("`_type` is {found:?}, expected {expected:?}")]
    Type {
        /// The wanted role's type.
        expected: &'static str,
        /// What the metadata says.
        found: String,
    },
    /// A version of the specification with other rules.
    #[error("`spec_version` is {0:?}, expected 1.x.y")]
    SpecVersion(String),
    /// A version that is zero, or that leaves no room to count on.
    #[error(
        "the version of {of} is {found}, expected 1 to {TUF_VERSION}: versions count, and one at the end would lock everybody out"
    )]
    Version {
        /// The file that has it.
        of: String,
        /// The version; [`u64::MAX`] also for anything larger.
        found: u64,
    },
    /// No canonical form, so nothing that could have been signed.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// Two signatures under one key id.
    #[error("two signatures under key id {0:?}")]
    DuplicateSignature(String),
    /// More signatures, or more keys of one role, than are looked at.
    #[error("{found} {what}, at most {most} are read")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are read.
        most: usize,
    },
    /// A threshold that nothing would have to meet.
    #[error("the threshold of {role} is 0, expected 1 or more")]
    Threshold {
        /// The role.
        role: RoleName,
    },
    /// One key id twice for one role.
    #[error("key id {key_id:?} is listed twice for {role}")]
    DuplicateKeyId {
        /// The role.
        role: RoleName,
        /// The key's id.
        key_id: String,
    },
    /// A root without one of the four roles, or a timestamp without a snapshot.
    #[error("{0} is not listed")]
    Missing(String),
    /// A delegation to a top-level role's name, which shares its file name.
    #[error("a delegation to {0}, which only the root names")]
    ReservedName(RoleName),
    /// One role twice in one list of delegations.
    #[error("two delegations to {0}")]
    DuplicateDelegation(RoleName),
    /// Both `paths` and `path_hash_prefixes`, or neither.
    #[error("the delegation to {0} has to have either `paths` or `path_hash_prefixes`")]
    Paths(RoleName),
    /// A pattern that readers understand differently.
    #[error("the delegation to {role}: {source}")]
    Pattern {
        /// The delegated role.
        role: RoleName,
        /// What is wrong with it.
        source: PatternError,
    },
}

/// What every role's `signed` has (TUF 1.0.34, 4.3 to 4.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of TUF's specification: `1.x.y`.
    pub spec_version: String,
    /// The file's version, from 1 to [`TUF_VERSION`].
    #[serde(deserialize_with = "version")]
    pub version: u64,
    /// From when on the file no longer counts.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub expires: Timestamp,
}

impl Header {
    /// The version of the specification that we write.
    pub const SPEC_VERSION: &'static str = "1.0.34";

    /// The header of a file that we write.
    #[must_use]
    pub fn new(version: u64, expires: Timestamp) -> Self {
        Self { spec_version: Self::SPEC_VERSION.to_owned(), version, expires }
    }
}

/// The `signed` of one kind of metadata.
pub trait Role: Serialize + DeserializeOwned {
    /// Its `_type`.
    const TYPE: &'static str;

    /// What every role has.
    fn header(&self) -> &Header;

    /// Members that this version does not know, `_type` among them.
    fn unknown(&self) -> &Map<String, Value>;

    /// What its shape does not say.
    ///
    /// # Errors
    /// One for each.
    fn check(&self) -> Result<(), MetadataError>;
}

/// A metadata file as it was found: signed by nobody yet as far as this type knows.
///
/// Signatures are over the canonical JSON of `signed` as it was received, unknown members included.
#[derive(Clone, Debug)]
pub struct Metadata<R> {
    signed: R,
    received: Bytes,
    form: Form,
    signatures: Vec<RoleSignature>,
}

/// What is signed, as it was received.
#[derive(Clone, Debug)]
enum Form {
    /// It stands in the file in its canonical form, from here to the file's last byte.
    Within(usize),
    /// It does not, or there is more in the file.
    Apart { canonical: Vec<u8>, value: Value },
}

/// One signature of a metadata file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSignature {
    /// The key that the signature says it is by: a label, unsigned.
    pub keyid: String,
    /// The signature in hex. Empty where a signer is still awaited.
    pub sig: String,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

#[derive(Deserialize)]
struct Wire {
    signed: Value,
    signatures: Vec<RoleSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlainWire<R> {
    signed: R,
    signatures: Vec<RoleSignature>,
}

impl<R: Role> PlainWire<R> {
    /// Reads a plain file that has nothing but signatures, as we would write them, and then what is signed: also where
    /// that begins. It ends before the file's last byte.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let wire: Self = json::decode_plain(bytes)?;
        let before =
            [b"{\"signatures\":", super::super::to_json(&wire.signatures).as_slice(), b",\"signed\":"].concat();
        let named = wire.signed.unknown().get("_type")?.as_str()?;
        (named == R::TYPE && bytes.starts_with(&before)).then_some((wire, before.len()))
    }
}

impl<R: Role> Metadata<R> {
    /// Decodes a metadata file. Its size is the caller's to bound.
    ///
    /// Checked: strict JSON, `_type`, `spec_version` 1.x, versions from 1 to [`TUF_VERSION`], `expires` as the
    /// specification writes times, thresholds of 1 or more, no key id or delegation twice, patterns that can be
    /// understood in one way. Not checked: any signature, and that it is still fresh.
    ///
    /// # Errors
    /// One for each of these.
    pub fn decode(bytes: &[u8]) -> Result<Self, MetadataError> {
        Self::decode_shared(Bytes::copy_from_slice(bytes))
    }

    /// As [`Metadata::decode`], of bytes that others hold too: no copy is made.
    ///
    /// # Errors
    /// As [`Metadata::decode`].
    pub fn decode_shared(received: Bytes) -> Result<Self, MetadataError> {
        if let Some((PlainWire { signed, signatures }, at)) = PlainWire::<R>::decode(&received) {
            check(&signed, &signatures)?;
            return Ok(Self { signed, received, form: Form::Within(at), signatures });
        }
        let wire: Wire = json::decode(&received)?;
        let named = wire.signed.get("_type").and_then(Value::as_str).unwrap_or_default();
        if named != R::TYPE {
            return Err(MetadataError::Type { expected: R::TYPE, found: named.to_owned() });
        }
        let Wire { signed: value, signatures } = wire;
        let signed = R::deserialize(&value).map_err(JsonError::from)?;
        check(&signed, &signatures)?;
        let form = Form::Apart { canonical: canonical(&value)?, value };
        Ok(Self { signed, received, form, signatures })
    }

    /// A new file, signed by nobody.
    ///
    /// # Errors
    /// What [`Metadata::decode`] would refuse to read back.
    pub fn unsigned(signed: R) -> Result<Self, MetadataError> {
        let mut value = serde_json::to_value(&signed).map_err(JsonError::from)?;
        if let Some(members) = value.as_object_mut() {
            members.insert("_type".to_owned(), R::TYPE.into());
        }
        Self::decode(&super::super::to_json(&json!({"signed": value, "signatures": []})))
    }

    /// What is said.
    #[must_use]
    pub fn signed(&self) -> &R {
        &self.signed
    }

    /// The same as JSON, with all that was received.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.form {
            Form::Within(_) => serde_json::from_slice(self.canonical()).unwrap_or_default(),
            Form::Apart { value, .. } => value.clone(),
        }
    }

    /// The file's version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.signed.header().version
    }

    /// From when on the file no longer counts.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.signed.header().expires
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        match &self.form {
            // Behind it the file's object ends.
            Form::Within(at) => self.received.get(*at..self.received.len() - 1).unwrap_or_default(),
            Form::Apart { canonical, .. } => canonical,
        }
    }

    /// The file as it was received, with the signatures that it had then.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// The signatures, no key id twice.
    #[must_use]
    pub fn signatures(&self) -> &[RoleSignature] {
        &self.signatures
    }

    /// The bytes of the signature under this key id; nothing if there is none, or none yet, or it is no hex.
    #[must_use]
    pub fn signature(&self, key_id: &str) -> Option<Vec<u8>> {
        let found = self.signatures.iter().find(|signature| signature.keyid == key_id)?;
        hex::decode(&found.sig).ok().filter(|bytes| !bytes.is_empty())
    }

    /// Adds a signature, in place of the one that stands under this key id; all others are kept.
    pub fn put_signature(&mut self, key_id: &str, signature: &[u8]) {
        let sig = hex::encode(signature);
        match self.signatures.iter_mut().find(|signature| signature.keyid == key_id) {
            Some(found) => found.sig = sig,
            None => {
                self.signatures.push(RoleSignature { keyid: key_id.to_owned(), sig, unknown: Map::new() });
            }
        }
    }

    /// The same, signed by nobody.
    #[must_use]
    pub fn without_signatures(&self) -> Self
    where
        R: Clone,
    {
        Self { signatures: Vec::new(), ..self.clone() }
    }

    /// The file's bytes, `signed` with all that was received.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match &self.form {
            Form::Within(_) => {
                let signatures = super::super::to_json(&self.signatures);
                [b"{\"signatures\":", signatures.as_slice(), b",\"signed\":", self.canonical(), b"}"].concat()
            }
            Form::Apart { value, .. } => {
                super::super::to_json(&json!({"signatures": self.signatures, "signed": value}))
            }
        }
    }
}

/// The same is said, and has the same signatures.
impl<R: Role> PartialEq for Metadata<R> {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical() && self.signatures == other.signatures
    }
}

fn check<R: Role>(signed: &R, signatures: &[RoleSignature]) -> Result<(), MetadataError> {
    let header = signed.header();
    if !header.spec_version.starts_with("1.") {
        return Err(MetadataError::SpecVersion(header.spec_version.clone()));
    }
    check_version(R::TYPE, header.version)?;
    signed.check()?;
    check_signatures(signatures)
}

fn check_signatures(signatures: &[RoleSignature]) -> Result<(), MetadataError> {
    check_count("signatures", signatures.len(), TUF_SIGNATURES)?;
    let mut seen = BTreeSet::new();
    match signatures.iter().find(|signature| !seen.insert(&signature.keyid)) {
        Some(again) => Err(MetadataError::DuplicateSignature(again.keyid.clone())),
        None => Ok(()),
    }
}

fn check_count(what: &'static str, found: usize, most: usize) -> Result<(), MetadataError> {
    if found > most { Err(MetadataError::TooMany { what, found, most }) } else { Ok(()) }
}

pub(super) fn check_version(of: &str, found: u64) -> Result<(), MetadataError> {
    if (1..=TUF_VERSION).contains(&found) { Ok(()) } else { Err(MetadataError::Version { of: of.to_owned(), found }) }
}

/// A threshold of 1 or more, and no key id twice (TUF 1.0.34, 4.3: "THRESHOLD", "KEYID").
pub(super) fn check_role_keys(role: &RoleName, key_ids: &[String], threshold: u64) -> Result<(), MetadataError> {
    if threshold == 0 {
        return Err(MetadataError::Threshold { role: role.clone() });
    }
    check_count("keys of one role", key_ids.len(), TUF_ROLE_KEYS)?;
    let mut seen = BTreeSet::new();
    match key_ids.iter().find(|key_id| !seen.insert(*key_id)) {
        Some(again) => Err(MetadataError::DuplicateKeyId { role: role.clone(), key_id: again.clone() }),
        None => Ok(()),
    }
}

/// A version; one too large for its type becomes the largest, which [`check_version`] refuses by its own name.
pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let larger = number.as_f64().is_some_and(|number| number >= u64::MAX as f64);
    let version = number.as_u64().or(larger.then_some(u64::MAX));
    version.ok_or_else(|| serde::de::Error::custom(format_args!("version {number}, expected a whole number")))
}

const TIME: &str = "%Y-%m-%dT%H:%M:%SZ";

fn write_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.strftime(TIME))
}

/// `YYYY-MM-DDTHH:MM:SSZ` and nothing else (TUF 1.0.34, 4.2, "EXPIRES").
fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = strtime::parse(TIME, &text)
        .and_then(|parts| parts.to_datetime())
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).map(|time| time.timestamp()));
    match time {
        Ok(time) if time.strftime(TIME).to_string() == text => Ok(time),
        _ => Err(serde::de::Error::custom(format_args!("time {text:?}, expected YYYY-MM-DDTHH:MM:SSZ"))),
    }
}
