//! Packages as policies and documents name them. Package URLs are compared as their specification has it (package-url/purl-spec):
//! percent-encoding undone, the type in lower case and the name as its type wants it, without qualifiers and subpath.

use crate::{
    format::predicate::{Package, percent_decoded},
    policy::{TextPattern, TextPatternError},
};
use std::fmt;

/// A package as a policy names it: by its URL where it begins with `pkg:`, else by its name; behind an `@` the version, any if there
/// is none.
#[derive(Clone, Debug)]
pub struct PackagePattern {
    whole: TextPattern,
    name: TextPattern,
    version: Option<TextPattern>,
}

impl PackagePattern {
    /// A pattern of a package; stars stand in it as in [`TextPattern::glob`].
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn parse(text: &str) -> Result<Self, TextPatternError> {
        let (name, version) = if is_url(text) { url_parts(text) } else { name_parts(text) };
        let version = version.map(|version| TextPattern::glob(&version)).transpose()?;
        Ok(Self { whole: TextPattern::glob(text)?, name: TextPattern::glob(&name)?, version })
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.whole.text()
    }

    /// Whether a listed package is one that is meant.
    #[must_use]
    pub fn is(&self, listed: &Listed) -> bool {
        self.fits(listed, false)
    }

    /// The same, or states no version and may be any.
    #[must_use]
    pub fn may_be(&self, listed: &Listed) -> bool {
        self.fits(listed, true)
    }

    /// Whether no package's URL can be meant: it has a type, and no name.
    pub(super) fn is_nothing(&self) -> bool {
        is_url(self.text()) && !self.name.text().contains('/') && !self.name.text().contains("**")
    }

    /// Whether all that another pattern means is meant by this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let version = match (&self.version, &other.version) {
            (None, _) => true,
            (Some(own), Some(other)) => own.text() == other.text() || own.matches(other.text()),
            (Some(_), None) => false,
        };
        version && (self.name.text() == other.name.text() || self.name.matches(other.name.text()))
    }

    /// A star may stand for more than a name, so that all of it is compared, too.
    fn fits(&self, listed: &Listed, unstated: bool) -> bool {
        let parts = if is_url(self.text()) { listed.url.as_ref() } else { Some(&listed.named) };
        let Some(Parts { whole, plain, name, version }) = parts else { return false };
        let is_version =
            |pattern: &TextPattern| version.as_deref().map_or(unstated, |version| pattern.matches(version));
        let is_named = self.name.matches(name) || self.name.matches(plain);
        let is_whole = self.whole.matches(whole) || self.whole.matches(plain);
        is_whole || is_named && self.version.as_ref().is_none_or(is_version)
    }
}

/// A package as patterns are compared with it: worked out once for all of them.
#[derive(Clone, Debug)]
pub struct Listed {
    url: Option<Parts>,
    named: Parts,
}

#[derive(Clone, Debug)]
struct Parts {
    /// With the version.
    whole: String,
    /// Without, as it is written.
    plain: String,
    /// The same in the one spelling that its type has.
    name: String,
    version: Option<String>,
}

impl Listed {
    /// A package's names.
    #[must_use]
    pub fn of(package: &Package) -> Self {
        let (name, version) = (package.name.to_string(), Some(package.version.to_string()));
        let named = Parts::of(name.clone(), name, version.filter(|version| !version.is_empty()));
        let url = is_url(&package.purl).then(|| {
            let (kind, plain, version) = split(&package.purl);
            Parts::of(joined(&kind, &plain), joined(&kind, &spelled(&kind, &plain)), version)
        });
        Self { url, named }
    }
}

impl Parts {
    fn of(plain: String, name: String, version: Option<String>) -> Self {
        let whole = version.as_ref().map_or_else(|| plain.clone(), |version| format!("{plain}@{version}"));
        Self { whole, plain, name, version }
    }
}

impl fmt::Display for PackagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt(f)
    }
}

/// The version that a package URL names.
pub(super) fn version(purl: &str) -> Option<String> {
    url_parts(purl).1
}

/// Whether a package URL names a package: with a version that one, without any.
pub(super) fn names(purl: &str, package: &str) -> bool {
    let ((name, version), (of, which)) = (url_parts(purl), url_parts(package));
    is_url(purl) && is_url(package) && name == of && (version.is_none() || version == which)
}

fn is_url(text: &str) -> bool {
    text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("pkg:"))
}

/// What a package URL names, in one spelling, and the version.
fn url_parts(url: &str) -> (String, Option<String>) {
    let (kind, name, version) = split(url);
    (joined(&kind, &spelled(&kind, &name)), version)
}

/// A package URL's type, name and version. An `@` behind a slash begins a scope, as npm has them, which some tools do not encode.
/// What has no slash is all type, as a pattern may be.
fn split(url: &str) -> (String, String, Option<String>) {
    let named = url.split(['?', '#']).next().unwrap_or_default();
    let named = named.get(4..).filter(|_| is_url(named)).unwrap_or(named).trim_start_matches('/');
    let (name, version) = match named.rsplit_once('@') {
        Some((name, version)) if !name.is_empty() && !name.ends_with('/') => (name, Some(percent_decoded(version))),
        _ => (named, None),
    };
    let version = version.filter(|version| !version.is_empty());
    match name.split_once('/') {
        Some((kind, name)) => (kind.to_ascii_lowercase(), percent_decoded(name.trim_end_matches('/')), version),
        None => (percent_decoded(name), String::new(), version),
    }
}

fn joined(kind: &str, name: &str) -> String {
    if name.is_empty() { format!("pkg:{kind}") } else { format!("pkg:{kind}/{name}") }
}

