//! SPDX 3.0 (spdx-spec 3.0.1, JSON-LD serialization): a flat list of elements that name each other.

use super::{Package, Sbom, SbomFormat, algorithm};
use crate::{
    format::predicate::{
        PredicateError,
        reading::{Kept, List, OneOrMore, nullable, read, time},
    },
    limits::{DOCUMENT_VALUES, SBOM_PACKAGES},
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = "SPDX 3";

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "@context")]
    context: String,
    #[serde(rename = "@graph")]
    graph: List<Element, SBOM_PACKAGES>,
}

/// All members of all elements that are of use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenElement {
    #[serde(rename = "type")]
    kind: Box<str>,
    #[serde(default, alias = "@id")]
    spdx_id: Box<str>,
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    created: Option<Box<str>>,
    #[serde(default)]
    spec_version: Option<Box<str>>,
    #[serde(default)]
    root_element: Option<OneOrMore>,
    #[serde(default, rename = "software_packageVersion")]
    version: Box<str>,
    #[serde(default, rename = "software_packageUrl")]
    purl: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    verified_using: Vec<Hash>,
    #[serde(default, deserialize_with = "nullable")]
    external_identifier: Vec<ExternalIdentifier>,
    #[serde(default)]
    from: Box<str>,
    #[serde(default)]
    relationship_type: Box<str>,
    #[serde(default)]
    to: Option<OneOrMore>,
    #[serde(default, rename = "simplelicensing_licenseExpression")]
    license: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hash {
    #[serde(default)]
    algorithm: Box<str>,
    #[serde(default)]
    hash_value: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalIdentifier {
    external_identifier_type: Box<str>,
    identifier: Box<str>,
}

enum Element {
    Creation { created: Option<Box<str>>, version: Option<Box<str>> },
    Roots { id: Box<str>, roots: Vec<Box<str>> },
    Package { id: Box<str>, package: Package },
    License { id: Box<str>, expression: Box<str> },
    Licensed { package: Box<str>, by: Vec<Box<str>> },
}

impl Kept for Element {
    type Written = WrittenElement;

    fn keep(written: WrittenElement) -> Option<Self> {
        let all = |ids: Option<OneOrMore>| ids.iter().flat_map(OneOrMore::iter).map(Box::from).collect();
        let id = written.spdx_id;
        Some(match &*written.kind {
            "CreationInfo" => Self::Creation { created: written.created, version: written.spec_version },
            "SpdxDocument" | "software_Sbom" | "Bom" => Self::Roots { id, roots: all(written.root_element) },
            "software_Package" => {
                let identified = written.external_identifier.into_iter();
                let mut purls =
                    identified.filter(|one| one.external_identifier_type.eq_ignore_ascii_case("packageUrl"));
                let purl =
                    if written.purl.is_empty() { purls.next().map(|one| one.identifier) } else { Some(written.purl) };
                let hashes = written.verified_using.into_iter().filter(|hash| !hash.hash_value.is_empty());
                let package = Package {
                    name: written.name,
                    version: written.version,
                    purl: purl.unwrap_or_default(),
                    digests: hashes.map(|hash| (algorithm(&hash.algorithm), hash.hash_value)).collect(),
                    ..Package::default()
                };
                Self::Package { id, package }
            }
            "simplelicensing_LicenseExpression" => Self::License { id, expression: written.license },
            "Relationship" if written.relationship_type.ends_with("License") => {
                Self::Licensed { package: written.from, by: all(written.to) }
            }
            _ => return None,
        })
    }
}

pub(super) fn decode(predicate: &[u8]) -> Result<Sbom, PredicateError> {
    let written: Written = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
    if !written.context.starts_with("https://spdx.org/rdf/3.") {
        return Err(PredicateError::value(DOCUMENT, "@context", "https://spdx.org/rdf/3.…", written.context));
    }
    let mut sbom = Sbom { format: SbomFormat::Spdx, version: "3".to_owned(), created: None, packages: Vec::new() };
    let mut ids: Vec<Box<str>> = Vec::new();
    let mut roots: BTreeMap<Box<str>, Vec<Box<str>>> = BTreeMap::new();
    let mut licenses: BTreeMap<Box<str>, Box<str>> = BTreeMap::new();
    let mut licensed: Vec<(Box<str>, Vec<Box<str>>)> = Vec::new();
    for element in written.graph.0 {
        match element {
            Element::Creation { created, version } => {
                sbom.version = version.map_or(sbom.version, String::from);
                sbom.created = sbom.created.max(time(DOCUMENT, "@graph[].created", created.as_deref())?);
            }
            Element::Roots { id, roots: of } => roots.entry(id).or_default().extend(of),
            Element::Package { id, package } => {
                ids.push(id);
                sbom.packages.push(package);
            }
            Element::License { id, expression } => drop(licenses.insert(id, expression)),
            Element::Licensed { package, by } => licensed.push((package, by)),
        }
    }
    let described: BTreeSet<&str> = roots.values().flatten().map(|id| &**id).collect();
    let mut stated: BTreeMap<&str, BTreeSet<Box<str>>> = BTreeMap::new();
    for (package, by) in &licensed {
        let expressions = by.iter().filter_map(|id| expression(&licenses, id));
        stated.entry(package).or_default().extend(expressions);
    }
    for (id, package) in ids.iter().zip(&mut sbom.packages) {
        package.is_subject = described.contains(&**id);
        package.licenses = stated.remove(&**id).into_iter().flatten().collect();
    }
    Ok(sbom)
}

/// A licence by its element, or by the address of SPDX's own list.
fn expression(licenses: &BTreeMap<Box<str>, Box<str>>, id: &str) -> Option<Box<str>> {
    let listed = ["https://spdx.org/licenses/", "http://spdx.org/licenses/"];
    let listed = listed.iter().find_map(|start| id.strip_prefix(start));
    let named = licenses.get(id).cloned().or_else(|| listed.map(Box::from));
    // A licence that is described elsewhere is known by its address, so that it does not pass as none.
    super::stated(Some(named.unwrap_or_else(|| id.into()))).filter(|text| !is_none(text))
}

/// SPDX 3's two individuals for that nothing is stated.
fn is_none(text: &str) -> bool {
    ["NoAssertionLicense", "NoneLicense"].iter().any(|end| text.ends_with(end))
}
