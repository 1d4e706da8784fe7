//! Trust data in one file, for air gaps; and the lock.

use super::{
    TrustError,
    live::{self, Files, Live, Served},
    memory::Known,
    push, seal,
    writer::Writer,
};
use crate::{
    format::tuf::{Metadata, RoleName, Root},
    json,
    limits::SAVED_STATE_BYTES,
    sign::Signer,
    store::{read_trust_lock, update_trust_lock},
    trust::tuf::{Expiry, LockedTrust, TrustState, UpdateError, author::count_top_level},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

/// What the file calls itself.
const TYPE: &str = "boltseal.dev/trust-state";
const VERSION: u64 = 1;

/// A state's files, as text: metadata are.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    r#type: String,
    version: u64,
    repository: String,
    files: BTreeMap<String, String>,
}

impl Writer<'_> {
    /// The live state, verified as a reader verifies it; with `expired` even one that has expired.
    ///
    /// # Errors
    /// It can't be read, or is refused.
    pub async fn state(&self, expired: bool) -> Result<TrustState, TrustError> {
        Ok(self.read_fresh(&self.known()?, expired).await?.state)
    }

    pub(super) async fn read_fresh(&self, known: &Known, expired: bool) -> Result<Live, TrustError> {
        let live = self.read(known).await?;
        match live.state.overdue(self.now()).into_iter().find(|(role, _)| role.is_top_level() && !expired) {
            None => Ok(live),
            Some((role, expires)) => {
                let error = UpdateError::Expired { role: role.clone(), expires, now: self.now() };
                Err(TrustError::refused(&self.name.to_string(), &error))
            }
        }
    }

    /// Writes what is live now into the lock, for machines without a memory of their own. It is verified from what is known,
    /// the lock itself included, so that a lock never goes back.
    ///
    /// # Errors
    /// The state can't be read or is refused, or the lock can't be written.
    pub async fn pin(&self, lock: &Path) -> Result<LockedTrust, TrustError> {
        let live = self.read_fresh(&self.known()?, false).await?;
        let (name, locked) = (self.name.to_string(), LockedTrust::of(&live.state));
        update_trust_lock(lock, |lock| lock.insert(name.clone(), locked.clone()))?;
        self.memory.remember(&self.place, &live.state, live.files, live.etag).await?;
        Ok(read_trust_lock(lock)?.get(&name).cloned().unwrap_or(locked))
    }

    /// The live state as one file.
    ///
    /// # Errors
    /// The state can't be read, is refused or has expired.
    pub async fn export(&self) -> Result<(TrustState, Vec<u8>), TrustError> {
        let live = self.read_fresh(&self.known()?, false).await?;
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).ok();
        let files = live.files.into_iter().filter_map(|(name, bytes)| Some((name, text(bytes)?))).collect();
        let repository = self.name.to_string();
        let wire = Wire { r#type: TYPE.to_owned(), version: VERSION, repository, files };
        let mut bytes = serde_json::to_vec_pretty(&wire).unwrap_or_default();
        bytes.push(b'\n');
        Ok((live.state, bytes))
    }

    /// Puts an exported state in place: in this repository, which may be a mirror under another name. It is verified from
    /// what is known, and never takes the place of a newer one.
    ///
    /// # Errors
    /// The file is none, the state is refused, what is live is newer, or the registry failed.
    pub async fn import(&self, file: &Path) -> Result<TrustState, TrustError> {
        let files = read_state_file(file, &self.name.to_string())?;
        let name = self.name.to_string();
        // A mirror that is new here is judged by what is known of its origin.
        let known = match self.known() {
            Err(TrustError::NoAnchor { .. }) => self.memory.known(&name, &name, self.rule)?,
            known => known?,
        };
        let start = known.start.clone().ok_or_else(|| TrustError::NoAnchor { repository: self.name.to_string() })?;
        let state = seal::update(&files, start, self.terms(&known, Expiry::Refuse))
            .map_err(|error| TrustError::refused(&name, &error))?;
        // Junk under the tag is nothing that would be lost.
        let served = match live::fetch(self.repo, None).await {
            Err(TrustError::Artifact(_)) => Served::Absent,
            served => served?,
        };
        if let Served::Files { files: served, etag, .. } = served {
            let judged =
                live::judge(self.repo, &served, etag, &known, self.terms(&known, Expiry::InsecureAccept)).await?;
            let (role, found) = (RoleName::Timestamp, state.timestamp().version());
            match judged.map(|live| live.state.timestamp().version()) {
                Ok(before) if before > found => {
                    return Err(TrustError::refused(&name, &UpdateError::Rollback { role, found, known: before }));
                }
                // Somebody else's trust data are not written over.
                Err(error @ UpdateError::WrongRepository { .. }) => return Err(TrustError::refused(&name, &error)),
                _ => {}
            }
        }
        push::blobs(self.repo, files.values()).await?;
        push::live(self.repo, &files).await?;
        self.memory.remember(&self.place, &state, files, None).await?;
        Ok(state)
    }
}

fn read_state_file(path: &Path, name: &str) -> Result<Files, TrustError> {
    let failed = |source| TrustError::File { path: path.to_owned(), source };
    let bytes = read_bounded(path)?;
    let wire: Wire = json::decode(&bytes).map_err(|error| failed(std::io::Error::other(error)))?;
    if wire.r#type != TYPE || wire.version != VERSION || wire.repository != name {
        let what = format!(
            "expected a trust state of {name}, version {VERSION}; found {} of {}",
            wire.r#type, wire.repository
        );
        return Err(failed(std::io::Error::other(what)));
    }
    Ok(wire.files.into_iter().map(|(name, text)| (name, text.into_bytes().into())).collect())
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, TrustError> {
    let failed = |source| TrustError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SAVED_STATE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SAVED_STATE_BYTES {
        return Err(failed(std::io::Error::other(format!("more than {SAVED_STATE_BYTES} bytes"))));
    }
    Ok(bytes)
}

/// A root's file that travels between those who sign it, with one more signature.
#[derive(Debug)]
pub struct SignedRoot {
    /// The file.
    pub file: Vec<u8>,
    /// The root's version.
    pub version: u64,
    /// How many of its own keys signed.
    pub signed: usize,
    /// How many have to.
    pub needed: u64,
}

/// Signs a root's file with the keys at hand that it lists for the root. Of a later root those of the one before have to
/// sign too; what counts is decided when it is published.
///
/// # Errors
/// It is no root, or lists none of the keys.
pub async fn sign_root_file(path: &Path, signers: &[Box<dyn Signer>]) -> Result<SignedRoot, TrustError> {
    let mut root = decode_root(&read_bounded(path)?)?;
    let keys = super::draft::root_keys(root.signed(), &RoleName::Root);
    super::make::sign_with_all(signers, &RoleName::Root, &mut root, &keys).await?;
    let count = count_top_level(root.signed(), &RoleName::Root, &root);
    Ok(SignedRoot { file: root.encode(), version: root.version(), signed: count.signed, needed: count.needed })
}

/// Reads a root's file.
///
/// # Errors
/// It is none.
pub(super) fn decode_root(bytes: &[u8]) -> Result<Metadata<Root>, TrustError> {
    Metadata::decode(bytes).map_err(|source| TrustError::Metadata { what: "the root".to_owned(), source })
}
