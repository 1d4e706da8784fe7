//! Images among what a build fetched, as builders name them.

use super::{Dependency, uri::percent_decoded};
use crate::oci::{Digest, Reference, Repository};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem::discriminant,
};

/// Why the image that a dependency is can't be looked for. The texts are the provenance's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageNameError {
    /// A name without a registry: of an image layout on the builder's disk, or of nothing known.
    #[error("{0:?} does not say in which registry it lies")]
    NoPlace(String),
    /// No name of an image.
    #[error("{0:?} is no image's name")]
    Malformed(String),
    /// No digest of SHA-256 or SHA-512.
    #[error("{0:?} is named without its digest")]
    NoDigest(String),
    /// Two digests of one algorithm.
    #[error("{0:?} is named with two digests")]
    TwoDigests(String),
}

/// A name on the way to a reference.
#[derive(Default)]
struct Name {
    /// Repository, and tag where there is one, as docker writes it.
    text: String,
    /// A digest within the name.
    digest: Option<String>,
}

impl Dependency {
    /// The image that this is, by repository and digest; `None` for what is none: source code, a file, a package.
    ///
    /// Read are package URLs of the types `docker` (BuildKit's) and `oci`, `oci://` (Tekton's), `docker://`,
    /// `docker-image://`, and names without a scheme (Google Cloud Build's).
    ///
    /// # Errors
    /// It is an image, or something without a scheme that may be one, and can't be looked for.
    #[must_use]
    pub fn image(&self) -> Option<Result<Reference, ImageNameError>> {
        let uri = self.uri.as_str();
        let schemes = ["oci://", "docker://", "docker-image://"];
        let named = if let Some(rest) = uri.strip_prefix("pkg:docker/") {
            Ok(package(rest))
        } else if let Some(rest) = uri.strip_prefix("pkg:oci/") {
            in_layout(rest)
        } else if let Some(rest) = schemes.iter().find_map(|scheme| uri.strip_prefix(scheme)) {
            Ok(written(rest))
        } else if uri.contains("://") || uri.starts_with("pkg:") || uri.starts_with("git+") || is_commit(&self.digest) {
            return None;
        } else {
            let has_host =
                uri.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost");
            has_host.then(|| written(uri)).ok_or(())
        };
        Some(named.map_err(|()| ImageNameError::NoPlace(uri.to_owned())).and_then(|name| self.reference(&name)))
    }

    fn reference(&self, name: &Name) -> Result<Reference, ImageNameError> {
        let uri = || self.uri.clone();
        let reference: Reference = name.text.parse().map_err(|_| ImageNameError::Malformed(uri()))?;
        if !matches!(reference.repository, Repository::Registry(_)) {
            // A folder of this machine is nothing that a document may name.
            return Err(ImageNameError::Malformed(uri()));
        }
        let within: Option<Digest> =
            name.digest.as_ref().map(|text| text.parse()).transpose().map_err(|_| ImageNameError::Malformed(uri()))?;
        let listed = self.digest.iter().filter_map(|(algorithm, hex)| format!("{algorithm}:{hex}").parse().ok());
        let digests: BTreeSet<Digest> = listed.chain(within).chain(reference.digest).collect();
        // SHA-256, where both are there.
        let first = digests.first().copied().ok_or_else(|| ImageNameError::NoDigest(uri()))?;
        if digests.iter().skip(1).any(|other| discriminant(other) == discriminant(&first)) {
            return Err(ImageNameError::TwoDigests(uri()));
        }
        Ok(Reference { digest: Some(first), ..reference })
    }
}

/// `NAME[:tag][@digest]`, as docker writes it.
fn written(text: &str) -> Name {
    match text.split_once('@') {
        Some((name, digest)) => Name { text: name.to_owned(), digest: Some(digest.to_owned()) },
        None => Name { text: text.to_owned(), digest: None },
    }
}

/// The parts of a package URL behind its type: path, version, qualifiers.
fn parts(rest: &str) -> (String, String, BTreeMap<String, String>) {
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let (path, version) = path.rsplit_once('@').unwrap_or((path, ""));
    let qualifiers = qualifiers.split('&').filter_map(|one| one.split_once('='));
    let qualifiers = qualifiers.map(|(name, value)| (name.to_owned(), percent_decoded(value))).collect();
    (percent_decoded(path), percent_decoded(version), qualifiers)
}

/// `pkg:docker/[REGISTRY/]PATH@VERSION?digest=…&repository_url=REGISTRY`: the version is a tag or a digest.
fn package(rest: &str) -> Name {
    let (path, version, mut qualifiers) = parts(rest);
    let path = qualifiers.remove("repository_url").map_or(path.clone(), |host| format!("{host}/{path}"));
    let digest = qualifiers.remove("digest");
    match version.parse::<Digest>() {
        Ok(_) => Name { text: path, digest: Some(version) },
        Err(_) if version.is_empty() => Name { text: path, digest },
        Err(_) => Name { text: format!("{path}:{version}"), digest },
    }
}

/// `pkg:oci/NAME@DIGEST?repository_url=REGISTRY/PATH/NAME&tag=…`.
fn in_layout(rest: &str) -> Result<Name, ()> {
    let (name, version, mut qualifiers) = parts(rest);
    let place = qualifiers.remove("repository_url").ok_or(())?;
    if place.rsplit('/').next() != Some(name.as_str()) {
        return Err(());
    }
    let text = qualifiers.remove("tag").map_or(place.clone(), |tag| format!("{place}:{tag}"));
    let digest = if version.is_empty() { qualifiers.remove("digest") } else { Some(version) };
    Ok(Name { text, digest })
}

