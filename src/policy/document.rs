//! The policy file as it is written: YAML into types that mean nothing yet.

use super::{ByDigest, Mode, PolicyError, Position, Tofu, Unsigned, rules};
use crate::limits::POLICY_BYTES;
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    transform::{RecursiveTransform, Transform as _},
};
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_saphyr::{MergeKeyPolicy, Options, Spanned, budget, options};
use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

/// A Boltseal trust policy: which images are wanted, signed and attested by whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    /// The version of this language: 1.
    #[schemars(with = "u64", range(min = 1, max = 1))]
    #[allow(dead_code, reason = "read by `Head`, before anything else is")]
    pub version: Spanned<u64>,
    /// What is done with a deny, where a scope does not say it: `enforced` (the default), `permissive` or `disabled`.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to an image that no scope matches: it is denied.
    #[serde(default)]
    #[allow(dead_code, reason = "has but one value")]
    pub default: DefaultDecision,
    /// Names for who may sign.
    #[serde(default)]
    pub authorities: Entries<Authority>,
    /// For each scope, a glob over repository names, what is asked of its images. The most specific scope counts.
    pub images: Entries<Scope>,
}

/// What happens to an image that no scope matches.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DefaultDecision {
    /// It is denied.
    #[default]
    Deny,
}

/// Who may sign: the holder of any of these keys, or of a certificate for this identity. It is one authority, and counts once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [{ "required": ["key"] }, { "required": ["keys"] }, { "required": ["keyless"] }, { "required": ["x509"] }]))]
pub(super) struct Authority {
    /// A public key: a file, relative to the policy's folder, or the PEM text itself.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String")]
    pub key: Option<Spanned<String>>,
    /// Several public keys, any of which signs for this authority.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub keys: Option<Vec<Spanned<String>>>,
    /// An identity that Fulcio has issued certificates for.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Keyless")]
    pub keyless: Option<Keyless>,
    /// A subject of a private certification authority.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "X509")]
    pub x509: Option<X509>,
}

/// An identity that Fulcio has issued certificates for. `*` stands for any text without a slash, `**` for any text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [{ "required": ["subject"] }, { "required": ["subject-regexp"] }]))]
pub(super) struct Keyless {
    /// The OIDC issuer, a glob.
    #[schemars(with = "String", length(min = 1))]
    pub issuer: Spanned<String>,
    /// The subject alternative name, a glob.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub subject: Option<Spanned<String>>,
    /// The subject alternative name, a regular expression for the whole of it.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub subject_regexp: Option<Spanned<String>>,
    /// What else the certificate has to say, globs: `source-repository-uri`, `runner-environment`, ...
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub claims: Entries<Spanned<String>>,
    /// The trusted root: `public-good` (the default), `github`, or a file, relative to the policy's folder.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub trusted_root: Option<Spanned<String>>,
    /// Whether a transparency log of the root has to have an entry: `required` (the default), `proven` (an inclusion proof,
    /// no mere promise) or `optional`.
    #[serde(default)]
    pub log: LogDemand,
    /// Whether a timestamp authority of the root has to have seen the signature; `optional` where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Demand")]
    pub timestamp: Option<Demand>,
    /// Whether a certificate transparency log of the root has to have seen the certificate; `required` where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Demand")]
    pub sct: Option<Demand>,
}

/// Whether something has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Demand {
    /// It has to.
    Required,
    /// It counts where it is there.
    Optional,
}

/// Whether a log entry has to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LogDemand {
    /// It has to, with an inclusion proof.
    Proven,
    /// It has to, with a proof or with the log's promise.
    #[default]
    Required,
    /// It counts where it is there.
    Optional,
}

/// A subject of a private certification authority. Its certificate has to be valid when the image is verified.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct X509 {
    /// The authority's certificates: a file (PEM), relative to the policy's folder.
    #[schemars(with = "String", length(min = 1))]
    pub roots: Spanned<String>,
    /// The subject's distinguished name as RFC 4514 writes it, a glob.
    #[schemars(with = "String", length(min = 1))]
    pub subject: Spanned<String>,
    /// The purpose that the certificate has to list, an OID; code signing where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub eku: Option<Spanned<String>>,
}

