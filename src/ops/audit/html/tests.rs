use super::*;
use crate::ops::audit::record::Drift;
use crate::ops::audit::record::{Basis, Decision, PolicySource, Signed, Signer};

fn image(reference: &str) -> ImageRecord {
    ImageRecord {
        reference: reference.to_owned(),
        digest: Some(Digest::sha256(reference.as_bytes())),
        digest_from: None,
        index: None,
        places: Vec::new(),
        place_count: 1,
        decision: Decision::Denied,
        reasons: vec![Told { id: "too-few-signers".to_owned(), message: reference.to_owned() }],
        scope: None,
        mode: None,
        drift: Drift::Current { basis: Basis::Signed },
        signed: Some(Signed { at: Timestamp::UNIX_EPOCH, age_seconds: 90_000, witnessed: false }),
        signers: vec![Signer { authority: None, principal: reference.to_owned(), what: "signature".to_owned() }],
        gaps: Vec::new(),
        chain: None,
        checked: Vec::new(),
        not_checked: Vec::new(),
        exit: 1,
    }
}

fn summary() -> Summary {
    Summary {
        from: vec!["images.txt".to_owned()],
        images: 1,
        places: 1,
        repeated: 0,
        unusable: 0,
        elsewhere: 0,
        evidence_tags: 0,
        decisions: [("denied", 1), ("allowed", 0)].into(),
        drift: [("current", 1)].into(),
        policy: PolicySource { file: None, digest: None },
        shard: None,
        started: Timestamp::UNIX_EPOCH,
        finished: Timestamp::UNIX_EPOCH,
        boltseal: VERSION.to_owned(),
        cut: None,
        exit: 1,
    }
}

fn page(records: &[Record]) -> String {
    let mut report = HtmlReport::begin(Vec::new()).unwrap();
    records.iter().for_each(|record| report.record(record).unwrap());
    String::from_utf8(report.into_inner()).unwrap()
}

// [V-298]
#[test]
fn hostile_words_become_neither_elements_nor_the_end_of_a_script() {
    let hostile =
        "x</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{2028}\n\u{1b}{{ 7*7 }}";
    let entry = InputRecord { at: hostile.to_owned(), text: hostile.to_owned(), problem: hostile.to_owned(), exit: 3 };
    let html = page(&[
        Record::Image(Box::new(image(hostile))),
        Record::Input(entry),
        Record::Summary(Box::new(Summary {
            from: vec![hostile.to_owned()],
            cut: Some(hostile.to_owned()),
            ..summary()
        })),
    ]);
    // One script of ours and one block of data a record; nothing else opens or ends one.
    assert_eq!(html.matches("<script").count(), 3);
    assert_eq!(html.matches("</script").count(), 3);
    assert!(
        !html.contains("<img") && !html.contains(['\u{202e}', '\u{2028}', '\u{1b}']) && !html.contains("alert(1)>")
    );
    let block = html.split("<script type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let read: Value = serde_json::from_str(block).unwrap();
    assert_eq!(read["reference"].as_str().unwrap(), printable(hostile));
}

// [V-298]
#[test]
fn the_page_allows_its_own_script_and_style_alone() {
    let html = page(&[Record::Summary(Box::new(summary()))]);
    for (open, close, text) in [("<style>", "</style>", STYLE), ("<script>", "</script>", SCRIPT)] {
        let found = html.split(open).nth(1).unwrap().split(close).next().unwrap();
        assert_eq!(found, text);
        let hash = BASE64_STANDARD.encode(sha256(found.as_bytes()));
        assert!(html.contains(&format!("'sha256-{hash}'")));
    }
    let policy = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe") && !policy.contains("http"));
    // Nothing is loaded: no address at all but the name of SVG.
    let addresses = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!addresses.contains("http:") && !addresses.contains("https:") && !addresses.contains(" style="));
}

// [V-299]
#[test]
fn a_report_without_a_summary_says_so_and_each_record_is_a_row() {
    let records: Vec<_> = (0..5).map(|at| Record::Image(Box::new(image(&format!("r.example/app:{at}"))))).collect();
    let cut = page(&records);
    assert_eq!(cut.matches("<tr data-decision=\"denied\"").count(), 5);
    assert!(cut.contains("This report is not whole.") && !cut.contains("id=\"summary\""));
    assert!(cut.contains("1 day ago") && cut.contains("by its own word"));
    assert!(page(&[Record::Summary(Box::new(Summary { images: 0, ..summary() }))]).contains("No image was audited"));
}

#[test]
fn ages_are_told_in_their_largest_unit() {
    for (seconds, expected) in [
        (-1, "in the future"),
        (3, "just now"),
        (60, "1 minute ago"),
        (7_300, "2 hours ago"),
        (86_400 * 40, "1 month ago"),
        (86_400 * 800, "2 years ago"),
    ] {
        assert_eq!(age(seconds), expected);
    }
}
