//! SARIF 2.1.0 (OASIS): a result for each image that is not allowed, each that is not what its tag means, and each unusable
//! entry; a note for each of which nobody says which digest runs. What else is allowed is no result. Results are written as they come, the rules that they name behind them.

use super::{Place, Report, silent, told};
use crate::output::printable;
use boltseal::{
    oci::Digest,
    ops::audit::record::{Basis, Decision, Drift, ImageRecord, Record, Summary},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{self, Write as _},
};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What the first version of a fingerprint is made of: rule, name, and the digest that runs.
const FINGERPRINT: &str = "boltsealImage/v1";

pub struct Sarif<'o> {
    place: Place<'o>,
    rules: BTreeSet<String>,
    is_first: bool,
}

/// A result (SARIF 2.1.0, 3.27).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: String,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    partial_fingerprints: Value,
    properties: Value,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

impl<'o> Sarif<'o> {
    pub fn begin(mut place: Place<'o>) -> io::Result<Self> {
        write!(place, "{{\"$schema\":{},\"version\":\"2.1.0\",\"runs\":[{{\"results\":[", json!(SCHEMA))?;
        Ok(Self { place, rules: BTreeSet::new(), is_first: true })
    }

    fn push(&mut self, finding: Finding) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        let text = serde_json::to_string(&finding)?;
        write!(self.place, "{comma}\n{text}")?;
        self.rules.insert(finding.rule_id);
        Ok(())
    }
}

impl Report for Sarif<'_> {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Image(image) => {
                let level = match image.decision {
                    Decision::Denied => Some("error"),
                    Decision::WouldDeny | Decision::CouldNotTell => Some("warning"),
                    Decision::NotJudged => Some("note"),
                    Decision::Allowed => None,
                };
                if let Some(level) = level {
                    let id = image.reasons.first().map_or(image.decision.word(), |reason| reason.id.as_str());
                    let why = told(&image.reasons);
                    self.push(of_image(
                        image,
                        id,
                        level,
                        &format!("{}: {}: {why}", image.reference, image.decision.word()),
                    ))?;
                }
                if let Some(gap) = silent(image) {
                    self.push(of_image(image, &gap.id, "note", &format!("{}: {}", image.reference, gap.message)))?;
                }
                match &image.drift {
                    Drift::Differs { now, basis } => {
                        let (level, by) = match basis {
                            Basis::Signed => ("warning", "is signed to mean"),
                            Basis::Registry => ("note", "means, by the registry's word,"),
                        };
                        let text = format!("{}: runs another digest; its tag {by} {now} now", image.reference);
                        self.push(of_image(image, "drift", level, &text))?;
                    }
                    Drift::TagNotSigned { basis: Basis::Signed, why } => {
                        let text = format!("{}: its tag is not signed: {why}", image.reference);
                        self.push(of_image(image, "drift-tag-not-signed", "warning", &text))?;
                    }
                    _ => {}
                }
                Ok(())
            }
            Record::Input(input) => {
                let text = format!("{}: {:?} names no image: {}", input.at, input.text, input.problem);
                let uri = format!("input:{}", encoded(&input.at));
                self.push(finding("input", "error", &text, uri, Vec::new(), &input.text, json!({ "at": input.at })))
            }
            Record::Summary(_) => Ok(()),
        }
    }

    fn end(mut self: Box<Self>, summary: &Summary) -> io::Result<()> {
        let rules: Vec<_> = self.rules.iter().map(|id| json!({ "id": id, "name": id })).collect();
        let driver = json!({
            "name": "boltseal", "version": summary.boltseal, "semanticVersion": summary.boltseal, "rules": rules,
        });
        let mut invocation = json!({
            "executionSuccessful": summary.cut.is_none(), "exitCode": summary.exit,
            "startTimeUtc": summary.started, "endTimeUtc": summary.finished,
        });
        if let (Some(cut), Some(members)) = (&summary.cut, invocation.as_object_mut()) {
            let text = printable(&format!("the input was not read to its end: {cut}"));
            let notification = json!([{ "level": "error", "message": { "text": text } }]);
            members.insert("toolExecutionNotifications".to_owned(), notification);
        }
        let tail = json!({
            "tool": { "driver": driver }, "invocations": [invocation], "columnKind": "unicodeCodePoints",
            "properties": { "summary": summary },
        });
        let tail = tail.to_string();
        // The members of the run go on behind its results.
        writeln!(self.place, "\n],{}]}}", tail.strip_prefix('{').unwrap_or_default())?;
        self.place.finish()
    }
}

fn of_image(image: &ImageRecord, id: &str, level: &'static str, text: &str) -> Finding {
    let digest = image.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let places = image.places.iter().map(|place| {
        let parts = [&place.namespace, &place.pod, &place.container].into_iter().flatten();
        printable(&parts.map(String::as_str).collect::<Vec<_>>().join("/"))
    });
    let logical = places.filter(|place| !place.is_empty());
    let logical = logical.map(|name| LogicalLocation { fully_qualified_name: name, kind: "resource" }).collect();
    let uri = match image.reference.strip_prefix("oci:") {
        Some(folder) => format!("oci:{}", encoded(folder)),
        None => format!("docker://{}", encoded(&image.reference)),
    };
    let properties = json!({ "digest": digest, "scope": image.scope, "mode": image.mode });
    finding(id, level, text, uri, logical, &format!("{} {digest}", image.reference), properties)
}

fn finding(
    id: &str,
    level: &'static str,
    text: &str,
    uri: String,
    logical_locations: Vec<LogicalLocation>,
    what: &str,
    properties: Value,
) -> Finding {
    let print = Digest::sha256(format!("{id} {what}").as_bytes()).hex();
    let physical_location = PhysicalLocation { artifact_location: ArtifactLocation { uri } };
    Finding {
        rule_id: id.to_owned(),
        level,
        message: Message { text: printable(text) },
        locations: [Location { physical_location, logical_locations }],
        partial_fingerprints: json!({ FINGERPRINT: print }),
        properties,
    }
}

/// Text in a URI's path: what is not of a reference is percent-encoded (RFC 3986, 2.1).
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@[]".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
