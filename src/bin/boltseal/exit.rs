//! Exit codes, and which error has which; the one place that decides it.

use boltseal::{
    crypto::{PrivateKeyError, PublicKeyError},
    oci::ReferenceError,
    ops::{
        OpsError,
        blob::BlobFileError,
        decisions::LogError,
        trust::TrustError,
        trusted_root::{RootUpdateError, TrustedRootFileError},
    },
    policy::PolicyError,
    registry::{Fault, RegistryError},
    sign::keyless::KeylessError,
    store::{DecisionLogError, LoadKeyError, RootStoreError, SaveKeyError, TrustLockError},
    trust::tuf::{LookupError, UpdateError},
};
use std::process::ExitCode;

/// What a run ends with (SPEC.md, "Exit codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Allowed, or done.
    Done = 0,
    /// Denied.
    Denied = 1,
    /// The command line can't be meant.
    Usage = 2,
    /// What the operator supplied (policy, key, file) can't be used.
    Supplied = 3,
    /// Could not tell.
    Unknown = 4,
    /// A bug of ours.
    Bug = 5,
}

impl Exit {
    /// The exit code of a number; of one that is none a bug.
    pub fn of(code: u8) -> Self {
        let all = [Self::Done, Self::Denied, Self::Usage, Self::Supplied, Self::Unknown];
        all.into_iter().find(|exit| *exit as u8 == code).unwrap_or(Self::Bug)
    }

    /// Of several results the worst: 5, 3, 1, 4, 0; wrong usage ends a run before there is a result.
    pub fn worst(self, other: Self) -> Self {
        const ORDER: [Exit; 6] = [Exit::Done, Exit::Unknown, Exit::Denied, Exit::Supplied, Exit::Usage, Exit::Bug];
        let rank = |exit: Self| ORDER.iter().position(|one| *one == exit);
        if rank(self) >= rank(other) { self } else { other }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a run ended without a result.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong.
    pub message: String,
    /// What to try; never to ask for less.
    pub hint: Option<&'static str>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn supplied(message: impl Into<String>) -> Self {
        Self::new(Exit::Supplied, message)
    }
}

impl From<OpsError> for Failure {
    fn from(error: OpsError) -> Self {
        let exit = match &error {
            OpsError::Registry(inner) => exit_of(inner),
            OpsError::Trust(inner) => exit_of_trust(inner),
            // What an index lists is the registry's word.
            OpsError::Manifest { .. } | OpsError::NoPlatform { .. } | OpsError::NotAnIndex { .. } => Exit::Unknown,
            OpsError::Unprintable { .. } | OpsError::SimpleWithoutKey | OpsError::PredicateType(_) => Exit::Usage,
            OpsError::Keyless(inner) if !inner.is_unreachable() => Exit::Supplied,
            OpsError::Evidence { .. }
            | OpsError::Predicate { .. }
            | OpsError::Statement { .. }
            | OpsError::StatementSubject { .. }
            | OpsError::Sign(_)
            | OpsError::Unwitnessed { .. }
            | OpsError::Archive(_)
            | OpsError::DecisionLog(_)
            | OpsError::Io { .. } => Exit::Supplied,
            OpsError::Unverifiable(_) | OpsError::NoEnvelope => Exit::Bug,
            _ => Exit::Unknown,
        };
        let hint = match &error {
            OpsError::Registry(RegistryError { fault: Fault::Forbidden { permission: "push", .. }, .. }) => {
                Some("signing writes into the image's own repository: log in with credentials that may push there")
            }
            OpsError::Registry(RegistryError { fault: Fault::Unauthorized(_), .. }) => {
                Some("log in to the registry, for example with `docker login` or `podman login`")
            }
            OpsError::Registry(RegistryError { fault: Fault::Connection(why), .. })
                if why.contains("CaUsedAsEndEntity") =>
            {
                Some(
                    "the registry shows a certification authority's own certificate: it needs one that the authority issued",
                )
            }
            OpsError::Registry(RegistryError { fault: Fault::Contended(_), .. }) => {
                Some("what others wrote is whole; run the command again")
            }
            OpsError::Trust(inner) => hint_of_trust(inner),
            OpsError::Unwitnessed { .. } => {
                Some("--trusted-root has to be of the same instance as --signing-config, and as new")
            }
            OpsError::Unfinished { .. } => {
                Some("what was finished is pushed; run the same command again once the service answers")
            }
            OpsError::NoPlatform { .. } => Some("`boltseal inspect` lists the platforms"),
            _ => None,
        };
        Self { exit, message: error.to_string(), hint }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        OpsError::from(error).into()
    }
}

fn exit_of(error: &RegistryError) -> Exit {
    if error.is_local() { Exit::Supplied } else { Exit::Unknown }
}

