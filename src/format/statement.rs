//! in-toto statements, v0.1 and v1 (in-toto attestation framework, "Statement").

use super::predicate::Predicate;
use crate::{
    json::{self, JsonError},
    limits::DOCUMENT_VALUES,
    oci::Digest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `_type` of the statements that we write.
pub const TYPE_V1: &str = "https://in-toto.io/Statement/v1";
/// `_type` of statements as cosign's `attest` writes them.
pub const TYPE_V01: &str = "https://in-toto.io/Statement/v0.1";

/// A statement as it was found: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement<P = Value> {
    /// The framework's version.
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What the statement is about.
    pub subject: Vec<StatementSubject>,
    /// What is said, a URI.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said, in that type's shape; `null` where it is absent.
    #[serde(default)]
    pub predicate: P,
}

/// One thing that a statement is about (in-toto's ResourceDescriptor).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementSubject {
    /// Its name: for us and for cosign's attestations the image's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Algorithm to hex.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
    /// The signer's annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, Value>>,
}

/// Why bytes are no statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not JSON of a statement's shape.
    #[error("the statement is {0}")]
    Json(#[from] JsonError),
    /// Another version of the framework.
    #[error("the statement's _type is {0:?}, expected {TYPE_V1:?} or {TYPE_V01:?}")]
    Type(String),
    /// Nothing that it is about.
    #[error("the statement has no subject")]
    NoSubject,
}

impl Statement {
    /// Decodes a statement. Unknown members are ignored, as the framework asks.
    ///
    /// # Errors
    /// As [`StatementError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        json::decode::<Self>(bytes)?.checked()
    }
}

impl Statement<Predicate> {
    /// As [`Statement::decode`], with the predicate as it stands in the bytes: one that is large costs its own length.
    ///
    /// # Errors
    /// As [`StatementError`] says.
    pub fn read(bytes: &[u8]) -> Result<Self, StatementError> {
        json::check(bytes, DOCUMENT_VALUES)?;
        serde_json::from_slice::<Self>(bytes).map_err(JsonError::from)?.checked()
    }
}

impl<P: Serialize> Statement<P> {
    /// A statement about one digest.
    #[must_use]
    pub fn about(digest: &Digest, name: Option<String>, predicate_type: &str, predicate: P) -> Self {
        let digest = BTreeMap::from([(digest.algorithm().to_owned(), digest.hex())]);
        Self {
            statement_type: TYPE_V1.to_owned(),
            subject: vec![StatementSubject { name, digest, annotations: None }],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }

    /// The statement as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        super::to_json(self)
    }

    fn checked(self) -> Result<Self, StatementError> {
        if self.statement_type != TYPE_V1 && self.statement_type != TYPE_V01 {
            return Err(StatementError::Type(self.statement_type));
        }
        if self.subject.is_empty() {
            return Err(StatementError::NoSubject);
        }
        Ok(self)
    }
}

impl StatementSubject {
    /// Whether this subject is what has this digest.
    #[must_use]
    pub fn is(&self, digest: &Digest) -> bool {
        self.digest.get(digest.algorithm()).is_some_and(|hex| *hex == digest.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_predicate_is_read() {
        let bare = br#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"}}],"predicateType":"t","x":1}"#;
        assert_eq!(Statement::decode(bare).expect("a statement").predicate, Value::Null);
        assert_eq!(Statement::read(bare).expect("a statement").predicate, Predicate::default());
    }

    // [V-11]
    #[test]
    fn versions_and_subjects_are_asked_for() {
        for bad in [
            r#"{"_type":"https://in-toto.io/Statement/v2","subject":[{}],"predicateType":"t"}"#,
            r#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"t"}"#,
            r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"t"}"#,
        ] {
            assert!(Statement::decode(bad.as_bytes()).is_err(), "{bad}");
            assert!(Statement::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_subject_is_matched_by_its_own_algorithm() {
        let digest = Digest::sha256(b"{}");
        let statement = Statement::about(&digest, None, "t", Value::Null);
        assert!(statement.subject[0].is(&digest) && !statement.subject[0].is(&Digest::sha256(b"")));
        assert_eq!(Statement::decode(&statement.encode()).expect("ours"), statement);
    }
}
