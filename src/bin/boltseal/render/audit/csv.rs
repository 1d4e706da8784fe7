//! A row an image or unusable entry (RFC 4180). The summary is no row.

use super::{Place, Report, told};
use crate::output::printable;
use boltseal::ops::audit::record::{Drift, ImageRecord, Record, Summary};
use std::io::{self, Write as _};

const COLUMNS: [&str; 21] = [
    "kind",
    "reference",
    "digest",
    "digestFrom",
    "index",
    "decision",
    "mode",
    "scope",
    "reasons",
    "drift",
    "driftNow",
    "driftBasis",
    "signedAt",
    "ageSeconds",
    "witnessed",
    "signers",
    "gaps",
    "places",
    "placeCount",
    "at",
    "exit",
];

pub struct Csv<'o>(Place<'o>);

impl<'o> Csv<'o> {
    pub fn begin(place: Place<'o>) -> io::Result<Self> {
        let mut csv = Self(place);
        csv.row(COLUMNS.iter().map(|column| (*column).to_owned()))?;
        Ok(csv)
    }

    /// One write a row, so that a kill leaves whole ones.
    fn row(&mut self, cells: impl Iterator<Item = String>) -> io::Result<()> {
        let mut row = csv::Writer::from_writer(Vec::new());
        row.write_record(cells)?;
        let bytes = row.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        self.0.write_all(&bytes)
    }
}

impl Report for Csv<'_> {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        let cells: [String; COLUMNS.len()] = match record {
            Record::Image(image) => cells(image),
            Record::Input(input) => {
                let mut cells: [String; COLUMNS.len()] = Default::default();
                for (column, cell) in [
                    ("kind", "input".to_owned()),
                    ("reference", harmless(&input.text)),
                    ("reasons", harmless(&input.problem)),
                    ("at", harmless(&input.at)),
                    ("exit", input.exit.to_string()),
                ] {
                    let at = COLUMNS.iter().position(|name| *name == column);
                    if let Some(place) = at.and_then(|at| cells.get_mut(at)) {
                        *place = cell;
                    }
                }
                cells
            }
            Record::Summary(_) => return Ok(()),
        };
        self.row(cells.into_iter())
    }

    fn end(self: Box<Self>, _summary: &Summary) -> io::Result<()> {
        self.0.finish()
    }
}

fn cells(image: &ImageRecord) -> [String; COLUMNS.len()] {
    let text = |text: Option<&str>| text.map(harmless).unwrap_or_default();
    let word =
        |value: Option<serde_json::Value>| value.and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default();
    let (now, basis) = match &image.drift {
        Drift::Current { basis } | Drift::TagNotSigned { basis, .. } => (None, Some(basis)),
        Drift::Differs { now, basis } => (Some(now), Some(basis)),
        Drift::Unknown { .. } => (None, None),
    };
    let signed = image.signed.as_ref();
    let signers = image.signers.iter().map(|signer| {
        let authority = signer.authority.as_deref().unwrap_or("nobody of the policy");
        format!("{}: {} ({authority})", signer.what, signer.principal)
    });
    let places = image.places.iter().map(|place| {
        let parts = [&place.namespace, &place.pod, &place.container].into_iter().flatten();
        parts.map(String::as_str).collect::<Vec<_>>().join("/")
    });
    [
        "image".to_owned(),
        harmless(&image.reference),
        image.digest.map(|digest| digest.to_string()).unwrap_or_default(),
        word(image.digest_from.and_then(|from| serde_json::to_value(from).ok())),
        image.index.map(|digest| digest.to_string()).unwrap_or_default(),
        image.decision.word().to_owned(),
        text(image.mode.as_deref()),
        text(image.scope.as_deref()),
        harmless(&told(&image.reasons)),
        image.drift.word().to_owned(),
        now.map(|digest| digest.to_string()).unwrap_or_default(),
        word(basis.and_then(|basis| serde_json::to_value(basis).ok())),
        signed.map(|signed| signed.at.to_string()).unwrap_or_default(),
        signed.map(|signed| signed.age_seconds.to_string()).unwrap_or_default(),
        signed.map(|signed| signed.witnessed.to_string()).unwrap_or_default(),
        harmless(&signers.collect::<Vec<_>>().join("; ")),
        harmless(&told(&image.gaps)),
        harmless(&places.filter(|place| !place.is_empty()).collect::<Vec<_>>().join("; ")),
        image.place_count.to_string(),
        String::new(),
        image.exit.to_string(),
    ]
}

/// Foreign text in a cell that no spreadsheet takes for a formula: those begin with `=`, `+`, `-` or `@`, also behind
/// blanks, and an apostrophe before them says that they are text. Behind a semicolon, too: half of the world's spreadsheets
/// begin a cell there.
fn harmless(whole: &str) -> String {
    let is_formula = |text: &str| text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let text = |text: &str| if is_formula(text) { format!("'{text}") } else { text.to_owned() };
    printable(whole).split(';').map(text).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::harmless;

    // [V-276]
    #[test]
    fn a_cell_is_no_formula() {
        for formula in ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"] {
            let cell = harmless(formula);
            assert!(cell.starts_with('\'') || cell.starts_with('\u{fffd}'), "{cell:?}");
        }
        assert_eq!(harmless("a; =1;b;@x"), "a;' =1;b;'@x");
        assert_eq!(harmless("registry.example.com/app:1"), "registry.example.com/app:1");
    }
}
