use super::ImportDctError;
use crate::{
    format::notary::{FileMeta, Root, Signed, Snapshot, Timestamp},
    limits::{NOTARY_FILE_BYTES, NOTARY_ROOTS, NOTARY_STATE_BYTES, NOTARY_TIMESTAMP_BYTES},
    oci::RepositoryName,
    registry::{NotaryServer, Session},
    trust::notary::{Files, NotaryError},
};
use futures_util::future::{try_join, try_join_all};

/// Tries to read one state of a server that changes meanwhile.
const TRIES: usize = 3;

/// Fetches all metadata of a repository from a Notary server, old roots too, so that a pin of any age leads to the
/// current one. Everything but timestamp and roots is asked for by the hash that the file above lists. Nothing of it is
/// verified.
///
/// # Errors
/// [`ImportDctError::NoTrustData`] if the server says so; any fault; files over the limits.
pub async fn fetch(session: &Session, repository: &RepositoryName, address: &str) -> Result<Files, ImportDctError> {
    let server = session.notary(address, repository)?;
    for _ in 1..TRIES {
        let files = fetch_once(&server, repository, address).await?;
        // A root that was changed between two requests: the snapshot does not list it yet, or any more.
        if lists_root(&files) {
            return Ok(files);
        }
    }
    fetch_once(&server, repository, address).await
}

async fn fetch_once(
    server: &NotaryServer,
    repository: &RepositoryName,
    address: &str,
) -> Result<Files, ImportDctError> {
    let both = try_join(server.current("timestamp", NOTARY_TIMESTAMP_BYTES), server.current("root", NOTARY_FILE_BYTES));
    let (timestamp, root) = match both.await {
        Err(error) if error.is_not_found() => {
            return Err(ImportDctError::NoTrustData { server: address.to_owned(), repository: repository.to_string() });
        }
        answered => answered?,
    };
    let meta = decode::<Timestamp>("timestamp", &timestamp)?.body.snapshot;
    let snapshot = by_digest(server, "snapshot", &meta).await?;
    let listed = decode::<Snapshot>("snapshot", &snapshot)?.body.meta;
    let below: Vec<_> = listed.iter().filter(|(name, _)| *name != "root").collect();
    let total = below.iter().map(|(_, meta)| meta.length).fold(0, u64::saturating_add);
    bounded("the repository's metadata", total, NOTARY_STATE_BYTES)?;
    let targets = try_join_all(below.iter().map(|(name, meta)| by_digest(server, name, meta)));
    let version = decode::<Root>("root", &root)?.version;
    let (targets, roots) = try_join(targets, older_roots(server, version)).await?;
    let mut files: Files = below.into_iter().map(|(name, _)| name.clone()).zip(targets).collect();
    files.extend(roots);
    files.extend(
        [("timestamp", timestamp), ("snapshot", snapshot), ("root", root)]
            .map(|(name, bytes)| (name.to_owned(), bytes)),
    );
    Ok(files)
}

/// Every older root that the server still has: which of them the pin needs shows later.
async fn older_roots(server: &NotaryServer, current: u64) -> Result<Vec<(String, Vec<u8>)>, ImportDctError> {
    let mut roots = Vec::new();
    let mut total = 0;
    for version in (current.saturating_sub(NOTARY_ROOTS).max(1)..current).rev() {
        match server.root(version, NOTARY_FILE_BYTES).await {
            Ok(bytes) => {
                total += bytes.len() as u64;
                bounded("the root's older versions", total, NOTARY_STATE_BYTES)?;
                roots.push((format!("{version}.root"), bytes));
            }
            Err(error) if error.is_not_found() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(roots)
}

async fn by_digest(server: &NotaryServer, name: &str, meta: &FileMeta) -> Result<Vec<u8>, ImportDctError> {
    Ok(server.by_digest(name, meta.sha256, meta.length, NOTARY_FILE_BYTES).await?)
}

fn lists_root(files: &Files) -> bool {
    let snapshot = files.get("snapshot").and_then(|bytes| Signed::<Snapshot>::decode(bytes).ok());
    let listed = snapshot.as_ref().and_then(|snapshot| snapshot.body.meta.get("root"));
    listed.zip(files.get("root")).is_some_and(|(meta, root)| meta.is_of(root))
}

fn decode<T: crate::format::notary::Body>(name: &str, bytes: &[u8]) -> Result<Signed<T>, ImportDctError> {
    Signed::decode(bytes).map_err(|source| NotaryError::Malformed { file: name.to_owned(), source }.into())
}

fn bounded(what: &str, found: u64, limit: u64) -> Result<(), ImportDctError> {
    if found > limit { Err(ImportDctError::Limit { what: what.to_owned(), limit }) } else { Ok(()) }
}
