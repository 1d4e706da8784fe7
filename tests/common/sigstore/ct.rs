//! A certificate transparency log: it signs what it would log (RFC 6962, section 3), and keeps nothing.

use super::keys::Key;
use jiff::Timestamp;
use rcgen::CustomExtension;

/// The extension that a list of SCTs is embedded by.
const SCT_LIST: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

pub struct CtLog {
    pub key: Key,
}

impl CtLog {
    pub fn new() -> Self {
        Self { key: Key::p256() }
    }

    /// A `SignedCertificateTimestamp` for a certificate without SCTs (`tbs`), whose issuer's key hashes to `issuer`.
    pub fn sct(&self, tbs: &[u8], issuer: &[u8], time: Timestamp) -> Vec<u8> {
        let millis = u64::try_from(time.as_millisecond()).expect("after 1970").to_be_bytes();
        let length = u32::try_from(tbs.len()).expect("small").to_be_bytes();
        // version v1, certificate_timestamp; precert_entry; no extensions
        let signed = [&[0, 0][..], &millis, &[0, 1], issuer, &length[1..], tbs, &[0, 0]].concat();
        let signature = self.key.sign(&signed);
        // SHA-256 and ECDSA, as TLS 1.2 numbers them
        [&[0][..], &self.key.id(), &millis, &[0, 0, 4, 3], &prefixed(&signature)].concat()
    }
}

/// The extension with these SCTs.
pub fn extension(scts: &[Vec<u8>]) -> CustomExtension {
    let list = prefixed(&scts.iter().flat_map(|sct| prefixed(sct)).collect::<Vec<_>>());
    let content = yasna::construct_der(|writer| writer.write_bytes(&list));
    CustomExtension::from_oid_content(&SCT_LIST, content)
}

/// TLS's `opaque<0..2^16-1>`.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("small").to_be_bytes();
    [&length[..], bytes].concat()
}
