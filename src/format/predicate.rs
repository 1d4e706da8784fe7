//! Predicate types: what an attestation says, by URI, and the short names that cosign gave them.

/// The predicate type of an image signature in a bundle (cosign 3).
pub const IMAGE_SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// cosign's own wrapping of any text.
pub const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";
/// A vulnerability scan.
pub const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
/// SLSA provenance 0.2.
pub const SLSA_V02: &str = "https://slsa.dev/provenance/v0.2";
/// SLSA provenance 1.
pub const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
/// SPDX.
pub const SPDX: &str = "https://spdx.dev/Document";
/// CycloneDX.
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";
/// An in-toto link.
pub const LINK: &str = "https://in-toto.io/Link/v1";
/// OpenVEX.
pub const OPENVEX: &str = "https://openvex.dev/ns";

/// Short name and URI, in the order that help texts show.
pub const ALIASES: [(&str, &str); 10] = [
    ("slsaprovenance", SLSA_V02),
    ("slsaprovenance02", SLSA_V02),
    ("slsaprovenance1", SLSA_V1),
    ("spdx", SPDX),
    ("spdxjson", SPDX),
    ("cyclonedx", CYCLONEDX),
    ("vuln", VULN),
    ("link", LINK),
    ("openvex", OPENVEX),
    ("custom", CUSTOM),
];

/// Why a text is no predicate type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateTypeError {
    /// Neither a short name nor a URI.
    #[error("{0:?} is no predicate type: expected a URI or one of {names}", names = ALIASES.map(|a| a.0).join(", "))]
    Unknown(String),
    /// The type of image signatures, which are no attestations.
    #[error("{IMAGE_SIGNATURE} is what `sign` writes: an image signature, not an attestation's type")]
    ImageSignature,
}

/// The URI for a short name or a URI.
///
/// # Errors
/// Neither a known short name nor a URI with a scheme, or the type of image signatures.
pub fn predicate_type(text: &str) -> Result<String, PredicateTypeError> {
    if text == IMAGE_SIGNATURE {
        return Err(PredicateTypeError::ImageSignature);
    }
    if let Some((_, uri)) = ALIASES.iter().find(|(alias, _)| *alias == text) {
        return Ok((*uri).to_owned());
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_uri = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    if is_uri { Ok(text.to_owned()) } else { Err(PredicateTypeError::Unknown(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_uris_are_types_and_other_words_are_not() {
        assert_eq!(predicate_type("spdxjson").as_deref(), Ok(SPDX));
        assert_eq!(predicate_type("https://example.com/x/v1").as_deref(), Ok("https://example.com/x/v1"));
        for bad in ["", "sbom", "://x", "a b:c", "https:// x", IMAGE_SIGNATURE] {
            assert!(predicate_type(bad).is_err(), "{bad}");
        }
    }
}
