//! The report for people: one HTML file that needs nothing beside it, written image by image.
//!
//! It runs no script but its own and loads nothing: its Content-Security-Policy says so. Other people's words go through
//! [`printable`], then through the templates' escaping or into JSON that can't end its script block.

mod controls;

use super::record::{ImageRecord, InputRecord, Line, Record, Summary, Told};
use crate::{crypto::hash::sha256, oci::Digest, ops::printable};
use askama::Template;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Signers and reasons in a row of the table; an opened row has them all.
const SIGNERS: usize = 3;
const REASONS: usize = 3;
/// Characters of a digest in the table: its algorithm and twelve of its digits.
const DIGEST: usize = 19;
const DECISIONS: [(&str, &str); 5] = [
    ("denied", "Denied"),
    ("would-deny", "Would deny"),
    ("could-not-tell", "Could not tell"),
    ("not-judged", "Not judged"),
    ("allowed", "Allowed"),
];
const DRIFTS: [(&str, &str); 4] =
    [("tag-not-signed", "Tag not signed"), ("differs", "Differs"), ("unknown", "Unknown"), ("current", "Current")];

/// A report under way.
pub struct HtmlReport<W> {
    out: W,
}

#[derive(Template)]
#[template(path = "audit/head.html")]
struct Head {
    version: &'static str,
    style: &'static str,
    style_hash: String,
    script_hash: String,
}

#[derive(Template, Default)]
#[template(path = "audit/row.html")]
struct Row {
    decision: &'static str,
    decision_label: &'static str,
    drift: &'static str,
    drift_label: &'static str,
    age: String,
    age_label: String,
    signed: String,
    witnessed: bool,
    reference: String,
    digest: String,
    whole_digest: String,
    places: u64,
    signers: Vec<String>,
    more_signers: usize,
    reasons: Vec<Told>,
    more_reasons: usize,
    data: String,
}

#[derive(Template)]
#[template(path = "audit/foot.html")]
struct Foot {
    version: String,
    script: &'static str,
    images: u64,
    places: u64,
    unusable: u64,
    elsewhere: u64,
    decisions: Vec<Part>,
    drift: Vec<Part>,
    from: String,
    policy: String,
    policy_digest: String,
    whole_policy_digest: String,
    started: String,
    finished: String,
    shard: String,
    cut: String,
    exit: u8,
    controls: &'static [controls::Control],
}

/// A part of a bar, in thousandths of its length.
struct Part {
    word: &'static str,
    label: &'static str,
    count: u64,
    from: u64,
    width: u64,
}

impl<W: Write> HtmlReport<W> {
    /// Writes the beginning. Until the summary the file says of itself that it is not whole.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(mut out: W) -> io::Result<Self> {
        let hash = |text: &str| BASE64_STANDARD.encode(sha256(text.as_bytes()));
        let (style_hash, script_hash) = (hash(STYLE), hash(SCRIPT));
        write(&mut out, &Head { version: VERSION, style: STYLE, style_hash, script_hash })?;
        Ok(Self { out })
    }

    /// Writes a record; the summary ends the file.
    ///
    /// # Errors
    /// It can't be written.
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Image(image) => write(&mut self.out, &Row { data: data(record)?, ..row(image) }),
            Record::Input(input) => write(&mut self.out, &Row { data: data(record)?, ..unusable(input) }),
            Record::Summary(summary) => {
                write(&mut self.out, &foot(summary))?;
                self.out.flush()
            }
        }
    }

    /// What it is written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn write(out: &mut impl Write, template: &impl Template) -> io::Result<()> {
    // One write a record: a kill leaves whole rows.
    out.write_all(template.render().map_err(io::Error::other)?.as_bytes())
}

