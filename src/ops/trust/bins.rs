//! Lists that are too long for one file: in hashed bins, which are staged, taken in and sealed with the role that they are a
//! part of.

use super::{
    TrustError,
    change::Change,
    draft::{Draft, delegated_keys, previous, union},
    make::{Made, has_all, unsigned},
    staged::Staged,
    writer::Writer,
};
use crate::{
    format::tuf::{Delegation, Metadata, RoleName, Targets},
    limits::TRUST_BIN_TAGS,
    oci::Digest,
    trust::tuf::author,
};
use std::collections::BTreeSet;

/// The first files of a role's hashed bins.
pub(super) type Bins = Vec<(RoleName, Metadata<Targets>)>;

impl Draft<'_> {
    /// The first files of the hashed bins that a role's next file brings: signed by enough of their keys, and made from the
    /// same file as that one, so that they hold all of its list. Nothing if one of them is not there: its part would be lost.
    pub fn new_bins(&self, role: &RoleName, next: &Metadata<Targets>, staged: &Staged) -> Option<Bins> {
        let (signed, before) = (next.signed(), self.file(role).map(Metadata::signed));
        let is_new = |bin: &&Delegation| before.is_none_or(|before| before.delegation(&bin.name).is_none());
        let first = |bin: &Delegation| {
            let version = self.next_version(&bin.name);
            let fits = |file: &&Metadata<Targets>| self.is_made_from(file, previous(signed), version);
            let files = union(staged.of(&bin.name).filter(fits), &delegated_keys(signed, &bin.name)).into_iter();
            let complete =
                files.filter(|file| author::count(signed, &bin.name, file).is_ok_and(|count| count.is_met()));
            Some((bin.name.clone(), complete.min_by_key(|file| Digest::sha256(&file.encode()))?))
        };
        signed.bins().filter(is_new).map(first).collect()
    }

    /// The role whose list a role has, or is a part of: under its tags the files of both are staged.
    pub fn list_of<'r>(&'r self, role: &'r RoleName) -> &'r RoleName {
        let bin = self.delegation(role).filter(|(_, delegation)| delegation.is_bin());
        bin.and_then(|_| self.parent(role)).unwrap_or(role)
    }

    /// Where a path stands in a role's list: in the role's own file, or in that of the path's bin.
    pub fn lister(&self, role: &RoleName, path: &str) -> RoleName {
        let bin = self.file(role).and_then(|file| file.signed().bin(path));
        bin.map_or(role, |bin| &bin.name).clone()
    }

    /// Roles whose hashed bins have other keys, or another threshold, than the roles themselves.
    pub fn unaligned(&self) -> Vec<RoleName> {
        let is_unaligned = |role: &RoleName| {
            let own = self.delegation(role).zip(self.file(role));
            own.is_some_and(|((by, _), file)| !author::bins_are_aligned(by, role, file.signed()))
        };
        self.delegated().into_iter().filter(is_unaligned).collect()
    }

    /// Whether a role lets somebody sign its bins who may not sign for the role itself.
    pub fn opens_bins(&self, role: &RoleName) -> bool {
        let mut bins = self.file(role).into_iter().flat_map(|file| file.signed().bins()).peekable();
        if bins.peek().is_none() {
            return false;
        }
        let own = self.fingerprints(role);
        let threshold = self.delegation(role).map_or(0, |(_, delegation)| delegation.keys.threshold);
        bins.any(|bin| {
            bin.keys.threshold < threshold || self.fingerprints(&bin.name).iter().any(|key| !own.contains(key))
        })
    }
}

impl Writer<'_> {
    /// Whether a role's list gets too long for one file by changes that it does not have, and can be split: where several
    /// people have to sign, by who holds enough of their keys.
    pub(super) fn outgrows(&self, draft: &Draft<'_>, role: &RoleName, changes: &[Change]) -> bool {
        let file = draft.file(role).map(Metadata::signed);
        let is_new = |change: &&Change| match change {
            Change::SetTag { tag, .. } => file.is_none_or(|file| !file.targets.contains(tag)),
            _ => false,
        };
        let tags = file.map_or(0, |file| file.targets.len()) + changes.iter().filter(is_new).count();
        let is_list = file.is_none_or(|file| file.bins().next().is_none()) && draft.list_of(role) == role;
        let own: BTreeSet<_> = self.signers.iter().map(|signer| signer.public_key().fingerprint()).collect();
        let own = draft.fingerprints(role).into_iter().filter(|key| own.contains(key)).count();
        let enough = draft.delegation(role).is_some_and(|(_, delegation)| own as u64 >= delegation.keys.threshold);
        is_list && enough && tags > TRUST_BIN_TAGS && !has_all(file, changes)
    }

    /// Splits a role's list into hashed bins: the role's next file, and the bins' first ones.
    pub(super) async fn split(&self, draft: &mut Draft<'_>, role: &RoleName) -> Result<Vec<Made>, TrustError> {
        draft.check_usable(role)?;
        let Some((by, _)) = draft.delegation(role) else { return Ok(Vec::new()) };
        let mut next = self.next_file(draft, role)?;
        let bins = author::split(by, role, &mut next)?;
        let mut made = Vec::new();
        made.extend(self.sign_file(draft, role, unsigned(role, next)?).await?);
        for (bin, mut list) in bins {
            list.header.version = draft.next_version(&bin);
            made.extend(self.sign_file(draft, &bin, unsigned(&bin, list)?).await?);
        }
        // They are staged as one, since nobody takes in one without the others: the last has the files of all.
        if let Some((_, others)) = made.split_last_mut() {
            others.iter_mut().for_each(Made::leave_to_others);
        }
        Ok(made)
    }
}
