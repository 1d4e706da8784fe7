//! How predicates are read: checked in a first pass, read into their type in a second, bounded while they are read.

use super::PredicateError;
use crate::json;
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// Reads a document into its type. Strict JSON (SPEC.md, section 1) of at most so many values.
pub(super) fn read<'de, T: Deserialize<'de>>(
    document: &'static str,
    bytes: &'de [u8],
    values: usize,
) -> Result<T, PredicateError> {
    json::check(bytes, values).map_err(|source| PredicateError::Json { document, source })?;
    serde_json::from_slice(bytes).or_else(|_| {
        // Read again for the path of what is wrong: to follow it costs, so nobody else pays for it.
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let member = error.path().to_string();
            PredicateError::Shape { document, member, why: error.into_inner().to_string() }
        })
    })
}

/// A time of RFC 3339, where one is stated.
pub(super) fn time(
    document: &'static str,
    member: &'static str,
    text: Option<&str>,
) -> Result<Option<Timestamp>, PredicateError> {
    text.filter(|text| !text.is_empty())
        .map(|text| {
            let refused = |_| PredicateError::value(document, member, "a time of RFC 3339", text);
            text.parse().map_err(refused)
        })
        .transpose()
}

/// What of a list's items is kept, one by one as they are read.
pub(super) trait Kept: Sized {
    /// An item as it is written.
    type Written: DeserializeOwned;

    /// What is kept of it, if anything.
    fn keep(written: Self::Written) -> Option<Self>;

    /// Keeps it, and what else an item has in it.
    fn collect(written: Self::Written, into: &mut Vec<Self>) {
        into.extend(Self::keep(written));
    }
}

/// A list of at most `MOST` items, of which only what is kept takes memory.
#[derive(Clone, Debug)]
pub(super) struct List<T, const MOST: usize>(pub Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Kept, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

struct Items<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Kept, const MOST: usize> Visitor<'de> for Items<T, MOST> {
    type Value = List<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(written) = seq.next_element::<T::Written>()? {
            T::collect(written, &mut items);
            if items.len() > MOST {
                return Err(A::Error::custom(format_args!("more than {MOST} items are not read")));
            }
        }
        Ok(List(items))
    }
}

/// A member that may be `null` as well as absent: Go writes an empty list so.
pub(super) fn nullable<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// One text or several, as JSON-LD writes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(Box<str>),
    More(Vec<Box<str>>),
}

impl OneOrMore {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
        .iter()
        .map(|text| &**text)
    }
}

/// Items that are kept as they are written.
macro_rules! kept_as_written {
    ($type:ty) => {
        impl $crate::format::predicate::reading::Kept for $type {
            type Written = Self;

            fn keep(written: Self) -> Option<Self> {
                Some(written)
            }
        }
    };
}
pub(super) use kept_as_written;
