use super::{Hashes, hashes::Text};
use crate::oci::Digest;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap as _,
};
use serde_json::{Map, Value};
use std::fmt;

/// What a path stands for: some bytes, or in boltseal's own trust state a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Length in bytes.
    pub length: u64,
    /// Hashes of these bytes.
    pub hashes: Hashes,
    /// Of thousands most have no more.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct More {
    /// What the signer adds.
    custom: Option<Value>,
    /// Members that this version does not know, kept.
    unknown: Map<String, Value>,
}

impl Target {
    /// A target of this length and digest.
    #[must_use]
    pub fn new(length: u64, digest: &Digest) -> Self {
        Self { length, hashes: Hashes::of(digest), more: None }
    }

    /// The same with this as what the signer adds.
    #[must_use]
    pub fn with_custom(mut self, custom: Value) -> Self {
        self.more.get_or_insert_default().custom = Some(custom);
        self
    }

    /// What the signer adds.
    #[must_use]
    pub fn custom(&self) -> Option<&Value> {
        self.more.as_ref()?.custom.as_ref()
    }

    /// Members that this version does not know.
    pub fn unknown(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.more.iter().flat_map(|more| &more.unknown)
    }

    /// The SHA-256 that is stated, if it is one.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.hashes.sha256()
    }

    /// The digests that `custom` lists as `digests`: of an index, its platforms' manifests. What is no digest is left out.
    pub fn listed_digests(&self) -> impl Iterator<Item = Digest> + '_ {
        let listed = self.custom().and_then(|custom| custom.get("digests")).and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(|digest| digest.as_str()?.parse().ok())
    }

    /// The `reason` that `custom` gives.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.custom()?.get("reason")?.as_str()
    }

    /// Whether these are the target's bytes: its length, and its hashes by SHA-256 and SHA-512, at least one of them.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.length == bytes.len() as u64 && self.hashes.are_of(bytes, &Digest::sha256(bytes))
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("length", &self.length)?;
        members.serialize_entry("hashes", &self.hashes)?;
        if let Some(custom) = self.custom() {
            members.serialize_entry("custom", custom)?;
        }
        for (name, value) in self.unknown() {
            members.serialize_entry(name, value)?;
        }
        members.end()
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

/// Reads members as they come: what serde derives for unknown ones keeps all that comes before it knows what it is.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a target")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Target, A::Error> {
        let (mut length, mut hashes, mut more) = (None, None, None::<Box<More>>);
        while let Some(Text(name)) = members.next_key()? {
            let again = match &*name {
                "length" => length.replace(members.next_value()?).is_some(),
                "hashes" => hashes.replace(members.next_value()?).is_some(),
                "custom" => match members.next_value()? {
                    Some(custom) => more.get_or_insert_default().custom.replace(custom).is_some(),
                    None => false,
                },
                _ => {
                    let value = members.next_value()?;
                    more.get_or_insert_default().unknown.insert(name.clone().into_owned(), value).is_some()
                }
            };
            if again {
                return Err(A::Error::custom(format_args!("member {name:?} appears twice")));
            }
        }
        let length = length.ok_or_else(|| A::Error::missing_field("length"))?;
        let hashes = hashes.ok_or_else(|| A::Error::missing_field("hashes"))?;
        Ok(Target { length, hashes, more })
    }
}
