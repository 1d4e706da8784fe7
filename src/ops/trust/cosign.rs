//! Adding a signature to what somebody else has begun: seen first, then signed.

use super::{
    TrustError,
    change::Edits,
    draft::Draft,
    staged,
    writer::{Published, Writer},
};
use crate::{
    format::tuf::{Metadata, Role, RoleName},
    oci::Digest,
    trust::tuf::{Count, author::root_counts},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A file that lacks signatures, for who is asked for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The role.
    pub role: RoleName,
    /// The file's version.
    pub version: u64,
    /// The SHA-256 of what is signed.
    pub digest: Digest,
    /// How many of those who may sign it did.
    pub signed: usize,
    /// How many have to.
    pub needed: u64,
    /// What it says otherwise than the live file: each member with what it was and what it would be. Nothing stands for "not
    /// there".
    pub changes: BTreeMap<String, (Option<Value>, Option<Value>)>,
}

impl Writer<'_> {
    /// What waits for signatures in a role.
    ///
    /// # Errors
    /// The live state or what is staged can't be read, or is refused.
    pub async fn review(&self, role: &RoleName) -> Result<Vec<Review>, TrustError> {
        let live = self.read(&self.known()?).await?;
        let name = self.name.to_string();
        let mut draft = Draft::of(&live.state, &name);
        staged::read(self.repo, &mut draft, &BTreeSet::new()).await?;
        if *role == RoleName::Root {
            let roots = draft.waiting_roots.iter().map(|root| {
                let counts = root_counts(Some(draft.root.signed()), root);
                let unmet = counts.into_iter().find(|count| !count.is_met());
                review(role, root, Some(&draft.root), unmet)
            });
            return Ok(roots.collect());
        }
        let files = draft.waiting.get(role).into_iter().flatten();
        Ok(files.map(|file| review(role, file, draft.file(role), draft.count(role, file))).collect())
    }

    /// Signs what was reviewed, as it is; what came since is left alone.
    ///
    /// # Errors
    /// None of the keys may sign for the role, or it could not be published.
    pub async fn cosign(&self, role: &RoleName, reviewed: &[Review]) -> Result<Published, TrustError> {
        let reviewed: BTreeSet<_> = reviewed.iter().map(|review| review.digest).collect();
        let plan = |_: &Draft<'_>| {
            let cosign = Some((role.clone(), reviewed.clone()));
            Ok(Edits { cosign, ..Edits::default() })
        };
        self.publish(&plan).await
    }
}

fn review<R: Role>(role: &RoleName, file: &Metadata<R>, live: Option<&Metadata<R>>, count: Option<Count>) -> Review {
    let (signed, needed) = count.map_or((0, 0), |count| (count.signed, count.needed));
    let before = live.map(|live| members(&live.value())).unwrap_or_default();
    let after = members(&file.value());
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let changes = differs.map(|name| (name.clone(), (before.get(name).cloned(), after.get(name).cloned()))).collect();
    let digest = Digest::sha256(file.canonical());
    Review { role: role.clone(), version: file.version(), digest, signed, needed, changes }
}

/// The members two levels below the top, by their names joined: a tag, a key, a role. Deeper ones stay whole.
fn members(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (name, member) in value.as_object().into_iter().flatten() {
        match member.as_object().filter(|members| !members.is_empty()) {
            Some(members) => {
                found.extend(members.iter().map(|(below, value)| (format!("{name}/{below}"), value.clone())))
            }
            None => drop(found.insert(name.clone(), member.clone())),
        }
    }
    found
}
