//! What is expected to differ: by the runtime's doing, or because the caller says so.

use super::{
    node::Kind,
    report::{Change, Standing},
};
use crate::limits::RUNTIME_FILE_BYTES;
use regex::bytes::{RegexSet, RegexSetBuilder};

/// Files that runtimes write for each container.
const WRITTEN: [&[u8]; 5] = [b"etc/hosts", b"etc/hostname", b"etc/resolv.conf", b".dockerenv", b"run/.containerenv"];
/// Directories that runtimes mount something on.
const MOUNTED: [&[u8]; 4] = [b"proc", b"sys", b"dev", b"run/secrets"];

/// Which differences are not drift.
#[derive(Debug)]
pub struct Rules {
    ignored: RegexSet,
    /// Those of the patterns that name whatever lies below a path, too.
    ignored_below: RegexSet,
}

/// Why a text is no pattern of paths.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no pattern of paths: expected for example /var/log/** or /etc/*.conf, with a slash first")]
pub struct IgnoreError(String);

/// What of a path was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// What it holds, or its attributes. Nothing that lies below it.
    Itself,
    /// And whatever lies below it.
    AndBelow,
    /// Another filesystem is mounted there, which was not entered.
    OtherMount,
}

impl Rules {
    /// Reads patterns: `*` stands for any characters within one component, `**` for any number of components.
    ///
    /// # Errors
    /// A pattern that does not begin at the root, or too many.
    pub fn parse(patterns: &[String]) -> Result<Self, IgnoreError> {
        let set = |below: bool| {
            let named = patterns.iter().filter(|text| !below || text.ends_with("/**"));
            let expressions = named.map(|text| expression(text)).collect::<Result<Vec<_>, _>>()?;
            let set = RegexSetBuilder::new(expressions).unicode(false).build();
            set.map_err(|_| IgnoreError(patterns.first().cloned().unwrap_or_default()))
        };
        Ok(Self { ignored: set(false)?, ignored_below: set(true)? })
    }

    /// What a difference counts as.
    #[must_use]
    pub fn standing(&self, path: &[u8], change: &Change) -> Standing {
        if self.ignored.is_match(path) {
            Standing::Ignored
        } else if by_runtime(path, change) {
            Standing::Runtime
        } else {
            Standing::Drift
        }
    }

    /// What it counts as that something of a path was not read. A pattern that names a directory alone says nothing of what
    /// may lie below it; and what a runtime writes or makes can be read.
    #[must_use]
    pub fn standing_of_unread(&self, path: &[u8], what: Unread) -> Standing {
        let ignored = if what == Unread::Itself { &self.ignored } else { &self.ignored_below };
        if ignored.is_match(path) {
            Standing::Ignored
        } else if what == Unread::OtherMount && MOUNTED.contains(&path) {
            Standing::Runtime
        } else {
            Standing::Drift
        }
    }
}

/// The least that runtimes do: neither a program in a place for devices nor another type of file is among it.
fn by_runtime(path: &[u8], change: &Change) -> bool {
    let (written, mounted) = (WRITTEN.contains(&path), MOUNTED.contains(&path));
    match change {
        Change::Added { kind: Kind::File { size, .. }, mode } => {
            is_plain(*size, *mode) && (written || *size == 0 && below_mounted(path))
        }
        Change::Added { kind: Kind::Symlink(target), .. } => {
            below_mounted(path) || path == b"etc/mtab" && target == b"/proc/mounts"
        }
        Change::Added { kind: Kind::Directory, .. } => below_mounted(path) || path == b"run",
        Change::Added { .. } => below_mounted(path),
        Change::Deleted(_) => below_mounted(path) && !mounted,
        Change::Content { found, mode, .. } => written && is_plain(*found, *mode),
        Change::Mode { found, .. } => written && found & 0o7111 == 0 || mounted && found & 0o6000 == 0,
        _ => false,
    }
}

