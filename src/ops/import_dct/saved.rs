//! The file that `--save` writes.

use super::{ImportDctError, Pin, files};
use crate::{
    json,
    limits::SAVED_STATE_BYTES,
    oci::RepositoryName,
    trust::notary::{Files, RootPin},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

/// What the file calls itself.
const TYPE: &str = "boltseal.dev/saved-docker-content-trust";
const VERSION: u64 = 1;

/// Trust data out of a saved file. Nothing of it is verified, and nothing that the file says of itself is used but
/// the repository's name, which has to be the one that was asked for.
#[derive(Debug)]
pub struct Saved {
    /// The metadata files.
    pub files: Files,
    /// When it was saved, by the file's word.
    pub saved_at_hint: Timestamp,
    /// Where it was read from, by the file's word.
    pub source_hint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    r#type: String,
    version: u64,
    repository: String,
    source: String,
    saved_at: Timestamp,
    files: BTreeMap<String, String>,
}

pub(super) fn encode(
    repository: &RepositoryName,
    files: &Files,
    pin: &Pin,
    source: &str,
    now: Timestamp,
    summary: &Value,
) -> Vec<u8> {
    let pin = match &pin.root {
        RootPin::Keys(keys) => json!({ "keys": keys.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        RootPin::Cache(root) => json!({ "root": STANDARD.encode(root) }),
    };
    let files: BTreeMap<_, _> = files.iter().map(|(name, bytes)| (name, STANDARD.encode(bytes))).collect();
    let saved = json!({
        "type": TYPE, "version": VERSION, "repository": repository.to_string(), "source": source, "savedAt": now,
        "files": files,
        "notTrustedWhenRead": { "pin": pin, "verified": summary },
    });
    format!("{saved:#}\n").into_bytes()
}

/// Reads a saved file.
///
/// # Errors
/// The file can't be read, is none that `--save` wrote, is of a later version, or is about another repository.
pub fn read_saved(path: &Path, repository: &RepositoryName) -> Result<Saved, ImportDctError> {
    let not_saved = |message: String| ImportDctError::NotSaved { path: path.to_owned(), message };
    let bytes = files::read(path, SAVED_STATE_BYTES)?;
    let wire: Wire = json::decode(&bytes).map_err(|error| not_saved(error.to_string()))?;
    if wire.r#type != TYPE {
        return Err(not_saved(format!("type is {:?}, expected {TYPE:?}", wire.r#type)));
    }
    if wire.version != VERSION {
        return Err(not_saved(format!("version is {}, expected {VERSION}", wire.version)));
    }
    let expected = repository.to_string();
    if wire.repository != expected {
        return Err(ImportDctError::OtherRepository { path: path.to_owned(), found: wire.repository, expected });
    }
    let mut files = Files::new();
    for (name, text) in wire.files {
        let bytes = STANDARD.decode(text).map_err(|error| not_saved(format!("file {name:?}: {error}")))?;
        files.insert(name, bytes);
    }
    files::bounded(&files)?;
    Ok(Saved { files, saved_at_hint: wire.saved_at, source_hint: wire.source })
}
