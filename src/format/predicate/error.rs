use crate::json::JsonError;

/// Why a predicate is not what its type says: which document, which member, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateError {
    /// No strict JSON.
    #[error("{document}: {source}")]
    Json {
        /// What it was read as.
        document: &'static str,
        /// What is wrong.
        source: JsonError,
    },
    /// A member that is missing or of another shape.
    #[error("{document}, at `{member}`: {why}")]
    Shape {
        /// What it was read as.
        document: &'static str,
        /// Where: the path of the member.
        member: String,
        /// What is wrong, in the JSON reader's words.
        why: String,
    },
    /// A member with a value that the format does not know.
    #[error("{document}, at `{member}`: expected {expected}; found {found:?}")]
    Value {
        /// What it was read as.
        document: &'static str,
        /// Where: the path of the member.
        member: String,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
}

impl PredicateError {
    pub(super) fn value(
        document: &'static str,
        member: impl Into<String>,
        expected: &'static str,
        found: impl Into<String>,
    ) -> Self {
        Self::Value { document, member: member.into(), expected, found: found.into() }
    }
}
