//! Package URLs as they are compared: percent-encoding undone, qualifiers and subpath left out.

use crate::format::predicate::percent_decoded;

/// The part of a package URL that names a package and its version.
pub(super) fn bare(purl: &str) -> String {
    let named = purl.split(['?', '#']).next().unwrap_or_default();
    percent_decoded(named)
}

/// Whether a package URL names a package: with a version that one, without any.
pub(super) fn names(purl: &str, package: &str) -> bool {
    let (purl, package) = (bare(purl), bare(package));
    purl.starts_with("pkg:")
        && (purl == package || package.strip_prefix(purl.as_str()).is_some_and(|rest| rest.starts_with('@')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_are_compared_by_what_they_name() {
        assert_eq!(bare("pkg:npm/%40acme/x@1.0?arch=amd64#lib"), "pkg:npm/@acme/x@1.0");
        assert_eq!(bare("pkg:npm/100%"), "pkg:npm/100%");
        assert_eq!(bare("pkg:npm/%zz%é"), "pkg:npm/%zz%é");
        assert!(names("pkg:apk/alpine/openssl", "pkg:apk/alpine/openssl@3?arch=x86_64"));
        assert!(names("pkg:apk/alpine/openssl@3", "pkg:apk/alpine/openssl@3"));
        assert!(!names("pkg:apk/alpine/openssl@3", "pkg:apk/alpine/openssl@33"));
        assert!(!names("pkg:apk/alpine/open", "pkg:apk/alpine/openssl@3"));
        assert!(!names("", "") && !names("openssl", "openssl"));
    }
}
