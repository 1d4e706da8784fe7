//! Many tags at once: what was signed elsewhere is signed here.

use super::{
    TrustError,
    change::{Change, Edits},
    draft::Draft,
    tags::target_of,
    writer::{Published, Writer},
};
use crate::{
    format::tuf::{RoleName, Target},
    limits::CONCURRENCY,
    oci::Digest,
    registry::Selector,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet};

impl Writer<'_> {
    /// Signs what these tags stand for, in one publication. Each digest has to be in the registry; its tags are not asked. A
    /// tag that is signed already keeps what it stands for, unless `replace` names it.
    ///
    /// # Errors
    /// A digest is not there, none of the keys may list a tag, or it could not be published.
    pub async fn sign_all(
        &self,
        tags: &BTreeMap<String, Digest>,
        replace: &BTreeSet<String>,
    ) -> Result<Published, TrustError> {
        let fetched = stream::iter(tags).map(|(tag, digest)| async move {
            let image = self.repo.manifest(&Selector::Digest(*digest)).await?;
            Ok::<_, TrustError>((tag.as_str(), target_of(&image)))
        });
        let targets: Vec<(&str, Target)> = fetched.buffered(CONCURRENCY).try_collect().await?;
        let plan = |draft: &Draft<'_>| {
            let mut roles = BTreeMap::<_, Vec<Change>>::new();
            for (tag, target) in &targets {
                let kept = |role: &RoleName| {
                    let file = draft.file(&draft.lister(role, tag));
                    let listed = file.is_some_and(|file| file.signed().targets.contains(tag));
                    listed && !replace.contains(*tag)
                };
                for role in self.roles_for(draft, tag, &[])?.into_iter().filter(|role| !kept(role)) {
                    let change = Change::SetTag { tag: (*tag).to_owned(), target: target.clone() };
                    roles.entry(role).or_default().push(change);
                }
            }
            Ok(Edits { roles: roles.into_iter().collect(), ..Edits::default() })
        };
        self.publish(&plan).await
    }
}
