//! A filesystem beside its image's layers, for people and for programs.

use crate::{exit::Exit, output::printable, render::verification::verdict};
use boltseal::ops::drift::{Change, Difference, Drift, Kind, LayerRead, Report, Shown, Standing, shown_path};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _};

/// Lines of each kind that a person is shown; JSON has more.
const SHOWN: u64 = 200;

/// The word for a comparison, and the exit code that goes with it (SPEC.md, "Exit codes").
pub fn outcome(drift: &Drift) -> (&'static str, Exit) {
    let Some(report) = &drift.report else {
        let (_, exit) = verdict(&drift.verification);
        return ("not-compared", exit);
    };
    if report.count(Standing::Drift) > 0 {
        ("drift", Exit::Denied)
    } else if report.unknowns > 0 {
        ("could-not-tell", Exit::Unknown)
    } else {
        ("no-drift", Exit::Done)
    }
}

pub fn to_json(report: &Report, layers: &[LayerRead]) -> Value {
    let layer = |layer: &LayerRead| {
        let (digest, diff_id) = (layer.digest.to_string(), layer.diff_id.to_string());
        json!({ "digest": digest, "diffId": diff_id, "bytes": layer.bytes })
    };
    let one = |one: &Difference| {
        let path = shown_path(&one.path);
        let (expected, found) = sides(&one.change).unzip();
        json!({
            "path": path, "change": one.change.id(), "standing": one.standing.id(), "expected": expected, "found": found,
        })
    };
    let unknown = report.unknown.iter();
    let unknown =
        unknown.map(|one| json!({ "path": shown_path(&one.path), "why": one.why, "standing": one.standing.id() }));
    let mut counts: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for ((standing, change), count) in &report.counts {
        counts.entry(standing.id()).or_default().insert(change, *count);
    }
    json!({
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        "compared": report.compared, "hashedBytes": report.hashed, "counts": counts,
        "differences": report.differences.iter().map(one).collect::<Vec<_>>(),
        "unknown": unknown.collect::<Vec<_>>(), "unknownCount": report.unknowns, "notChecked": report.unchecked,
    })
}

pub fn to_text(report: &Report, word: &str) -> String {
    let mut text = format!("  {word:<9} {} paths compared, {} bytes hashed\n", report.compared, report.hashed);
    for standing in [Standing::Drift, Standing::Runtime, Standing::Ignored] {
        // So many of each kind: a flood of one hides no other.
        let mut left = BTreeMap::new();
        for one in report.differences.iter().filter(|one| one.standing == standing) {
            let left = left.entry(one.change.id()).or_insert(SHOWN);
            if *left == 0 {
                continue;
            }
            *left -= 1;
            let told = sides(&one.change).map(|(expected, found)| format!("  {expected} -> {found}"));
            let (path, told) = (printable(&shown_path(&one.path)), printable(&told.unwrap_or_default()));
            let _ = writeln!(text, "    {:<8} {:<8} {path}{told}", standing.id(), one.change.id());
        }
        for ((_, id), count) in report.counts.iter().filter(|((of, _), count)| *of == standing && **count > SHOWN) {
            let _ = writeln!(text, "    {:<8} {id:<8} and {} more", standing.id(), count - SHOWN);
        }
    }
    for counts in [true, false] {
        let unknown = || report.unknown.iter().filter(move |one| (one.standing == Standing::Drift) == counts);
        for one in unknown().take(SHOWN as usize) {
            let apart = if counts { "" } else { one.standing.id() };
            let (path, why) = (printable(&shown_path(&one.path)), printable(&one.why));
            let _ = writeln!(text, "    {:<8} {apart:<8} {path}  {why}", "unknown");
        }
        let all = if counts { report.unknowns } else { unknown().count() as u64 };
        if all > SHOWN {
            let _ = writeln!(text, "    unknown  {:<8} and {} more", if counts { "" } else { "apart" }, all - SHOWN);
        }
    }
    for one in &report.unchecked {
        let _ = writeln!(text, "  not checked: {one}");
    }
    text
}

/// What the layers have, and what is there.
fn sides(change: &Change) -> Option<(String, String)> {
    let kind = |kind: &Kind| match kind {
        Kind::File { size, .. } => format!("file of {size} bytes"),
        other => other.word().to_owned(),
    };
    let numbers = |(a, b): (u32, u32)| format!("{a}:{b}");
    Some(match change {
        Change::Added { kind: Kind::File { size, .. }, mode } => {
            ("nothing".to_owned(), format!("file of {size} bytes, {mode:04o}"))
        }
        Change::Added { kind: found, .. } => ("nothing".to_owned(), kind(found)),
        Change::Deleted(expected) => (kind(expected), "nothing".to_owned()),
        Change::Content { expected, found, .. } => (format!("{expected} bytes"), format!("{found} other bytes")),
        Change::Type { expected, found } => (kind(expected), kind(found)),
        Change::Mode { expected, found } => (format!("{expected:04o}"), format!("{found:04o}")),
        Change::Owner { expected, found } | Change::Device { expected, found } => (numbers(*expected), numbers(*found)),
        Change::Target { expected, found } => (Shown(expected).to_string(), Shown(found).to_string()),
        Change::Xattr { name, how } => (Shown(name).to_string(), (*how).to_owned()),
        Change::Links => return None,
    })
}
