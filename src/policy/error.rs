use super::{Pattern, ScopeError};
use crate::{
    crypto::FingerprintError,
    format::predicate::PredicateTypeError,
    limits::{POLICY_BYTES, POLICY_SCOPES},
};
use serde_saphyr::{MessageFormatter as _, Spanned, UserMessageFormatter};
use std::fmt;

/// Why a policy cannot be used. Each message says where, what, and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More bytes than are read.
    #[error("{bytes} bytes, at most {POLICY_BYTES} are read")]
    TooLarge {
        /// The text's length.
        bytes: u64,
    },
    /// More scopes than are read.
    #[error("{0} scopes, at most {POLICY_SCOPES} are expected; a glob spares many")]
    TooManyScopes(usize),
    /// No version, or one that is not known.
    #[error("{place}: {}; expected `version: 1`", .found.map_or("no version".to_owned(), |v| format!("version {v}")))]
    Version {
        /// Where.
        place: Position,
        /// What stands there.
        found: Option<u64>,
    },
    /// Not YAML, or not of the policy's shape.
    #[error("{place}: {}", plain(.source))]
    Yaml {
        /// Where.
        place: Position,
        /// What the YAML reader says.
        source: Box<serde_saphyr::Error>,
    },
    /// A field that nobody knows.
    #[error("{place}: unknown field `{field}`; expected {}", list(.expected))]
    UnknownField {
        /// Where.
        place: Position,
        /// The field.
        field: String,
        /// The fields that would be known there.
        expected: Vec<String>,
    },
    /// Something that is asked of documents or of the configuration, and could not be met, or asks for nothing.
    #[error("{place}: `{field}` {why}")]
    Rule {
        /// Where.
        place: Position,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A Rego file that can't be read, or not be asked.
    #[error("{place}: rego {file}: {why}")]
    Rego {
        /// Where.
        place: Position,
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pattern that can't be matched with, or a purpose that is no OID.
    #[error("{place}: authority `{authority}`: {field}: {why}")]
    Pattern {
        /// Where.
        place: Position,
        /// The authority.
        authority: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A claim that certificates do not make.
    #[error("{place}: authority `{authority}`: no claim `{name}`; expected one of {}", list(.known))]
    Claim {
        /// Where.
        place: Position,
        /// The authority.
        authority: String,
        /// The name.
        name: String,
        /// The names that are known.
        known: Vec<String>,
    },
    /// A trusted root that could not be read.
    #[error("{place}: authority `{authority}`: {name}: {why}")]
    TrustedRoot {
        /// Where.
        place: Position,
        /// The authority.
        authority: String,
        /// The root.
        name: String,
        /// What is wrong, in the words of who read it.
        why: String,
    },
    /// Nobody who could sign, or two kinds of somebody.
    #[error(
        "{place}: authority `{name}`: expected one of `key` with one public key, `keys` with at least one, `keyless` with `issuer` and either `subject` or `subject-regexp`, or `x509`"
    )]
    AuthorityKeys {
        /// Where.
        place: Position,
        /// The authority.
        name: String,
    },
    /// A public key that could not be read.
    #[error("{place}: authority `{authority}`: key {key}: {why}")]
    Key {
        /// Where.
        place: Position,
        /// The authority.
        authority: String,
        /// The file, or that it was given inline.
        key: String,
        /// What is wrong, in the words of who read it.
        why: String,
    },
    /// A scope that cannot be read.
    #[error("{place}: scope {scope:?}: {source}")]
    Scope {
        /// Where.
        place: Position,
        /// The scope as written.
        scope: String,
        /// What is wrong with it.
        source: ScopeError,
    },
    /// Two scopes of which none is the more specific, though some repositories are in both.
    #[error(
        "{place}: scopes `{first}` and `{second}` match some of the same repositories, and none is the more specific one; expected one scope for those"
    )]
    AmbiguousScopes {
        /// Where the second one stands.
        place: Position,
        /// One scope.
        first: Box<Pattern>,
        /// The other.
        second: Box<Pattern>,
    },
    /// A scope that asks for nothing.
    #[error(
        "{place}: scope `{scope}` asks for nothing that somebody signed; expected `content-trust`, `signatures`, `attestations`, `provenance`, `sbom`, `vuln`, `vsa`, or `mode: disabled` to say that nothing is judged"
    )]
    AsksNothing {
        /// Where.
        place: Position,
        /// The scope.
        scope: String,
    },
    /// No authority to hear.
    #[error("{place}: `from` is empty; expected at least one authority")]
    FromNobody {
        /// Where.
        place: Position,
    },
    /// An authority that is not defined.
    #[error("{place}: no authority `{name}`; defined are: {}", list(.defined))]
    UnknownAuthority {
        /// Where.
        place: Position,
        /// The name.
        name: String,
        /// The names that are defined.
        defined: Vec<String>,
    },
    /// Something that is named twice in one list.
    #[error("{place}: {what} `{name}` is named twice; expected each once")]
    Repeated {
        /// Where.
        place: Position,
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A threshold that is zero, or that these authorities can never reach.
    #[error(
        "{place}: threshold {threshold}; these authorities are {reachable} different signers, so expected 1 to {reachable}"
    )]
    Threshold {
        /// Where.
        place: Position,
        /// What was asked.
        threshold: usize,
        /// How many different principals the authorities can be at most.
        reachable: usize,
    },
    /// Neither a known name nor a URI.
    #[error("{place}: {source}")]
    PredicateType {
        /// Where.
        place: Position,
        /// What is wrong with it.
        source: PredicateTypeError,
    },
    /// Not a duration.
    #[error("{place}: {found:?} is no duration; expected hours or days, such as `36h` or `7d`")]
    Duration {
        /// Where.
        place: Position,
        /// What stands there.
        found: String,
    },
    /// An age is asked of a predicate that states no time that is known here.
    #[error("{place}: max-age cannot be judged for {predicate_type}, in which no time is known; expected it at {}", super::predicate::TIMED.join(", "))]
    MaxAgeUntimed {
        /// Where.
        place: Position,
        /// The predicate's type.
        predicate_type: String,
    },
    /// No prefix of a repository name.
    #[error("{place}: {found:?} is no prefix of a repository; expected host, or host/path, without a slash at the end")]
    MapPrefix {
        /// Where.
        place: Position,
        /// What stands there.
        found: String,
    },
    /// A map without entries.
    #[error("{place}: `identity: map` without a prefix; expected at least one")]
    MapEmpty {
        /// Where.
        place: Position,
    },
    /// Content trust that starts from nothing.
    #[error("{place}: `content-trust` starts from nothing; expected `root`, `lock` or `tofu: once`")]
    NoAnchor {
        /// Where.
        place: Position,
    },
    /// First use beside what it would be overruled by.
    #[error("{place}: `tofu: once` beside `root` or `lock` is never used; expected one or the other")]
    TofuUnused {
        /// Where.
        place: Position,
    },
    /// First use of copies, which nobody remembers: each use would be the first.
    #[error("{place}: `travel` beside `tofu: once` would trust any copy; expected `root` or `lock` to start from")]
    TofuOfCopies {
        /// Where.
        place: Position,
    },
    /// Nothing would be asked of an image that is named by digest.
    #[error(
        "{place}: `by-digest: signatures` asks for nothing here; expected `signatures` or `attestations` in this scope, or `by-digest: listed`"
    )]
    ByDigestUnasked {
        /// Where.
        place: Position,
    },
    /// Nothing where something is needed.
    #[error("{place}: `{field}` is empty; expected {expected}")]
    Empty {
        /// Where.
        place: Position,
        /// The field.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// Zero where it means nothing.
    #[error("{place}: `{field}` is 0; expected at least 1")]
    Zero {
        /// Where.
        place: Position,
        /// The field.
        field: &'static str,
    },
    /// A pinned key that is no key's name.
    #[error("{place}: root key: {source}")]
    RootKey {
        /// Where.
        place: Position,
        /// What is wrong with it.
        source: FingerprintError,
    },
    /// A threshold that is zero, or more than all pinned keys.
    #[error("{place}: threshold {threshold}; {keys} root keys are pinned, so expected 1 to {keys}")]
    RootThreshold {
        /// Where.
        place: Position,
        /// What was asked.
        threshold: u64,
        /// How many keys are pinned.
        keys: u64,
    },
    /// A role that lists no tags.
    #[error("{place}: role {found:?} lists no tags; expected `targets/releases`, another delegated role, or `targets`")]
    RequiredRole {
        /// Where.
        place: Position,
        /// What stands there.
        found: String,
    },
}

