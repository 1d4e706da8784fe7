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

const DOCUMENT: &str = "OpenVEX";

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "@context")]
    context: String,
    #[serde(default)]
    author: String,
    timestamp: String,
    #[serde(default)]
    last_updated: Option<String>,
    statements: List<Statement, SCAN_FINDINGS>,
}

#[derive(Deserialize)]
struct Statement {
    vulnerability: Vulnerability,
    #[serde(default, deserialize_with = "nullable")]
    products: Vec<Product>,
    status: Box<str>,
    #[serde(default)]
    justification: Option<Box<str>>,
    #[serde(default)]
    impact_statement: Option<Box<str>>,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    last_updated: Option<String>,
}

kept_as_written!(Statement);

/// An object since 0.2, a bare name before.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vulnerability {
    Bare(Box<str>),
    Named {
        name: Box<str>,
        #[serde(default, deserialize_with = "nullable")]
        aliases: Vec<Box<str>>,
    },
}

/// An object since 0.2, a bare name before.
#[derive(Deserialize)]
#[serde(untagged)]
enum Product {
    Bare(Box<str>),
    Named {
        #[serde(flatten)]
        component: Component,
        #[serde(default, deserialize_with = "nullable")]
        subcomponents: Vec<Part>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Bare(Box<str>),
    Named(Component),
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "@id", default)]
    id: Option<Box<str>>,
    #[serde(default, deserialize_with = "nullable")]
    identifiers: BTreeMap<Box<str>, Box<str>>,
    #[serde(default, deserialize_with = "nullable")]
    hashes: BTreeMap<Box<str>, Box<str>>,
}

impl Component {
    fn names(self) -> impl Iterator<Item = Box<str>> {
        self.id.into_iter().chain(self.identifiers.into_values()).chain(self.hashes.into_values())
    }
}

fn product(written: Product) -> VexProduct {
    match written {
        Product::Bare(name) => VexProduct { names: vec![name], parts: Vec::new() },
        Product::Named { component, subcomponents } => {
            let is_of_parts = !subcomponents.is_empty();
            let parts = subcomponents.into_iter().flat_map(|part| match part {
                Part::Bare(name) => vec![name],
                Part::Named(component) => component.names().collect(),
            });
            let parts: Vec<_> = parts.collect();
            // Parts that have no name must not become the whole.
            let nobody = is_of_parts && parts.is_empty();
            VexProduct { names: component.names().filter(|_| !nobody).collect(), parts }
        }
    }
}

fn statement(written: Statement) -> Result<VexStatement, PredicateError> {
    let status = match &*written.status {
        "not_affected" => VexStatus::NotAffected,
        "affected" => VexStatus::Affected,
        "fixed" => VexStatus::Fixed,
        "under_investigation" => VexStatus::UnderInvestigation,
        other => {
            let expected = "not_affected, affected, fixed or under_investigation";
            return Err(PredicateError::value(DOCUMENT, "statements[].status", expected, other));
        }
    };
    let justification = written.justification.or(written.impact_statement);
    if status == VexStatus::NotAffected && justification.is_none() {
        let expected = "a justification or an impact statement beside `not_affected`";
        return Err(PredicateError::value(DOCUMENT, "statements[].justification", expected, "nothing"));
    }
    let vulnerability = match written.vulnerability {
        Vulnerability::Bare(name) => vec![name],
        Vulnerability::Named { name, aliases } => std::iter::once(name).chain(aliases).collect(),
    };
    Ok(VexStatement {
        vulnerability,
        products: written.products.into_iter().map(product).collect(),
        status,
        justification,
        time: time(DOCUMENT, "statements[].timestamp", written.last_updated.or(written.timestamp).as_deref())?,
    })
}

pub(super) fn decode(predicate: &[u8]) -> Result<Vex, PredicateError> {
    let written: Written = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
    if !written.context.starts_with("https://openvex.dev/ns") {
        return Err(PredicateError::value(DOCUMENT, "@context", "https://openvex.dev/ns/…", written.context));
    }
    let changed = written.last_updated.unwrap_or(written.timestamp);
    Ok(Vex {
        author: written.author,
        time: time(DOCUMENT, "timestamp", Some(&changed))?,
        statements: written.statements.0.into_iter().map(statement).collect::<Result<_, _>>()?,
    })
}
