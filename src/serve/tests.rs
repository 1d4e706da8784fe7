//! What tests of servers share.

use super::{JudgeSettings, Words};
use crate::{
    ops::{trusted_root::Roots, verify::Verification},
    rego::{InProcess, Runner},
};
use jiff::Timestamp;
use std::{path::Path, sync::Arc};

pub(super) const WORDS: Words =
    Words { roots: no_roots, rego: in_process, reasons: no_reasons, printable: str::to_owned };

fn no_roots() -> Roots {
    Roots::new(None, Timestamp::now())
}

fn in_process() -> Arc<dyn Runner> {
    Arc::new(InProcess)
}

fn no_reasons(_: &Verification) -> String {
    String::new()
}

/// By `policy.yaml` of a folder.
pub(super) fn judge_settings(folder: &Path) -> JudgeSettings {
    let settings: JudgeSettings = toml::from_str("policy = \"policy.yaml\"\nstate = \"state\"").unwrap();
    settings.beside(folder)
}
