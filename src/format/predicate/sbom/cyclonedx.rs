//! CycloneDX 1.0 to 1.7 (ECMA-424), JSON.

use super::{Package, Sbom, SbomFormat, algorithm};
use crate::{
    format::predicate::{
        PredicateError,
        reading::{Kept, List, nullable, read, time},
    },
    limits::{DOCUMENT_VALUES, SBOM_PACKAGES},
};
use serde::Deserialize;

const DOCUMENT: &str = "CycloneDX";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    bom_format: String,
    spec_version: String,
    #[serde(default, deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "nullable")]
    components: List<Package, SBOM_PACKAGES>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    timestamp: Option<String>,
    component: Option<Component>,
}

#[derive(Deserialize)]
pub(in crate::format::predicate) struct Component {
    #[serde(default, deserialize_with = "nullable")]
    group: Box<str>,
    name: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    version: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    purl: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    licenses: Vec<Choice>,
    #[serde(default, deserialize_with = "nullable")]
    hashes: Vec<Hash>,
    #[serde(default, deserialize_with = "nullable")]
    components: List<Package, SBOM_PACKAGES>,
}

/// A licence, or an expression.
#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    license: Option<License>,
    #[serde(default)]
    expression: Option<Box<str>>,
}

#[derive(Deserialize)]
struct License {
    #[serde(default)]
    id: Option<Box<str>>,
    #[serde(default)]
    name: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Hash {
    alg: Box<str>,
    content: Box<str>,
}

impl Kept for Package {
    type Written = Component;

    fn keep(written: Component) -> Option<Self> {
        let name =
            if written.group.is_empty() { written.name } else { format!("{}/{}", written.group, written.name).into() };
        let license = |choice: Choice| {
            choice.expression.or_else(|| choice.license.and_then(|license| license.id.or(license.name)))
        };
        Some(Self {
            name,
            version: written.version,
            purl: written.purl,
            licenses: written.licenses.into_iter().filter_map(license).filter_map(|l| super::stated(Some(l))).collect(),
            digests: written.hashes.into_iter().map(|hash| (algorithm(&hash.alg), hash.content)).collect(),
            is_subject: false,
        })
    }

    /// The packages within a package behind it.
    fn collect(mut written: Component, into: &mut Vec<Self>) {
        let within = std::mem::take(&mut written.components.0);
        into.extend(Self::keep(written));
        into.extend(within);
    }
}

pub(super) fn decode(predicate: &[u8]) -> Result<Sbom, PredicateError> {
    let written: Written = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
    if written.bom_format != DOCUMENT {
        return Err(PredicateError::value(DOCUMENT, "bomFormat", DOCUMENT, written.bom_format));
    }
    let minor = written.spec_version.strip_prefix("1.").and_then(|minor| minor.parse::<u8>().ok());
    if minor.is_none() {
        return Err(PredicateError::value(DOCUMENT, "specVersion", "version 1", written.spec_version));
    }
    let mut packages = written.components.0;
    if let Some(described) = written.metadata.component {
        let at = packages.len();
        Package::collect(described, &mut packages);
        if let Some(package) = packages.get_mut(at) {
            package.is_subject = true;
        }
    }
    if packages.len() > SBOM_PACKAGES {
        let found = packages.len().to_string();
        return Err(PredicateError::value(DOCUMENT, "components", "at most 500,000 components", found));
    }
    Ok(Sbom {
        format: SbomFormat::CycloneDx,
        version: written.spec_version,
        created: time(DOCUMENT, "metadata.timestamp", written.metadata.timestamp.as_deref())?,
        packages,
    })
}
