//! Strictness without a tree: the same rules, where a document is too large to be held as values.

use super::{JsonError, refuse_reserved};
use crate::limits::JSON_DEPTH;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, cell::Cell, collections::BTreeSet, fmt};

/// Checks one JSON document as [`super::decode_value_within`] does, and keeps nothing of it.
///
/// # Errors
/// As [`super::decode_value_within`].
pub fn check(bytes: &[u8], most: usize) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let left = Cell::new(most);
    Check { depth: 0, left: &left }.deserialize(&mut reader)?;
    Ok(reader.end()?)
}

#[derive(Clone, Copy)]
struct Check<'c> {
    depth: usize,
    left: &'c Cell<usize>,
}

impl Check<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= JSON_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {JSON_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| D::Error::custom("more values than are read"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut names = Names::default();
        while let Some(name) = map.next_key_seed(Name)? {
            refuse_reserved(&name)?;
            if let Err(twice) = names.add(name) {
                return Err(A::Error::custom(format_args!("member {twice:?} appears twice")));
            }
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// The names of one object's members: most have few.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    many: BTreeSet<Cow<'de, str>>,
}

const FEW: usize = 24;

impl<'de> Names<'de> {
    /// Adds a name, or gives it back where it was there.
    fn add(&mut self, name: Cow<'de, str>) -> Result<(), Cow<'de, str>> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(name);
        }
        if self.few.len() < FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

/// Reads a name as it stands in the bytes, without a copy where nothing is escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, limits::JSON_VALUES};
    use proptest::prelude::*;

    // [V-09]
    #[test]
    fn the_bounds_are_those_of_a_tree() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let list = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
        let members = |n: usize| {
            let all: Vec<_> = (0..n).map(|at| format!("\"m{at}\":0")).chain(["\"m0\":1".to_owned()]).collect();
            format!("{{{}}}", all.join(","))
        };
        for text in [
            nested(JSON_DEPTH),
            nested(JSON_DEPTH + 1),
            list(JSON_VALUES - 1),
            list(JSON_VALUES),
            members(2),
            members(100),
            "{} {}".to_owned(),
            r#"{"a":1,"\u0061":2}"#.to_owned(),
            r#"{"a":[{"b":1.5},{"b":null}]}"#.to_owned(),
        ] {
            let tree = json::decode_value(text.as_bytes()).is_ok();
            assert_eq!(check(text.as_bytes(), JSON_VALUES).is_ok(), tree, "{}", text.get(..40).unwrap_or(&text));
        }
    }

    proptest! {
        #[test]
        fn it_takes_what_a_tree_takes(text in "[\\[\\]{}\",:0-9ab\\-\\\\ .e]{0,24}") {
            prop_assert_eq!(check(text.as_bytes(), 1_000).is_ok(), json::decode_value(text.as_bytes()).is_ok());
        }
    }
}
