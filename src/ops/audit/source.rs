//! Where a list of images comes from.

use super::{
    inventory::{Closed, Found, Item, Sink, unusable},
    kinds, lines,
    record::{Place, Role},
};
use crate::{
    format::trust_manifest::{STAGING_TAGS, TRUST_TAG},
    limits::AUDIT_LINE_BYTES,
    oci::{Reference, ReferenceError, Repository, RepositoryName},
    ops::OpsError,
    registry::{Access, Named, Repo, Session},
};
use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    str::FromStr,
};
use tokio::sync::{
    mpsc::{Receiver, Sender, channel},
    oneshot,
};

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

/// Begins to read sources, one after the other; items of a single list come as fast as they are taken.
///
/// # Errors
/// There is no such file or layout; none is read then.
pub(super) fn open(
    sources: &[Source],
    session: &Session,
    sink: impl FnOnce(Sender<Item>) -> Sink,
) -> Result<Receiver<Item>, OpsError> {
    let open = |source: &Source| Ok((source.to_string(), source.open(session)?));
    let inputs = sources.iter().map(open).collect::<Result<Vec<_>, OpsError>>()?;
    let (sender, receiver) = channel(WAITING);
    tokio::spawn(read_all(inputs, sink(sender)));
    Ok(receiver)
}

/// A source that is there. A file is opened when it is its turn: there may be more than a process may have open.
enum Input {
    Stdin,
    File(PathBuf),
    Tags(Repo, Repository),
}

impl Source {
    fn open(&self, session: &Session) -> Result<Input, OpsError> {
        Ok(match self {
            Self::Stdin => Input::Stdin,
            Self::File(path) => {
                path.metadata().map_err(|source| OpsError::Io { path: path.clone(), source })?;
                Input::File(path.clone())
            }
            Self::Repository(repository) => Input::Tags(session.open(repository, Access::Pull)?, repository.clone()),
        })
    }
}

/// Ends without an end where nobody takes items any more.
async fn read_all(inputs: Vec<(String, Input)>, mut sink: Sink) {
    let are_many = inputs.len() > 1;
    for (name, input) in inputs {
        if are_many {
            sink.enter(name);
        }
        let read = match input {
            Input::Stdin => in_a_thread(|| Ok(io::stdin()), sink).await,
            Input::File(path) => in_a_thread(move || File::open(path), sink).await,
            Input::Tags(repo, repository) => list(&repo, &repository, &mut sink).await.ok().map(|()| sink),
        };
        let Some(read) = read else { return };
        sink = read;
    }
    let _ = sink.end().await;
}

/// Reads in a thread, which may wait for its input while images are judged, and be left behind by a program that ends.
async fn in_a_thread<R: Read>(open: impl FnOnce() -> io::Result<R> + Send + 'static, mut sink: Sink) -> Option<Sink> {
    let (done, read_to_end) = oneshot::channel();
    std::thread::spawn(move || {
        let read = match open() {
            Ok(from) => read(BufReader::new(from), &mut sink),
            Err(error) => {
                sink.cut(&error);
                Ok(())
            }
        };
        if read.is_ok() {
            let _ = done.send(sink);
        }
    });
    read_to_end.await.ok()
}

fn read(mut from: impl BufRead, sink: &mut Sink) -> Result<(), Closed> {
    let head = match beginning(&mut from) {
        Ok(head) => head,
        Err(error) => {
            sink.cut(&error);
            return Ok(());
        }
    };
    if head.is_empty() {
        sink.cut(&"nothing is in it; expected images, one a line, or JSON");
        return Ok(());
    }
    let mut told = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let is_json =
        matches!((told.next(), told.next()), (Some(b'['), Some(b'{' | b']')) | (Some(b'{'), Some(b'"' | b'}')));
    let from = head.chain(from);
    if is_json { kinds::read(from, sink) } else { lines::read(from, sink) }
}

/// The beginning, to the second byte that says something: a list may begin with `[::1]/app`. A byte-order mark before it is
/// taken away.
fn beginning(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let (mut head, mut told) = (Vec::new(), 0);
    while told < 2 && (head.len() as u64) < AUDIT_LINE_BYTES {
        let Some(byte) = from.fill_buf()?.first().copied() else { break };
        from.consume(1);
        head.push(byte);
        if head == MARK {
            head.clear();
        }
        told += usize::from(!byte.is_ascii_whitespace() && !MARK.starts_with(&head));
    }
    Ok(head)
}

