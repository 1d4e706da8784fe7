//! The predicate types that have names, and where each states its time.

use super::rules::Question;
use crate::format::predicate::{
    ALIASES, CUSTOM, CYCLONEDX, OPENVEX, Predicate, PredicateTypeError, SLSA_V1, SLSA_V02, SPDX, VULN, base,
    predicate_type,
};
use jiff::Timestamp;
use std::fmt;

/// The types whose time is known.
pub(super) const TIMED: [&str; 7] = [CUSTOM, SLSA_V02, SLSA_V1, SPDX, CYCLONEDX, VULN, OPENVEX];

/// The predicate type that a policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredicateType {
    uri: String,
    any_version: bool,
}

impl PredicateType {
    /// One of cosign's names (`slsaprovenance1`, `vuln`, ...) or a URI. A name stands for its URI, and for SPDX,
    /// CycloneDX and OpenVEX with a document version behind it, too; a URI stands for itself alone.
    pub(super) fn parse(text: &str) -> Result<Self, PredicateTypeError> {
        let any_version = ALIASES.iter().any(|(name, _)| *name == text);
        Ok(Self { uri: predicate_type(text)?, any_version })
    }

    /// What a question is asked of, in words: no single type.
    pub(super) fn of(question: &Question) -> Self {
        Self { uri: question.to_string(), any_version: false }
    }

    /// Whether an attestation of this type is one that is asked for.
    pub(super) fn matches(&self, uri: &str) -> bool {
        self.uri == uri || self.any_version && self.uri == base(uri)
    }

    /// Whether predicates of this type state a time that is known here.
    pub(super) fn is_timed(&self) -> bool {
        TIMED.contains(&base(&self.uri))
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

/// When a predicate says that it was made: as the signer states it, which nobody else vouches for.
pub(super) fn stated_time(uri: &str, predicate: &Predicate) -> Option<Timestamp> {
    let path = match base(uri) {
        SLSA_V1 => &["runDetails", "metadata", "finishedOn"][..],
        SLSA_V02 => &["metadata", "buildFinishedOn"],
        VULN => &["metadata", "scanFinishedOn"],
        CUSTOM => &["Timestamp"],
        SPDX => &["creationInfo", "created"],
        CYCLONEDX => &["metadata", "timestamp"],
        OPENVEX => &["timestamp"],
        _ => return None,
    };
    predicate.text(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::predicate::LINK;
    use serde_json::json;

    #[test]
    fn every_name_has_a_type_and_every_timed_type_a_time() {
        for (alias, _) in ALIASES {
            assert!(PredicateType::parse(alias).is_ok(), "{alias}");
        }
        let time = "2026-11-01T00:00:00Z";
        let every = json!({
            "runDetails": {"metadata": {"finishedOn": time}},
            "metadata": {"buildFinishedOn": time, "scanFinishedOn": time, "timestamp": time},
            "Timestamp": time, "creationInfo": {"created": time}, "timestamp": time,
        });
        for uri in TIMED {
            assert_eq!(stated_time(uri, &every.clone().into()), Some(time.parse().unwrap()), "{uri}");
            assert_eq!(stated_time(uri, &json!({}).into()), None, "{uri}");
            assert_eq!(stated_time(uri, &json!("text").into()), None, "{uri}");
        }
        assert_eq!(stated_time(LINK, &every.into()), None);
    }

    #[test]
    fn a_time_without_an_offset_or_of_another_type_is_unknown() {
        for bad in [json!("2026-11-01T00:00:00"), json!("yesterday"), json!(1_700_000_000), json!(null)] {
            assert_eq!(stated_time(CUSTOM, &json!({ "Timestamp": bad }).into()), None, "{bad}");
        }
    }

    #[test]
    fn a_name_takes_document_versions_and_a_uri_does_not() {
        let name = PredicateType::parse("spdxjson").unwrap();
        assert!(name.matches(SPDX) && name.matches("https://spdx.dev/Document/v2.3"));
        assert!(!name.matches("https://spdx.dev/Documents") && !name.matches(CYCLONEDX));
        let uri = PredicateType::parse(SPDX).unwrap();
        assert!(uri.matches(SPDX) && !uri.matches("https://spdx.dev/Document/v2.3"));
        let slsa = PredicateType::parse("slsaprovenance1").unwrap();
        assert!(!slsa.matches("https://slsa.dev/provenance/v1/v2") && !slsa.matches(SLSA_V02));
    }

    #[test]
    fn neither_a_name_nor_a_uri_is_refused() {
        for bad in ["", "slsa", "SPDX", ":", "1:2", "https://a b", "a/b:c"] {
            assert!(PredicateType::parse(bad).is_err(), "{bad:?}");
        }
        assert!(PredicateType::parse("urn:example:scan").is_ok());
    }
}
