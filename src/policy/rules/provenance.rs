//! How an image was built.

use super::{BaseRule, Miss};
use crate::{
    format::predicate::{Provenance, Source},
    policy::TextPattern,
};

/// What is asked of how an image was built.
#[derive(Clone, Debug, Default)]
pub struct ProvenanceRule {
    /// Who built it.
    pub builder: Option<TextPattern>,
    /// What kind of build it was.
    pub build_type: Option<TextPattern>,
    /// What it was built from; of several sources each one.
    pub source: Option<TextPattern>,
    /// The full ref of that.
    pub reference: Option<TextPattern>,
    /// The workflow, job or pipeline that built it.
    pub workflow: Option<TextPattern>,
    /// The SLSA build level that the builder is known to reach.
    pub level: Option<u8>,
    /// Whether parameters that the build type does not define are refused.
    pub refuse_unknown: bool,
    /// What is asked of the images that it was built from; it is not asked of the document alone.
    pub base: Option<BaseRule>,
}

impl ProvenanceRule {
    /// Whether provenance is as asked.
    ///
    /// # Errors
    /// What is not.
    pub fn judge(&self, provenance: &Provenance) -> Result<(), Miss> {
        if let Some(pattern) = self.builder.as_ref().filter(|pattern| !pattern.matches(&provenance.builder)) {
            return Err(Miss::Builder { expected: pattern.to_string(), found: provenance.builder.clone() });
        }
        if let Some(pattern) = self.build_type.as_ref().filter(|pattern| !pattern.matches(&provenance.build_type)) {
            return Err(Miss::BuildType { expected: pattern.to_string(), found: provenance.build_type.clone() });
        }
        self.sources(provenance)?;
        if let Some(expected) = self.level {
            let found = level(&provenance.builder);
            if found < expected {
                return Err(Miss::Level { expected, found, builder: provenance.builder.clone() });
            }
        }
        let names = provenance.parameters.iter().filter(|parameter| !parameter.is_known);
        let names: Vec<_> = names.map(|parameter| parameter.name.clone()).collect();
        if self.refuse_unknown && !names.is_empty() {
            return Err(Miss::Parameters { names });
        }
        Ok(())
    }

    fn sources(&self, provenance: &Provenance) -> Result<(), Miss> {
        let asks = self.source.is_some() || self.reference.is_some() || self.workflow.is_some();
        if asks && !provenance.is_known {
            return Err(Miss::BuildTypeUnknown { found: provenance.build_type.clone() });
        }
        let none = [Source::default()];
        let sources = if provenance.sources.is_empty() { &none[..] } else { &provenance.sources };
        let uris = sources.iter().map(|source| Some(&*source.uri).filter(|uri| !uri.is_empty()));
        if let Some((expected, found)) = unlike(self.source.as_ref(), uris) {
            return Err(Miss::Source { expected, found });
        }
        let references = sources.iter().map(|source| source.reference.as_deref());
        if let Some((expected, found)) = unlike(self.reference.as_ref(), references) {
            return Err(Miss::Reference { expected, found });
        }
        if let Some((expected, found)) = unlike(self.workflow.as_ref(), std::iter::once(provenance.workflow.as_deref()))
        {
            return Err(Miss::Workflow { expected, found });
        }
        Ok(())
    }
}

/// The first text that a pattern does not match, and the pattern.
fn unlike<'t>(
    pattern: Option<&TextPattern>,
    mut texts: impl Iterator<Item = Option<&'t str>>,
) -> Option<(String, Option<String>)> {
    let pattern = pattern?;
    let text = texts.find(|text| !text.is_some_and(|text| pattern.matches(text)))?;
    Some((pattern.to_string(), text.map(str::to_owned)))
}

/// The highest build level that builders' operators claim of them (SPEC.md, section 6.6). A builder that is not known has
/// level 1: there is provenance.
pub(super) fn level(builder: &str) -> u8 {
    let starts = |start: &str| builder.starts_with(start);
    // Its reusable workflows, at a release: they keep the signing key from the build that they describe.
    let generator = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/";
    if starts(generator) && builder.contains("@refs/tags/v")
        || starts("https://cloudbuild.googleapis.com/GoogleHostedWorker")
    {
        return 3;
    }
    let on_github = starts("https://github.com/") && builder.contains("/.github/workflows/");
    if on_github || starts("https://github.com/actions/runner") || builder == "https://tekton.dev/chains/v2" {
        return 2;
    }
    1
}

/// The highest level that any builder is known for.
pub(super) const HIGHEST_LEVEL: u8 = 3;
