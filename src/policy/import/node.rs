//! A value and where it stands. Fields are taken; what nobody took is reported.

use super::{ImportError, Lost};
use serde_json::Value;

/// A value of the file that is read.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: String,
    pub value: Value,
}

/// The fields of a mapping that are still to be read.
#[derive(Debug)]
pub(super) struct Fields {
    place: String,
    left: Vec<(String, Value)>,
}

/// What reading ends with.
pub(super) type Read<T> = Result<T, ImportError>;

impl Node {
    pub fn new(place: String, value: Value) -> Self {
        Self { place, value }
    }

    pub fn lost(&self, why: impl Into<String>) -> Lost {
        Lost { place: self.place.clone(), why: why.into() }
    }

    fn shape<T>(&self, found: Option<T>, expected: &'static str) -> Read<T> {
        let place = if self.place.is_empty() { "the file".to_owned() } else { self.place.clone() };
        found.ok_or(ImportError::Shape { place, expected })
    }

    pub fn fields(self) -> Read<Fields> {
        match self.value {
            Value::Object(fields) => Ok(Fields { place: self.place, left: fields.into_iter().collect() }),
            ref value => self.shape(value.as_str().and(None), "a mapping"),
        }
    }

    pub fn items(self) -> Read<Vec<Self>> {
        let Self { place, value } = self;
        match value {
            Value::Array(items) => {
                Ok(items.into_iter().enumerate().map(|(at, item)| Self::new(format!("{place}[{at}]"), item)).collect())
            }
            value => Self::new(place, value).shape(None, "a list"),
        }
    }

    pub fn text(&self) -> Read<&str> {
        self.shape(self.value.as_str(), "a text")
    }

    pub fn flag(&self) -> Read<bool> {
        self.shape(self.value.as_bool(), "true or false")
    }

    pub fn number(&self) -> Read<usize> {
        self.shape(self.value.as_u64().and_then(|number| usize::try_from(number).ok()), "a whole number")
    }
}

impl Fields {
    fn place_of(&self, name: &str) -> String {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        match (plain, self.place.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{}.{name}", self.place),
            (false, _) => format!("{}[{name:?}]", self.place),
        }
    }

    /// A field, if it is there and not null.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.left.iter().position(|(left, value)| left == name && !value.is_null())?;
        let (_, value) = self.left.remove(at);
        Some(Node::new(self.place_of(name), value))
    }

    /// The first of several spellings of a field that is there.
    pub fn take_any(&mut self, names: &[&str]) -> Option<Node> {
        names.iter().find_map(|name| self.take(name))
    }

    pub fn need(&mut self, name: &'static str) -> Read<Node> {
        let place = self.place_of(name);
        self.take(name).ok_or(ImportError::Shape { place, expected: "a value" })
    }

    /// The name of each field that is left, with its value.
    pub fn each(self) -> Vec<(String, Node)> {
        let place = |name: &String| self.place_of(name);
        self.left
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), Node::new(place(name), value.clone())))
            .collect()
    }

    /// What nobody took has no equal.
    pub fn rest(self) -> Vec<Lost> {
        self.each().into_iter().map(|(_, node)| node.lost("has no equal here")).collect()
    }
}