/// A small file that nobody can execute. An empty one is nothing to execute: Docker makes its own with 0755.
fn is_plain(size: u64, mode: u32) -> bool {
    let executable = if size == 0 { 0o7000 } else { 0o7111 };
    size <= RUNTIME_FILE_BYTES && mode & executable == 0
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
                // A component is never empty: `/*` is not the root.
                let any = if component == "*" { "[^/]+" } else { "[^/]*" };
                expression.push_str(if expression.ends_with(".*") && at == 1 { "(?:\\A|/)" } else { slash });
                expression.push_str(&component.split('*').map(regex::escape).collect::<Vec<_>>().join(any));
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
        Rules::parse(&[pattern.to_owned()]).unwrap().ignored.is_match(path.as_bytes())
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
            ("/**", "", true),
            ("/*", "", false),
            ("/**/*", "", false),
            ("/*/**", "", false),
        ] {
            assert_eq!(ignores(pattern, path), expected, "{pattern} {path}");
        }
        for bad in ["", "/", "tmp", "/a//b", "/../a", "/a/**b", "/a/"] {
            assert!(Rules::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    // [V-295]
    #[test]
    fn a_directory_that_is_not_read_is_ignored_with_all_below_it_alone() {
        let rules = |pattern: &str| Rules::parse(&[pattern.to_owned()]).unwrap();
        for (pattern, path, itself, below) in [
            ("/tmp", "tmp", Standing::Ignored, Standing::Drift),
            ("/var/log/*", "var/log/a", Standing::Ignored, Standing::Drift),
            ("/var/log/**", "var/log/a", Standing::Ignored, Standing::Ignored),
            ("/*", "", Standing::Drift, Standing::Drift),
            ("/x", "proc/a", Standing::Drift, Standing::Drift),
            ("/x", "dev/shm", Standing::Drift, Standing::Drift),
            ("/x", "etc/hosts", Standing::Drift, Standing::Drift),
        ] {
            let of = |what| rules(pattern).standing_of_unread(path.as_bytes(), what);
            assert_eq!((of(Unread::Itself), of(Unread::AndBelow)), (itself, below), "{pattern} {path}");
            assert_eq!(of(Unread::OtherMount), below, "{pattern} {path}");
        }
        let of = |path: &[u8], what| rules("/x").standing_of_unread(path, what);
        assert_eq!(of(b"proc", Unread::OtherMount), Standing::Runtime);
        assert_eq!(of(b"proc", Unread::AndBelow), Standing::Drift);
    }

    // [V-296]
    #[test]
    fn the_runtime_s_places_hide_no_program() {
        let added = |kind, mode| Change::Added { kind, mode };
        let file = |size, mode| added(Kind::File { size, content: None }, mode);
        let content = |found, mode| Change::Content { expected: 0, found, mode };
        let large = RUNTIME_FILE_BYTES + 1;
        for (path, change, expected) in [
            ("etc/hosts", content(9, 0o644), true),
            ("etc/hosts", content(9, 0o755), false),
            ("etc/hosts", content(large, 0o644), false),
            ("etc/hosts", Change::Type { expected: Kind::Fifo, found: Kind::Directory }, false),
            ("etc/hosts", Change::Mode { expected: 0o755, found: 0o644 }, true),
            ("etc/hosts", Change::Mode { expected: 0o644, found: 0o4644 }, false),
            ("etc/hosts", Change::Mode { expected: 0o644, found: 0o755 }, false),
            ("etc/hosts2", file(0, 0o644), false),
            // As Docker makes it.
            (".dockerenv", file(0, 0o755), true),
            (".dockerenv", file(0, 0o4755), false),
            (".dockerenv", file(9, 0o755), false),
            (".dockerenv", file(large, 0o644), false),
            ("run/.containerenv", file(200, 0o644), true),
            ("dev/console", file(0, 0o755), true),
            ("dev/shm/miner", file(900_000, 0o644), false),
            ("dev/null", added(Kind::Character(1, 3), 0o666), true),
            ("dev", Change::Mode { expected: 0o755, found: 0o1777 }, true),
            ("devices", added(Kind::Directory, 0o755), false),
            ("etc/mtab", added(Kind::Symlink(b"/proc/mounts".to_vec()), 0o777), true),
            ("etc/mtab", added(Kind::Symlink(b"/tmp/x".to_vec()), 0o777), false),
            ("etc", added(Kind::Directory, 0o755), false),
        ] {
            assert_eq!(by_runtime(path.as_bytes(), &change), expected, "{path} {change:?}");
        }
    }
}
