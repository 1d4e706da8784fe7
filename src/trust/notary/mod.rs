//! Verifies the trust data of one repository as Docker Content Trust keeps it (Notary v1). Pure: files, pin and time in,
//! a [`NotaryState`] out.
//!
//! The rules are Notary's (theupdateframework/notary, `tuf/builder.go`, `trustpinning/certs.go`, `client/tufclient.go`),
//! with these differences, each to the strict side: a pin is required, there is no trust on first use; thresholds count
//! principals, so that one key under two ids counts once; root versions have to follow one another without a gap; a
//! file that is listed has to be there.

mod delegations;
mod error;
mod pin;
mod root;
mod signers;
mod state;
#[cfg(test)]
mod tests;
mod warning;

pub use error::NotaryError;
pub use pin::{PinnedKey, PinnedKeyError, RootPin};
pub use state::{NotaryState, RoleKey, RoleState, SignedTag, Signer};
pub use warning::{Skipped, Warning};

use crate::format::notary::{Body, FileMeta, RoleKeys, Signed, Snapshot, Targets, Timestamp};
use jiff::Timestamp as Time;
use signers::Holders;
use state::Notes;
use std::collections::BTreeMap;

/// Metadata files by their names without `.json`: `root`, `3.root`, `timestamp`, `snapshot`, `targets`, `targets/releases`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a verification goes by.
#[derive(Clone, Debug)]
pub struct Rules<'r> {
    /// The repository's full name (the GUN), which root certificates have to carry.
    pub repository: &'r str,
    /// Whom the root has to come from.
    pub pin: &'r RootPin,
    /// The least version of each role that was seen before, by the role's name.
    pub floors: &'r BTreeMap<String, u64>,
    /// The time.
    pub now: Time,
    /// Whether what has expired is taken nevertheless, with a warning.
    pub allow_expired: bool,
}

/// Verifies a repository's metadata.
///
/// Checked: that the root comes from the pin, by a chain of roots each of which the one before has signed; that root
/// certificates name the repository; that each role is signed by as many of its holders as its threshold says; that
/// the timestamp names this snapshot, and the snapshot this root and these targets, by length and hashes; that
/// delegated roles speak of the names that were delegated to them; that no version is below its floor; that nothing
/// has expired.
///
/// Not checked: that this is the newest state there is (only expiry and floors say something about that); anything about
/// certificates but their key and common name; that the images exist.
///
/// A delegated role that has expired, is signed by too few or is broken is left out and reported, as Notary does.
///
/// # Errors
/// One for each check. Nothing is taken from what did not verify.
pub fn verify(files: &Files, rules: &Rules<'_>) -> Result<NotaryState, NotaryError> {
    let mut done = Notes::default();
    let root = root::verify(files, rules, &mut done)?;
    let timestamp: Signed<Timestamp> = role(files, rules, "timestamp", &root.body.timestamp, None, &mut done)?;
    let snapshot: Signed<Snapshot> =
        role(files, rules, "snapshot", &root.body.snapshot, Some(&timestamp.body.snapshot), &mut done)?;
    let listed = snapshot.body.meta.get("root");
    if !listed.is_some_and(|meta| file(files, "root").is_ok_and(|bytes| meta.is_of(bytes))) {
        return Err(NotaryError::MixAndMatch { role: "root".to_owned(), listed_by: "snapshot" });
    }
    let meta = snapshot.body.meta.get("targets");
    let targets: Signed<Targets> = role(files, rules, "targets", &root.body.targets, meta, &mut done)?;
    if !done.expired.is_empty() && !rules.allow_expired {
        return Err(NotaryError::Expired { roles: done.expired });
    }
    done.warnings.extend(done.expired.drain(..).map(|(role, at)| Warning::Expired { role, at }));
    let delegated = delegations::verify(files, rules, &targets.body, &snapshot.body, &mut done)?;
    Ok(state::assemble(rules.repository, root.version, &targets.body, &delegated, done))
}

/// Verifies one of the four roles, and notes it.
fn role<T: Body>(
    files: &Files,
    rules: &Rules<'_>,
    name: &'static str,
    keys: &RoleKeys,
    meta: Option<&FileMeta>,
    done: &mut Notes,
) -> Result<Signed<T>, NotaryError> {
    let bytes = file(files, name)?;
    if meta.is_some_and(|meta| !meta.is_of(bytes)) {
        let listed_by = if name == "snapshot" { "timestamp" } else { "snapshot" };
        return Err(NotaryError::MixAndMatch { role: name.to_owned(), listed_by });
    }
    let signed: Signed<T> = decode(name, bytes)?;
    let holders = Holders::of(keys);
    holders.verify(&signed.message, &signed.signatures).map_err(|unmet| unmet.of(name))?;
    floor(rules, name, signed.version)?;
    done.note(rules.now, name, &signed, &holders, keys);
    Ok(signed)
}

fn file<'f>(files: &'f Files, name: &str) -> Result<&'f [u8], NotaryError> {
    files.get(name).map(Vec::as_slice).ok_or_else(|| NotaryError::Missing { file: name.to_owned() })
}

fn decode<T: Body>(name: &str, bytes: &[u8]) -> Result<Signed<T>, NotaryError> {
    Signed::decode(bytes).map_err(|source| NotaryError::Malformed { file: name.to_owned(), source })
}

fn floor(rules: &Rules<'_>, role: &str, found: u64) -> Result<(), NotaryError> {
    match rules.floors.get(role) {
        Some(&seen) if found < seen => Err(NotaryError::Rollback { role: role.to_owned(), found, seen }),
        _ => Ok(()),
    }
}
