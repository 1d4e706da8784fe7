//! Package URLs as they are compared: percent-encoding undone, qualifiers and subpath left out.

/// The part of a package URL that names a package and its version.
pub(super) fn bare(purl: &str) -> String {
    decoded(purl.split(['?', '#']).next().unwrap_or_default())
}

/// A qualifier of a package URL; the first of its name.
pub(super) fn qualifier(purl: &str, name: &str) -> Option<String> {
    let (_, qualifiers) = purl.split('#').next()?.split_once('?')?;
    qualifiers.split('&').find_map(|one| one.strip_prefix(name)?.strip_prefix('=')).map(decoded)
}

/// A text without its percent-encoding.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
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
        let oci = "pkg:oci/a@sha256%3A00?repository_url=r.example%2Fa&tag=1#x?tag=2";
        assert_eq!(qualifier(oci, "repository_url").as_deref(), Some("r.example/a"));
        assert_eq!((qualifier(oci, "tag").as_deref(), qualifier(oci, "arch")), (Some("1"), None));
        assert_eq!(bare("pkg:npm/%zz%é"), "pkg:npm/%zz%é");
        assert!(names("pkg:apk/alpine/openssl", "pkg:apk/alpine/openssl@3?arch=x86_64"));
        assert!(names("pkg:apk/alpine/openssl@3", "pkg:apk/alpine/openssl@3"));
        assert!(!names("pkg:apk/alpine/openssl@3", "pkg:apk/alpine/openssl@33"));
        assert!(!names("pkg:apk/alpine/open", "pkg:apk/alpine/openssl@3"));
        assert!(!names("", "") && !names("openssl", "openssl"));
    }
}
