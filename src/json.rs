//! Strict JSON: bounded depth and number of values, no duplicate or reserved member at any level, nothing after the document.
//!
//! RFC 8259 leaves the meaning of a repeated member open, and parsers differ; a signature over such a document
//! says different things to different readers. It is refused here, once, for every format.

mod check;
mod plain;

pub use check::check;
pub use plain::decode_plain;

use crate::limits::{JSON_DEPTH, JSON_VALUES};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{cell::Cell, fmt};

/// Why a document is no strict JSON, or not of the expected shape.
#[derive(Debug, thiserror::Error)]
#[error("not the expected JSON: {0}")]
pub struct JsonError(#[from] serde_json::Error);

/// Reads one JSON document into a value.
///
/// # Errors
/// Broken JSON, a repeated member, nesting beyond [`JSON_DEPTH`], more than [`JSON_VALUES`] values, or trailing bytes.
pub fn decode_value(bytes: &[u8]) -> Result<Value, JsonError> {
    decode_value_within(bytes, JSON_VALUES)
}

/// As [`decode_value`], with at most so many values.
///
/// # Errors
/// As [`decode_value`].
pub fn decode_value_within(bytes: &[u8], most: usize) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let left = Cell::new(most);
    let value = Strict { depth: 0, left: &left }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads one JSON document into a type.
///
/// # Errors
/// As [`decode_value`], or a shape that `T` does not take.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    Ok(T::deserialize(decode_value(bytes)?)?)
}

/// Refuses the names by which serde_json, and whoever reads JSON as it does, takes an object for a number or for JSON in a text:
/// they would read another document than everybody else.
fn refuse_reserved<E: serde::de::Error>(name: &str) -> Result<(), E> {
    if name.starts_with("$serde_json::private::") {
        return Err(E::custom(format_args!("a member with the reserved name {name:?}")));
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    /// Values that may still come: seven bytes of JSON can cost hundreds in memory.
    left: &'c Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= JSON_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {JSON_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| E::custom("more values than are read"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            refuse_reserved(&name)?;
            let value = map.next_value_seed(inner)?;
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("member {name:?} appears twice")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [V-09]
    #[test]
    fn a_repeated_member_is_refused_at_any_level() {
        assert!(decode_value(br#"{"a":1,"b":{"c":1,"c":2}}"#).is_err());
        assert!(decode_value(br#"{"a":1,"\u0061":2}"#).is_err());
        assert!(decode_value(br#"{"a":[{"b":1},{"b":1}]}"#).is_ok());
    }

    // [V-09]
    #[test]
    fn an_object_is_never_taken_for_a_number_or_for_json_in_a_text() {
        for text in [
            r#"{"$serde_json::private::Number":"1e2000000000"}"#,
            r#"{"a":[{"\u0024serde_json::private::Number":"1"}]}"#,
            r#"{"$serde_json::private::RawValue":"{}"}"#,
            r#"{"a":1,"$serde_json::private::Number":"1"}"#,
        ] {
            assert!(decode_value(text.as_bytes()).is_err(), "{text}");
            assert!(check(text.as_bytes(), JSON_VALUES).is_err(), "{text}");
            assert!(decode_plain::<Value>(text.as_bytes()).is_none(), "{text}");
        }
        assert!(decode_value(br#"{"$serde_json":1,"x":"$serde_json::private::Number"}"#).is_ok());
    }

    // [V-09]
    #[test]
    fn depth_and_trailing_bytes_are_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(decode_value(nested(JSON_DEPTH).as_bytes()).is_ok());
        assert!(decode_value(nested(JSON_DEPTH + 1).as_bytes()).is_err());
        assert!(decode_value(b"{} {}").is_err());
    }

    // [V-09]
    #[test]
    fn the_number_of_values_is_bounded() {
        let list = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
        assert!(decode_value(list(JSON_VALUES - 1).as_bytes()).is_ok());
        assert!(decode_value(list(JSON_VALUES).as_bytes()).is_err());
    }
}
