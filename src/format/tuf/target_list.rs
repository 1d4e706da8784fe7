use super::{Target, hashes::Text};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

/// What a targets role lists, by path and in the order of paths.
///
/// Most lists are only read, and of thousands of entries a few are looked up: these lie in two pieces of memory. Who changes
/// one gets a map.
#[derive(Clone, Debug, Default)]
pub struct TargetList {
    /// All paths, the one behind the other; empty once the list is a map.
    paths: String,
    entries: Vec<Entry>,
    map: Option<BTreeMap<String, Target>>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Where in `paths` its own begins and ends, in bytes.
    at: (u32, u32),
    target: Target,
}

impl TargetList {
    /// What a path stands for.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Target> {
        if let Some(map) = &self.map {
            return map.get(path);
        }
        let at = self.entries.binary_search_by_key(&path, |entry| self.path(entry)).ok()?;
        self.entries.get(at).map(|entry| &entry.target)
    }

    /// Whether a path is listed.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// All that is listed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Target)> {
        let read = self.entries.iter().map(|entry| (self.path(entry), &entry.target));
        read.chain(self.map.iter().flatten().map(|(path, target)| (path.as_str(), target)))
    }

    /// How many paths are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.as_ref().map_or(self.entries.len(), BTreeMap::len)
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list as a map, to be changed.
    pub fn edit(&mut self) -> &mut BTreeMap<String, Target> {
        let (paths, entries) = (std::mem::take(&mut self.paths), std::mem::take(&mut self.entries));
        let path = |(from, to): (u32, u32)| paths.get(from as usize..to as usize).unwrap_or_default().to_owned();
        let map = || entries.into_iter().map(|entry| (path(entry.at), entry.target)).collect();
        self.map.get_or_insert_with(map)
    }

    fn path(&self, entry: &Entry) -> &str {
        let (from, to) = entry.at;
        self.paths.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Where the path would stand that is to be the last one; nothing if it has to stand before another, or there is no room.
    fn next(&self, path: &str) -> Option<(u32, u32)> {
        let last = self.entries.last().map(|entry| self.path(entry));
        let behind = self.map.is_none() && last.is_none_or(|last| last < path);
        let place = |bytes: usize| u32::try_from(bytes).ok();
        Some((place(self.paths.len())?, place(self.paths.len() + path.len())?)).filter(|_| behind)
    }

    fn add(&mut self, path: &str, target: Target) {
        match self.next(path) {
            Some(at) => {
                self.paths.push_str(path);
                self.entries.push(Entry { at, target });
            }
            None => drop(self.edit().insert(path.to_owned(), target)),
        }
    }
}

impl From<BTreeMap<String, Target>> for TargetList {
    fn from(map: BTreeMap<String, Target>) -> Self {
        Self { map: Some(map), ..Self::default() }
    }
}

/// The same is listed.
impl PartialEq for TargetList {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for TargetList {}

impl Serialize for TargetList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for TargetList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = TargetList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("targets by path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<TargetList, A::Error> {
        let mut list = TargetList::default();
        while let Some((Text(path), target)) = members.next_entry::<Text<'_>, Target>()? {
            list.add(&path, target);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use serde_json::json;

    fn target(number: u64) -> Target {
        Target::new(number, &Digest::sha256(&number.to_be_bytes()))
    }

    #[test]
    fn a_list_is_the_map_that_it_was_written_from() {
        let map: BTreeMap<_, _> = (0..100).map(|number| (format!("v{number}é"), target(number))).collect();
        let text = serde_json::to_string(&map).unwrap();
        let mut list: TargetList = serde_json::from_str(&text).unwrap();
        assert!(list.map.is_none());
        assert_eq!(serde_json::to_string(&list).unwrap(), text);
        assert_eq!(list, map.clone().into());
        for (path, target) in &map {
            assert_eq!(list.get(path), Some(target));
        }
        for other in ["", "v", "v1", "v100é", "w"] {
            assert!(!list.contains(other), "{other}");
        }
        assert_eq!(list.len(), 100);
        assert_eq!(list.edit(), &map);
        assert_eq!(serde_json::to_string(&list).unwrap(), text);
        assert_eq!((list.len(), list.get("v7é"), list.get("v")), (100, Some(&target(7)), None));
        list.edit().clear();
        assert!(list.is_empty() && list != map.into());
    }

    #[test]
    fn the_order_in_which_it_is_read_does_not_matter() {
        let one = serde_json::to_string(&target(1)).unwrap();
        let two = serde_json::to_string(&target(2)).unwrap();
        let read = |text: String| serde_json::from_str::<TargetList>(&text).unwrap();
        let sorted = read(format!("{{\"a\":{one},\"b\":{two},\"c\":{one}}}"));
        let other = read(format!("{{\"b\":{two},\"c\":{one},\"a\":{one}}}"));
        assert!(sorted.map.is_none() && other.map.is_some());
        assert_eq!(sorted, other);
        assert_eq!(other.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(read("{}".to_owned()), TargetList::default());
        let escaped = read(format!("{{\"\\u0061\":{one}}}"));
        assert_eq!(escaped.get("a"), Some(&target(1)));
    }

    #[test]
    fn a_target_has_a_length_and_hashes_and_what_else_is_said_of_it_is_kept() {
        let hashes = json!({ "sha256": "0a".repeat(32) });
        for good in [
            json!({ "length": 5, "hashes": hashes }),
            json!({ "length": 5, "hashes": {} }),
            json!({ "length": u64::MAX, "hashes": hashes, "custom": { "a": [1] }, "x": null, "y": { "length": 1 } }),
        ] {
            let list = TargetList::deserialize(json!({ "1.0": good })).unwrap();
            assert_eq!(serde_json::to_value(&list).unwrap(), json!({ "1.0": good }));
        }
        for bad in [
            json!({ "length": 5 }),
            json!({ "hashes": hashes }),
            json!({ "length": -5, "hashes": hashes }),
            json!({ "length": 5.0, "hashes": hashes }),
            json!({ "length": "5", "hashes": hashes }),
            json!({ "length": 5, "hashes": [] }),
            json!({ "length": 5, "hashes": { "sha256": 1 } }),
            json!([5, hashes]),
            json!(null),
        ] {
            assert!(TargetList::deserialize(json!({ "1.0": bad })).is_err(), "{bad}");
        }
        let twice = "{\"length\":5,\"length\":5,\"hashes\":{}}";
        assert!(serde_json::from_str::<Target>(twice).is_err());
    }
}