/// A name as its type wants it (purl-spec, "Known purl types").
fn spelled(kind: &str, name: &str) -> String {
    match kind {
        "pypi" => name.to_lowercase().replace('_', "-"),
        "bitbucket" | "composer" | "github" | "golang" => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

/// A name, and the version behind its last `@`; the first of all begins a scope.
fn name_parts(text: &str) -> (String, Option<String>) {
    match text.rsplit_once('@') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => (name.to_owned(), Some(version.to_owned())),
        _ => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_are_compared_by_what_they_name() {
        for (url, name, version) in [
            ("pkg:npm/%40acme/x@1.0?arch=amd64#lib", "pkg:npm/@acme/x", Some("1.0")),
            ("pkg:NPM/@acme/x", "pkg:npm/@acme/x", None),
            ("pkg://npm/x/@", "pkg:npm/x/@", None),
            ("pkg:npm/100%", "pkg:npm/100%", None),
            ("pkg:npm/%zz%é", "pkg:npm/%zz%é", None),
            ("pkg:pypi/Py_YAML@5", "pkg:pypi/py-yaml", Some("5")),
            ("pkg:golang/github.com/A/b@v1/2", "pkg:golang/github.com/a/b", Some("v1/2")),
        ] {
            assert_eq!(url_parts(url), (name.to_owned(), version.map(str::to_owned)), "{url}");
        }
        assert!(names("pkg:apk/alpine/openssl", "pkg:apk/alpine/openssl@3?arch=x86_64"));
        assert!(names("pkg:apk/alpine/openssl@3", "pkg:apk/alpine/openssl@3"));
        assert!(!names("pkg:apk/alpine/openssl@3", "pkg:apk/alpine/openssl@33"));
        assert!(!names("pkg:apk/alpine/open", "pkg:apk/alpine/openssl@3"));
        assert!(!names("", "") && !names("openssl", "openssl"));
    }

    fn listed(purl: &str) -> Listed {
        Listed::of(&Package { purl: purl.into(), ..Package::default() })
    }

    // [V-165]
    #[test]
    fn a_pattern_may_be_copied_out_of_a_document() {
        for (pattern, purl) in [
            ("pkg:npm/%40angular/core@*", "pkg:npm/%40angular/core@5"),
            ("pkg:npm/%40angular/core@5", "pkg:npm/%40angular/core@5"),
            ("pkg:npm/@angular/core@5", "pkg:npm/%40angular/core@5"),
            ("pkg:apk/alpine/openssl@3.3.1?arch=x86_64", "pkg:apk/alpine/openssl@3.3.1?arch=aarch64"),
            ("pkg:pypi/pyyaml@*", "pkg:pypi/PyYAML@5"),
            ("pkg:npm/event-stream", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/event-stream@*", "pkg:NPM/event-stream@3.3.6"),
            ("pkg:npm/event-stream@*", "pkg://npm/event-stream@3.3.6"),
            ("pkg:npm/**", "pkg:npm/%40angular/core@5"),
            // A star may stand for the type, or for the end of a name and its version.
            ("pkg:**", "pkg:npm/%40angular/core@5"),
            ("pkg:**@5", "pkg:npm/%40angular/core@5"),
            ("pkg:**core", "pkg:npm/%40angular/core@5"),
            ("pkg:*/PyYAML", "pkg:pypi/PyYAML@5"),
            ("pkg:*/pyyaml@5", "pkg:pypi/PyYAML@5"),
            ("pkg:npm/event*6", "pkg:npm/event-stream@3.3.6"),
        ] {
            assert!(PackagePattern::parse(pattern).unwrap().is(&listed(purl)), "{pattern} {purl}");
        }
        let pattern = |text: &str| PackagePattern::parse(text).unwrap();
        let unstated = listed("pkg:npm/event-stream");
        assert!(pattern("pkg:npm/event-stream@3.*").may_be(&unstated));
        assert!(!pattern("pkg:npm/event-stream@3.*").is(&unstated));
        for (text, purl) in [
            ("pkg:npm/event-stream@3.3.7", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/event", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/x", ""),
            ("pkg:**", ""),
        ] {
            assert!(!pattern(text).may_be(&listed(purl)), "{text} {purl}");
        }
        let named = |name: &str, version: &str| {
            Listed::of(&Package { name: name.into(), version: version.into(), ..Package::default() })
        };
        assert!(pattern("openssl").is(&named("openssl", "3")) && pattern("openssl@3").is(&named("openssl", "3")));
        assert!(pattern("open*3").is(&named("openssl", "3")) && pattern("a@b").is(&named("a@b", "")));
        assert!(pattern("@angular/core").is(&named("@angular/core", "5")));
        assert!(pattern("@angular/core@5").is(&named("@angular/core", "5")));
        assert!(!pattern("openssl@3").is(&named("openssl", "")) && pattern("openssl@3").may_be(&named("openssl", "")));
        assert!(!pattern("openssl@3").may_be(&named("openssl", "33")));
    }

    #[test]
    fn a_type_alone_is_no_package() {
        for (text, nothing) in
            [("pkg:", true), ("pkg:npm", true), ("pkg:npm@1", true), ("pkg:**", false), ("npm", false)]
        {
            assert_eq!(PackagePattern::parse(text).unwrap().is_nothing(), nothing, "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_means() {
        let covers =
            |one: &str, other: &str| PackagePattern::parse(one).unwrap().covers(&PackagePattern::parse(other).unwrap());
        assert!(covers("curl", "curl@8") && covers("cur*", "curl") && covers("pkg:npm/a@1.*", "pkg:npm/a@1.2"));
        assert!(!covers("curl@8", "curl") && !covers("curl@8", "curl@7") && !covers("curl", "pkg:npm/curl"));
    }
}
