use crate::{crypto::Fingerprint, format::tuf::RoleName, oci::Digest};
use std::{
    cmp::max_by_key,
    collections::{BTreeMap, BTreeSet},
};

/// What was seen of a repository before: an update goes on from here or is refused.
///
/// Plain data, kept by the caller. It comes from [`super::TrustState::floors`], which holds only what verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    /// The newest root.
    pub root: Option<RootFloor>,
    /// The newest version of every other role.
    pub roles: BTreeMap<RoleName, RoleFloor>,
    /// What was revoked.
    pub revoked: BTreeSet<Digest>,
}

/// The newest root that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFloor {
    /// Its version.
    pub version: u64,
    /// The digest of its file; none where only the version is known.
    pub digest: Option<Digest>,
}

/// The newest file of a role that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleFloor {
    /// Its version.
    pub version: u64,
    /// The digest of its file; none where only the version is known.
    pub digest: Option<Digest>,
    /// The role's keys then; empty where they are not known.
    pub keys: BTreeSet<Fingerprint>,
}

impl Floors {
    /// The versions of root and timestamp: of two states' floors the greater ones are the newer state's.
    #[must_use]
    pub fn age(&self) -> (u64, u64) {
        let version = |floor: Option<&RoleFloor>| floor.map_or(0, |floor| floor.version);
        (self.root.as_ref().map_or(0, |root| root.version), version(self.roles.get(&RoleName::Timestamp)))
    }

    /// What two saw of one repository, neither knowing of the other.
    ///
    /// The higher version of each role, unless the newer state's keys of the role are all others than the older one's:
    /// then that floor is no more. What was revoked for one is revoked.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let (mut older, mut newer) = if self.age() <= other.age() { (self, other) } else { (other, self) };
        newer.root = match (older.root, newer.root) {
            (Some(before), Some(now)) => Some(max_by_key(before, now, |root| (root.version, root.digest.is_some()))),
            (before, now) => now.or(before),
        };
        for (role, now) in newer.roles {
            let floor = match older.roles.remove(&role) {
                Some(before) => before.merge(now),
                None => now,
            };
            older.roles.insert(role, floor);
        }
        newer.roles = older.roles;
        newer.revoked.append(&mut older.revoked);
        newer
    }
}

impl RoleFloor {
    /// As [`Floors::merge`] has it, with the newer state's floor. Where one side does not know the keys, the floor holds
    /// for any.
    fn merge(self, now: Self) -> Self {
        let keys_known = !self.keys.is_empty() && !now.keys.is_empty();
        if keys_known && !self.holds(&now.keys) {
            return now;
        }
        let mut floor = max_by_key(self, now, |floor| (floor.version, floor.digest.is_some()));
        if !keys_known {
            floor.keys.clear();
        }
        floor
    }

    /// Whether the floor still holds for a role with these keys: unless none of its old keys remains.
    ///
    /// A stolen key could have signed a version that nobody can count on from. Changing all keys of the role is the way
    /// out (TUF 1.0.34, 5.3.11), and only who may name the role's keys can do that.
    #[must_use]
    pub(super) fn holds(&self, keys: &BTreeSet<Fingerprint>) -> bool {
        self.keys.is_empty() || !self.keys.is_disjoint(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KeyAlgorithm, PrivateKey};

    fn key() -> Fingerprint {
        PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap().public().fingerprint()
    }

    fn floor(version: u64, keys: &[Fingerprint]) -> RoleFloor {
        let digest = Some(Digest::sha256(&version.to_be_bytes()));
        RoleFloor { version, digest, keys: keys.iter().copied().collect() }
    }

    /// The floors of a state: the root's version, the timestamp's, and other roles.
    fn floors(root: u64, timestamp: u64, roles: &[(&str, RoleFloor)]) -> Floors {
        let mut floors = Floors { root: Some(RootFloor { version: root, digest: None }), ..Floors::default() };
        floors.roles.insert(RoleName::Timestamp, floor(timestamp, &[]));
        floors.roles.extend(roles.iter().map(|(role, floor)| (RoleName::from(*role), floor.clone())));
        floors
    }

    #[track_caller]
    fn merges(one: &Floors, other: &Floors, expected: &Floors) {
        assert_eq!(&one.clone().merge(other.clone()), expected);
        assert_eq!(&other.clone().merge(one.clone()), expected);
    }

    #[test]
    fn of_one_root_the_higher_version_of_each_role_counts() {
        let k = [key(), key()];
        let one =
            floors(1, 10, &[("targets", floor(4, &k[..1])), ("targets/a", floor(9, &k)), ("targets/b", floor(1, &k))]);
        let other = floors(1, 11, &[("targets", floor(5, &k[..1])), ("targets/a", floor(8, &k[1..]))]);
        let a = ("targets/a", floor(9, &k));
        let both = floors(1, 11, &[("targets", floor(5, &k[..1])), a, ("targets/b", floor(1, &k))]);
        merges(&one, &other, &both);
        merges(&one, &one, &one);
        merges(&one, &Floors::default(), &one);
    }

    #[test]
    fn a_role_whose_keys_were_all_changed_starts_anew() {
        let k = [key(), key()];
        let stolen = ("targets/a", floor(1_000, &k[..1]));
        let before = floors(1, 10, &[stolen.clone(), ("targets/b", floor(2, &k))]);
        for after in
            [floors(1, 11, &[("targets/a", floor(2, &k[1..]))]), floors(2, 9, &[("targets/a", floor(2, &k[1..]))])]
        {
            let merged = after.clone().merge(before.clone());
            assert_eq!(merged.roles[&RoleName::from("targets/a")], floor(2, &k[1..]));
            assert_eq!(merged.roles[&RoleName::from("targets/b")].version, 2, "what the newer state lacks is kept");
            assert_eq!(merged.root, after.root);
            assert_eq!(merged, before.clone().merge(after));
        }
        let same_keys = floors(2, 9, &[("targets/a", floor(2, &k))]);
        assert_eq!(
            same_keys.merge(before).roles[&RoleName::from("targets/a")].version,
            1_000,
            "a new root is no way down"
        );
    }

    #[test]
    fn a_floor_whose_keys_one_does_not_know_holds_for_any() {
        let k = [key()];
        let locked = floors(1, 10, &[("targets/a", RoleFloor { version: 9, ..RoleFloor::default() })]);
        let seen = |version| floors(1, 11, &[("targets/a", floor(version, &k))]);
        merges(&locked, &seen(9), &floors(1, 11, &[("targets/a", floor(9, &[]))]));
        merges(&locked, &seen(10), &floors(1, 11, &[("targets/a", floor(10, &[]))]));
        let merged = locked.merge(seen(2)).roles[&RoleName::from("targets/a")].clone();
        assert_eq!(merged, RoleFloor { version: 9, ..RoleFloor::default() });
    }

    #[test]
    fn a_digest_that_one_knows_and_all_that_is_revoked_are_kept() {
        let root = |digest| Floors { root: Some(RootFloor { version: 3, digest }), ..Floors::default() };
        let [a, b] = [Digest::sha256(b"a"), Digest::sha256(b"b")];
        let one = Floors { revoked: [a].into(), ..root(Some(a)) };
        let other = Floors { revoked: [b].into(), ..root(None) };
        merges(&one, &other, &Floors { revoked: [a, b].into(), ..root(Some(a)) });
    }
}
