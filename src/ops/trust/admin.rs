//! Who may sign what: signers, sealers, thresholds, rotation.

use super::{
    TrustError,
    change::{Change, Edits, RootChange},
    draft::Draft,
    writer::{Published, Writer},
};
use crate::{
    crypto::{Fingerprint, PublicKey},
    format::tuf::RoleName,
    trust::tuf::author::AuthorError,
};

/// The sealing roles: their keys are one set.
pub(super) const SEALING: [RoleName; 2] = [RoleName::Snapshot, RoleName::Timestamp];

/// The role of a signer.
#[must_use]
pub fn signer_role(name: &str) -> RoleName {
    RoleName::from(format!("targets/{name}"))
}

fn releases() -> RoleName {
    RoleName::from(RoleName::RELEASES)
}

impl Writer<'_> {
    /// Makes somebody a signer: a role `targets/NAME` that vouches for tags, and the right to sign the map of tags.
    /// Sealing is another right: see [`Writer::add_sealer`].
    ///
    /// # Errors
    /// The signer is there already, or it could not be published.
    pub async fn add_signer(&self, name: &str, keys: &[PublicKey], release: bool) -> Result<Published, TrustError> {
        let role = signer_role(name);
        let plan = |_: &Draft<'_>| {
            let delegate = Change::Delegate {
                role: role.clone(),
                keys: keys.to_vec(),
                threshold: 1,
                paths: vec!["*".to_owned()],
                terminating: false,
            };
            let releases = keys.iter().filter(|_| release).map(|key| Change::AddSigner(releases(), key.clone()));
            let changes = std::iter::once(delegate).chain(releases).collect();
            Ok(Edits { roles: vec![(RoleName::Targets, changes)], ..Edits::default() })
        };
        self.publish(&plan).await
    }

    /// Takes a signer's rights: the role goes, and its keys no longer sign the map of tags. If the map was last signed by
    /// these alone, it needs the signature of another of its keys; until it has that, nothing is sealed.
    ///
    /// # Errors
    /// There is no such signer, the map would have too few keys, or it could not be published.
    pub async fn remove_signer(&self, name: &str) -> Result<Published, TrustError> {
        let role = signer_role(name);
        let known = self.known()?;
        let live = self.read(&known).await?;
        let keys = Draft::of(&live.state, live.state.repository().unwrap_or_default()).fingerprints(&role);
        if keys.is_empty() {
            return Err(TrustError::Nothing(format!("there is no signer {name:?}")));
        }
        let plan = |_: &Draft<'_>| {
            let releases = keys.iter().map(|key| Change::RemoveSigner(releases(), *key));
            let changes = std::iter::once(Change::Undelegate(role.clone())).chain(releases).collect();
            Ok(Edits { roles: vec![(RoleName::Targets, changes)], ..Edits::default() })
        };
        self.publish(&plan).await
    }

    /// Gives a key the right to seal.
    ///
    /// # Errors
    /// It could not be published.
    pub async fn add_sealer(&self, key: &PublicKey) -> Result<Published, TrustError> {
        self.change_root(SEALING.map(|role| RootChange::AddKey(role, key.clone())).to_vec()).await
    }

    /// Takes the right to seal from a key.
    ///
    /// # Errors
    /// Too few would be left, or it could not be published.
    pub async fn remove_sealer(&self, key: Fingerprint) -> Result<Published, TrustError> {
        self.check_listed(&RoleName::Timestamp, &[key]).await?;
        self.change_root(SEALING.map(|role| RootChange::RemoveKey(role, key)).to_vec()).await
    }

    /// Sets how many keys of a role have to sign.
    ///
    /// # Errors
    /// More than the role has keys, or it could not be published.
    pub async fn set_threshold(&self, role: &RoleName, threshold: u64) -> Result<Published, TrustError> {
        if role.is_top_level() {
            return self.change_root(vec![RootChange::Threshold(role.clone(), threshold)]).await;
        }
        let plan = |draft: &Draft<'_>| {
            let parent = draft.parent(role).cloned().unwrap_or(RoleName::Targets);
            let change = Change::Threshold(role.clone(), threshold);
            Ok(Edits { roles: vec![(parent, vec![change])], ..Edits::default() })
        };
        self.publish(&plan).await
    }

    /// Replaces keys of a role: new ones come, old ones go. For the sealing roles name one of them: both change.
    ///
    /// # Errors
    /// A key that is not there, too few left, or it could not be published.
    pub async fn rotate(
        &self,
        role: &RoleName,
        add: &[PublicKey],
        remove: &[Fingerprint],
    ) -> Result<Published, TrustError> {
        self.check_listed(role, remove).await?;
        if !role.is_top_level() {
            let plan = |draft: &Draft<'_>| {
                let parent = draft.parent(role).cloned().unwrap_or(RoleName::Targets);
                let added = add.iter().map(|key| Change::AddSigner(role.clone(), key.clone()));
                let removed = remove.iter().map(|key| Change::RemoveSigner(role.clone(), *key));
                Ok(Edits { roles: vec![(parent, added.chain(removed).collect())], ..Edits::default() })
            };
            return self.publish(&plan).await;
        }
        let roles = if SEALING.contains(role) { SEALING.to_vec() } else { vec![role.clone()] };
        let changes = roles.iter().flat_map(|role| {
            let added = add.iter().map(|key| RootChange::AddKey(role.clone(), key.clone()));
            added.chain(remove.iter().map(|key| RootChange::RemoveKey(role.clone(), *key)))
        });
        self.change_root(changes.collect()).await
    }

    /// A key that is to lose its rights has to have them: a slip of the finger must not end as done.
    async fn check_listed(&self, role: &RoleName, keys: &[Fingerprint]) -> Result<(), TrustError> {
        if keys.is_empty() {
            return Ok(());
        }
        let live = self.read(&self.known()?).await?;
        let listed = Draft::of(&live.state, live.state.repository().unwrap_or_default()).fingerprints(role);
        match keys.iter().find(|key| !listed.contains(key)) {
            Some(key) => Err(AuthorError::KeyNotListed { role: role.clone(), key: *key }.into()),
            None => Ok(()),
        }
    }

    async fn change_root(&self, changes: Vec<RootChange>) -> Result<Published, TrustError> {
        let plan = |_: &Draft<'_>| Ok(Edits { root: changes.clone(), ..Edits::default() });
        self.publish(&plan).await
    }
}
