//! JSON that is its own canonical form, read in one pass with no tree between the bytes and the type.
//!
//! A document is *plain* if it has no white space, the names of each object in strictly ascending order, no escape in any
//! text, and no numbers but integers of 64 bits. So no member can be there twice, and what canonical JSON makes of any part
//! of it are that part's own bytes. Large documents of machines are plain; all others are read the long way.

use super::refuse_reserved;
use crate::limits::{JSON_DEPTH, JSON_VALUES};
use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};
use std::{cell::Cell, fmt};

/// Reads a plain document within the bounds of [`super::decode`], which makes the same of it; nothing if it is not plain, or
/// not of this shape: then that function has the say.
pub fn decode_plain<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut reader = serde_json::Deserializer::from_str(str::from_utf8(bytes).ok()?);
    let seen = Seen { length: Cell::new(0), left: Cell::new(JSON_VALUES) };
    let value = T::deserialize(Plain { inner: &mut reader, depth: 0, seen: &seen }).ok()?;
    reader.end().ok()?;
    // Each value was counted as long as it is without white space.
    (seen.length.get() == bytes.len()).then_some(value)
}

struct Seen {
    /// Bytes of what was read, in canonical form.
    length: Cell<usize>,
    /// Values that may still come.
    left: Cell<usize>,
}

/// Something of serde's that reads, and is watched meanwhile.
#[derive(Clone, Copy)]
struct Plain<'s, T> {
    inner: T,
    depth: usize,
    seen: &'s Seen,
}

impl<'s, T> Plain<'s, T> {
    fn around<U>(&self, inner: U) -> Plain<'s, U> {
        Plain { inner, depth: self.depth, seen: self.seen }
    }

    fn add(&self, bytes: usize) {
        self.seen.length.set(self.seen.length.get() + bytes);
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        let left = self.seen.left.get().checked_sub(1);
        self.seen.left.set(left.ok_or_else(|| E::custom("more values than are read"))?);
        Ok(())
    }

    fn deeper<E: serde::de::Error>(self) -> Result<(T, usize, &'s Seen), E> {
        if self.depth >= JSON_DEPTH {
            return Err(E::custom("nested too deep"));
        }
        Ok((self.inner, self.depth + 1, self.seen))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Plain<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.around(deserializer);
        self.inner.deserialize(deserializer)
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Plain<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.count()?;
        let visitor = self.around(visitor);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// What is not here is not plain: numbers with a fraction, texts with an escape, which can't be borrowed.
impl<'de, V: Visitor<'de>> Visitor<'de> for Plain<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.add(if value { 4 } else { 5 });
        self.inner.visit_bool(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.add(digits(value.unsigned_abs()) + usize::from(value < 0));
        self.inner.visit_i64(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.add(digits(value));
        self.inner.visit_u64(value)
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.add(value.len() + 2);
        self.inner.visit_borrowed_str(value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.add(4);
        self.inner.visit_unit()
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.count()?;
        self.add(4);
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.around(deserializer);
        self.inner.visit_some(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.add(1);
        let (visitor, depth, seen) = self.deeper()?;
        visitor.visit_seq(Members { inner: Plain { inner: items, depth, seen }, last: None, empty: true })
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.add(1);
        let (visitor, depth, seen) = self.deeper()?;
        visitor.visit_map(Members { inner: Plain { inner: members, depth, seen }, last: None, empty: true })
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |digits| digits as usize + 1)
}

/// The items of a list or the members of an object.
struct Members<'s, 'de, A> {
    inner: Plain<'s, A>,
    /// The last member's name.
    last: Option<&'de str>,
    empty: bool,
}

impl<A> Members<'_, '_, A> {
    /// Behind each one stands a comma or the end.
    fn came(&mut self, any: bool) {
        if any || self.empty {
            self.inner.add(1);
        }
        self.empty &= !any;
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Members<'_, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.inner.around(seed);
        let item = self.inner.inner.next_element_seed(seed)?;
        self.came(item.is_some());
        Ok(item)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let name = self.inner.inner.next_key::<&'de str>()?;
        self.came(name.is_some());
        let Some(name) = name else { return Ok(None) };
        refuse_reserved(name)?;
        if self.last.is_some_and(|last| last >= name) {
            return Err(A::Error::custom("a name that is not behind the one before it"));
        }
        self.last = Some(name);
        // With its quotes and the colon.
        self.inner.add(name.len() + 3);
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.inner.around(seed);
        self.inner.inner.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{format::tuf::canonical, json};
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn what_is_not_plain_is_left_to_the_long_way() {
        for plain in
            ["{}", "[]", "[[],{}]", "{\"a\":-1,\"b\":[null,true,false,\"é\",18446744073709551615]}", "0", "\"\""]
        {
            assert_eq!(decode_plain::<Value>(plain.as_bytes()), json::decode_value(plain.as_bytes()).ok(), "{plain}");
            assert!(decode_plain::<Value>(plain.as_bytes()).is_some(), "{plain}");
        }
        for other in [
            " {}",
            "{} ",
            "[1, 2]",
            "{\"b\":1,\"a\":1}",
            "{\"a\":1,\"a\":1}",
            "[{\"a\":{\"b\":1,\"b\":1}}]",
            "[\"\\u0061\"]",
            "{\"\\u0061\":1}",
            "[\"\\\"\"]",
            "1.0",
            "1e3",
            "-0",
            "18446744073709551616",
            "{}{}",
            "[1",
            "",
        ] {
            assert_eq!(decode_plain::<Value>(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_bounds_are_the_same() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let list = |n: usize| format!("[{}]", vec!["null"; n].join(","));
        for (inside, text) in [
            (true, nested(JSON_DEPTH)),
            (false, nested(JSON_DEPTH + 1)),
            (true, list(JSON_VALUES - 1)),
            (false, list(JSON_VALUES)),
        ] {
            assert_eq!(decode_plain::<Value>(text.as_bytes()).is_some(), inside);
            assert_eq!(json::decode_value(text.as_bytes()).is_ok(), inside);
            let optional = decode_plain::<Vec<Option<Value>>>(text.as_bytes());
            assert_eq!(optional.is_some(), inside);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = "[a-c\"\\\\\n é]{0,3}";
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), text.prop_map(Value::from)];
        let leaf = prop_oneof![leaf, any::<i64>().prop_map(Value::from), any::<u64>().prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            let members = proptest::collection::btree_map(text, inner.clone(), 0..5);
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Canonical JSON without escapes is plain; what is plain is strict, its own canonical form, and means the same.
        #[test]
        fn what_is_plain_is_canonical_and_the_other_way_round(
            value in any_json(), at in any::<proptest::sample::Index>(), other in "[\\[\\]{}\",:01a\\-\\\\ .e]?"
        ) {
            let text = value.to_string();
            let is_canonical = canonical(&value).unwrap() == text.as_bytes();
            prop_assert_eq!(decode_plain::<Value>(text.as_bytes()), Some(value).filter(|_| is_canonical && !text.contains('\\')));
            let at = at.index(text.len());
            if let (Some(before), Some(after)) = (text.get(..at), text.get(at + 1..)) {
                let changed = format!("{before}{other}{after}");
                if let Some(value) = decode_plain::<Value>(changed.as_bytes()) {
                    prop_assert_eq!(&json::decode_value(changed.as_bytes()).unwrap(), &value);
                    prop_assert_eq!(canonical(&value).unwrap(), changed.into_bytes());
                }
            }
        }
    }
}
