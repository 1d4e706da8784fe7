use super::{
    Answer, Refusal, Shared,
    answer::{self, Draft, JSON, OCI_FILTERS_APPLIED},
    route::{Query, link},
};
use crate::oci::{Descriptor, Digest, ImageIndex, media_type};
use http::header;
use serde::Serialize;
use std::ops::Bound;

impl Shared {
    pub(super) fn tags(&self, name: &str, query: &Query) -> Result<Answer, Refusal> {
        let store = self.store();
        let repository = store.repository(name).ok_or_else(|| Refusal::name_unknown(name))?;
        let page = query.page(self.options.page_size);
        let after = query.first("last").map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = repository.tags.range::<str, _>((after, Bound::Unbounded)).map(|(tag, _)| tag.as_str());
        let tags: Vec<&str> = rest.by_ref().take(page).collect();
        let next = rest.next().and(tags.last().copied());
        let mut answer = json(&serde_json::json!({ "name": name, "tags": tags }))?.typed(JSON);
        if let Some(last) = next {
            let next = link(&format!("/v2/{name}/tags/list"), &[("n", &page.to_string()), ("last", last)]);
            answer = answer.header(header::LINK, next);
        }
        Ok(answer.build())
    }

    /// Lists referrers by their digests; of a subject that is not there as well (distribution-spec 1.1, "Listing
    /// Referrers").
    pub(super) fn referrers(&self, name: &str, subject: &Digest, query: &Query) -> Result<Answer, Refusal> {
        if !self.options.referrers_api {
            return Err(Refusal::not_here());
        }
        let page = query.page(self.options.page_size);
        let after = query.digest("last")?.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = query.first("artifactType");
        let store = self.store();
        let list = store.repository(name).and_then(|repository| repository.referrers.get(subject));
        let mut rest = list
            .into_iter()
            .flat_map(|list| list.range((after, Bound::Unbounded)).map(|(_, entry)| entry))
            .filter(|entry| wanted.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted)));
        let entries: Vec<Descriptor> = rest.by_ref().take(page).cloned().collect();
        let next = rest.next().and(entries.last().map(|entry| entry.digest.to_string()));
        let mut answer = json(&ImageIndex::new(entries))?.typed(media_type::IMAGE_INDEX);
        if wanted.is_some() {
            answer = answer.header(OCI_FILTERS_APPLIED, "artifactType");
        }
        if let Some(last) = next {
            let page = page.to_string();
            let mut parameters = vec![("n", page.as_str()), ("last", last.as_str())];
            parameters.extend(wanted.map(|wanted| ("artifactType", wanted)));
            answer = answer.header(header::LINK, link(&format!("/v2/{name}/referrers/{subject}"), &parameters));
        }
        Ok(answer.build())
    }
}

fn json(value: &impl Serialize) -> Result<Draft, Refusal> {
    let bytes = serde_json::to_vec(value).map_err(|e| Refusal::manifest_invalid(e.to_string()))?;
    Ok(answer::ok(bytes))
}
