//! The trust data of a repository with many tags: root 2 of 3, and two signers who both listed all of them.

use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    format::tuf::{Key, Metadata, Role, RoleName, Target, Targets},
    oci::Digest,
    sign::{LocalSigner, Signer as _, sign_metadata},
    trust::tuf::author::{self, NewDelegation, Sealed, Signers, TopLevel},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Metadata files by name.
pub type Files = BTreeMap<String, Bytes>;

pub const REPOSITORY: &str = "registry.example.com/shop/cart";
/// The roles that vouch for all tags.
pub const SIGNERS: [&str; 2] = ["targets/alice", "targets/bob"];
/// One of the tags.
pub const TAG: &str = "v1.0";

struct Keys {
    root: [LocalSigner; 3],
    targets: LocalSigner,
    signers: [LocalSigner; 2],
}

/// All files of a state with so many tags; the map of tags is signed by the first of the signers.
pub async fn make(tags: usize) -> Files {
    let key = || LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key"));
    let keys = Keys { root: [key(), key(), key()], targets: key(), signers: [key(), key()] };
    let (now, later) = (Timestamp::now(), until());
    let [roots, sealing, delegating] =
        [public(&keys.root), public(&keys.signers), public(std::slice::from_ref(&keys.targets))];
    let top = TopLevel {
        root: Signers { threshold: 2, ..one_of(&roots) },
        timestamp: one_of(&sealing),
        snapshot: one_of(&sealing),
        targets: one_of(&delegating),
    };
    let root = author::new_root(&top, later).expect("a root");
    let roles = keys.targets_roles(tags, &root.keys, later).await;
    let listed = roles.iter().map(|(role, bytes)| (role.clone(), Sealed { version: 1, bytes }));
    let snapshot = author::next_snapshot(None, &listed.collect(), now, later).expect("a snapshot");
    let version = snapshot.header.version;
    let snapshot = signed(snapshot, &root.keys, &[&keys.signers[0]]).await;
    let timestamp = author::next_timestamp(None, Sealed { version, bytes: &snapshot }, now, later);
    let timestamp = signed(timestamp.expect("a timestamp"), &root.keys, &[&keys.signers[0]]).await;
    let mut files: Files = roles.into_iter().map(|(role, bytes)| (role.file_name(Some(1)), bytes.into())).collect();
    files.insert(RoleName::Timestamp.file_name(None), timestamp.into());
    files.insert(RoleName::Snapshot.file_name(Some(version)), snapshot.into());
    let root = signed(root.clone(), &root.keys, &[&keys.root[0], &keys.root[1]]).await;
    files.insert("1.root.json".to_owned(), root.into());
    files
}

impl Keys {
    async fn targets_roles(
        &self,
        tags: usize,
        keys: &BTreeMap<String, Key>,
        later: Timestamp,
    ) -> BTreeMap<RoleName, Vec<u8>> {
        let empty = author::new_targets(REPOSITORY, later);
        let (map, mut list) = (map(tags, &empty), empty.clone());
        let [alice, bob] = &self.signers;
        let mut signs = Vec::new();
        for (role, file, signers, paths) in [
            (RoleName::RELEASES, &map, &self.signers[..], ["*"]),
            (SIGNERS[0], &map, std::slice::from_ref(alice), ["*"]),
            (SIGNERS[1], &map, std::slice::from_ref(bob), ["*"]),
            (RoleName::REVOKED, &empty, std::slice::from_ref(&self.targets), ["revoked/sha256/*"]),
        ] {
            let terminating = role == RoleName::RELEASES;
            let (role, public) = (RoleName::from(role), public(signers));
            let new = NewDelegation { role: &role, signers: one_of(&public), paths: &paths, terminating, first: false };
            author::delegate(&mut list, &new).expect("a delegation");
            signs.push((role, file, &signers[0]));
        }
        let delegated = list.delegations.clone().expect("delegations").keys;
        let mut roles = BTreeMap::new();
        for (role, file, signer) in signs {
            roles.insert(role, signed(file.clone(), &delegated, &[signer]).await);
        }
        roles.insert(RoleName::Targets, signed(list, keys, &[&self.targets]).await);
        roles
    }
}

fn map(tags: usize, empty: &Targets) -> Targets {
    let mut map = empty.clone();
    for number in 0..tags {
        let target = Target::new(1_200, &Digest::sha256(&number.to_be_bytes()));
        author::set_tag(&mut map, &format!("v{}.{}", number / 10, number % 10), target).expect("a tag");
    }
    map
}

fn one_of(keys: &[PublicKey]) -> Signers<'_> {
    Signers { keys, threshold: 1 }
}

fn public(signers: &[LocalSigner]) -> Vec<PublicKey> {
    signers.iter().map(|signer| signer.public_key().clone()).collect()
}

/// Tomorrow, to the second.
fn until() -> Timestamp {
    let later = Timestamp::now() + SignedDuration::from_hours(24);
    Timestamp::from_second(later.as_second()).expect("a time")
}

async fn signed<R: Role>(role: R, keys: &BTreeMap<String, Key>, signers: &[&LocalSigner]) -> Vec<u8> {
    let mut metadata = Metadata::unsigned(role).expect("metadata");
    for signer in signers {
        sign_metadata(&mut metadata, keys, *signer).await.expect("it signs");
    }
    metadata.encode()
}
