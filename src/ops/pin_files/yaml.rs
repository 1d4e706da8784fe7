//! Images of Compose files (`services.*.image`, image volumes) and Kubernetes manifests (whatever has containers, at any depth:
//! pods, everything with a pod template, lists, and custom resources with one).

use super::{Named, Names, PinFileError, Unpinnable, line_of};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::{fmt, ops::Range};

/// The lists of a pod's containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Node(Spanned<Value>);

#[derive(Debug)]
enum Value {
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    Text(String),
    Other,
}

impl Node {
    fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    fn members(&self) -> &[(String, Self)] {
        match &self.0.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    fn items(&self) -> &[Self] {
        match &self.0.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    fn is(&self, text: &str) -> bool {
        matches!(&self.0.value, Value::Text(value) if value == text)
    }
}

struct Reader<'t> {
    text: &'t str,
    names: Names,
}

pub(super) fn names(text: &str) -> Result<Names, PinFileError> {
    let documents: Vec<Node> =
        serde_saphyr::from_multiple(text).map_err(|error| PinFileError::Yaml(error.without_snippet().to_string()))?;
    let mut reader = Reader { text, names: Names::default() };
    let mut known = false;
    for document in &documents {
        match (document.get("services"), document.get("apiVersion")) {
            (_, Some(_)) => reader.kubernetes(document),
            (Some(services), None) => services.members().iter().for_each(|(_, service)| reader.service(service)),
            (None, None) => continue,
        }
        known = true;
    }
    if known { Ok(reader.names) } else { Err(PinFileError::Manifest) }
}

impl Reader<'_> {
    fn kubernetes(&mut self, node: &Node) {
        for (key, value) in node.members() {
            if CONTAINERS.contains(&key.as_str()) {
                value.items().iter().filter_map(|item| item.get("image")).for_each(|image| self.image(image, "image"));
            }
            if key == "volumes" {
                let image = |item| Node::get(item, "image")?.get("reference");
                value.items().iter().filter_map(image).for_each(|image| self.image(image, "volume"));
            }
            self.kubernetes(value);
        }
        node.items().iter().for_each(|item| self.kubernetes(item));
    }

    /// A service. The image of one that is built is what the build is called, and its Dockerfile is another file.
    fn service(&mut self, service: &Node) {
        let build = service.get("build");
        if let Some(inline) = build.and_then(|build| build.get("dockerfile_inline")) {
            self.hidden(inline, "dockerfile_inline is not read: put it into a file");
        }
        if let (Some(image), None) = (service.get("image"), build) {
            self.image(image, "image");
        }
        let volumes = service.get("volumes").map(Node::items).unwrap_or_default();
        for volume in volumes.iter().filter(|volume| volume.get("type").is_some_and(|kind| kind.is("image"))) {
            volume.get("source").into_iter().for_each(|source| self.image(source, "volume"));
        }
    }

    fn image(&mut self, node: &Node, by: &'static str) {
        let Value::Text(text) = &node.0.value else {
            return self.hidden(node, "the image is no text");
        };
        if text.contains(['$', '{']) {
            return self.hidden(node, &format!("{text} is put together elsewhere: write the image out"));
        }
        match self.place(node, text) {
            Some(at) => {
                let line = line_of(self.text, at.start);
                self.names.images.push(Named { text: text.clone(), at, line, by });
            }
            None => self.hidden(node, &format!("{text} is not written as one plain or quoted text")),
        }
    }

    /// Where a text stands, without its quotes: only if it stands there exactly so.
    fn place(&self, node: &Node, text: &str) -> Option<Range<usize>> {
        let defined = node.0.defined;
        let line = usize::try_from(defined.line()).ok()?.checked_sub(1)?;
        let start = match line {
            0 => 0,
            line => self.text.match_indices('\n').nth(line - 1)?.0 + 1,
        };
        let column = usize::try_from(defined.column()).ok()?.checked_sub(1)?;
        let column = self.text.get(start..)?.char_indices().nth(column)?.0;
        let at = start + column;
        let here = self.text.get(at..)?;
        let quote = here.chars().next().filter(|c| ['"', '\''].contains(c));
        let skip = quote.map_or(0, char::len_utf8);
        let after = here.get(skip..)?.strip_prefix(text)?;
        let ends = match quote {
            Some(quote) => after.starts_with(quote),
            None => after.chars().next().is_none_or(|c| c.is_whitespace() || [',', '}', ']'].contains(&c)),
        };
        ends.then(|| at + skip..at + skip + text.len())
    }

    fn hidden(&mut self, node: &Node, why: &str) {
        let line = usize::try_from(node.0.referenced.line()).unwrap_or_default();
        self.names.unpinnable.push(Unpinnable { line, why: why.to_owned() });
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Value>()? {
            match key {
                Value::Text(key) => members.push((key, map.next_value()?)),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Map(members))
    }
}
