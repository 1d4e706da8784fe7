//! What a timestamp authority is asked (RFC 3161, 2.4.1).

use super::hash::sha256;
use pkcs8::{
    ObjectIdentifier,
    der::{
        Any, Encode as _,
        asn1::{AnyRef, OctetStringRef},
    },
    spki::AlgorithmIdentifierRef,
};

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// A request for a timestamp over these bytes' SHA-256, with the authority's certificates in the answer.
///
/// It has no nonce: that keeps an old answer from being given again, and bytes that were signed a moment ago have none.
///
/// # Errors
/// None in practice: the encoder's.
pub fn timestamp_request(message: &[u8]) -> Result<Vec<u8>, pkcs8::der::Error> {
    let algorithm = AlgorithmIdentifierRef { oid: SHA256, parameters: Some(AnyRef::NULL) };
    let hash = sha256(message);
    let imprint = vec![Any::encode_from(&algorithm)?, Any::encode_from(&OctetStringRef::new(&hash)?)?];
    let request = vec![Any::encode_from(&1_u8)?, Any::encode_from(&imprint)?, Any::encode_from(&true)?];
    request.to_der()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl ts -query -data FILE -sha256 -cert -no_nonce` writes it.
    #[test]
    fn a_request_is_what_openssl_makes_of_the_same() {
        let expected = [
            &hex::decode("3039020101").unwrap()[..],
            &hex::decode("3031300d060960864801650304020105000420").unwrap(),
            &sha256(b"x"),
            &[1, 1, 0xff],
        ]
        .concat();
        assert_eq!(hex::encode(timestamp_request(b"x").unwrap()), hex::encode(expected));
    }
}
