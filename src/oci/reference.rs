use super::{Digest, DigestError};
use std::{fmt, path::PathBuf, str::FromStr};

/// What was typed: `[registry/]repository[:tag][@digest]`, or `oci:DIR[:tag][@digest]` for an image layout.
///
/// The grammar is distribution's `reference` package's, with IPv6 hosts; `docker.io` and `library/` are filled in, and
/// hosts get one spelling.
/// Nothing is resolved: without tag and digest both are absent, see [`Reference::tag_or_latest`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Where the image lies.
    pub repository: Repository,
    /// The tag, where one was typed.
    pub tag: Option<String>,
    /// The digest, where one was typed.
    pub digest: Option<Digest>,
}

/// A place that holds manifests: a registry's repository, or an image layout on disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Repository {
    /// `host/path` in a registry.
    Registry(RepositoryName),
    /// An OCI image layout's folder.
    Layout(PathBuf),
}

/// A repository's full name: `docker.io/library/busybox`, `[::1]:5000/app`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName {
    /// Host with its port, in its one spelling (lower case, no `:443`); `docker.io` for Docker Hub.
    pub host: String,
    /// The path below the host, without a leading slash.
    pub path: String,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Nothing before the tag or digest.
    #[error("reference {0:?}: no repository, expected [registry/]repository[:tag][@digest]")]
    Empty(String),
    /// The host is neither a name, an IPv4 nor a bracketed IPv6 address with an optional port; or it is `oci` with a port,
    /// which is written as a layout's folder is.
    #[error("reference {reference:?}: {host:?} is no host name with an optional port")]
    Host {
        /// What was typed.
        reference: String,
        /// The part that is wrong.
        host: String,
    },
    /// A path component breaks distribution's grammar.
    #[error(
        "reference {reference:?}: {component:?} is no repository name; lower-case letters and digits, separated by one `.`, one or two `_`, or `-`"
    )]
    Path {
        /// What was typed.
        reference: String,
        /// The part that is wrong.
        component: String,
    },
    /// The repository's path has more than 255 characters.
    #[error("reference {0:?}: the repository's name has more than 255 characters")]
    TooLong(String),
    /// The tag breaks distribution's grammar.
    #[error(
        "reference {reference:?}: {tag:?} is no tag; at most 128 letters, digits, `_`, `.`, `-`, the first a letter, digit or `_`"
    )]
    Tag {
        /// What was typed.
        reference: String,
        /// The part that is wrong.
        tag: String,
    },
    /// What follows `@` is no digest.
    #[error("reference {reference:?}: {source}")]
    Digest {
        /// What was typed.
        reference: String,
        /// What is wrong with it.
        source: DigestError,
    },
}

const HUB: &str = "docker.io";
/// What an image layout's folder stands behind, and so no host's name with a port.
const LAYOUT: &str = "oci:";
const NAME_MAX: usize = 255;

impl Reference {
    /// The tag, or `latest` where neither tag nor digest was typed.
    #[must_use]
    pub fn tag_or_latest(&self) -> Option<&str> {
        self.tag.as_deref().or(if self.digest.is_none() { Some("latest") } else { None })
    }

    /// The same place by digest alone: what is used once something was decided.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { repository: self.repository.clone(), tag: None, digest: Some(digest) }
    }

    fn layout(text: &str, rest: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = split_digest(text, rest)?;
        let after_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (dir, tag) = match rest.get(after_slash..).and_then(|last| last.rfind(':')) {
            Some(at) => {
                let (dir, tag) = rest.split_at(after_slash + at);
                (dir, Some(check_tag(text, tag.trim_start_matches(':'))?))
            }
            None => (rest, None),
        };
        if dir.is_empty() {
            return Err(ReferenceError::Empty(text.to_owned()));
        }
        Ok(Self { repository: Repository::Layout(PathBuf::from(dir)), tag, digest })
    }

    fn registry(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = split_digest(text, text)?;
        let after_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest.get(after_slash..).and_then(|last| last.find(':')) {
            Some(at) => {
                let (name, tag) = rest.split_at(after_slash + at);
                (name, Some(check_tag(text, tag.get(1..).unwrap_or_default())?))
            }
            None => (rest, None),
        };
        Ok(Self { repository: Repository::Registry(RepositoryName::parse_in(text, name)?), tag, digest })
    }
}

