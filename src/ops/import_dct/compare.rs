use crate::{
    oci::{Digest, Repository, RepositoryName},
    registry::{Access, RegistryError, Remote, Repo, Selector, Session},
    trust::notary::{NotaryState, SignedTag},
};
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// What the registry says of a signed tag. It is the registry's word, asked for by HEAD: nothing was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// Whether the signed digest is there.
    pub digest: DigestThere,
    /// What the tag means there now.
    pub tag: TagNow,
}

/// Whether a registry has a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DigestThere {
    /// It has it, at the signed length.
    There,
    /// It has it, at another length in bytes than was signed.
    OtherLength(u64),
    /// It says that it does not have it.
    Absent,
    /// It could not be asked.
    Unread(String),
}

/// What a tag means in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagNow {
    /// The signed digest.
    Same,
    /// Another digest.
    Other(Digest),
    /// There is no such tag.
    Absent,
    /// It could not be asked.
    Unread(String),
}

impl Compared {
    /// Whether either question stayed open.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        matches!(self.digest, DigestThere::Unread(_)) || matches!(self.tag, TagNow::Unread(_))
    }
}

/// Compares the signed tags with the registry: one HEAD for each tag, and one for each digest that its tag did not
/// already lead to.
///
/// # Errors
/// The repository could not be opened. What fails later stands in the result, by tag.
pub async fn compare(
    session: &Session,
    repository: &RepositoryName,
    state: &NotaryState,
) -> Result<BTreeMap<String, Compared>, RegistryError> {
    let Repo::Remote(remote) = session.open(&Repository::Registry(repository.clone()), Access::Pull)? else {
        return Ok(BTreeMap::new());
    };
    let tags = state.tags().iter().map(|(tag, signed)| one(&remote, tag, signed));
    Ok(state.tags().keys().cloned().zip(join_all(tags).await).collect())
}

async fn one(remote: &Remote, tag: &str, signed: &SignedTag) -> Compared {
    let length = |size| if size == signed.length { DigestThere::There } else { DigestThere::OtherLength(size) };
    let now = match remote.describe(&Selector::Tag(tag.to_owned())).await {
        Ok(descriptor) if descriptor.digest == signed.digest => {
            return Compared { digest: length(descriptor.size), tag: TagNow::Same };
        }
        Ok(descriptor) => TagNow::Other(descriptor.digest),
        Err(error) if error.is_not_found() => TagNow::Absent,
        Err(error) => TagNow::Unread(error.to_string()),
    };
    let digest = match remote.describe(&Selector::Digest(signed.digest)).await {
        Ok(descriptor) => length(descriptor.size),
        Err(error) if error.is_not_found() => DigestThere::Absent,
        Err(error) => DigestThere::Unread(error.to_string()),
    };
    Compared { digest, tag: now }
}
