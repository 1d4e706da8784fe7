//! The table for people: a line an image, and why below it.

use super::silent;
use crate::output::printable;
use boltseal::ops::audit::record::{Decision, Drift, Record, Signed, Summary};
use std::{collections::BTreeMap, fmt::Write as _};

/// The columns' names.
pub fn headline() -> String {
    line("DECISION", "DRIFT", "AGE", "IMAGE")
}

fn line(decision: &str, drift: &str, age: &str, image: &str) -> String {
    format!("{decision:14}  {drift:14}  {age:>6}  {image}\n")
}

/// An image, or an entry that names none.
pub fn row(record: &Record) -> String {
    match record {
        Record::Image(image) => {
            let age = image.signed.as_ref().map_or("-".to_owned(), age);
            let mut text = line(image.decision.word(), image.drift.word(), &age, &printable(&image.reference));
            for reason in image.reasons.iter().chain(silent(image)) {
                let _ = writeln!(text, "    {}: {}", reason.id, printable(&reason.message));
            }
            if let Drift::Differs { now, .. } = &image.drift {
                let runs = image.digest.map(|digest| digest.to_string()).unwrap_or_default();
                let _ = writeln!(text, "    runs {runs}\n    now  {now}");
            }
            text
        }
        Record::Input(input) => {
            let mut text = line("no image", "-", "-", &printable(&input.text));
            let _ = writeln!(text, "    {}: {}", printable(&input.at), printable(&input.problem));
            text
        }
        Record::Summary(_) => String::new(),
    }
}

/// How old a signature is, in the largest unit that fits.
fn age(signed: &Signed) -> String {
    let seconds = signed.age_seconds.max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let fits = units.iter().find(|(length, _)| seconds >= *length);
    fits.map_or(format!("{seconds} s"), |(length, unit)| format!("{} {unit}", seconds / length))
}

/// What an audit comes to.
pub fn summary(summary: &Summary) -> String {
    let mut text = String::new();
    let counts = |counts: &BTreeMap<&'static str, u64>, words: &[&'static str]| {
        let told = words.iter().filter_map(|word| Some((*word, counts.get(word).copied().filter(|count| *count > 0)?)));
        told.map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    };
    let images = summary.images;
    let _ = write!(text, "\n{images} image{}", if images == 1 { "" } else { "s" });
    if summary.places > 0 {
        let _ = write!(text, " in {} place{}", summary.places, if summary.places == 1 { "" } else { "s" });
    }
    if images > 0 {
        let _ = write!(text, ": {}", counts(&summary.decisions, &Decision::WORDS));
        let _ = write!(text, "; drift: {}", counts(&summary.drift, &Drift::WORDS));
    }
    for (count, what) in [
        (summary.unusable, "that name no image"),
        (summary.elsewhere, "in other shards"),
        (summary.evidence_tags, "tags of evidence"),
    ] {
        if count > 0 {
            let _ = write!(text, "; {count} {what}");
        }
    }
    text.push('\n');
    if let Some(cut) = &summary.cut {
        let _ = writeln!(text, "the input was not read to its end: {}", printable(cut));
    }
    text
}
