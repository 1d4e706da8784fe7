//! The timestamp authority's API: RFC 3161's `TimeStampReq`, or the JSON of sigstore/timestamp-authority.

use super::super::{Embedded, Hash, PrivateSigstore, Stamp, pem, unb64};
use super::{Answer, Asked};
use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use yasna::{ASN1Result, BERReader, tags};

struct Request {
    hash: Hash,
    imprint: Vec<u8>,
    nonce: Option<Vec<u8>>,
    certificates: bool,
}

pub fn answer(services: &PrivateSigstore, asked: &Asked, serial: u64) -> Result<Answer, Answer> {
    if asked.method == Method::GET {
        let chain: String = services.tsa.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        return Ok(Answer::new(200, "application/pem-certificate-chain", chain));
    }
    let request = match asked.content_type.as_str() {
        "application/timestamp-query" => yasna::parse_der(&asked.body, by_der).map_err(Answer::bad)?,
        _ => by_json(&asked.body).ok_or_else(|| Answer::bad("this is no request for a timestamp"))?,
    };
    if request.imprint.len() != request.hash.of(b"").len() {
        return Err(Answer::bad("the imprint is not as long as its hash is"));
    }
    let stamp = Stamp {
        hash: request.hash,
        nonce: request.nonce,
        embedded: if request.certificates { Embedded::Leaf } else { Embedded::None },
        serial,
        ..Stamp::at(Timestamp::now())
    };
    let token = services.tsa.stamp_imprint(&request.imprint, &stamp);
    Ok(Answer::new(201, "application/timestamp-reply", token))
}

fn by_der(reader: BERReader<'_, '_>) -> ASN1Result<Request> {
    reader.read_sequence(|reader| {
        reader.next().read_u8()?;
        let (oid, imprint) = reader.next().read_sequence(|reader| {
            let oid = reader.next().read_sequence(|reader| {
                let oid = reader.next().read_oid()?;
                reader.read_optional(|reader| reader.read_null())?;
                Ok(oid)
            })?;
            Ok((oid, reader.next().read_bytes()?))
        })?;
        let known = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
        let hash = known.into_iter().find(|hash| oid.components()[..] == *hash.oid());
        let hash = hash.ok_or_else(|| yasna::ASN1Error::new(yasna::ASN1ErrorKind::Invalid))?;
        reader.read_optional(|reader| reader.read_oid())?;
        let nonce = reader.read_optional(|reader| Ok(reader.read_bigint_bytes()?.0))?;
        let certificates = reader.read_optional(|reader| reader.read_bool())?.unwrap_or_default();
        Ok(Request { hash, imprint, nonce, certificates })
    })
}

fn by_json(body: &[u8]) -> Option<Request> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let hash = match request["hashAlgorithm"].as_str()? {
        "sha256" => Hash::Sha256,
        "sha384" => Hash::Sha384,
        "sha512" => Hash::Sha512,
        _ => return None,
    };
    let nonce = request["nonce"].as_u64().map(|nonce| nonce.to_be_bytes().to_vec());
    let nonce = nonce.map(|bytes| bytes.into_iter().skip_while(|byte| *byte == 0).collect());
    let certificates = request["certificates"].as_bool().unwrap_or_default();
    Some(Request { hash, imprint: unb64(request["artifactHash"].as_str()?)?, nonce, certificates })
}
