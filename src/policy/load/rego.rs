//! The Rego files that scopes name, each read, and run for the first time, once.

use super::FileLoader;
use crate::{
    oci::Digest,
    policy::{PolicyError, Position, RegoRule},
    rego::{Program, Runner},
};
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, sync::Arc};

/// How such a file's name ends: no other file, and no trusted root, is meant.
const SUFFIX: &str = ".rego";

pub(super) struct Programs<'l> {
    files: &'l FileLoader<'l>,
    runner: &'l Arc<dyn Runner>,
    read: BTreeMap<String, Arc<RegoRule>>,
}

impl<'l> Programs<'l> {
    pub(super) fn new(files: &'l FileLoader<'l>, runner: &'l Arc<dyn Runner>) -> Self {
        Self { files, runner, read: BTreeMap::new() }
    }

    pub(super) fn load(&mut self, file: &Spanned<String>) -> Result<Arc<RegoRule>, PolicyError> {
        let name = &file.value;
        if let Some(known) = self.read.get(name) {
            return Ok(Arc::clone(known));
        }
        let refused = |why: String| PolicyError::Rego { place: Position::of(file), file: name.clone(), why };
        // A control character in a name would make two lists of files the same text, and the reports' digest with them.
        if !name.ends_with(SUFFIX) || name.chars().any(char::is_control) {
            return Err(refused(format!("expected a file whose name ends with `{SUFFIX}`")));
        }
        let bytes = (self.files)(name).map_err(refused)?.unwrap_or_default();
        let text = std::str::from_utf8(&bytes).map_err(|_| refused("not UTF-8 text".to_owned()))?;
        let program = Program::load(name, text, Arc::clone(self.runner)).map_err(|error| refused(error.to_string()))?;
        let rule = Arc::new(RegoRule { file: name.clone(), digest: Digest::sha256(&bytes), program });
        self.read.insert(name.clone(), Arc::clone(&rule));
        Ok(rule)
    }
}
