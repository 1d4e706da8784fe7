//! What other tools tell of images, in JSON: `kubectl get pods -o json`, docker, nerdctl, crictl.
//!
//! Their members are read as far as they matter; an element that is not as expected is an item of its own, and the others are
//! read all the same. A document is read as a stream: only what is told of images stays in memory.

mod pod;
mod stored;

use super::inventory::{Closed, Item, Sink, unusable};
use crate::{limits::AUDIT_INPUT_BYTES, oci::Digest};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{fmt, io::BufRead, marker::PhantomData};

/// Reads documents one behind the other: objects, as a tool writes one a line, or arrays of them.
pub(super) fn read(from: impl BufRead, sink: &mut Sink) -> Result<(), Closed> {
    let documents = serde_json::Deserializer::from_reader(from.take(AUDIT_INPUT_BYTES)).into_iter::<Document>();
    let mut number = 0_u64;
    for document in documents {
        number += 1;
        match document {
            Ok(Document::Elements(Each(elements))) => all("", elements, sink)?,
            Ok(Document::Object(object)) => {
                let List { items, images, containers, alone } = *object;
                let lists = [("items", items), ("images", images), ("containers", containers)];
                let is_list = lists.iter().any(|(_, list)| list.is_some());
                for (name, list) in lists {
                    all(name, list.map(|Each(elements)| elements).unwrap_or_default(), sink)?;
                }
                if !is_list {
                    one(&format!("document {number}"), Ok(alone), sink)?;
                }
            }
            Err(error) => {
                sink.counts.cut = Some(format!("document {number}: {error}"));
                break;
            }
        }
    }
    sink.release()
}

fn all(list: &str, elements: Vec<Result<Element, Wrong>>, sink: &mut Sink) -> Result<(), Closed> {
    elements.into_iter().enumerate().try_for_each(|(at, element)| one(&format!("{list}[{at}]"), element, sink))
}

fn one(at: &str, element: Result<Element, Wrong>, sink: &mut Sink) -> Result<(), Closed> {
    let element = match element {
        Ok(element) => element,
        Err(Wrong { text, why }) => return sink.send(unusable(at.to_owned(), &text, why, 3)),
    };
    for item in element.items(at) {
        match item {
            Item::Image(found) => sink.gather(*found),
            other => sink.send(other)?,
        }
    }
    Ok(())
}

enum Document {
    Elements(Each<Element>),
    Object(Box<List>),
}

/// A list of one of the tools, or one element alone.
#[derive(Deserialize)]
struct List {
    items: Option<Each<Element>>,
    images: Option<Each<Element>>,
    containers: Option<Each<Element>>,
    #[serde(flatten)]
    alone: Element,
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
            (Some("Pod"), spec) => pod::items(at, &metadata, spec.unwrap_or_default(), self.status.unwrap_or_default()),
            (Some(kind), _) => vec![unusable(at.to_owned(), kind, "expected a Pod: `kubectl get pods -A -o json`", 3)],
            // The API server leaves the kind out of the elements of its lists; crictl's images have a `spec`, too.
            (None, Some(spec)) if spec.has_containers() => {
                pod::items(at, &metadata, spec, self.status.unwrap_or_default())
            }
            (None, _) => self.stored.items(at, metadata),
        }
    }
}

/// An element that is not as expected.
struct Wrong {
    text: String,
    why: String,
}

/// The elements of an array, each by itself.
struct Each<T>(Vec<Result<T, Wrong>>);

impl<'de, T: for<'e> Deserialize<'e>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EachVisitor(PhantomData))
    }
}

struct EachVisitor<T>(PhantomData<T>);

impl<'de, T: for<'e> Deserialize<'e>> Visitor<'de> for EachVisitor<T> {
    type Value = Each<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<Each<T>, E> {
        Ok(Each(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Each<T>, A::Error> {
        let mut each = Vec::new();
        while let Some(raw) = elements.next_element::<Box<RawValue>>()? {
            let wrong = |error: serde_json::Error| Wrong { text: raw.get().to_owned(), why: error.to_string() };
            each.push(serde_json::from_str(raw.get()).map_err(wrong));
        }
        Ok(Each(each))
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Document, A::Error> {
        EachVisitor(PhantomData).visit_seq(elements).map(Document::Elements)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, members: A) -> Result<Document, A::Error> {
        let object = List::deserialize(serde::de::value::MapAccessDeserializer::new(members))?;
        Ok(Document::Object(Box::new(object)))
    }
}

/// The digest at the end of a name: `docker-pullable://a.b/c@sha256:…`.
fn digest_in(name: &str) -> Option<Digest> {
    name.rsplit_once('@')?.1.parse().ok()
}

/// Whether a name is an image's id, which is no name: `sha256:…`, or the hex alone, whole or its first twelve digits.
fn is_id(name: &str) -> bool {
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    (hex.len() == 12 || hex.len() == 64) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
