//! HMAC-SHA-256 (RFC 2104) of what is kept where others can write.

use aws_lc_rs::hmac;

/// A key for authenticating what only we write.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

/// Bytes that such a key has at least. Source: RFC 2104, 3: not less than the hash's.
const LEAST: usize = 32;

impl MacKey {
    /// Bytes of a tag.
    pub const TAG: usize = 32;

    /// A key of at least 32 bytes; `None` if there are fewer.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= LEAST).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The tag of content under a name: what is kept under one name is not authentic under another.
    #[must_use]
    pub fn tag(&self, name: &str, content: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, &framed(name, content)).as_ref().to_vec()
    }

    /// Whether the tag is of this content under this name, by this key. Takes the same time for each wrong one.
    #[must_use]
    pub fn holds(&self, name: &str, content: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, &framed(name, content), tag).is_ok()
    }
}

/// The name stands behind its length, so that no other name and content are the same bytes.
fn framed(name: &str, content: &[u8]) -> Vec<u8> {
    [&(name.len() as u64).to_be_bytes(), name.as_bytes(), content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_one_key_name_and_content() {
        assert!(MacKey::new(&[7; 31]).is_none());
        let (key, other) = (MacKey::new(&[7; 32]).unwrap(), MacKey::new(&[8; 32]).unwrap());
        let tag = key.tag("name", b"content");
        assert_eq!(tag.len(), MacKey::TAG);
        assert!(key.holds("name", b"content", &tag));
        assert!(!other.holds("name", b"content", &tag));
        assert!(!key.holds("namec", b"ontent", &tag));
        assert!(!key.holds("name", b"content ", &tag));
        assert!(!key.holds("name", b"content", &tag[..16]));
        assert!(!key.holds("name", b"content", b""));
    }

    /// RFC 4231, 4.3 has a key of four bytes; this is its test case 4, whose key has 25, padded as HMAC pads it.
    #[test]
    fn it_is_hmac_sha_256() {
        let key: Vec<u8> = (1..=25).chain([0; 39]).collect();
        let MacKey(key) = MacKey::new(&key).unwrap();
        let tag = hmac::sign(&key, &[0xcd; 50]);
        assert_eq!(hex::encode(tag), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    }
}