/// What is asked of the images of a scope.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scope {
    /// What is done with a deny in this scope.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,
    /// What is asked of the repository's trust state: signed tags.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "ContentTrust")]
    pub content_trust: Option<Spanned<ContentTrust>>,
    /// The image signatures that are asked for.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Signatures")]
    pub signatures: Option<Signatures>,
    /// The attestations that are asked for, every one of them.
    #[serde(default)]
    pub attestations: Vec<Attestation>,
    /// What is asked of how the image was built.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "rules::Provenance")]
    pub provenance: Option<Spanned<rules::Provenance>>,
    /// What is asked of what is in it.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "rules::Sbom")]
    pub sbom: Option<Spanned<rules::Sbom>>,
    /// What is asked of what was found in it.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "rules::Vuln")]
    pub vuln: Option<Spanned<rules::Vuln>>,
    /// What is asked of its own configuration.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "rules::Config")]
    pub config: Option<Spanned<rules::Config>>,
}

/// What is asked of the repository's trust state: signed tags. It starts from `root`, `lock`, both, or `tofu: once`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("anyOf" = [{ "required": ["root"] }, { "required": ["lock"] }, { "required": ["tofu"] }]))]
pub(super) struct ContentTrust {
    /// The root keys that the first root has to be signed by.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "RootPins")]
    pub root: Option<RootPins>,
    /// The lock file that says what is known: a file, relative to the policy's folder.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1))]
    pub lock: Option<Spanned<String>>,
    /// The roles that have to agree on a tag; `targets/releases` where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub require_roles: Option<Vec<Spanned<String>>>,
    /// How many different signers these roles have to have; 1 where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub min_signers: Option<Spanned<usize>>,
    /// What is done about a timestamp or snapshot that has expired.
    #[serde(default)]
    pub on_expired: OnExpired,
    /// What is asked of an image that is named by digest.
    #[serde(default)]
    pub by_digest: ByDigest,
    /// Under which name the trust state has to be signed.
    #[serde(default)]
    pub identity: SignedName,
    /// Copies of the trust state that travel with the image count in the place of the repository's own.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Travel")]
    pub travel: Option<Travel>,
    /// What is done where nothing is known of a repository.
    #[serde(default)]
    pub tofu: Tofu,
}

/// The root keys that the first root has to be signed by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RootPins {
    /// The keys: SHA-256 of each one's SubjectPublicKeyInfo, in hex.
    #[schemars(with = "Vec<String>", length(min = 1), inner(regex(pattern = "^[0-9a-f]{64}$")))]
    pub keys: Vec<Spanned<String>>,
    /// How many of them have to have signed; 1 where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub threshold: Option<Spanned<u64>>,
    /// The least version that the newest root may have.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub min_version: Option<Spanned<u64>>,
}

/// What is done about a timestamp or snapshot that has expired.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnExpired {
    /// It is refused.
    #[default]
    Fail,
    /// It counts for so long after it expired: `36h`, `30d`.
    MaxStale(#[schemars(with = "String", regex(pattern = "^[0-9]+[hd]$"))] Spanned<String>),
}

/// Under which name the trust state has to be signed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SignedName {
    /// The repository that was asked for.
    #[default]
    Exact,
    /// The repository that was asked for, after the longest of these prefixes is replaced.
    Map(#[schemars(with = "BTreeMap<String, String>")] Entries<Spanned<String>>),
}

/// Copies of the trust state that travel with the image.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Travel {
    /// How old they may be: `36h`, `30d`.
    #[schemars(with = "String", regex(pattern = "^[0-9]+[hd]$"))]
    pub max_age: Spanned<String>,
}

/// The image signatures that are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Signatures {
    /// How many of the authorities have to have signed, as different principals; 1 where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub threshold: Option<Spanned<usize>>,
    /// The authorities whose signatures count.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<Spanned<String>>,
    /// What the reference that was signed with the digest has to say.
    #[serde(default)]
    pub identity: Identity,
    /// Annotations that the signature has to carry, with these values.
    #[serde(default)]
    pub annotations: Entries<String>,
}

