use super::NotaryError;
use crate::{
    crypto::PublicKey,
    format::notary::{KeyId, RoleKeys, Signature},
    trust::{Principal, count_distinct},
};
use std::collections::{BTreeMap, BTreeSet};

/// The holders of a role whose keys can be used.
pub(super) struct Holders {
    keys: BTreeMap<KeyId, PublicKey>,
    threshold: u64,
}

/// Too few good signatures.
pub(super) struct Unmet {
    pub(super) found: usize,
    pub(super) threshold: u64,
}

impl Holders {
    /// All keys of a role that can be used; signatures by the others do not count.
    pub(super) fn of(role: &RoleKeys) -> Self {
        let keys = role.keys.iter().filter_map(|(id, key)| Some((*id, key.public_key().ok()?))).collect();
        Self { keys, threshold: role.threshold }
    }

    /// The keys of a root role whose certificate names the repository: only they speak for it (notary,
    /// `trustpinning/certs.go`). One root key may serve many repositories; without this the state of one could be
    /// passed off as another's.
    pub(super) fn of_root(role: &RoleKeys, repository: &str) -> Self {
        let speaks = |key: &crate::format::notary::Key| {
            let certificate = key.certificate()?;
            certificate.common_name().is_some_and(|name| covers(name, repository)).then(|| key.public_key().ok())?
        };
        let keys = role.keys.iter().filter_map(|(id, key)| Some((*id, speaks(key)?))).collect();
        Self { keys, threshold: role.threshold }
    }

    pub(super) fn keys(&self) -> &BTreeMap<KeyId, PublicKey> {
        &self.keys
    }

    /// The same threshold over fewer keys.
    pub(super) fn only(self, keep: impl Fn(&KeyId, &PublicKey) -> bool) -> Self {
        Self { keys: self.keys.into_iter().filter(|(id, key)| keep(id, key)).collect(), ..self }
    }

    /// Verifies that as many different holders signed as the threshold says.
    pub(super) fn verify(&self, message: &[u8], signatures: &[Signature]) -> Result<(), Unmet> {
        let mut signed: BTreeMap<KeyId, BTreeSet<Principal>> = BTreeMap::new();
        for signature in signatures {
            if signed.contains_key(&signature.key_id) {
                continue;
            }
            if let (Some(key), Some(method)) = (self.keys.get(&signature.key_id), signature.method)
                && key.verify_notary(method, message, &signature.bytes).is_ok()
            {
                signed.insert(signature.key_id, BTreeSet::from([Principal::Key(key.fingerprint())]));
            }
        }
        let found = count_distinct(&signed.into_values().collect::<Vec<_>>()).count();
        if found as u64 >= self.threshold { Ok(()) } else { Err(Unmet { found, threshold: self.threshold }) }
    }
}

impl Unmet {
    pub(super) fn of(self, role: &str) -> NotaryError {
        NotaryError::ThresholdUnmet { role: role.to_owned(), found: self.found, threshold: self.threshold }
    }
}

/// Whether a root certificate's common name is the repository's, or a prefix of it that ends in `*`.
fn covers(common_name: &str, repository: &str) -> bool {
    match common_name.strip_suffix('*') {
        // A bare `*` would be everybody's.
        Some(prefix) => !prefix.is_empty() && repository.starts_with(prefix),
        None => common_name == repository,
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_name_covers_itself_and_with_a_star_what_begins_with_it() {
        assert!(covers("docker.io/acme/web", "docker.io/acme/web"));
        assert!(covers("docker.io/library/*", "docker.io/library/busybox"));
        for (name, repository) in [
            ("docker.io/acme/we", "docker.io/acme/web"),
            ("docker.io/acme/*", "docker.io/evil/web"),
            ("*", "a/b"),
            ("", "a"),
        ] {
            assert!(!covers(name, repository), "{name} {repository}");
        }
    }
}
