use super::*;
use crate::args::Format;
use boltseal::ops::audit::record::{
    Basis, Decision, DigestFrom, Drift, ImageRecord, InputRecord, PolicySource, Role, Signed, Signer, Told,
};
use std::{collections::BTreeMap, fs};

/// What stands in every text that others wrote.
const HOSTILE: &str = "=cmd|'/C calc'!A0\n<script>\"&,\u{1b}[31m\u{202e}]]>\u{0}\u{fffe}\u{ffff};=1";

fn image(decision: Decision, drift: Drift) -> Record {
    let told = Told { id: "unsigned".to_owned(), message: HOSTILE.to_owned() };
    let place = boltseal::ops::audit::record::Place {
        namespace: Some(HOSTILE.to_owned()),
        pod: Some("pod".to_owned()),
        container: None,
        role: Role::Init,
    };
    Record::Image(Box::new(ImageRecord {
        reference: HOSTILE.to_owned(),
        digest: Some(boltseal::oci::Digest::sha256(b"")),
        digest_from: Some(DigestFrom::Running),
        index: None,
        places: vec![place],
        place_count: 1,
        decision,
        reasons: if decision == Decision::Allowed { Vec::new() } else { vec![told.clone()] },
        scope: Some(HOSTILE.to_owned()),
        mode: Some("enforced".to_owned()),
        drift,
        signed: Some(Signed { at: jiff::Timestamp::UNIX_EPOCH, age_seconds: -5, witnessed: true }),
        signers: vec![Signer { authority: None, principal: HOSTILE.to_owned(), what: "signature".to_owned() }],
        gaps: vec![told],
        chain: None,
        checked: Vec::new(),
        not_checked: Vec::new(),
        exit: 1,
    }))
}

fn records() -> Vec<Record> {
    let now = boltseal::oci::Digest::sha256(b"x");
    let input = InputRecord { at: "line 3".to_owned(), text: HOSTILE.to_owned(), problem: HOSTILE.to_owned(), exit: 3 };
    vec![
        image(Decision::Allowed, Drift::Current { basis: Basis::Signed }),
        image(Decision::Denied, Drift::Differs { now, basis: Basis::Registry }),
        image(Decision::WouldDeny, Drift::TagNotSigned { basis: Basis::Signed, why: HOSTILE.to_owned() }),
        image(Decision::CouldNotTell, Drift::Unknown { why: HOSTILE.to_owned() }),
        image(Decision::NotJudged, Drift::Current { basis: Basis::Registry }),
        Record::Input(input),
    ]
}

fn summed() -> Summary {
    Summary {
        from: vec!["-".to_owned()],
        images: 5,
        places: 5,
        repeated: 0,
        unusable: 1,
        elsewhere: 0,
        evidence_tags: 0,
        decisions: BTreeMap::from([("denied", 1)]),
        drift: BTreeMap::new(),
        policy: PolicySource { file: None, digest: None },
        shard: None,
        started: jiff::Timestamp::UNIX_EPOCH,
        finished: jiff::Timestamp::UNIX_EPOCH,
        boltseal: "0.1.0".to_owned(),
        cut: Some("cut".to_owned()),
        exit: 3,
    }
}

fn written(kind: Kind, end: bool) -> Option<String> {
    let home = tempfile::tempdir().unwrap();
    let (path, output) = (home.path().join("report"), Output::new(Format::Text, true, false));
    let mut report = report(kind, &path, &output).unwrap();
    records().iter().for_each(|record| report.record(record).unwrap());
    if end {
        report.end(&summed()).unwrap();
    } else {
        drop(report);
    }
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "report"), "{left:?}");
    fs::read_to_string(path).ok()
}

// [V-275]
#[test]
fn documents_appear_whole_or_not_at_all_and_lines_one_by_one() {
    for kind in [Kind::Sarif, Kind::Junit] {
        assert_eq!(written(kind, false), None, "{kind:?}");
        assert!(written(kind, true).is_some());
    }
    let lines = written(Kind::Ndjson, false).unwrap();
    assert!(lines.ends_with('\n'));
    assert_eq!(lines.lines().count(), 6);
    for line in written(Kind::Ndjson, true).unwrap().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["version"], 1);
    }
}