/// Whether digests are a commit's alone.
fn is_commit(digests: &BTreeMap<String, String>) -> bool {
    !digests.is_empty() && !digests.keys().any(|algorithm| algorithm == "sha256" || algorithm == "sha512")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn dependency(uri: &str, digests: &[(&str, &str)]) -> Dependency {
        let digest = digests.iter().map(|(name, hex)| ((*name).to_owned(), (*hex).to_owned())).collect();
        Dependency { name: None, uri: uri.replace("{A}", A).replace("{B}", B), digest }
    }

    // [V-260]
    #[test]
    fn builders_spellings_of_an_image_come_out_the_same() {
        for (uri, expected) in [
            ("pkg:docker/alpine@3.20?platform=linux%2Famd64", "docker.io/library/alpine:3.20"),
            ("pkg:docker/alpine?digest=sha256:{A}&platform=linux%2Famd64", "docker.io/library/alpine"),
            ("pkg:docker/alpine@3?digest=sha256%3A{A}", "docker.io/library/alpine:3"),
            ("pkg:docker/alpine@3?digest=sha256:{A}&platform=linux%2Famd64", "docker.io/library/alpine:3"),
            ("pkg:docker/127.0.0.1:5710/bk/app@v1?platform=linux%2Famd64", "127.0.0.1:5710/bk/app:v1"),
            ("pkg:docker/127.0.0.1%3A5710/bk/app@v1", "127.0.0.1:5710/bk/app:v1"),
            ("pkg:docker/acme/app@sha256%3A{A}?repository_url=gcr.io", "gcr.io/acme/app"),
            (
                "pkg:oci/static@sha256%3A{A}?repository_url=gcr.io/distroless/static&tag=latest",
                "gcr.io/distroless/static:latest",
            ),
            ("oci://gcr.io/kaniko-project/executor", "gcr.io/kaniko-project/executor"),
            ("docker://alpine:3@sha256:{A}", "docker.io/library/alpine:3"),
            ("docker-image://r.example/base:1", "r.example/base:1"),
            ("gcr.io/cloud-builders/docker@sha256:{A}", "gcr.io/cloud-builders/docker"),
        ] {
            let image = dependency(uri, &[("sha256", A)]).image().expect("an image").unwrap();
            assert_eq!(image.to_string(), format!("{expected}@sha256:{A}"), "{uri}");
        }
    }

    // [V-260]
    #[test]
    fn what_is_no_image_is_none() {
        for (uri, digests) in [
            ("https://github.com/acme/cart.git#refs/tags/v1", &[("sha1", "00")][..]),
            ("git+https://github.com/acme/cart@refs/tags/v1", &[("gitCommit", "00")]),
            ("git@host:a/b.git", &[("sha1", "00")]),
            ("https://example.com/file.tar", &[("sha256", A)]),
            ("pkg:npm/x@1", &[("sha512", B)]),
            ("file:///etc/passwd", &[("sha256", A)]),
        ] {
            assert_eq!(dependency(uri, digests).image(), None, "{uri}");
        }
    }

    // [V-261]
    #[test]
    fn what_cannot_be_looked_for_is_told_and_never_guessed() {
        type Bad = fn(String) -> ImageNameError;
        for (uri, digests, expected) in [
            ("pkg:docker/alpine@3", &[][..], ImageNameError::NoDigest as Bad),
            ("pkg:docker/alpine@3", &[("sha1", "00")], ImageNameError::NoDigest),
            ("pkg:docker/alpine@3", &[("sha256", "../../etc")], ImageNameError::NoDigest),
            ("pkg:docker/alpine@sha256%3A{B}", &[("sha256", A)], ImageNameError::TwoDigests),
            ("pkg:docker/alpine?digest=sha256:{B}", &[("sha256", A)], ImageNameError::TwoDigests),
            // BuildKit's, of a layout on the client's disk.
            ("pkg:oci/base?digest=sha256:{A}&platform=linux%2Famd64", &[("sha256", A)], ImageNameError::NoPlace),
            ("pkg:oci/base@sha256%3A{A}", &[], ImageNameError::NoPlace),
            ("pkg:oci/base@sha256%3A{A}?repository_url=r.example/other", &[], ImageNameError::NoPlace),
            ("base", &[("sha256", A)], ImageNameError::NoPlace),
            ("", &[("sha256", A)], ImageNameError::NoPlace),
            ("docker://oci:/etc/keys", &[("sha256", A)], ImageNameError::Malformed),
            ("oci://oci:layout", &[("sha256", A)], ImageNameError::Malformed),
            ("pkg:docker/oci:/etc/keys", &[("sha256", A)], ImageNameError::Malformed),
            ("docker://r.example/UPPER", &[("sha256", A)], ImageNameError::Malformed),
            ("docker://user:pass@r.example/x", &[("sha256", A)], ImageNameError::Malformed),
            ("docker://http://169.254.169.254/x", &[("sha256", A)], ImageNameError::Malformed),
        ] {
            let found = dependency(uri, digests);
            assert_eq!(found.image(), Some(Err(expected(found.uri.clone()))), "{uri}");
        }
    }
}
