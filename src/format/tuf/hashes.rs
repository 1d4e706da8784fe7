use crate::oci::{Digest, decode_hex};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// What metadata say of a file's content: hashes by algorithm (TUF 1.0.34, 4.4, "HASHES"), kept as they are written.
///
/// SHA-256 and SHA-512 say something, all others nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashes(Written);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Written {
    /// One SHA-256 and nothing else. Lists of thousands of targets have one each.
    Sha256([u8; 32]),
    /// Anything else, by algorithm.
    All(BTreeMap<String, String>),
}

const SHA256: &str = "sha256";
const KNOWN: [&str; 2] = [SHA256, "sha512"];

impl Hashes {
    /// The one hash that is this digest.
    #[must_use]
    pub fn of(digest: &Digest) -> Self {
        BTreeMap::from([(digest.algorithm().to_owned(), digest.hex())]).into()
    }

    /// The SHA-256 that is stated, if it is one.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        match &self.0 {
            Written::Sha256(hash) => Some(Digest::Sha256(*hash)),
            Written::All(all) => stated(SHA256, all.get(SHA256)?),
        }
    }

    /// Whether these are the hashes of a content whose SHA-256 is known: at least one by SHA-256 or SHA-512 is stated, and
    /// none of these is another.
    #[must_use]
    pub fn are_of(&self, content: &[u8], sha256: &Digest) -> bool {
        let Written::All(all) = &self.0 else { return self.sha256().as_ref() == Some(sha256) };
        let known: Vec<_> = all.iter().filter(|(algorithm, _)| KNOWN.contains(&algorithm.as_str())).collect();
        let holds = |(algorithm, hash): &(&String, &String)| match stated(algorithm, hash) {
            Some(hash @ Digest::Sha256(_)) => hash == *sha256,
            Some(hash @ Digest::Sha512(_)) => hash.same_algorithm(content) == hash,
            None => false,
        };
        !known.is_empty() && known.iter().all(holds)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Written::Sha256(_) => 1,
            Written::All(all) => all.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them in hex, by algorithm.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        match &self.0 {
            Written::Sha256(hash) => BTreeMap::from([(SHA256.to_owned(), hex::encode(hash))]),
            Written::All(all) => all.clone(),
        }
    }
}

fn stated(algorithm: &str, hash: &str) -> Option<Digest> {
    format!("{algorithm}:{hash}").parse().ok()
}

impl From<BTreeMap<String, String>> for Hashes {
    fn from(all: BTreeMap<String, String>) -> Self {
        let alone = all.get(SHA256).filter(|_| all.len() == 1).and_then(|hash| alone(SHA256, hash));
        Self(alone.unwrap_or(Written::All(all)))
    }
}

/// One hash that is all there is, if it is a SHA-256.
fn alone(algorithm: &str, hash: &str) -> Option<Written> {
    decode_hex(hash).filter(|_| algorithm == SHA256).map(Written::Sha256)
}

impl Serialize for Hashes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_map().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

/// A text, copied only if it has an escape.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'de> Visitor<'de> for Reader {
    type Value = Hashes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hashes by algorithm")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Hashes, A::Error> {
        let mut all = BTreeMap::new();
        let mut next = members.next_entry::<Text<'_>, Text<'_>>()?;
        while let Some((Text(algorithm), Text(hash))) = next {
            next = members.next_entry()?;
            match alone(&algorithm, &hash).filter(|_| all.is_empty() && next.is_none()) {
                Some(alone) => return Ok(Hashes(alone)),
                None => drop(all.insert(algorithm.into_owned(), hash.into_owned())),
            }
        }
        Ok(Hashes(Written::All(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_written_is_kept() {
        let hash = "0a".repeat(32);
        for (written, compact) in [
            (json!({ "sha256": hash }), true),
            (json!({}), false),
            (json!({ "sha256": hash.to_uppercase() }), false),
            (json!({ "sha256": "0a" }), false),
            (json!({ "sha512": hash }), false),
            (json!({ "md5": "x", "sha256": hash }), false),
            (json!({ "sha256": hash, "sha512": hash.repeat(2) }), false),
        ] {
            let read = Hashes::deserialize(&written).unwrap();
            assert_eq!(matches!(read.0, Written::Sha256(_)), compact, "{written}");
            assert_eq!(serde_json::to_value(&read).unwrap(), written);
            assert_eq!(Hashes::from(read.to_map()), read);
        }
        for bad in [json!([]), json!({ "sha256": 1 }), json!("sha256"), Value::Null] {
            assert!(Hashes::deserialize(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hashes_of_unknown_algorithms_say_nothing_and_all_known_ones_hold() {
        let (sha256, sha512) = (Digest::sha256(b"bytes"), Digest::Sha512([0; 64]).same_algorithm(b"bytes"));
        let are = |all: &[(&str, &str)]| {
            let all: BTreeMap<_, _> = all.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
            Hashes::from(all).are_of(b"bytes", &sha256)
        };
        let (one, other) = (sha256.hex(), sha512.hex());
        assert!(are(&[("sha256", &one)]) && are(&[("sha512", &other)]) && are(&[("sha256", &one), ("sha512", &other)]));
        assert!(are(&[("md5", "x"), ("sha256", &one)]));
        assert!(!are(&[]) && !are(&[("md5", "x")]) && !are(&[("sha256", &one), ("sha512", "x")]));
        assert!(!are(&[("sha256", &other[..64])]) && !are(&[("sha256", &one[..62])]));
    }
}
