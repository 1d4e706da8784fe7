//! The reference that a signer writes beside a digest, as a text inside the signed bytes.

use crate::oci::{Reference, Repository, RepositoryName};
use std::fmt;

/// A reference inside signed bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedReference {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag, where one was signed.
    pub tag: Option<String>,
}

impl SignedReference {
    /// Reads a signed name. It has to be written in full, host first: a bare `app` in somebody's statement is a file's
    /// name, not `docker.io/library/app`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, _) = text.split_once('/')?;
        if !host.contains(['.', ':']) && host != "localhost" {
            return None;
        }
        match text.parse::<Reference>().ok()? {
            Reference { repository: Repository::Registry(repository), tag, .. } => Some(Self { repository, tag }),
            Reference { repository: Repository::Layout(_), .. } => None,
        }
    }
}

impl fmt::Display for SignedReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}
