use crate::crypto::hash::{self, Hash, Hasher};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A content digest: `algorithm:hex` (OCI image-spec 1.1, "Digests"), of a registered algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The algorithm is neither `sha256` nor `sha512`.
    #[error("digest {0:?}: the algorithm has to be sha256 or sha512")]
    Algorithm(String),
    /// The encoded part is not lower-case hex of the algorithm's length.
    #[error("digest {0:?}: expected {1} lower-case hex characters after the colon")]
    Encoding(String, usize),
}

impl Digest {
    /// SHA-256 of bytes.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::Sha256(hash::sha256(bytes))
    }

    /// The digest of bytes by the same algorithm as `self`.
    #[must_use]
    pub fn same_algorithm(&self, bytes: &[u8]) -> Self {
        match self {
            Self::Sha256(_) => Self::Sha256(hash::sha256(bytes)),
            Self::Sha512(_) => Self::Sha512(hash::sha512(bytes)),
        }
    }

    /// A hasher of the same algorithm, for content that arrives piece by piece; `Digest::from` of its result compares.
    #[must_use]
    pub fn hasher(&self) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::sha256(),
            Self::Sha512(_) => Hasher::sha512(),
        }
    }

    /// `sha256` or `sha512`.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The hash's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// The hash in lower-case hex.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.bytes())
    }

    /// The referrers fallback tag: `algorithm-hex`, the hex cut at 64 characters (distribution-spec 1.1,
    /// "Referrers Tag Schema"). cosign's `.sig` and `.att` tags are this one with a suffix.
    #[must_use]
    pub fn fallback_tag(&self) -> String {
        let hex = self.hex();
        format!("{}-{}", self.algorithm(), hex.get(..64).unwrap_or(&hex))
    }
}

impl From<Hash> for Digest {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Sha256(bytes) => Self::Sha256(bytes),
            Hash::Sha512(bytes) => Self::Sha512(bytes),
        }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        fn decode<const N: usize>(text: &str, encoded: &str) -> Result<[u8; N], DigestError> {
            decode_hex(encoded).ok_or_else(|| DigestError::Encoding(text.to_owned(), 2 * N))
        }
        match text.split_once(':') {
            Some(("sha256", encoded)) => decode(text, encoded).map(Self::Sha256),
            Some(("sha512", encoded)) => decode(text, encoded).map(Self::Sha512),
            _ => Err(DigestError::Algorithm(text.to_owned())),
        }
    }
}

/// Lower-case hex of exactly so many bytes. Without a branch a digit: those of a hash can't be foreseen.
pub(crate) fn decode_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match (byte.wrapping_sub(b'0'), byte.wrapping_sub(b'a')) {
        (digit @ 0..=9, _) => digit,
        (_, letter @ 0..=5) => letter + 10,
        _ => 0xff,
    };
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let (mut bytes, mut seen) = ([0; N], 0);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (digit(*high), digit(*low));
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < 16).then_some(bytes)
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn the_empty_descriptor_has_its_digest() {
        assert_eq!(Digest::sha256(b"{}").to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(Digest::sha256(b"{}")));
    }

    #[test]
    fn only_registered_algorithms_in_lower_case_hex() {
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:abc",
            "md5:44136fa355b3678a1146ad16f7e8649e",
            &EMPTY.to_uppercase(),
            &EMPTY.replace("44136fa", "44136FA"),
            &format!("{EMPTY}0"),
            &format!(" {EMPTY}"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_fallback_tag_of_a_long_digest_is_cut() {
        let long = Digest::Sha512([0xab; 64]);
        assert_eq!(long.fallback_tag(), format!("sha512-{}", "ab".repeat(32)));
        assert!(long.fallback_tag().len() <= 128);
    }
}
