//! Where a list of images comes from.

use super::{
    inventory::{Closed, Found, Item, Sink, unusable},
    kinds, lines,
    record::{Place, Role},
};
use crate::{
    oci::{Reference, ReferenceError, Repository, RepositoryName},
    ops::OpsError,
    registry::{Access, Repo, Session},
};
use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    str::FromStr,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Items that wait until somebody has time for them.
const WAITING: usize = 256;

/// What is audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input, as a file.
    Stdin,
    /// A file: images one a line, or another tool's JSON.
    File(PathBuf),
    /// All that is named in a repository or an image layout.
    Repository(Repository),
}

/// Why a text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Not a repository.
    #[error("registry:… {0}")]
    Repository(ReferenceError),
    /// A repository with a tag or a digest.
    #[error("{0:?}: expected a repository alone, all of whose tags are meant")]
    Tagged(String),
    /// Nothing.
    #[error("expected FILE, `-`, oci:DIR or registry:REPOSITORY")]
    Empty,
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if let Some(name) = text.strip_prefix("registry:") {
            let name = name.parse::<RepositoryName>().map_err(|error| match name.parse::<Reference>() {
                Ok(_) => SourceError::Tagged(name.to_owned()),
                Err(_) => SourceError::Repository(error),
            })?;
            return Ok(Self::Repository(Repository::Registry(name)));
        }
        match text.strip_prefix("oci:").unwrap_or(text) {
            "" => Err(SourceError::Empty),
            folder if text.starts_with("oci:") => Ok(Self::Repository(Repository::Layout(folder.into()))),
            file => Ok(Self::File(file.into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
            Self::Repository(Repository::Registry(name)) => write!(f, "registry:{name}"),
            Self::Repository(layout) => layout.fmt(f),
        }
    }
}

impl Source {
    /// Begins to read; items come as fast as they are taken.
    ///
    /// # Errors
    /// There is no such file or layout.
    pub(super) fn open(
        &self,
        session: &Session,
        sink: impl FnOnce(Sender<Item>) -> Sink,
    ) -> Result<Receiver<Item>, OpsError> {
        let (sender, receiver) = channel(WAITING);
        let sink = sink(sender);
        match self {
            Self::Stdin => in_a_thread(BufReader::new(io::stdin()), sink),
            Self::File(path) => {
                let file = File::open(path).map_err(|source| OpsError::Io { path: path.clone(), source })?;
                in_a_thread(BufReader::new(file), sink);
            }
            Self::Repository(repository) => {
                let repo = session.open(repository, Access::Pull)?;
                tokio::spawn(list(repo, repository.clone(), sink));
            }
        }
        Ok(receiver)
    }
}

/// Reads in a thread, which may wait for its input while images are judged.
fn in_a_thread(from: impl BufRead + Send + 'static, mut sink: Sink) {
    std::thread::spawn(move || {
        if read(from, &mut sink).is_ok() {
            let counts = std::mem::take(&mut sink.counts);
            let _ = sink.send(Item::End(counts));
        }
    });
}

fn read(mut from: impl BufRead, sink: &mut Sink) -> Result<(), Closed> {
    match first_byte(&mut from) {
        Ok(Some(b'{' | b'[')) => kinds::read(from, sink),
        Ok(_) => lines::read(from, sink),
        Err(error) => {
            sink.counts.cut = Some(error.to_string());
            Ok(())
        }
    }
}

/// The first byte that says something; a byte-order mark before it is taken away.
fn first_byte(from: &mut impl BufRead) -> io::Result<Option<u8>> {
    if from.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        from.consume(3);
    }
    Ok(from.fill_buf()?.iter().copied().find(|byte| !byte.is_ascii_whitespace()))
}

/// Lists a repository's tags. A list that breaks off is said to, and what came before it counts.
async fn list(repo: Repo, repository: Repository, mut sink: Sink) {
    let mut tags = repo.tags();
    loop {
        match tags.next().await {
            Ok(Some(page)) => {
                for named in page {
                    let is_evidence = named.tag.as_deref().is_some_and(is_evidence);
                    sink.counts.evidence_tags += u64::from(is_evidence);
                    if is_evidence {
                        continue;
                    }
                    let item = match named.tag {
                        Some(tag) => match format!("{repository}:{tag}").parse() {
                            Ok(reference) => sink.admit(held(reference)),
                            Err(error) => Some(unusable("tags".to_owned(), &tag, error as ReferenceError, 3)),
                        },
                        None => sink.admit(held(Reference {
                            repository: repository.clone(),
                            tag: None,
                            digest: named.digest,
                        })),
                    };
                    if let Some(item) = item
                        && sink.pass(item).await.is_err()
                    {
                        return;
                    }
                }
            }
            Ok(None) => break,
            Err(error) => {
                sink.counts.cut = Some(error.to_string());
                break;
            }
        }
    }
    let counts = std::mem::take(&mut sink.counts);
    let _ = sink.pass(Item::End(counts)).await;
}

fn held(reference: Reference) -> Found {
    Found::named(reference).at(Place { role: Role::Stored, ..Place::default() })
}

/// Whether a tag is one that evidence is kept under: the fallback tag, cosign's `.sig`, `.att` and `.sbom`, our own.
fn is_evidence(tag: &str) -> bool {
    let hash = tag.split('.').next().unwrap_or_default();
    let is_hash = |algorithm: &str| {
        let hex = hash.strip_prefix(algorithm);
        hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    tag == "boltseal.trust" || tag.starts_with("boltseal.trust.") || is_hash("sha256-") || is_hash("sha512-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_told_by_its_beginning() {
        for (text, shown) in [
            ("-", "-"),
            ("images.txt", "images.txt"),
            ("oci:dir/x", "oci:dir/x"),
            ("registry:busybox", "registry:docker.io/library/busybox"),
            ("registry:A.b:5000/c", "registry:a.b:5000/c"),
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), shown);
        }
        assert!(matches!("registry:a.b/c:1".parse::<Source>(), Err(SourceError::Tagged(_))));
        assert!(matches!("registry:A B".parse::<Source>(), Err(SourceError::Repository(_))));
        for empty in ["", "oci:"] {
            assert_eq!(empty.parse::<Source>(), Err(SourceError::Empty));
        }
    }

    #[test]
    fn evidence_is_no_image() {
        let hash = "0".repeat(64);
        for tag in [&format!("sha256-{hash}"), &format!("sha256-{hash}.sig"), "boltseal.trust", "boltseal.trust.x"] {
            assert!(is_evidence(tag), "{tag}");
        }
        for tag in ["1.0", "sha256-1", "boltseal.trusty", &format!("sha256-{hash}x"), &format!("sha1-{hash}")] {
            assert!(!is_evidence(tag), "{tag}");
        }
    }
}
