//! What is expected to differ: by the runtime's doing, or because the caller says so.

use super::{
    node::Kind,
    report::{Change, Standing},
};
use regex::bytes::{RegexSet, RegexSetBuilder};

/// Files that runtimes write for each container.
const WRITTEN: [&[u8]; 5] = [b"etc/hosts", b"etc/hostname", b"etc/resolv.conf", b".dockerenv", b"run/.containerenv"];
/// Directories that runtimes mount something on.
const MOUNTED: [&[u8]; 4] = [b"proc", b"sys", b"dev", b"run/secrets"];

/// Which differences are not drift.
#[derive(Debug)]
pub struct Rules {
    ignored: RegexSet,
}

/// Why a text is no pattern of paths.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no pattern of paths: expected for example /var/log/** or /etc/*.conf, with a slash first")]
pub struct IgnoreError(String);

impl Rules {
    /// Reads patterns: `*` stands for any characters within one component, `**` for any number of components.
    ///
    /// # Errors
    /// A pattern that does not begin at the root, or too many.
    pub fn parse(patterns: &[String]) -> Result<Self, IgnoreError> {
        let expressions = patterns.iter().map(|text| expression(text)).collect::<Result<Vec<_>, _>>()?;
        let ignored = RegexSetBuilder::new(expressions)
            .unicode(false)
            .build()
            .map_err(|_| IgnoreError(patterns.first().cloned().unwrap_or_default()))?;
        Ok(Self { ignored })
    }

    /// What a difference counts as.
    #[must_use]
    pub fn standing(&self, path: &[u8], change: &Change) -> Standing {
        if self.is_ignored(path) {
            Standing::Ignored
        } else if by_runtime(path, change) {
            Standing::Runtime
        } else {
            Standing::Drift
        }
    }

    /// What it counts as that a path was not read.
    #[must_use]
    pub fn standing_of_unread(&self, path: &[u8]) -> Standing {
        if self.is_ignored(path) {
            Standing::Ignored
        } else if below_mounted(path) || WRITTEN.contains(&path) {
            Standing::Runtime
        } else {
            Standing::Drift
        }
    }

    fn is_ignored(&self, path: &[u8]) -> bool {
        self.ignored.is_match(path)
    }
}

/// The least that runtimes do: neither a program in a place for devices nor another type of file is among it.
fn by_runtime(path: &[u8], change: &Change) -> bool {
    match change {
        Change::Added(Kind::File { size, .. }) => WRITTEN.contains(&path) || below_mounted(path) && *size == 0,
        Change::Added(Kind::Symlink(target)) => below_mounted(path) || path == b"etc/mtab" && target == b"/proc/mounts",
        Change::Added(Kind::Directory) => below_mounted(path) || path == b"run",
        Change::Added(_) => below_mounted(path),
        Change::Deleted(_) => below_mounted(path) && !MOUNTED.contains(&path),
        Change::Content { .. } => WRITTEN.contains(&path),
        Change::Mode { found, .. } => found & 0o6000 == 0 && (WRITTEN.contains(&path) || MOUNTED.contains(&path)),
        _ => false,
    }
}

fn below_mounted(path: &[u8]) -> bool {
    let below =
        |mounted: &&[u8]| path.strip_prefix(*mounted).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    MOUNTED.iter().any(below)
}

/// A pattern as a regular expression over a path without its first slash.
fn expression(pattern: &str) -> Result<String, IgnoreError> {
    let wrong = || IgnoreError(pattern.to_owned());
    let rest = pattern.strip_prefix('/').filter(|rest| !rest.is_empty() && rest.len() <= 1_024).ok_or_else(wrong)?;
    let mut expression = String::from(r"(?s)\A");
    for (at, component) in rest.split('/').enumerate() {
        let slash = if at == 0 { "" } else { "/" };
        match component {
            "" | "." | ".." => return Err(wrong()),
            // `a/**` is `a`, too.
            "**" if at == 0 => expression.push_str(".*"),
            "**" => expression.push_str("(?:/.*)?"),
            _ if component.contains("**") => return Err(wrong()),
            _ => {
                expression.push_str(if expression.ends_with(".*") && at == 1 { "(?:\\A|/)" } else { slash });
                expression.push_str(&component.split('*').map(regex::escape).collect::<Vec<_>>().join("[^/]*"));
            }
        }
    }
    expression.push_str(r"\z");
    Ok(expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignores(pattern: &str, path: &str) -> bool {
        Rules::parse(&[pattern.to_owned()]).unwrap().is_ignored(path.as_bytes())
    }

    #[test]
    fn patterns_begin_at_the_root_and_are_whole() {
        for (pattern, path, expected) in [
            ("/var/log/**", "var/log", true),
            ("/var/log/**", "var/log/a/b", true),
            ("/var/log/**", "var/logs", false),
            ("/etc/*.conf", "etc/a.conf", true),
            ("/etc/*.conf", "etc/a/b.conf", false),
            ("/etc/*.conf", "etc/aXconf", false),
            ("/**/cache", "a/b/cache", true),
            ("/**/cache", "cache", true),
            ("/**/cache", "xcache", false),
            ("/a/**/z", "a/z", true),
            ("/a/**/z", "a/b/c/z", true),
            ("/a/**/z", "a/bz", false),
            ("/tmp", "tmp/a", false),
        ] {
            assert_eq!(ignores(pattern, path), expected, "{pattern} {path}");
        }
        for bad in ["", "/", "tmp", "/a//b", "/../a", "/a/**b", "/a/"] {
            assert!(Rules::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    // [V-296]
    #[test]
    fn the_runtime_s_places_hide_no_program() {
        let file = |size| Change::Added(Kind::File { size, content: None });
        for (path, change, expected) in [
            ("etc/hosts", Change::Content { expected: 0, found: 9 }, true),
            ("etc/hosts", Change::Type { expected: Kind::Fifo, found: Kind::Directory }, false),
            ("etc/hosts", Change::Mode { expected: 0o644, found: 0o4755 }, false),
            ("etc/hosts2", file(0), false),
            (".dockerenv", file(0), true),
            ("dev/console", file(0), true),
            ("dev/shm/miner", file(900_000), false),
            ("dev/null", Change::Added(Kind::Character(1, 3)), true),
            ("devices", Change::Added(Kind::Directory), false),
            ("etc/mtab", Change::Added(Kind::Symlink(b"/proc/mounts".to_vec())), true),
            ("etc/mtab", Change::Added(Kind::Symlink(b"/tmp/x".to_vec())), false),
            ("etc", Change::Added(Kind::Directory), false),
        ] {
            assert_eq!(by_runtime(path.as_bytes(), &change), expected, "{path} {change:?}");
        }
    }
}
