use crate::{
    crypto::Fingerprint,
    format::{
        trust_manifest::TrustManifestError,
        tuf::{MetadataError, RoleName},
    },
    oci::Digest,
    registry::RegistryError,
    sign::SignError,
    store::{TrustLockError, TrustStoreError},
    trust::tuf::{LookupError, TrustRefusal, UpdateError, author::AuthorError},
};

/// Why trust data could not be read, or were not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A registry or layout failed: nothing is known.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// What the registry serves can't be trusted. Nothing was written on top of it, and it is not remembered.
    #[error("{repository}: {refusal}")]
    Refused {
        /// The repository.
        repository: String,
        /// Why.
        refusal: TrustRefusal,
    },
    /// Nothing says which root is the right one.
    #[error(
        "{repository}: no root is known here: expected `--lock FILE`, a policy with its root keys, or a state that this machine remembers"
    )]
    NoAnchor {
        /// The repository.
        repository: String,
    },
    /// Nothing says what is the least that the newest state has to be.
    #[error(
        "{repository}: this machine remembers no state and no lock names one, so an old state could not be told from the newest, and is not built on"
    )]
    NoFloor {
        /// The repository.
        repository: String,
    },
    /// The newest state has expired, and nothing says that it is the newest.
    #[error(
        "{repository}: {role} has expired on {expires}: an old state may be replayed here; expected the digest of the newest snapshot (from the lock, or `--after-expiry DIGEST`); this one's is {snapshot}"
    )]
    NeedsSnapshot {
        /// The repository.
        repository: String,
        /// The role that has expired.
        role: RoleName,
        /// Since when.
        expires: jiff::Timestamp,
        /// The digest of the snapshot that is served.
        snapshot: Digest,
    },
    /// The expired state is not the one that is known.
    #[error(
        "{repository}: the snapshot that is served is {found}, but the newest known one is {expected}: only that one is renewed"
    )]
    OtherSnapshot {
        /// The repository.
        repository: String,
        /// What is known.
        expected: Digest,
        /// What is served.
        found: Digest,
    },
    /// The repository has trust data already.
    #[error("{repository} has, or had, trust data already: it is not started anew over what is known of it")]
    Exists {
        /// The repository.
        repository: String,
    },
    /// None of the keys at hand may sign for a role.
    #[error("{role}: none of the given keys may sign for it; its keys are {}", list(.keys))]
    NoKey {
        /// The role.
        role: RoleName,
        /// Whose keys would do.
        keys: Vec<Fingerprint>,
    },
    /// None of the keys at hand may list a tag.
    #[error("none of the given keys may sign {tag:?}: no delegation that covers it names them")]
    NoRole {
        /// The tag.
        tag: String,
    },
    /// A role that is listed and can't be used can't be edited.
    #[error("{role} can't be used as it is, so it is not edited: {why}")]
    RoleUnusable {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        why: String,
    },
    /// What was about to be written would not verify; nothing was written.
    #[error("what was about to be written does not verify ({0}); nothing was written")]
    Unverifiable(UpdateError),
    /// A role would be lost by what was about to be written; nothing was written.
    #[error("{0} could no longer be used after this; nothing was written")]
    RoleLost(RoleName),
    /// A writer has left more than a sealer would read.
    #[error("{role}: what is staged already is too much to add to: a sealer has to take it in first (`trust refresh`)")]
    StagedFull {
        /// The role.
        role: RoleName,
    },
    /// Other writers were always faster.
    #[error("others kept writing: the change was not in place after {0} rounds; what is staged stays staged")]
    Contended(u32),
    /// There is nothing of the kind.
    #[error("{0}")]
    Nothing(String),
    /// A tag or digest has no answer.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// An edit is refused.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// A metadata file is refused.
    #[error("{what}: {source}")]
    Metadata {
        /// Which.
        what: String,
        /// What is wrong with it.
        source: MetadataError,
    },
    /// A trust manifest is none.
    #[error("the trust data: {0}")]
    Artifact(#[from] TrustManifestError),
    /// A key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// What is remembered can't be read or written.
    #[error(transparent)]
    Store(#[from] TrustStoreError),
    /// The lock can't be used.
    #[error(transparent)]
    Lock(#[from] TrustLockError),
    /// A file can't be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl TrustError {
    /// What the registry serves is refused.
    pub(in crate::ops) fn refused(repository: &str, refusal: impl Into<TrustRefusal>) -> Self {
        Self::Refused { repository: repository.to_owned(), refusal: refusal.into() }
    }
}

fn list(keys: &[Fingerprint]) -> String {
    if keys.is_empty() {
        "none".to_owned()
    } else {
        keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}