impl RepositoryName {
    fn parse_in(text: &str, name: &str) -> Result<Self, ReferenceError> {
        let (host, path) = match name.split_once('/') {
            Some((left, right)) if left.contains(['.', ':', '[']) || left == "localhost" => (left, right),
            _ => (HUB, name),
        };
        if path.is_empty() {
            return Err(ReferenceError::Empty(text.to_owned()));
        }
        if !is_host(host) {
            return Err(ReferenceError::Host { reference: text.to_owned(), host: host.to_owned() });
        }
        if let Some(bad) = path.split('/').find(|component| !is_path_component(component)) {
            return Err(ReferenceError::Path { reference: text.to_owned(), component: bad.to_owned() });
        }
        let host = canonical_host(host);
        if host.starts_with(LAYOUT) {
            // However it is spelled: written back it would be a folder.
            return Err(ReferenceError::Host { reference: text.to_owned(), host });
        }
        let official = host == HUB && !path.contains('/');
        let path = if official { format!("library/{path}") } else { path.to_owned() };
        if path.len() > NAME_MAX {
            return Err(ReferenceError::TooLong(text.to_owned()));
        }
        Ok(Self { host, path })
    }

    /// The host without its port, brackets of an IPv6 address taken off.
    #[must_use]
    pub fn host_without_port(&self) -> &str {
        if let Some(rest) = self.host.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        self.host.split(':').next().unwrap_or(&self.host)
    }
}

impl FromStr for RepositoryName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse_in(text, text)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match text.strip_prefix(LAYOUT) {
            Some(rest) => Self::layout(text, rest),
            None => Self::registry(text),
        }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => name.fmt(f),
            Self::Layout(dir) => write!(f, "{LAYOUT}{}", dir.display()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The one spelling of a host: lower case, a number for a port and none for 443 (where the name is a host's without
/// it), an IPv6 address in its short form,
/// `docker.io` for Docker Hub. Names that are compared, signed or matched by a scope all have it.
pub(crate) fn canonical_host(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if is_port(port) => (name, Some(port.trim_start_matches('0'))),
        _ => (text.as_str(), None),
    };
    // A name without a dot is a host only for its port.
    let is_host_alone = name.contains(['.', '[']) || name == "localhost";
    let name = match name.trim_matches(['[', ']']).parse::<core::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) if name == "index.docker.io" => HUB.to_owned(),
        Err(_) => name.to_owned(),
    };
    match port {
        None => name,
        Some("443") if is_host_alone => name,
        Some("") => format!("{name}:0"),
        Some(port) => format!("{name}:{port}"),
    }
}

fn split_digest<'t>(text: &str, rest: &'t str) -> Result<(&'t str, Option<Digest>), ReferenceError> {
    match rest.split_once('@') {
        None => Ok((rest, None)),
        Some((name, digest)) => match digest.parse() {
            Ok(digest) => Ok((name, Some(digest))),
            Err(source) => Err(ReferenceError::Digest { reference: text.to_owned(), source }),
        },
    }
}

fn check_tag(text: &str, tag: &str) -> Result<String, ReferenceError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let good = tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if good { Ok(tag.to_owned()) } else { Err(ReferenceError::Tag { reference: text.to_owned(), tag: tag.to_owned() }) }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => (address, Some(port.strip_prefix(':').unwrap_or("not a port"))),
            None => return false,
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let port_is_good = port
        .is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let name_is_good =
        if host.starts_with('[') { name.parse::<core::net::Ipv6Addr>().is_ok() } else { name.split('.').all(label) };
    port_is_good && name_is_good
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = |b: Option<u8>| b.is_some_and(alphanumeric);
    let mut separators =
        component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|s| !s.is_empty());
    ends(component.bytes().next())
        && ends(component.bytes().last())
        && separators.all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests;