/// Denied is what the registry serves, or somebody else made of it; unusable what the operator brought along.
fn exit_of_trust(error: &TrustError) -> Exit {
    match error {
        TrustError::Registry(inner) => exit_of(inner),
        TrustError::Refused { .. }
        | TrustError::OtherSnapshot { .. }
        | TrustError::Artifact(_)
        | TrustError::RoleUnusable { .. }
        | TrustError::RoleLost(_)
        | TrustError::Unverifiable(UpdateError::Expired { .. }) => Exit::Denied,
        TrustError::Lookup(LookupError::NotListed { .. }) | TrustError::Nothing(_) | TrustError::Author(_) => {
            Exit::Usage
        }
        TrustError::Lookup(_) => Exit::Denied,
        TrustError::Contended(_) => Exit::Unknown,
        TrustError::Unverifiable(_) => Exit::Bug,
        _ => Exit::Supplied,
    }
}

fn hint_of_trust(error: &TrustError) -> Option<&'static str> {
    match error {
        TrustError::NoFloor { .. } => {
            Some("`--lock boltseal.lock` names the least; `boltseal trust pin` writes it on a machine that knows")
        }
        TrustError::Contended(_) => Some("what others wrote is whole; run the command again"),
        TrustError::Unverifiable(UpdateError::Expired { .. }) => {
            Some("`boltseal trust refresh` with the keys of the role that has expired signs it again")
        }
        _ => None,
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        OpsError::from(error).into()
    }
}

#[cfg(feature = "serve")]
impl From<boltseal::serve::ServeError> for Failure {
    fn from(error: boltseal::serve::ServeError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<TrustedRootFileError> for Failure {
    fn from(error: TrustedRootFileError) -> Self {
        Self::supplied(error.to_string())
    }
}

/// Denied is what a mirror serves and the known root refuses; unusable what lies here or was brought along.
impl From<RootUpdateError> for Failure {
    fn from(error: RootUpdateError) -> Self {
        let exit = match &error {
            RootUpdateError::Mirror { source, .. } => exit_of(source),
            RootUpdateError::Refused { .. } => Exit::Denied,
            RootUpdateError::Name { .. } | RootUpdateError::NotRefreshed { .. } => Exit::Usage,
            _ => Exit::Supplied,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<RootStoreError> for Failure {
    fn from(error: RootStoreError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<BlobFileError> for Failure {
    fn from(error: BlobFileError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<TrustLockError> for Failure {
    fn from(error: TrustLockError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<DecisionLogError> for Failure {
    fn from(error: DecisionLogError) -> Self {
        OpsError::from(error).into()
    }
}

/// Denied is what somebody else, or a crash, made of a log; unusable what can't be read.
impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let exit = match &error {
            LogError::Io { .. } => Exit::Supplied,
            _ => Exit::Denied,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<KeylessError> for Failure {
    fn from(error: KeylessError) -> Self {
        OpsError::from(error).into()
    }
}

impl From<ReferenceError> for Failure {
    fn from(error: ReferenceError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<LoadKeyError> for Failure {
    fn from(error: LoadKeyError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<SaveKeyError> for Failure {
    fn from(error: SaveKeyError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<PrivateKeyError> for Failure {
    fn from(error: PrivateKeyError) -> Self {
        Self::supplied(error.to_string())
    }
}

impl From<PublicKeyError> for Failure {
    fn from(error: PublicKeyError) -> Self {
        Self::supplied(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Exit::{Bug, Denied, Done, Supplied, Unknown, Usage},
        Failure,
    };
    use boltseal::{
        crypto::Fingerprint,
        format::{trust_manifest::TrustManifestError, tuf::RoleName},
        ops::trust::TrustError,
        trust::tuf::{UpdateError, author::AuthorError},
    };
    use jiff::Timestamp;

    // [V-40]
    #[test]
    fn the_worst_result_wins() {
        let order = [Done, Unknown, Denied, Supplied, Bug];
        for (at, low) in order.iter().enumerate() {
            for high in &order[at..] {
                assert_eq!((low.worst(*high), high.worst(*low)), (*high, *high));
            }
        }
    }

    #[test]
    fn what_others_and_time_did_to_trust_data_is_denied_and_what_was_typed_wrong_is_usage() {
        let (role, now) = (RoleName::Targets, Timestamp::UNIX_EPOCH);
        let expired = UpdateError::Expired { role: role.clone(), expires: now, now };
        let key: Fingerprint = "07".repeat(32).parse().unwrap();
        for (error, exit) in [
            (TrustError::Unverifiable(expired), Denied),
            (TrustError::Unverifiable(UpdateError::NothingWanted), Bug),
            (TrustError::RoleUnusable { role: role.clone(), why: "junk".to_owned() }, Denied),
            (TrustError::RoleLost(role.clone()), Denied),
            (TrustError::Artifact(TrustManifestError::Layer(0)), Denied),
            (TrustError::Author(AuthorError::KeyNotListed { role, key }), Usage),
            (TrustError::Nothing("there is no such signer".to_owned()), Usage),
        ] {
            let is_expired = matches!(error, TrustError::Unverifiable(UpdateError::Expired { .. }));
            let failure = Failure::from(error);
            assert_eq!(failure.exit, exit, "{}", failure.message);
            assert_eq!(failure.hint.is_some_and(|hint| hint.contains("trust refresh")), is_expired);
        }
    }
}
