use crate::json::{self, JsonError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};
use serde_json::{Value, value::RawValue};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// A predicate as it was signed: JSON that was checked and is not yet read. A clone shares the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Predicate(Arc<Box<str>>);

impl Predicate {
    /// Checks a document of at most so many values.
    ///
    /// # Errors
    /// It is no strict JSON, or has more values.
    pub fn read(bytes: &[u8], most: usize) -> Result<Self, JsonError> {
        json::check(bytes, most)?;
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The JSON.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The names of its members; `None` where it is no object.
    #[must_use]
    pub fn members(&self) -> Option<BTreeSet<String>> {
        let members: BTreeMap<String, IgnoredAny> = serde_json::from_str(&self.0).ok()?;
        Some(members.into_keys().collect())
    }

    /// A member within members, where it is a text.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<String> {
        let mut at: &str = &self.0;
        for name in path {
            let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(at).ok()?;
            at = members.get(*name)?.get();
        }
        serde_json::from_str(at).ok()
    }
}

impl Default for Predicate {
    fn default() -> Self {
        Self(Arc::new("null".into()))
    }
}

impl From<Value> for Predicate {
    fn from(value: Value) -> Self {
        Self(Arc::new(value.to_string().into()))
    }
}

impl<'de> Deserialize<'de> for Predicate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Arc::new(Box::<RawValue>::deserialize(deserializer)?.into())))
    }
}

impl Serialize for Predicate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_found_by_its_path() {
        let predicate = Predicate::from(json!({"a": {"b": "c", "d": 1}, "e": "f"}));
        assert_eq!(predicate.text(&["a", "b"]).as_deref(), Some("c"));
        assert_eq!(predicate.text(&["e"]).as_deref(), Some("f"));
        for path in [&["a"][..], &["a", "d"], &["a", "x"], &["e", "f"], &[]] {
            assert_eq!(predicate.text(path), None, "{path:?}");
        }
    }
}
