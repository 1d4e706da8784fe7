//! PEM (RFC 7468), read as key files of OpenSSL, Go, cosign and Notary are written.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// One PEM block. Its bytes may be a secret, so they are wiped on drop.
pub(crate) struct Block {
    /// What stands between `-----BEGIN ` and `-----`.
    pub label: String,
    /// Whether RFC 1421 headers say that OpenSSL's own scheme encrypted it.
    pub legacy_encrypted: bool,
    /// The decoded body.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Why bytes hold no single PEM block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// Not text.
    #[error("not text, expected PEM (`-----BEGIN …`)")]
    NotText,
    /// No `-----BEGIN …-----` line.
    #[error("no PEM block found, expected a line `-----BEGIN …-----`")]
    Missing,
    /// More than one block.
    #[error("{0} PEM blocks found, expected one key in one file")]
    Several(usize),
    /// A block without its end line.
    #[error("PEM block {label:?} has no line `-----END {label}-----`")]
    Unterminated {
        /// The block's label.
        label: String,
    },
    /// A block's body is no base64.
    #[error("PEM block {label:?}: {source}")]
    Base64 {
        /// The block's label.
        label: String,
        /// What is wrong with it.
        source: base64::DecodeError,
    },
}

/// Decodes the one PEM block in a file.
///
/// Text outside of it is passed over (RFC 7468, section 2), so is `EC PARAMETERS`, which OpenSSL writes before a key.
/// Headers inside the block (`role: root`, `Proc-Type: …`) are passed over too.
pub(crate) fn decode_one(bytes: &[u8]) -> Result<Block, PemError> {
    let mut blocks = decode_all(bytes)?;
    match blocks.len() {
        0 | 1 => blocks.pop().ok_or(PemError::Missing),
        several => Err(PemError::Several(several)),
    }
}

/// Decodes every PEM block in a file, at least one, as [`decode_one`] does.
pub(crate) fn decode_all(bytes: &[u8]) -> Result<Vec<Block>, PemError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PemError::NotText)?;
    let mut lines = text.lines().map(str::trim);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        let label = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        if let Some(label) = label {
            let block = decode_body(label, &mut lines, text.len())?;
            if label != "EC PARAMETERS" {
                blocks.push(block);
            }
        }
    }
    if blocks.is_empty() { Err(PemError::Missing) } else { Ok(blocks) }
}

/// Decodes a block's lines, which have at most so many bytes.
fn decode_body<'t>(label: &str, lines: &mut impl Iterator<Item = &'t str>, most: usize) -> Result<Block, PemError> {
    let unterminated = || PemError::Unterminated { label: label.to_owned() };
    let end = format!("-----END {label}-----");
    // Room for all at once: a reallocation would leave a copy behind that nobody wipes.
    let mut body = Zeroizing::new(String::with_capacity(most));
    let mut legacy_encrypted = false;
    loop {
        let line = lines.next().ok_or_else(unterminated)?;
        if line == end {
            break;
        }
        if line.starts_with("-----") {
            return Err(unterminated());
        }
        // A colon is no base64, so before the body such a line can only be a header.
        if body.is_empty() && line.contains(':') {
            legacy_encrypted |= line.starts_with("DEK-Info:");
        } else {
            body.push_str(line);
        }
    }
    let bytes =
        STANDARD.decode(body.as_bytes()).map_err(|source| PemError::Base64 { label: label.to_owned(), source })?;
    Ok(Block { label: label.to_owned(), legacy_encrypted, bytes: Zeroizing::new(bytes) })
}

/// Encodes one block with 64 columns and a line feed at each line's end, as Go and OpenSSL do.
pub(crate) fn encode(label: &str, bytes: &[u8]) -> String {
    let body = STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, character) in body.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<(String, Vec<u8>), PemError> {
        decode_one(text.as_bytes()).map(|block| (block.label, block.bytes.to_vec()))
    }

    #[test]
    fn what_is_encoded_is_decoded_at_every_length_around_a_line() {
        for length in 0..200 {
            let bytes = vec![0xa5; length];
            let text = encode("A KEY", &bytes);
            assert!(text.lines().all(|line| line.len() <= 64), "{text}");
            assert_eq!(decode(&text), Ok(("A KEY".to_owned(), bytes)));
        }
    }

    #[test]
    fn text_around_and_headers_inside_are_passed_over() {
        let text = "# the release key\n-----BEGIN X-----\r\nrole: root\r\ngun: example.com/app\r\n\r\nAAEC\r\n-----END X-----\r\nbye\n";
        assert_eq!(decode(text), Ok(("X".to_owned(), vec![0, 1, 2])));
    }

    #[test]
    fn one_block_and_one_only() {
        let one = encode("X", b"1");
        assert_eq!(decode(""), Err(PemError::Missing));
        assert_eq!(decode(&format!("{one}{one}")), Err(PemError::Several(2)));
        assert_eq!(decode(&format!("{}{one}", encode("EC PARAMETERS", b"p"))), Ok(("X".to_owned(), b"1".to_vec())));
        assert_eq!(decode_one(b"\xff\xfe").err(), Some(PemError::NotText));
    }

    #[test]
    fn a_broken_block_is_named() {
        let x = || "X".to_owned();
        assert_eq!(decode("-----BEGIN X-----\nAAEC\n"), Err(PemError::Unterminated { label: x() }));
        assert_eq!(decode("-----BEGIN X-----\nAAEC\n-----END Y-----\n"), Err(PemError::Unterminated { label: x() }));
        assert!(matches!(decode("-----BEGIN X-----\nA?EC\n-----END X-----\n"), Err(PemError::Base64 { .. })));
        assert!(matches!(decode("-----BEGIN X-----\nAAEC\na: b\n-----END X-----\n"), Err(PemError::Base64 { .. })));
    }
}
