//! Which of the tags that verified are signed anew.

use super::{Compared, DigestThere, TagNow};
use crate::{
    oci::Digest,
    trust::{
        notary::{NotaryState, SignedTag},
        tuf::TrustState,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a tag that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is signed.
    Sign,
    /// It is left out.
    Leave(Left),
}

/// Why a tag that verified is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Left {
    /// The registry says that it does not have the digest.
    #[error("the registry does not have its digest")]
    Absent,
    /// The registry has the digest at another length than was signed.
    #[error("the registry has its digest with {found} bytes, {signed} were signed")]
    OtherLength {
        /// The signed length in bytes.
        signed: u64,
        /// The registry's.
        found: u64,
    },
    /// The registry could not be asked: nothing is known.
    #[error("the registry could not be asked: {0}")]
    Unread(String),
    /// The registry's tag stands for something else.
    #[error("the registry's tag is {0}; name the tag to sign it all the same")]
    Moved(Digest),
    /// It is signed here, for something else.
    #[error("it is signed here already, for {0}; name the tag to replace that")]
    SignedOtherwise(Digest),
    /// It is signed here, for the same.
    #[error("it is signed here already, for the same digest")]
    Signed,
    /// Its digest is revoked here.
    #[error("its digest is revoked here")]
    Revoked,
    /// The tag is one that boltseal keeps its own data under.
    #[error("tags that begin with boltseal. are boltseal's own")]
    Own,
}

/// Says of each tag of Docker Content Trust that verified whether it is to be signed in the repository's own trust data
/// (`trust`, where there are any). A tag that the registry or the trust data know otherwise is signed only if it is
/// `named`. No name helps where the registry lacks the digest, or where that is revoked.
#[must_use]
pub fn plan(
    state: &NotaryState,
    compared: &BTreeMap<String, Compared>,
    trust: Option<&TrustState>,
    named: &BTreeSet<String>,
) -> BTreeMap<String, Fate> {
    let fate = |(tag, signed): (&String, &SignedTag)| {
        let left = left(tag, signed, compared.get(tag), trust, named.contains(tag));
        (tag.clone(), left.map_or(Fate::Sign, Fate::Leave))
    };
    state.tags().iter().map(fate).collect()
}

fn left(
    tag: &str,
    signed: &SignedTag,
    compared: Option<&Compared>,
    trust: Option<&TrustState>,
    named: bool,
) -> Option<Left> {
    if tag.starts_with("boltseal.") {
        return Some(Left::Own);
    }
    let Some(compared) = compared else { return Some(Left::Unread("it was not asked".to_owned())) };
    match &compared.digest {
        DigestThere::There => {}
        DigestThere::Absent => return Some(Left::Absent),
        DigestThere::OtherLength(found) => return Some(Left::OtherLength { signed: signed.length, found: *found }),
        DigestThere::Unread(why) => return Some(Left::Unread(why.clone())),
    }
    if trust.is_some_and(|trust| trust.revoked(&signed.digest).is_some()) {
        return Some(Left::Revoked);
    }
    if named {
        return None;
    }
    if let Some(other) = trust.and_then(|trust| digests(trust, tag).find(|digest| *digest != signed.digest)) {
        return Some(Left::SignedOtherwise(other));
    }
    match &compared.tag {
        TagNow::Other(digest) => return Some(Left::Moved(*digest)),
        TagNow::Unread(why) => return Some(Left::Unread(why.clone())),
        TagNow::Same | TagNow::Absent => {}
    }
    trust.filter(|trust| trust.lookup(tag).is_ok()).map(|_| Left::Signed)
}

/// All that any role lists a tag for.
fn digests<'t>(trust: &'t TrustState, tag: &'t str) -> impl Iterator<Item = Digest> + 't {
    let listed = |role| trust.targets(role)?.signed().targets.get(tag)?.sha256();
    trust.roles().into_iter().filter_map(move |role| listed(role.name))
}
