//! What stands between an enforcement point and every pull: found by reading what the runtime reads.

mod containerd;
mod folder;
mod policy;
mod proxy;
mod settings;
mod writers;

pub use containerd::{ContainerdNode, containerd};
pub use policy::covers;
pub use proxy::{ProxiedRuntime, WantedFile};
pub use writers::writable;

use std::path::PathBuf;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Images are pulled that nobody verified.
    Bypass,
    /// It could not be told whether they are.
    Unknown,
    /// Pulls fail, whatever the policy says.
    Blocked,
    /// Something that will surprise.
    Warning,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable name.
    pub id: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The file or folder, where there is one.
    pub place: Option<PathBuf>,
    /// What it is.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

impl Finding {
    fn new(id: &'static str, level: Level, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id, level, place: None, message: message.into(), remedy: remedy.into() }
    }

    fn at(self, place: impl Into<PathBuf>) -> Self {
        Self { place: Some(place.into()), ..self }
    }
}

impl Level {
    /// Its name, as results have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
            Self::Warning => "warning",
        }
    }
}

#[cfg(test)]
mod tests;