/// Lists a repository's tags. A list that breaks off is said to, and what came before it counts.
async fn list(repo: &Repo, repository: &Repository, sink: &mut Sink) -> Result<(), Closed> {
    let mut tags = repo.tags();
    loop {
        match tags.next().await {
            Ok(Some(page)) => {
                for named in page {
                    let item = item(named, repository, sink);
                    if let Some(item) = item {
                        sink.pass(item).await?;
                    }
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                sink.cut(&error);
                return Ok(());
            }
        }
    }
}

fn item(named: Named, repository: &Repository, sink: &mut Sink) -> Option<Item> {
    match named.tag {
        Some(tag) if is_evidence(&tag) => {
            sink.counts.evidence_tags += 1;
            None
        }
        Some(tag) => match format!("{repository}:{tag}").parse() {
            Ok(reference) => sink.admit(held(reference)),
            Err(error) => Some(unusable("tags".to_owned(), &tag, error as ReferenceError, 3)),
        },
        None => sink.admit(held(Reference { repository: repository.clone(), tag: None, digest: named.digest })),
    }
}

fn held(reference: Reference) -> Found {
    Found::named(reference).at(Place { role: Role::Stored, ..Place::default() })
}

/// Whether a tag is one that evidence is kept under: the fallback tag, cosign's `.sig`, `.att` and `.sbom`, our own.
fn is_evidence(tag: &str) -> bool {
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (hash, suffix) = tag.split_once('.').unwrap_or((tag, ""));
    let is_hash = [("sha256-", 64), ("sha512-", 128)]
        .iter()
        .any(|(algorithm, length)| hash.strip_prefix(algorithm).is_some_and(|hex| is_hex(hex, *length)));
    tag == TRUST_TAG
        || tag.strip_prefix(STAGING_TAGS).is_some_and(|hex| is_hex(hex, 32))
        || is_hash && (tag == hash || matches!(suffix, "sig" | "att" | "sbom"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

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
        let (sig, fallback) = (format!("sha256-{hash}.sig"), format!("sha256-{hash}"));
        let staged = format!("{STAGING_TAGS}{}", &hash[..32]);
        for tag in [&fallback, &sig, &format!("sha256-{hash}.att"), &format!("sha256-{hash}.sbom"), TRUST_TAG, &staged]
        {
            assert!(is_evidence(tag), "{tag}");
        }
        let other = ["", "x", ".", ".x", ".sig.x"]
            .map(|end| format!("sha256-{}{end}", &hash[..hash.len() - usize::from(end.is_empty())]));
        for tag in other.iter().map(String::as_str).chain([
            "1.0",
            "boltseal.trust.x",
            "boltseal.role.x",
            &format!("sha1-{hash}"),
        ]) {
            assert!(!is_evidence(tag), "{tag}");
        }
    }

    // [V-270]
    #[test]
    fn a_list_is_no_json_because_of_its_first_byte() {
        for (text, is_json) in [
            ("[::1]:5000/app:1\na.b/c:1\n", false),
            ("{x\na.b/c:1\n", false),
            ("\n [\n {\"Image\":\"a.b/c:1\"}]", true),
            ("\u{feff}{ \"Image\":\"a.b/c:1\"}", true),
            ("\u{feff}a.b/c:1", false),
            ("[]", true),
        ] {
            let (sender, mut receiver) = channel(10);
            let mut sink = Sink::new(sender, None);
            // A pipe gives what it has: here a byte each time.
            assert!(read(BufReader::with_capacity(1, text.as_bytes()), &mut sink).is_ok() && sink.counts.cut.is_none());
            assert!(sink.end().now_or_never().is_some_and(|ended| ended.is_ok()), "there is room");
            let items: Vec<_> = std::iter::from_fn(|| receiver.blocking_recv()).collect();
            let last = items.iter().rev().nth(1);
            let last = last.map(|item| matches!(item, Item::Image(found) if found.reference.to_string() == "a.b/c:1"));
            assert_eq!(last, (text != "[]").then_some(true), "{text:?}: {items:?}");
            assert!(is_json || items.len() == 1 + text.trim().lines().count(), "{text:?}: {items:?}");
        }
    }
}