/// Where in a policy something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// In the text, both from 1, in characters.
    At {
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
    /// In the flags of a one-line policy.
    Flags,
}

impl Position {
    pub(super) const START: Self = Self::At { line: 1, column: 1 };

    pub(super) fn of<T>(spanned: &Spanned<T>) -> Self {
        Self::At { line: spanned.referenced.line(), column: spanned.referenced.column() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { line, column } => write!(f, "line {line}, column {column}"),
            Self::Flags => f.write_str("flags"),
        }
    }
}

/// The YAML reader's message without its own words for the place, in this policy's words where it has none for a user.
fn plain(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::{Error, budget::BudgetBreach};
    let text = match error.without_snippet() {
        Error::Unexpected { expected: "mapping start", .. } => "expected a mapping, `name: value`",
        Error::Unexpected { expected: "sequence start", .. } => "expected a list, `[a, b]`",
        Error::InvalidScalar { ty: "u64" | "usize", .. } => "expected a whole number",
        Error::NullIntoString { .. } => "no value; expected a text",
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => "a second document; expected one",
        Error::Budget { breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. }, .. } => {
            "anchors and aliases are not read; expected the value itself"
        }
        other => return UserMessageFormatter.format_message(other).into_owned(),
    };
    text.to_owned()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
