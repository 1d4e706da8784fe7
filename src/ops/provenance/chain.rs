//! A chain of images: what was judged, what was said, and where nothing was.

use crate::{format::predicate::Vouching, oci::Digest};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What an image was built from, and what that was built from: each image once, whatever leads to it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// The images, the one that was asked for first; the others by the least number of steps to them.
    pub hops: Vec<Hop>,
}

/// One image of a chain.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// As it is named by whatever led to it first.
    pub reference: String,
    /// Its digest; `None` where it is named without one.
    pub digest: Option<Digest>,
    /// The least number of steps from the image that was asked for, which has 0.
    pub depth: usize,
    /// Whether signed provenance leads to it at every step. Else only claims do, and nothing that is said of it counts.
    pub proven: bool,
    /// What its own scope says of it.
    pub judged: Judged,
    /// What signed provenance says of its building, a document each.
    pub builds: Vec<Build>,
    /// What it says of its base itself, or its content lets guess. Nobody has to have signed that.
    pub claims: Vec<Claim>,
    /// Where claims and signed provenance say different things.
    pub contradictions: Vec<Told>,
    /// What is not known, and why.
    pub gaps: Vec<Told>,
    /// The images that it leads to.
    pub children: Vec<Link>,
}

/// What the scope of an image says of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The answer.
    pub verdict: Verdict,
    /// The scope that counted, where one matched.
    pub scope: Option<String>,
    /// The mode of the scope.
    pub mode: Option<String>,
    /// Why it is not allowed, the most specific first.
    pub reasons: Vec<Told>,
}

/// The answer for one image. The words are those of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Its scope allows it.
    Allowed,
    /// It does not.
    Denied,
    /// It does not, and its mode is permissive.
    WouldDeny,
    /// Something could not be read.
    CouldNotTell,
    /// Its mode is disabled.
    NotJudged,
    /// Nobody looked: why stands among the gaps.
    NotVisited,
}

/// A stable id, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The id: of a reason, or of a gap (SPEC.md).
    pub id: String,
    /// What was expected, and what was found. Parts of it are other people's words.
    pub message: String,
}

/// How an image was built, as one signed document states it. More than "they signed that" is not known of any of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// Who signed the document; or what is around it, where it is `covered`.
    pub signed_by: String,
    /// Of a document that nobody signed and that lies in the index: what around it is signed, `index` or `manifest`.
    pub covered: Option<&'static str>,
    /// The authorities of the image's scope that they speak for.
    pub authorities: Vec<String>,
    /// Whether the document answers what the scope asks of provenance; `true` where it asks for nothing.
    pub counts: bool,
    /// The builder's id; empty where none is stated.
    pub builder: String,
    /// The build type.
    pub build_type: String,
    /// Whether documents of this build type list the images that were built from.
    pub lists_bases: bool,
    /// What defined the build.
    pub workflow: Option<String>,
    /// When the build ended.
    pub finished: Option<Timestamp>,
    /// What was built.
    pub sources: Vec<Source>,
}

/// Source code that was built.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Where it is.
    pub uri: String,
    /// The full ref.
    pub reference: Option<String>,
    /// Algorithm to hex: the commit.
    pub digest: BTreeMap<String, String>,
    /// Whether the builder fetched it; else it passes on what its client said.
    pub by_builder: bool,
}

/// A step from one image to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The image, by its place in [`Chain::hops`].
    pub to: usize,
    /// How it was reached.
    pub reached: Reached,
    /// Whether it leads back to an image that leads here.
    pub cycle: bool,
}

/// How one image leads to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Reached {
    /// Signed provenance says that it went into the build: as a base, as another stage, or as a tool. It does not say as which.
    #[serde(rename_all = "camelCase")]
    Provenance {
        /// The documents that say so, by their place in [`Hop::builds`].
        builds: Vec<usize>,
        /// Whether the one's layers begin with the other's; `None` where that was not looked at.
        shares_layers: Option<bool>,
    },
    /// A claim alone, which nobody has to have signed.
    Claim,
}

/// What an image says of its base, or its content lets guess: never a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Claim {
    /// Its annotations `org.opencontainers.image.base.name` and `.digest`.
    Annotation {
        /// The base's name.
        name: Option<String>,
        /// The base's digest.
        digest: Option<String>,
    },
    /// Its first layers are all layers of another image.
    Layers {
        /// That image, by its place in [`Chain::hops`].
        of: usize,
        /// How many they are.
        count: usize,
    },
}

impl From<&crate::format::predicate::Source> for Source {
    fn from(source: &crate::format::predicate::Source) -> Self {
        Self {
            uri: source.uri.clone(),
            reference: source.reference.clone(),
            digest: source.digest.clone(),
            by_builder: source.vouching == Vouching::Builder,
        }
    }
}
