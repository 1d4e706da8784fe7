//! All tags of a repository, page by page (distribution-spec 1.1, "Listing Tags").

use super::{
    Fault, Layout, RegistryError, Remote, Repo,
    body::Expected,
    exchange::{Request, Target},
    referrers::next_page,
};
use crate::{
    json,
    limits::{LIST_PAGE_BYTES, TAGS_PAGE, TAGS_PAGES},
    oci::{Digest, ManifestError, media_type},
};
use http::{Method, StatusCode};
use serde::Deserialize;

/// A manifest that a repository names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its tag; a layout may list manifests without one.
    pub tag: Option<String>,
    /// Its digest, where the list says it: only a layout's does.
    pub digest: Option<Digest>,
}

/// A list of tags that is being read. Nothing of it is verified: it is the registry's word.
pub struct Tags {
    repo: Repo,
    next: Option<Target>,
    pages: usize,
}

#[derive(Deserialize)]
struct Page {
    /// Registries write `null` where there are none.
    tags: Option<Vec<String>>,
}

impl Repo {
    /// All that is named in it. No request is made yet.
    #[must_use]
    pub fn tags(&self) -> Tags {
        let first = match self {
            Self::Remote(remote) => Target::Path(remote.path(&format!("tags/list?n={TAGS_PAGE}"))),
            Self::Layout(_) | Self::Copying(_) => Target::Path(String::new()),
        };
        Tags { repo: self.clone(), next: Some(first), pages: 0 }
    }
}

impl Tags {
    /// The next page; `None` at the end.
    ///
    /// Checks its size, [`TAGS_PAGES`], and that the list goes on at the same host.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if there is no such repository; any other fault. What was listed before stays listed, and the list
    /// ends here.
    pub async fn next(&mut self) -> Result<Option<Vec<Named>>, RegistryError> {
        let Some(target) = self.next.take() else { return Ok(None) };
        match self.repo.clone() {
            Repo::Layout(layout) => layout.named().await.map(Some),
            Repo::Copying(copying) => {
                *self = copying.from().tags();
                Box::pin(self.next()).await
            }
            Repo::Remote(remote) => {
                self.page(&remote, target).await.map(Some).map_err(remote.during("listing", &"the tags"))
            }
        }
    }

    async fn page(&mut self, remote: &Remote, target: Target) -> Result<Vec<Named>, Fault> {
        if self.pages == TAGS_PAGES {
            return Err(Fault::Limit { what: "the list of tags", limit: format!("{TAGS_PAGES} pages") });
        }
        self.pages += 1;
        let request = Request::new(Method::GET, target);
        let answer = remote.exchange(&request, Expected::at_most("a page of the list", LIST_PAGE_BYTES)).await?;
        let answer = answer.with(&[StatusCode::OK], &request)?;
        let page: Page = json::decode(&answer.body).map_err(ManifestError::from)?;
        self.next = next_page(&answer)?;
        Ok(page.tags.unwrap_or_default().into_iter().map(|tag| Named { tag: Some(tag), digest: None }).collect())
    }
}

impl Layout {
    /// What `index.json` lists, tagged or not, in its order; what refers to another manifest is left out. What can't be read
    /// hides nothing else: it may be an image.
    async fn named(&self) -> Result<Vec<Named>, RegistryError> {
        let mut named = Vec::new();
        for entry in self.entries().await? {
            let tag = entry.annotations.get(media_type::REF_NAME_ANNOTATION).cloned();
            if tag.is_some() || !self.refers(&entry).await.unwrap_or(false) {
                named.push(Named { tag, digest: Some(entry.digest) });
            }
        }
        Ok(named)
    }
}