/// An attestation that is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Attestation {
    /// The predicate's type: a URI, or one of cosign's names (`slsaprovenance1`, `spdxjson`, `vuln`, ...).
    #[serde(rename = "type")]
    #[schemars(with = "String")]
    pub predicate_type: Spanned<String>,
    /// The authorities whose attestations count.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<Spanned<String>>,
    /// How many of the authorities have to have attested, as different principals; 1 where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64", range(min = 1))]
    pub threshold: Option<Spanned<usize>>,
    /// The greatest age, by the time that the predicate states: `36h`, `7d`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", regex(pattern = "^[0-9]+[hd]$"))]
    pub max_age: Option<Spanned<String>>,
    /// What the reference that was signed with the digest has to say.
    #[serde(default)]
    pub identity: Identity,
    /// Which unsigned statements count that lie in the index, as BuildKit writes them: `refuse` (the default),
    /// `covered-by-index` or `covered-by-manifest`, as claims of the authority that signed the index, or the manifest that
    /// holds them, as an image. They are not the builder's own word.
    #[serde(default)]
    pub unsigned: Unsigned,
}

/// What the reference that was signed with the digest has to say.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Identity {
    /// Nothing: a signature over the digest alone counts.
    #[default]
    Any,
    /// The repository that was asked for.
    Repository,
    /// The repository and the tag that were asked for.
    Tag,
    /// The repository that was asked for, after the longest of these prefixes is replaced.
    Map(#[schemars(with = "BTreeMap<String, String>")] Entries<Spanned<String>>),
}

/// A field that may be left out, and has a value where it stands: an empty `signatures:` must not mean "none asked".
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The entries of a mapping, in order, each with its place; a key that comes twice is refused.
#[derive(Debug)]
pub(super) struct Entries<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            // YAML's own rule misses two keys that differ in type alone (`1` and `"1"`).
            if !names.insert(name.value.clone()) {
                return Err(serde::de::Error::custom(format_args!("{:?} appears twice", name.value)));
            }
            entries.push((name, map.next_value()?));
        }
        Ok(Entries(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}

/// The one field that is read before the others: another version has other fields.
#[derive(Deserialize)]
struct Head {
    version: Option<Spanned<u64>>,
}

/// Reads the text: one YAML document without anchors, aliases, merge keys and tags, no key twice, no unknown field.
pub(super) fn parse(text: &str) -> Result<Document, PolicyError> {
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if bytes > POLICY_BYTES {
        return Err(PolicyError::TooLarge { bytes });
    }
    let head: Head = serde_saphyr::from_str_with_options(text, strict()).map_err(error)?;
    match head.version {
        Some(version) if version.value == 1 => {}
        version => {
            let place = version.as_ref().map_or(Position::START, Position::of);
            return Err(PolicyError::Version { place, found: version.map(|v| v.value) });
        }
    }
    serde_saphyr::from_str_with_options(text, strict()).map_err(error)
}

fn strict() -> Options {
    options! {
        budget: budget! { max_documents: 1, max_anchors: 0, max_aliases: 0, max_depth: 16, flow_nesting_limit: 16 },
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
    }
}

/// Fields that a later version brings: refused by name, so that nobody takes them for in force.
const LATER: [&str; 2] = ["base", "rego"];

fn error(error: serde_saphyr::Error) -> PolicyError {
    let place = error.location().map_or(Position::START, |at| Position::At { line: at.line(), column: at.column() });
    match error.without_snippet() {
        serde_saphyr::Error::SerdeUnknownField { field, .. } if LATER.contains(&field.as_str()) => {
            PolicyError::NotInThisVersion { place, field: field.clone() }
        }
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => PolicyError::UnknownField {
            place,
            field: field.clone(),
            expected: expected.iter().map(|field| (*field).to_owned()).collect(),
        },
        _ => PolicyError::Yaml { place, source: Box::new(error) },
    }
}

/// The JSON Schema (2020-12) of the policy file, for editors and for `policy schema`.
///
/// It describes the shape; names, thresholds and scopes are judged by [`super::Policy::parse`] alone.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Document);
    let no_null = |schema: &mut Schema| {
        // A field may be left out; `null` in its place is refused.
        if schema.get("default").is_some_and(serde_json::Value::is_null) {
            schema.remove("default");
        }
    };
    RecursiveTransform(no_null).transform(&mut schema);
    schema.to_value()
}