fn row(image: &ImageRecord) -> Row {
    let drift = image.drift.word();
    let signed = image.signed.as_ref();
    let names = image.signers.iter().map(|one| one.authority.as_ref().unwrap_or(&one.principal));
    let mut signers: Vec<_> = names.map(|name| printable(name)).collect();
    signers.sort();
    signers.dedup();
    let more_signers = signers.len().saturating_sub(SIGNERS);
    signers.truncate(SIGNERS);
    let told = image.reasons.iter().chain(&image.gaps);
    let reasons =
        told.clone().take(REASONS).map(|one| Told { id: printable(&one.id), message: printable(&one.message) });
    Row {
        decision: image.decision.word(),
        decision_label: label(&DECISIONS, image.decision.word()),
        // Of an image that no tag names there is nothing to tell.
        drift,
        drift_label: label(&DRIFTS, drift),
        age: signed.map(|signed| signed.age_seconds.to_string()).unwrap_or_default(),
        age_label: signed.map(|signed| age(signed.age_seconds)).unwrap_or_default(),
        signed: signed.map(|signed| signed.at.to_string()).unwrap_or_default(),
        witnessed: signed.is_some_and(|signed| signed.witnessed),
        reference: printable(&image.reference),
        digest: image.digest.map(|digest| short(&digest)).unwrap_or_default(),
        whole_digest: image.digest.map(|digest| digest.to_string()).unwrap_or_default(),
        places: image.place_count,
        signers,
        more_signers,
        reasons: reasons.collect(),
        more_reasons: told.count().saturating_sub(REASONS),
        data: String::new(),
    }
}

fn unusable(input: &InputRecord) -> Row {
    let reason = Told { id: printable(&input.at), message: printable(&input.problem) };
    Row {
        decision: "unusable",
        decision_label: "Unusable entry",
        reference: printable(&input.text),
        reasons: vec![reason],
        ..Row::default()
    }
}

fn foot(summary: &Summary) -> Foot {
    let shard = summary.shard.map(|shard| format!("{} of {}", shard.index.saturating_add(1), shard.of));
    Foot {
        version: printable(&summary.boltseal),
        script: SCRIPT,
        images: summary.images,
        places: summary.places,
        unusable: summary.unusable,
        elsewhere: summary.elsewhere,
        decisions: parts(&DECISIONS, &summary.decisions),
        drift: parts(&DRIFTS, &summary.drift),
        from: printable(&summary.from.join(", ")),
        policy: summary.policy.file.as_deref().map(printable).unwrap_or_default(),
        policy_digest: summary.policy.digest.map(|digest| short(&digest)).unwrap_or_default(),
        whole_policy_digest: summary.policy.digest.map(|digest| digest.to_string()).unwrap_or_default(),
        started: time(summary.started),
        finished: time(summary.finished),
        shard: shard.unwrap_or_default(),
        cut: summary.cut.as_deref().map(printable).unwrap_or_default(),
        exit: summary.exit,
        controls: controls::CONTROLS,
    }
}

fn parts(words: &[(&'static str, &'static str)], counts: &BTreeMap<&'static str, u64>) -> Vec<Part> {
    let total = counts.values().sum::<u64>().max(1);
    let mut before = 0_u64;
    let one = |(word, label): &(&'static str, &'static str)| {
        let count = counts.get(word).copied().unwrap_or_default();
        let from = before.saturating_mul(1_000) / total;
        before = before.saturating_add(count);
        Part { word, label, count, from, width: before.saturating_mul(1_000) / total - from }
    };
    words.iter().map(one).collect()
}

fn label(words: &[(&'static str, &'static str)], word: &str) -> &'static str {
    words.iter().find(|(id, _)| *id == word).map_or("", |(_, label)| *label)
}

fn short(digest: &Digest) -> String {
    let whole = digest.to_string();
    format!("{}…", whole.get(..DIGEST).unwrap_or(&whole))
}

/// A time to the second, as people read it.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A time in its largest unit, as people say it.
fn age(seconds: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(31_557_600, "year"), (2_629_800, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    if seconds < 0 {
        return "in the future".to_owned();
    }
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    let Some((length, name)) = unit else { return "just now".to_owned() };
    let count = seconds / length;
    format!("{count} {name}{} ago", if count == 1 { "" } else { "s" })
}

/// A record as JSON that stays text wherever it stands in a page.
fn data(record: &Record) -> io::Result<String> {
    let value = serde_json::to_value(Line::of(record))?;
    let text = serde_json::to_string(&harmless(value))?;
    // Inside of JSON these stand in texts alone, where an escape means the same.
    Ok(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

/// The same with all texts and names [`printable`]. Records nest as deep as their types, no deeper.
fn harmless(value: Value) -> Value {
    match value {
        Value::String(text) => printable(&text).into(),
        Value::Array(values) => values.into_iter().map(harmless).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (printable(&name), harmless(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
