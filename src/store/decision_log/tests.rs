use super::*;
use crate::format::decision_log::{Chain, Decided};

fn decision(reference: &str) -> Event {
    Event::Decision(Box::new(Decided { reference: reference.to_owned(), ..Decided::default() }))
}

fn record(path: &Path, reference: &str) -> Result<Head, DecisionLogError> {
    append(path, &decision(reference), Timestamp::UNIX_EPOCH)
}

fn read(paths: &[&Path]) -> Chain {
    let mut chain = Chain::default();
    for path in paths {
        let bytes = fs::read(path).unwrap();
        bytes.split_inclusive(|byte| *byte == b'\n').for_each(|line| chain.line(line).unwrap());
        chain.end().unwrap();
    }
    chain
}

// [V-285]
#[test]
fn entries_follow_each_other_and_the_file_is_its_owner_s() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    assert_eq!(record(&path, "one").unwrap().seq, 1);
    let head = record(&path, "two").unwrap();
    assert_eq!((read(&[&path]).head(), head.seq), (Some(head), 2));
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(record(&link, "x"), Err(DecisionLogError::NoFile { .. })));
        assert!(matches!(record(dir.path(), "x"), Err(DecisionLogError::NoFile { .. })));
        let dangling = dir.path().join("dangling");
        symlink(dir.path().join("made"), &dangling).unwrap();
        record(&dangling, "x").unwrap_err();
        assert!(!dir.path().join("made").exists());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(record(&path, "x"), Err(DecisionLogError::Writable { .. })));
    }
    record(&dir.path().join("missing/log"), "x").unwrap_err();
    let foreign = dir.path().join("foreign");
    for content in ["root:x:0:0\n", "{\"seq\":1}\n", "no line feed"] {
        fs::write(&foreign, content).unwrap();
        assert!(matches!(record(&foreign, "x"), Err(DecisionLogError::Content { .. })), "{content}");
        assert_eq!(fs::read_to_string(&foreign).unwrap(), content);
    }
}

// [V-287]
#[test]
fn what_a_crash_left_stays_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    for _ in 0..3 {
        record(&path, &"long".repeat(2_000)).unwrap();
    }
    let good = fs::read(&path).unwrap();
    for cut in (1..9_000).step_by(97).chain([1, 2]) {
        let torn = &good[..good.len() - cut];
        fs::write(&path, torn).unwrap();
        record(&path, "after").unwrap();
        record(&path, "and after").unwrap();
        let after = fs::read(&path).unwrap();
        assert!(after.starts_with(torn), "nothing is written over");
        let between = torn.ends_with(b"\n") || cut == 1;
        assert_eq!(read(&[&path]).recovered(), u64::from(!between), "{cut}");
    }
    // A crash while that was being said: all of it is accounted for.
    let mut twice = good[..good.len() - 50].to_vec();
    twice.extend(b"\n{\"seq\":3,\"ti");
    fs::write(&path, &twice).unwrap();
    record(&path, "after").unwrap();
    assert_eq!((read(&[&path]).recovered(), read(&[&path]).head().unwrap().seq), (1, 4));
    // So it is if the entry that says so lacks its line feed alone.
    let recovered = fs::read(&path).unwrap();
    let end = recovered.len() - recovered.split_inclusive(|byte| *byte == b'\n').next_back().unwrap().len();
    fs::write(&path, &recovered[..end - 1]).unwrap();
    assert_eq!(record(&path, "after").unwrap(), read(&[&path]).head().unwrap());
    assert_eq!(fs::read(&path).unwrap(), recovered);
}

// [V-288]
#[test]
fn a_log_goes_on_in_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let [path, old, older] = ["log", "old", "older"].map(|name| dir.path().join(name));
    rotate(&path, &old, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(!path.exists());
    record(&path, "one").unwrap();
    #[cfg(unix)]
    let owned = {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let is_root = fs::metadata(&path).unwrap().uid() == 0;
        is_root.then(|| chown(&path, Some(12), Some(34)).unwrap());
        let of = |path: &Path| fs::metadata(path).map(|one| (one.uid(), one.gid(), one.mode())).unwrap();
        (of(&path), of)
    };
    rotate(&path, &older, Timestamp::UNIX_EPOCH).unwrap();
    #[cfg(unix)]
    assert_eq!(owned.1(&path), owned.0, "whoever wrote and read the log goes on");
    record(&path, "two").unwrap();
    assert!(rotate(&path, &older, Timestamp::UNIX_EPOCH).is_err(), "what is there is not overwritten");
    rotate(&path, &old, Timestamp::UNIX_EPOCH).unwrap();
    let head = record(&path, "three").unwrap();
    let chain = read(&[&older, &old, &path]);
    assert_eq!((chain.began(), chain.head(), head.seq), (Some(Head::START), Some(head), 5));
    assert_eq!(read(&[&path]).began().unwrap(), read(&[&older, &old]).head().unwrap());
    let mut chain = Chain::default();
    let swapped = [fs::read(&old).unwrap(), fs::read(&older).unwrap()].concat();
    let lines = swapped.split_inclusive(|byte| *byte == b'\n');
    assert!(lines.into_iter().map(|line| chain.line(line)).any(|done| done.is_err()) || chain.end().is_err());
}

#[test]
fn many_write_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let path = &path;
            scope.spawn(move || (0..20).for_each(|at| assert!(record(path, &format!("{n}/{at}")).is_ok())));
        }
    });
    assert_eq!(read(&[&path]).head().unwrap().seq, 160);
}
