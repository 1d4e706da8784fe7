//! CSAF 2.0 (OASIS), profile 5, "VEX".

use super::{Vex, VexProduct, VexStatement, VexStatus};
use crate::{
    format::predicate::{
        PredicateError,
        reading::{List, kept_as_written, nullable, read, time},
    },
    limits::{DOCUMENT_VALUES, SCAN_FINDINGS},
};
use serde::Deserialize;
use std::collections::BTreeMap;

const DOCUMENT: &str = "CSAF VEX";

#[derive(Deserialize)]
struct Written {
    document: Head,
    #[serde(default, deserialize_with = "nullable")]
    product_tree: ProductTree,
    #[serde(default, deserialize_with = "nullable")]
    vulnerabilities: List<Vulnerability, SCAN_FINDINGS>,
}

#[derive(Deserialize)]
struct Head {
    category: String,
    csaf_version: String,
    publisher: Publisher,
    tracking: Tracking,
}

#[derive(Deserialize)]
struct Publisher {
    name: String,
}

#[derive(Deserialize)]
struct Tracking {
    current_release_date: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ProductTree {
    branches: Vec<Branch>,
    full_product_names: Vec<Product>,
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    branches: Vec<Branch>,
    #[serde(default)]
    product: Option<Product>,
}

#[derive(Deserialize)]
struct Product {
    product_id: Box<str>,
    #[serde(default)]
    product_identification_helper: Helper,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Helper {
    purl: Option<Box<str>>,
    hashes: Vec<Hashes>,
}

#[derive(Deserialize)]
struct Hashes {
    file_hashes: Vec<FileHash>,
}

#[derive(Deserialize)]
struct FileHash {
    value: Box<str>,
}

#[derive(Deserialize)]
struct Relationship {
    full_product_name: Product,
    product_reference: Box<str>,
    relates_to_product_reference: Box<str>,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    cve: Option<Box<str>>,
    #[serde(default)]
    ids: Vec<Id>,
    #[serde(default)]
    product_status: Status,
    #[serde(default)]
    flags: Vec<Flag>,
}

kept_as_written!(Vulnerability);

#[derive(Deserialize)]
struct Id {
    text: Box<str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    fixed: Vec<Box<str>>,
    first_fixed: Vec<Box<str>>,
    known_affected: Vec<Box<str>>,
    first_affected: Vec<Box<str>>,
    last_affected: Vec<Box<str>>,
    known_not_affected: Vec<Box<str>>,
    under_investigation: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Flag {
    label: Box<str>,
}

/// The products of the tree, by id.
#[derive(Default)]
struct Products(BTreeMap<Box<str>, VexProduct>);

impl Products {
    fn add(&mut self, product: Product) {
        let helper = product.product_identification_helper;
        let hashes = helper.hashes.into_iter().flat_map(|one| one.file_hashes).map(|hash| hash.value);
        let names = helper.purl.into_iter().chain(hashes).collect();
        self.0.insert(product.product_id, VexProduct { names, parts: Vec::new() });
    }

    fn all(tree: ProductTree) -> Self {
        let mut products = Self::default();
        tree.full_product_names.into_iter().for_each(|product| products.add(product));
        let mut todo = tree.branches;
        while let Some(branch) = todo.pop() {
            todo.extend(branch.branches);
            branch.product.into_iter().for_each(|product| products.add(product));
        }
        for relationship in tree.relationships {
            // "This part of that product": the statement is about the part in the product.
            let names = |id: &str| products.0.get(id).map(|product| product.names.clone()).unwrap_or_default();
            let parts = names(&relationship.product_reference);
            // A part that has no name must not become the whole.
            let nobody = parts.is_empty();
            let whole = if nobody { Vec::new() } else { names(&relationship.relates_to_product_reference) };
            products.0.insert(relationship.full_product_name.product_id, VexProduct { names: whole, parts });
        }
        products
    }

    fn of(&self, ids: &[Box<str>]) -> Result<Vec<VexProduct>, PredicateError> {
        let one = |id: &str| {
            let unknown = || PredicateError::value(DOCUMENT, "product_status", "a product of the product tree", id);
            self.0.get(id).cloned().ok_or_else(unknown)
        };
        ids.iter().map(|id| one(id)).collect()
    }
}

fn statements(written: &Vulnerability, products: &Products) -> Result<Vec<VexStatement>, PredicateError> {
    let names: Vec<_> = written.cve.iter().chain(written.ids.iter().map(|id| &id.text)).cloned().collect();
    if names.is_empty() {
        return Err(PredicateError::value(DOCUMENT, "vulnerabilities[].cve", "a CVE or another id", "nothing"));
    }
    let status = &written.product_status;
    let mut all = Vec::new();
    for (status, ids) in [
        (VexStatus::NotAffected, &status.known_not_affected),
        (VexStatus::Fixed, &status.fixed),
        (VexStatus::Fixed, &status.first_fixed),
        (VexStatus::Affected, &status.known_affected),
        (VexStatus::Affected, &status.first_affected),
        (VexStatus::Affected, &status.last_affected),
        (VexStatus::UnderInvestigation, &status.under_investigation),
    ] {
        // A product that the tree gives no name that can be compared is nobody's: it must not pass as "whatever this is".
        let products: Vec<_> = products.of(ids)?.into_iter().filter(|product| !product.names.is_empty()).collect();
        if !products.is_empty() {
            let justification = written.flags.first().map(|flag| flag.label.clone());
            all.push(VexStatement { vulnerability: names.clone(), products, status, justification, time: None });
        }
    }
    Ok(all)
}

pub(super) fn decode(predicate: &[u8]) -> Result<Vex, PredicateError> {
    let written: Written = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
    for (member, expected, found) in [
        ("document.category", "csaf_vex", &written.document.category),
        ("document.csaf_version", "2.0", &written.document.csaf_version),
    ] {
        if found != expected {
            return Err(PredicateError::value(DOCUMENT, member, expected, found));
        }
    }
    let products = Products::all(written.product_tree);
    let mut all = Vec::new();
    for vulnerability in &written.vulnerabilities.0 {
        all.extend(statements(vulnerability, &products)?);
    }
    let date = &written.document.tracking.current_release_date;
    Ok(Vex {
        author: written.document.publisher.name,
        time: time(DOCUMENT, "document.tracking.current_release_date", Some(date))?,
        statements: all,
    })
}
