//! From what was found of images to the chain that is shown.

use super::{
    chain::{Build, Chain, Claim, Hop, Judged, Link, Reached, Source, Told, Verdict},
    content::{Content, ContentError},
};
use crate::{
    limits::{CHAIN_DEPTH, CHAIN_FAN_OUT, CHAIN_IMAGES},
    oci::{Digest, Reference},
    policy::{Decision, Lineage, Mode, Outcome, Reason, Relative, Seen, SignedProvenance},
    verify::Format,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Contents = BTreeMap<Reference, Result<Content, ContentError>>;

/// Characters of an annotation that are passed on. Source: a reference has at most 255, a tag 128, a digest 135.
const ANNOTATION_CHARACTERS: usize = 520;

pub(super) fn chain(lineage: &Lineage<'_>, contents: &Contents) -> Chain {
    let outcomes = lineage.settle();
    let hops = lineage.relatives().iter().zip(&outcomes);
    let hops = hops.map(|(one, outcome)| Assembly { lineage, contents, one }.hop(outcome.as_ref())).collect();
    let mut chain = Chain { hops };
    mark_cycles(&mut chain);
    chain
}

/// One image of the chain under assembly.
struct Assembly<'a, 'p> {
    lineage: &'a Lineage<'p>,
    contents: &'a Contents,
    one: &'a Relative<'p>,
}

fn told(id: &str, message: impl Into<String>) -> Told {
    Told { id: id.to_owned(), message: message.into() }
}

impl Assembly<'_, '_> {
    fn hop(&self, outcome: Option<&Outcome>) -> Hop {
        let one = self.one;
        let mut hop = Hop {
            reference: one.reference.to_string(),
            digest: one.reference.digest,
            depth: one.depth,
            proven: one.proven,
            judged: judged(one, outcome),
            builds: self.builds(),
            claims: Vec::new(),
            contradictions: Vec::new(),
            gaps: self.gaps(),
            children: Vec::new(),
        };
        self.link(&mut hop);
        self.compare(&mut hop);
        hop
    }

    fn builds(&self) -> Vec<Build> {
        let Some(Seen::Findings(findings)) = &self.one.seen else { return Vec::new() };
        let build = |document: &SignedProvenance| {
            let provenance = document.provenance.as_ref().ok()?;
            let signer = findings.verified().get(document.at)?;
            Some(Build {
                signed_by: signer.identity().to_string(),
                covered: match signer.format() {
                    Format::CoveredByIndex => Some("index"),
                    Format::CoveredByManifest => Some("manifest"),
                    _ => None,
                },
                authorities: document.authorities.clone(),
                counts: document.counts,
                builder: provenance.builder.clone(),
                build_type: provenance.build_type.clone(),
                lists_bases: provenance.lists_images(),
                workflow: provenance.workflow.clone(),
                finished: provenance.finished,
                sources: provenance.sources.iter().map(Source::from).collect(),
            })
        };
        self.one.documents.iter().filter_map(build).collect()
    }

    /// What is not known of the image, and why.
    fn gaps(&self) -> Vec<Told> {
        let mut gaps = Vec::new();
        match &self.one.seen {
            Some(Seen::NotInPolicy(why)) => gaps.push(told("not-in-policy", format!("not looked at: found {why}"))),
            Some(Seen::Unread(why)) => gaps.push(told("not-read", why.clone())),
            None => gaps.push(told("not-read", "nobody looked")),
            Some(Seen::Findings(findings)) => {
                if let Some(first) = findings.unread().first() {
                    let count = findings.unread().len();
                    gaps.push(told("unread", format!("{count} not read, the first: {}: {}", first.what, first.why)));
                }
                self.missing(&mut gaps);
                if let Some(Err(error)) = self.contents.get(&self.one.reference) {
                    gaps.push(told("content-unread", format!("its layers and annotations: {error}")));
                }
            }
        }
        gaps
    }

    /// What its provenance does not say.
    fn missing(&self, gaps: &mut Vec<Told>) {
        let documents = &self.one.documents;
        for error in documents.iter().filter_map(|document| document.provenance.as_ref().err()) {
            gaps.push(told("document-malformed", format!("signed provenance that can't be read: {error}")));
        }
        let counting: Vec<_> =
            documents.iter().filter(|one| one.counts).filter_map(|one| one.provenance.as_ref().ok()).collect();
        if counting.is_empty() {
            let others = if documents.is_empty() { "" } else { "; what there is does not answer what the scope asks" };
            gaps.push(told("no-provenance", format!("no signed provenance by the authorities of its scope{others}")));
            return;
        }
        if !counting.iter().any(|provenance| provenance.lists_images()) {
            let kinds: BTreeSet<_> = counting.iter().map(|provenance| provenance.build_type.as_str()).collect();
            let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
            gaps.push(told(
                "bases-not-listed",
                format!("provenance of this build type does not list base images: {kinds}"),
            ));
        }
        for provenance in counting {
            let images: Vec<_> = provenance.dependencies.iter().filter_map(|dependency| dependency.image()).collect();
            if images.len() > CHAIN_FAN_OUT {
                let count = images.len();
                gaps.push(told("over-limit", format!("names {count} images, at most {CHAIN_FAN_OUT} are followed")));
                continue;
            }
            for image in images {
                match image {
                    Err(error) => gaps.push(told("base-unnamed", error.to_string())),
                    Ok(image) if self.lineage.place(&image).is_some() => {}
                    Ok(image) if self.one.is_followed() => {
                        let bounds = format!("{CHAIN_IMAGES} images or {CHAIN_DEPTH} levels");
                        gaps.push(told("over-limit", format!("{image}: more than {bounds}")));
                    }
                    Ok(image) => gaps.push(told("not-followed", format!("{image}: further away than was asked for"))),
                }
            }
        }
    }

    /// The images that it leads to.
    fn link(&self, hop: &mut Hop) {
        let mut proven: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let readable = self.one.documents.iter().filter(|document| document.provenance.is_ok());
        for (at, document) in readable.enumerate().filter(|(_, document)| document.counts) {
            for to in document.images().iter().filter_map(|image| self.lineage.place(image)) {
                proven.entry(to).or_default().push(at);
            }
        }
        let content = self.content(&self.one.reference);
        for (to, builds) in proven {
            let other = self.lineage.relatives().get(to).and_then(|other| self.content(&other.reference));
            let shared = content.zip(other).map(|(content, other)| content.begins_with(other));
            if let Some(count) = shared.flatten() {
                hop.claims.push(Claim::Layers { of: to, count });
            }
            let reached = Reached::Provenance { builds, shares_layers: shared.map(|count| count.is_some()) };
            hop.children.push(Link { to, reached, cycle: false });
        }
        if let Some(to) = content.and_then(Content::claimed).and_then(|image| self.lineage.place(&image))
            && !hop.children.iter().any(|link| link.to == to)
        {
            hop.children.push(Link { to, reached: Reached::Claim, cycle: false });
        }
    }

    /// What it claims, beside what was signed.
    fn compare(&self, hop: &mut Hop) {
        let listing = self.one.documents.iter().filter(|document| document.counts);
        let listing = listing.filter(|document| document.provenance.as_ref().is_ok_and(|p| p.lists_images()));
        let named: Vec<BTreeSet<Reference>> = listing.map(|document| document.images().into_iter().collect()).collect();
        if named.windows(2).any(|two| matches!(two, [one, other] if one != other)) {
            hop.contradictions.push(told("provenance-differs", "signed provenance of it names different images"));
        }
        let Some(content) = self.content(&self.one.reference) else { return };
        let (Some(digest), name) = (&content.base_digest, &content.base_name) else {
            if let Some(name) = &content.base_name {
                hop.claims.push(Claim::Annotation { name: Some(cut(name)), digest: None });
            }
            return;
        };
        hop.claims.push(Claim::Annotation { name: name.as_deref().map(cut), digest: Some(cut(digest)) });
        let Ok(claimed) = digest.parse::<Digest>() else { return };
        let of = |image: &Reference| match self.content(image) {
            Some(other) => other.digests.contains(&claimed),
            None => image.digest == Some(claimed),
        };
        let images: BTreeSet<&Reference> = named.iter().flatten().collect();
        if !named.is_empty() && !images.iter().any(|image| of(image)) {
            let images: Vec<_> = images.iter().map(ToString::to_string).collect();
            let images = if images.is_empty() { "no image".to_owned() } else { images.join(", ") };
            let message = format!("its annotations call {claimed} its base; signed provenance names {images}");
            hop.contradictions.push(told("annotation-contradicted", message));
        }
        let other = self.lineage.relatives().iter().filter(|other| of(&other.reference));
        let other = other.filter_map(|other| self.content(&other.reference)).find(|other| !other.layers.is_empty());
        if let Some(other) = other
            && !content.layers.is_empty()
            && content.begins_with(other).is_none()
        {
            let message = format!("its annotations call {claimed} its base; its layers do not begin with that image's");
            hop.contradictions.push(told("layers-differ", message));
        }
    }

    fn content(&self, image: &Reference) -> Option<&Content> {
        self.contents.get(image)?.as_ref().ok()
    }
}

/// What its scope says of an image; of one that could not be read, that it could not tell.
fn judged(one: &Relative<'_>, outcome: Option<&Outcome>) -> Judged {
    let Some(outcome) = outcome else {
        let refused = matches!(one.seen, Some(Seen::NotInPolicy(_)));
        let verdict = if refused { Verdict::NotVisited } else { Verdict::CouldNotTell };
        return Judged { verdict, scope: None, mode: None, reasons: Vec::new() };
    };
    let reason = |reason: &Reason| told(reason.id(), reason.to_string());
    let (verdict, reasons) = match (&outcome.decision, outcome.mode) {
        (Decision::Allow(_), _) => (Verdict::Allowed, &[][..]),
        (Decision::Deny(reasons), Mode::Permissive) => (Verdict::WouldDeny, &reasons[..]),
        (Decision::Deny(reasons), _) => (Verdict::Denied, &reasons[..]),
        (Decision::Undetermined(reasons), _) => (Verdict::CouldNotTell, &reasons[..]),
        (Decision::NotJudged, _) => (Verdict::NotJudged, &[][..]),
    };
    let reasons = reasons.iter().map(reason).collect();
    Judged { verdict, scope: outcome.scope.clone(), mode: Some(outcome.mode.to_string()), reasons }
}

/// Marks the links that lead back to where they come from.
fn mark_cycles(chain: &mut Chain) {
    let next: Vec<Vec<usize>> =
        chain.hops.iter().map(|hop| hop.children.iter().map(|link| link.to).collect()).collect();
    let reached: Vec<BTreeSet<usize>> = (0..next.len()).map(|from| reachable(&next, from)).collect();
    for (at, hop) in chain.hops.iter_mut().enumerate() {
        for link in &mut hop.children {
            link.cycle = link.to == at || reached.get(link.to).is_some_and(|all| all.contains(&at));
        }
    }
}

fn reachable(next: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
    let (mut seen, mut work) = (BTreeSet::new(), vec![from]);
    while let Some(at) = work.pop() {
        work.extend(next.get(at).into_iter().flatten().copied().filter(|to| seen.insert(*to)));
    }
    seen
}

fn cut(text: &str) -> String {
    text.chars().take(ANNOTATION_CHARACTERS).collect()
}
