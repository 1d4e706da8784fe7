//! SPDX 2.2 and 2.3 (spdx-spec 2.3, annex on JSON).

use super::{Package, Sbom, SbomFormat, algorithm, both};
use crate::{
    format::predicate::{
        PredicateError,
        reading::{Kept, List, nullable, read, time},
    },
    limits::{DOCUMENT_VALUES, SBOM_PACKAGES},
};
use serde::Deserialize;
use std::collections::BTreeSet;

const DOCUMENT: &str = "SPDX";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    spdx_version: String,
    creation_info: CreationInfo,
    #[serde(default, deserialize_with = "nullable")]
    document_describes: Vec<Box<str>>,
    #[serde(default, deserialize_with = "nullable")]
    packages: List<Identified, SBOM_PACKAGES>,
    #[serde(default, deserialize_with = "nullable")]
    relationships: List<Described, SBOM_PACKAGES>,
}

#[derive(Deserialize)]
struct CreationInfo {
    created: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPackage {
    #[serde(rename = "SPDXID")]
    id: Box<str>,
    name: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    version_info: Box<str>,
    #[serde(default)]
    license_concluded: Option<Box<str>>,
    #[serde(default)]
    license_declared: Option<Box<str>>,
    #[serde(default, deserialize_with = "nullable")]
    external_refs: Vec<ExternalRef>,
    #[serde(default, deserialize_with = "nullable")]
    checksums: Vec<Checksum>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_type: Box<str>,
    reference_locator: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: Box<str>,
    checksum_value: Box<str>,
}

/// A package by the name that relationships have for it.
struct Identified {
    id: Box<str>,
    package: Package,
}

impl Kept for Identified {
    type Written = WrittenPackage;

    fn keep(written: WrittenPackage) -> Option<Self> {
        let purl = written.external_refs.into_iter().find(|one| &*one.reference_type == "purl");
        let digests = written.checksums.into_iter().map(|one| (algorithm(&one.algorithm), one.checksum_value));
        let package = Package {
            name: written.name,
            version: written.version_info,
            purl: purl.map(|one| one.reference_locator).unwrap_or_default(),
            licenses: both(written.license_concluded, written.license_declared),
            digests: digests.collect(),
            is_subject: false,
        };
        Some(Self { id: written.id, package })
    }
}

/// What the document describes; of all relationships only these are kept.
struct Described(Box<str>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: Box<str>,
    relationship_type: Box<str>,
    related_spdx_element: Box<str>,
}

impl Kept for Described {
    type Written = Relationship;

    fn keep(written: Relationship) -> Option<Self> {
        const ITSELF: &str = "SPDXRef-DOCUMENT";
        match &*written.relationship_type {
            "DESCRIBES" if &*written.spdx_element_id == ITSELF => Some(Self(written.related_spdx_element)),
            "DESCRIBED_BY" if &*written.related_spdx_element == ITSELF => Some(Self(written.spdx_element_id)),
            _ => None,
        }
    }
}

pub(super) fn decode(predicate: &[u8]) -> Result<Sbom, PredicateError> {
    let written: Written = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
    let version = match written.spdx_version.strip_prefix("SPDX-") {
        Some(version @ ("2.1" | "2.2" | "2.3")) => version.to_owned(),
        _ => {
            let expected = "SPDX-2.1 to SPDX-2.3, or the JSON-LD of version 3";
            return Err(PredicateError::value(DOCUMENT, "spdxVersion", expected, written.spdx_version));
        }
    };
    let mut described: BTreeSet<Box<str>> = written.document_describes.into_iter().collect();
    described.extend(written.relationships.0.into_iter().map(|Described(id)| id));
    let package = |Identified { id, mut package }| {
        package.is_subject = described.contains(&id);
        package
    };
    Ok(Sbom {
        format: SbomFormat::Spdx,
        version,
        created: time(DOCUMENT, "creationInfo.created", Some(&written.creation_info.created))?,
        packages: written.packages.0.into_iter().map(package).collect(),
    })
}