// [V-276]
#[test]
fn foreign_words_stay_what_they_are_in_csv() {
    let text = written(Kind::Csv, true).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6);
    for row in &rows {
        for (name, cell) in names.iter().zip(row) {
            let ours = name == "ageSeconds";
            assert!(ours || !cell.trim_start().starts_with(['=', '+', '-', '@']), "{name}: {cell:?}");
            assert!(!cell.contains(['\n', '\u{1b}', '\u{202e}', '\0']), "{name}: {cell:?}");
        }
    }
    assert_eq!((&rows[0][0], &rows[0][5], &rows[5][0], &rows[5][19]), ("image", "allowed", "input", "line 3"));
}

// [V-276]
#[test]
fn junit_is_read_back_with_every_result() {
    let text = written(Kind::Junit, true).unwrap();
    let document = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert_eq!((document.tests, document.failures, document.errors), (7, 1, 3));
    assert_eq!(document.test_suites[0].skipped, 2);
    assert!(!text.contains("<script>"), "{text}");
    // Strict readers refuse a document with any other character; the one that reads it here does not (XML 1.0, 2.2).
    let is_char = |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(is_char), "{text:?}");
}

// [V-273]
#[test]
fn that_nobody_says_which_digest_runs_is_shown() {
    let Record::Image(mut image) = image(Decision::Allowed, Drift::Unknown { why: String::new() }) else { panic!() };
    image.gaps.push(Told { id: RUNNING_UNKNOWN.to_owned(), message: "it has not started".to_owned() });
    let record = Record::Image(image);
    let shown = |kind| {
        let home = tempfile::tempdir().unwrap();
        let (path, output) = (home.path().join("report"), Output::new(Format::Text, true, false));
        let mut report = report(kind, &path, &output).unwrap();
        report.record(&record).unwrap();
        report.end(&summed()).unwrap();
        fs::read_to_string(path).unwrap()
    };
    assert!(row(&record).contains("running-digest-unknown: it has not started"));
    assert!(shown(Kind::Junit).contains("running-digest-unknown: it has not started"));
    let log: serde_json::Value = serde_json::from_str(&shown(Kind::Sarif)).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&RUNNING_UNKNOWN.into(), &"note".into()));
}

// [V-275]
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_written_into_and_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    let (path, link, output) =
        (home.path().join("x"), home.path().join("link"), Output::new(Format::Text, true, false));
    fs::write(&path, "old").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for kind in [Kind::Sarif, Kind::Junit] {
        report(kind, &link, &output).unwrap().end(&summed()).unwrap();
        assert!(link.is_symlink() && fs::read_to_string(&path).unwrap().contains("boltseal"));
    }
}

// [V-279]
#[test]
fn sarif_has_a_result_for_each_finding_and_a_rule_for_each_result() {
    let text = written(Kind::Sarif, true).unwrap();
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    let run = &log["runs"][0];
    let told: Vec<_> =
        run["results"].as_array().unwrap().iter().map(|result| (&result["ruleId"], &result["level"])).collect();
    let expected = [
        ("unsigned", "error"),
        ("drift", "note"),
        ("unsigned", "warning"),
        ("drift-tag-not-signed", "warning"),
        ("unsigned", "warning"),
        ("unsigned", "note"),
        ("input", "error"),
    ];
    assert_eq!(told.len(), expected.len());
    for ((rule, level), expected) in told.into_iter().zip(expected) {
        assert_eq!((rule.as_str().unwrap(), level.as_str().unwrap()), expected);
        assert!(run["tool"]["driver"]["rules"].as_array().unwrap().iter().any(|known| known["id"] == *rule));
    }
    let uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("docker://%3Dcmd%7C") && uri.is_ascii(), "{uri}");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(run["properties"]["summary"]["images"], 5);
}

#[test]
fn a_row_of_the_table_is_nobody_else_s_words() {
    let text: String = records().iter().map(row).collect();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    assert_eq!(text.lines().count(), 13, "{text}");
    assert!(summary(&summed()).contains("5 images in 5 places: 1 denied"), "{}", summary(&summed()));
}
