//! Images of Compose files (`services.*.image`, image volumes) and Kubernetes manifests (whatever has containers, at any depth:
//! pods, everything with a pod template, lists, and custom resources with one; what Tekton and Argo call their containers).

use super::{Named, Names, PinFileError, Unpinnable, line_of};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::{fmt, ops::Range};

/// The lists of a pod's containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What else has images in the kinds of well-known controllers, by the group of their API. A `spec` with one is a StepAction's.
const CONTROLLERS: &[(&str, &[&str])] = &[
    ("tekton.dev", &["spec", "steps", "stepTemplate", "sidecars"]),
    ("argoproj.io", &["container", "script", "sidecars"]),
];

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Node(Spanned<Value>);

#[derive(Debug)]
enum Value {
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    Text(String),
    Null,
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

    /// Whether it is as good as not there: `build:`, `build: !reset null`.
    fn is_empty(&self) -> bool {
        match &self.0.value {
            Value::Map(members) => members.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Text(text) => text.is_empty(),
            Value::Null => true,
            Value::Other => false,
        }
    }

    /// What else has images in an object, if this is one.
    fn controller(&self) -> Option<&'static [&'static str]> {
        let (Value::Text(version), Some(_)) = (&self.get("apiVersion")?.0.value, self.get("kind")) else {
            return None;
        };
        let group = version.split('/').next().unwrap_or_default();
        let known = CONTROLLERS.iter().find(|(name, _)| *name == group);
        Some(known.map(|(_, places)| *places).unwrap_or_default())
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
        let has = |key| document.get(key).is_some();
        if has("apiVersion") {
            reader.kubernetes(document, &[]);
        } else if has("services") || has("include") {
            reader.compose(document);
        } else {
            continue;
        }
        known = true;
    }
    if known { Ok(reader.names) } else { Err(PinFileError::Manifest) }
}

impl Reader<'_> {
    /// A part of an object, in which `more` keys than a pod's have images.
    fn kubernetes(&mut self, node: &Node, more: &[&str]) {
        let more = node.controller().unwrap_or(more);
        for (key, value) in node.members() {
            if CONTAINERS.contains(&key.as_str()) || more.contains(&key.as_str()) {
                let all = std::iter::once(value).chain(value.items());
                all.filter_map(|one| one.get("image")).for_each(|image| self.image(image, "image"));
            }
            if key == "volumes" {
                let image = |item| Node::get(item, "image")?.get("reference");
                value.items().iter().filter_map(image).for_each(|image| self.image(image, "volume"));
            }
            self.kubernetes(value, more);
        }
        node.items().iter().for_each(|item| self.kubernetes(item, more));
    }

    fn compose(&mut self, document: &Node) {
        let services = document.get("services").map(Node::members).unwrap_or_default();
        services.iter().for_each(|(_, service)| self.service(service));
        document.get("include").into_iter().for_each(|files| self.files(files));
    }

    /// A service. The image of one that is built is what the build is called, unless it is to be pulled first; its
    /// Dockerfile is another file.
    fn service(&mut self, service: &Node) {
        let set = |key: &str| service.get(key).filter(|node| !node.is_empty());
        let build = set("build");
        let pulls = set("pull_policy").is_some_and(|policy| !policy.is("build") && !policy.is("never"));
        if let Some(inline) = build.and_then(|build| build.get("dockerfile_inline")) {
            self.hidden(inline, "dockerfile_inline is not read: put it into a file");
        }
        if let Some(image) = service.get("image").filter(|_| build.is_none() || pulls) {
            self.image(image, "image");
        }
        if let Some(file) = set("extends").and_then(|extends| extends.get("file")) {
            self.files(file);
        }
        let volumes = service.get("volumes").map(Node::items).unwrap_or_default();
        for volume in volumes.iter().filter(|volume| volume.get("type").is_some_and(|kind| kind.is("image"))) {
            volume.get("source").into_iter().for_each(|source| self.image(source, "volume"));
        }
    }

    /// Other files with services: a path, what has a `path`, or a list of these.
    fn files(&mut self, node: &Node) {
        match &node.0.value {
            Value::Text(file) => {
                let why = format!("{file} names images that are pulled, too: pin both files at once");
                self.tell(node, why, Some(file.clone()));
            }
            Value::List(items) => items.iter().for_each(|item| self.files(item)),
            Value::Map(_) => node.get("path").into_iter().for_each(|path| self.files(path)),
            Value::Null => {}
            Value::Other => self.hidden(node, "the other file's name is no text"),
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
        self.tell(node, why.to_owned(), None);
    }

    fn tell(&mut self, node: &Node, why: String, file: Option<String>) {
        let line = usize::try_from(node.0.referenced.line()).unwrap_or_default();
        self.names.unpinnable.push(Unpinnable { line, why, file });
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
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
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
