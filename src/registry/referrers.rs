use super::{
    Access, Fault, ListSource, Listing, Remote,
    body::Expected,
    exchange::{Answer, Request, Target},
    message,
};
use crate::{
    json,
    limits::{LIST_PAGE_BYTES, LIST_PAGES, MANIFEST_VALUES, REFERRERS},
    oci::{Descriptor, Digest, Manifest, ManifestError, media_type},
};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize as _;
use serde_json::Value;
use std::{collections::BTreeMap, time::Instant};

/// Codes of a 404 that speak of the repository or the manifest, not of the API.
const NOT_OF_THE_API: [&str; 3] = ["NAME_UNKNOWN", "NAME_INVALID", "MANIFEST_UNKNOWN"];

impl Remote {
    /// Lists the referrers of a subject: the referrers API, all pages; where that answers 404, the fallback tag
    /// (distribution-spec 1.1, "Listing Referrers", "Unavailable Referrers API"). That a repository lacks the
    /// API is remembered for the run; another repository of the host is asked itself.
    ///
    /// Checks: that what came is an image index, its size, [`LIST_PAGES`], [`REFERRERS`]. Nothing is filtered: what
    /// entries say of their type is a hint, and must not hide any. Does not check: that they exist, or refer to the
    /// subject. A list that could not be read to its end has a fault; only a 404 is an honest "none".
    pub async fn referrers(&self, subject: &Digest) -> Listing {
        let mut listing = Listing { entries: Vec::new(), source: ListSource::Api, fault: None };
        let result = self.list(subject, &mut listing).await;
        listing.fault = result.err().map(self.during("listing the referrers", subject));
        listing
    }

    async fn list(&self, subject: &Digest, listing: &mut Listing) -> Result<(), Fault> {
        let path = &self.name().path;
        if self.host().lacks_referrers(path) {
            return self.list_fallback(subject, listing).await;
        }
        if !self.list_api(subject, listing).await? {
            return self.list_fallback(subject, listing).await;
        }
        // A registry may answer the API and not enter what is pushed; writers then use the fallback tag. A writer need
        // not look: all that it would find is its own signature, again.
        if listing.entries.is_empty() && self.access() == Access::Pull {
            return self.list_fallback(subject, listing).await;
        }
        Ok(())
    }

    async fn list_fallback(&self, subject: &Digest, listing: &mut Listing) -> Result<(), Fault> {
        listing.source = ListSource::FallbackTag;
        let tag = subject.fallback_tag();
        let read = self.fetch_tag(&tag).await?;
        let entries = match &read.fetched {
            None => Ok(Vec::new()),
            Some(fetched) => match fetched.manifest.clone() {
                Manifest::Index(index) => Ok(index.manifests),
                Manifest::Image(_) => Err(no_index()),
            },
        };
        self.remember(&tag, read);
        take(listing, entries?)
    }

    /// `false` if the registry has no such API.
    async fn list_api(&self, subject: &Digest, listing: &mut Listing) -> Result<bool, Fault> {
        let begun = Instant::now();
        let limit = self.session().inner.options.operation_timeout;
        let mut target = Target::Path(self.path(&format!("referrers/{subject}")));
        let mut lost = 0;
        for page in 0..LIST_PAGES {
            let mut request = Request::new(Method::GET, target);
            request.headers.insert(header::ACCEPT, HeaderValue::from_static(media_type::IMAGE_INDEX));
            let answer = self.exchange(&request, Expected::at_most("a page of the list", LIST_PAGE_BYTES)).await?;
            if page == 0 && answer.is_absent() {
                if !message::has_code(&answer.body, &NOT_OF_THE_API) {
                    self.host().set_lacks_referrers(&self.name().path);
                }
                return Ok(false);
            }
            let answer = match answer.with(&[StatusCode::OK], &request) {
                // A page that is gone is not the end of the list.
                Err(Fault::NotFound) => return Err(Fault::Protocol("a page of the list is not there".to_owned())),
                other => other?,
            };
            let (entries, broken) = decode_page(&answer.body)?;
            take(listing, entries)?;
            lost += broken;
            target = match next_page(&answer)? {
                Some(next) => next,
                None if lost > 0 => return Err(Fault::Entries(lost)),
                None => return Ok(true),
            };
            if begun.elapsed() > limit {
                return Err(Fault::Timeout(limit));
            }
        }
        Err(Fault::Limit { what: "the list of referrers", limit: format!("{LIST_PAGES} pages") })
    }
}

/// The entries of a page, and how many of them are none: one that can't be read must not hide the others.
fn decode_page(body: &[u8]) -> Result<(Vec<Descriptor>, usize), Fault> {
    let page = json::decode_value_within(body, MANIFEST_VALUES).map_err(ManifestError::from)?;
    let entries = match page.get("manifests") {
        Some(Value::Array(entries)) if page.get("layers").is_none() => entries.as_slice(),
        Some(Value::Null) => &[],
        _ => return Err(no_index()),
    };
    let read: Vec<_> = entries.iter().filter_map(|entry| Descriptor::deserialize(entry).ok()).collect();
    let broken = entries.len() - read.len();
    Ok((read, broken))
}

fn no_index() -> Fault {
    Fault::Protocol("the list of referrers is no image index".to_owned())
}

/// Adds entries as far as the bound goes.
fn take(listing: &mut Listing, entries: Vec<Descriptor>) -> Result<(), Fault> {
    let room = REFERRERS - listing.entries.len().min(REFERRERS);
    let over = entries.len() > room;
    // What a list says beyond this is a hint, and could be megabytes.
    let bare = |entry| Descriptor { annotations: BTreeMap::new(), other: BTreeMap::new(), ..entry };
    listing.entries.extend(entries.into_iter().take(room).map(bare));
    if over {
        return Err(Fault::Limit { what: "the list of referrers", limit: format!("{REFERRERS} entries") });
    }
    Ok(())
}

/// The next page (RFC 8288 `Link` with `rel="next"`). It has to lie on the same host: nobody else lists for it.
pub(super) fn next_page(answer: &Answer) -> Result<Option<Target>, Fault> {
    let links = answer.headers.get_all(header::LINK).iter();
    let mut links = links.filter_map(|value| value.to_str().ok()).flat_map(links_of);
    let Some((location, _)) = links.find(|(_, parameters)| is_next(parameters)) else { return Ok(None) };
    let next = Remote::next_address(answer, location)?;
    match &next {
        Target::Url(url) if url.origin() == answer.url.origin() => Ok(Some(next)),
        _ => Err(Fault::Protocol("the list goes on at another host".to_owned())),
    }
}

/// The targets of a `Link` header with their parameters.
fn links_of(header: &str) -> impl Iterator<Item = (&str, &str)> {
    let targets = header.split('<').skip(1);
    targets.filter_map(|link| link.split_once('>'))
}

fn is_next(parameters: &str) -> bool {
    parameters.split([';', ',']).any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.trim().eq_ignore_ascii_case("rel")
            && value.trim().trim_matches('"').split(' ').any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}
