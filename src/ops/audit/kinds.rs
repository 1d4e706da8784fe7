//! What other tools tell of images, in JSON: `kubectl get pods -o json`, docker, nerdctl, crictl.
//!
//! Their members are read as far as they matter; an element that is not as expected is an item of its own, and the others are
//! read all the same. A document is read as a stream: what is told of images stays in memory, and one element.

mod pod;
mod stored;

use super::inventory::{Closed, Item, Sink, unusable};
use crate::{
    limits::{AUDIT_ELEMENT_BYTES, AUDIT_INPUT_BYTES},
    oci::Digest,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapDeserializer},
};
use serde_json::value::RawValue;
use std::{
    cell::Cell,
    fmt,
    io::{self, Read},
};

/// Reads documents one behind the other: objects, as a tool writes one a line, or arrays of them. An element is read whole,
/// and handed on before the next one is.
pub(super) fn read(from: impl Read, sink: &mut Sink) -> Result<(), Closed> {
    let (element, mut number) = (Cell::new(0), 0_u64);
    let mut documents = serde_json::Deserializer::from_reader(Bounded { from, whole: 0, element: &element });
    let mut to = To { sink, element: &element, closed: false };
    // An input that can't be read fails there again, and is told.
    while documents.end().is_err() {
        number += 1;
        let at = format!("document {number}");
        match (Whole { at: &at, list: None, to: &mut to }).deserialize(&mut documents) {
            Ok(()) => to.next(),
            Err(_) if to.closed => return Err(Closed),
            Err(error) => {
                to.sink.cut(&format_args!("{at}: {error}"));
                break;
            }
        }
    }
    Ok(())
}

/// A reader that ends with an error where one element, or the whole, is too long.
struct Bounded<'c, R> {
    from: R,
    whole: u64,
    element: &'c Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.whole = self.whole.saturating_add(read as u64);
        self.element.set(self.element.get().saturating_add(read as u64));
        for (what, size, most) in
            [("one element", self.element.get(), AUDIT_ELEMENT_BYTES), ("the input", self.whole, AUDIT_INPUT_BYTES)]
        {
            if size > most {
                return Err(io::Error::other(format!("{what} has more than {most} bytes")));
            }
        }
        Ok(read)
    }
}

/// Where what is read goes.
struct To<'s> {
    sink: &'s mut Sink,
    /// Bytes read of the element that is under way.
    element: &'s Cell<u64>,
    closed: bool,
}

impl To<'_> {
    fn next(&self) {
        self.element.set(0);
    }

    fn send<E: Error>(&mut self, sent: impl FnOnce(&mut Sink) -> Result<(), Closed>) -> Result<(), E> {
        self.next();
        sent(self.sink).map_err(|Closed| {
            self.closed = true;
            E::custom("nobody reads any more")
        })
    }

    /// What one of the tools says, or why it could not be read, with its text.
    fn one<E: Error>(&mut self, at: &str, text: &str, element: Result<Element, impl fmt::Display>) -> Result<(), E> {
        self.send(|sink| match element {
            Ok(element) => element.items(at).into_iter().try_for_each(|item| match item {
                Item::Image(found) => {
                    sink.gather(*found);
                    Ok(())
                }
                other => sink.send(other),
            }),
            Err(why) => sink.send(unusable(at.to_owned(), text, why.to_string(), 3)),
        })
    }
}

/// A document, or the value of the member that is a tool's list: what it holds is handed on while it is read. Whatever stands in
/// its place is an item of its own, and what follows is read.
struct Whole<'a, 's> {
    at: &'a str,
    /// The member's name; `None` for a document.
    list: Option<&'a str>,
    to: &'a mut To<'s>,
}

impl Whole<'_, '_> {
    fn other<E: Error>(self, value: impl fmt::Display) -> Result<(), E> {
        let expected =
            if self.list.is_some() { "expected an array" } else { "expected an object, or an array of objects" };
        self.to.one(self.at, &value.to_string(), Err(expected))
    }
}

impl<'de> DeserializeSeed<'de> for Whole<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what kubectl, docker, nerdctl or crictl writes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut number = 0_u64;
        while let Some(raw) = elements.next_element::<Box<RawValue>>()? {
            let at = format!("{}[{number}]", self.list.unwrap_or_default());
            self.to.one(&at, raw.get(), serde_json::from_str(raw.get()))?;
            number += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if self.list.is_some() {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return self.other("an object");
        }
        let (mut is_list, mut alone) = (false, Vec::<(String, Box<RawValue>)>::new());
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "items" | "images" | "containers" => {
                    (is_list, alone) = (true, Vec::new());
                    members.next_value_seed(Whole { at: &name, list: Some(&name), to: &mut *self.to })?;
                }
                _ if is_list => drop(members.next_value::<IgnoredAny>()?),
                _ => alone.push((name, members.next_value()?)),
            }
        }
        if is_list {
            return Ok(());
        }
        let members = MapDeserializer::new(alone.iter().map(|(name, value)| (name.as_str(), &**value)));
        let element: Result<_, serde_json::Error> = Element::deserialize(members);
        self.to.one(self.at, "", element)
    }

    /// Go writes an empty list so.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.list.is_some() { Ok(()) } else { self.other("null") }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.other(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.other(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.other(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.other(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.other(value)
    }
}

/// What one of the tools says of one thing: whose members these are tells which tool it was.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Element {
    /// Kubernetes.
    kind: Option<String>,
    metadata: Option<pod::Metadata>,
    spec: Option<pod::Spec>,
    status: Option<pod::Status>,
    #[serde(flatten)]
    stored: stored::Stored,
}

impl Element {
    fn items(self, at: &str) -> Vec<Item> {
        let metadata = self.metadata.unwrap_or_default();
        match (self.kind.as_deref(), self.spec) {
            (Some("Pod"), spec) => {
                let items = pod::items(at, &metadata, spec.unwrap_or_default(), self.status.unwrap_or_default());
                if items.is_empty() { vec![unusable(at.to_owned(), "Pod", "it has no containers", 3)] } else { items }
            }
            (Some(kind), _) => vec![unusable(at.to_owned(), kind, "expected a Pod: `kubectl get pods -A -o json`", 3)],
            // The API server leaves the kind out of the elements of its lists; crictl's images have a `spec`, too.
            (None, Some(spec)) if spec.has_containers() => {
                pod::items(at, &metadata, spec, self.status.unwrap_or_default())
            }
            (None, _) => self.stored.items(at, metadata),
        }
    }
}

/// The digest at the end of a name: `docker-pullable://a.b/c@sha256:…`.
fn digest_in(name: &str) -> Option<Digest> {
    name.rsplit_once('@')?.1.parse().ok()
}

/// Whether a name is an image's id, which is no name: `sha256:…`, or the hex alone, whole or its first twelve digits.
pub(super) fn is_id(name: &str) -> bool {
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    (hex.len() == 12 || hex.len() == 64) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
