//! containerd's configuration: `config.toml` and what it imports, file by file. They are not merged as containerd does, which
//! changed between its versions: what any of them says is taken to hold.

use super::{Finding, Level};
use crate::{format::tuf::Pattern, limits::SETTINGS_BYTES, ops::toml_fault};
use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// Files that are read. Source: distributions write one, installers a handful.
const FILES: usize = 100;
/// What containerd 2.2 and later import by themselves.
const DROP_INS: &str = "/etc/containerd/conf.d/*.toml";

/// A file of the configuration.
#[derive(Debug)]
pub(super) struct Settings {
    pub path: PathBuf,
    pub content: Table,
}

impl Settings {
    /// The value at a path of keys.
    pub fn value(&self, keys: &[&str]) -> Option<&Value> {
        let (last, above) = keys.split_last()?;
        let mut table = &self.content;
        for key in above {
            table = table.get(*key)?.as_table()?;
        }
        table.get(*last)
    }

    /// A plugin's table, by the first of its names that is there.
    pub fn plugin(&self, names: &[&str]) -> Option<&Table> {
        let plugins = self.value(&["plugins"])?.as_table()?;
        names.iter().find_map(|name| plugins.get(*name)?.as_table())
    }
}

/// Reads the file and everything that it imports; without the file, what containerd does without one.
pub(super) fn read(path: &Path, findings: &mut Vec<Finding>) -> Vec<Settings> {
    let mut read: Vec<Settings> = Vec::new();
    let mut waiting = vec![path.to_owned()];
    let by_default = path.parent().is_some_and(|folder| folder == Path::new("/etc/containerd"));
    if by_default {
        waiting.extend(imported(DROP_INS, path, &mut Vec::new()));
    }
    while let Some(path) = waiting.pop() {
        // Two ways to the same file are one file.
        let path = path.canonicalize().unwrap_or(path);
        if read.iter().any(|settings| settings.path == path) {
            continue;
        }
        if read.len() >= FILES {
            let message = format!("more than {FILES} files are imported; the rest was not read");
            findings.push(Finding::new("not-read", Level::Unknown, message, "fewer imports").at(path));
            break;
        }
        match load_folded(&path) {
            Ok(Some(content)) => {
                let settings = Settings { path, content };
                let imports = settings.value(&["imports"]).and_then(Value::as_array).into_iter().flatten();
                let names: Vec<_> = imports.filter_map(Value::as_str).map(str::to_owned).collect();
                names.iter().for_each(|name| waiting.extend(imported(name, &settings.path, findings)));
                read.push(settings);
            }
            Ok(None) => {
                let message = "is not there: containerd runs with its defaults, unless it is started with another file";
                let remedy = "name the file that containerd is started with by --config";
                findings.push(Finding::new("no-configuration", Level::Warning, message, remedy).at(path));
            }
            Err(error) => {
                let remedy = "containerd has to be able to read it, and so has this check";
                findings.push(Finding::new("not-read", Level::Unknown, error, remedy).at(path));
            }
        }
    }
    read
}

/// A file of settings as it is written; `None` where there is none.
pub(super) fn load(path: &Path) -> Result<Option<Table>, String> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| error.to_string())?,
    };
    let mut text = String::new();
    file.take(SETTINGS_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > SETTINGS_BYTES {
        return Err(format!("has more than {SETTINGS_BYTES} bytes"));
    }
    toml::from_str(&text).map(Some).map_err(|error| toml_fault(&text, &error))
}

/// The same, [`folded`].
pub(super) fn load_folded(path: &Path) -> Result<Option<Table>, String> {
    load(path)?.map(|written| folded(&written)).transpose()
}

/// The table with the keys of all settings in lower case: Go's readers of TOML take them in any case. Two spellings of one
/// setting are an error, since which of them counts differs between these.
pub(super) fn folded(table: &Table) -> Result<Table, String> {
    let mut folded = Table::new();
    for (key, value) in table {
        let setting = folded_key(key);
        if folded.contains_key(&setting) {
            let spelled: Vec<_> = table.keys().filter(|other| folded_key(other) == setting).collect();
            return Err(format!(
                "{spelled:?} are one setting in several spellings: which of them counts could not be told"
            ));
        }
        folded.insert(setting, folded_value(value)?);
    }
    Ok(folded)
}

/// What has a dot, a colon or a slash in it is no setting's key: plugins, hosts and registries are called what is written.
fn folded_key(key: &str) -> String {
    if key.contains(['.', ':', '/']) { key.to_owned() } else { key.to_lowercase() }
}

fn folded_value(value: &Value) -> Result<Value, String> {
    match value {
        Value::Table(table) => folded(table).map(Value::Table),
        Value::Array(values) => values.iter().map(folded_value).collect::<Result<_, _>>().map(Value::Array),
        other => Ok(other.clone()),
    }
}

/// The files that an import names: a path, or a pattern in its last part.
fn imported(name: &str, by: &Path, findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let path = by.parent().unwrap_or(Path::new("/")).join(name);
    let wild = |text: &str| text.contains(['*', '?', '[']);
    let (Some(folder), Some(last)) = (path.parent(), path.file_name().and_then(|last| last.to_str())) else {
        return vec![path];
    };
    if !wild(&path.to_string_lossy()) {
        return vec![path];
    }
    let pattern = Pattern::parse(last).ok().filter(|_| !wild(&folder.to_string_lossy()));
    let Some(pattern) = pattern else {
        let message = format!("imports {name:?}, a pattern that this check does not read");
        let remedy = "a pattern in the last part of the path alone";
        findings.push(Finding::new("not-read", Level::Unknown, message, remedy).at(by));
        return Vec::new();
    };
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let fits = |path: &PathBuf| path.file_name().is_some_and(|name| pattern.matches(&name.to_string_lossy()));
    let mut files: Vec<_> = entries.filter(fits).collect();
    files.sort();
    files
}
