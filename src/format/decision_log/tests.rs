use super::*;
use proptest::prelude::*;

fn decision(reference: &str) -> Event {
    let decided = Decided { reference: reference.to_owned(), decision: "allowed".to_owned(), ..Decided::default() };
    Event::Decision(Box::new(decided))
}

fn log(count: usize) -> Vec<u8> {
    let (mut bytes, mut head) = (Vec::new(), Head::START);
    for at in 0..count {
        let (line, next) = head.next(&decision(&format!("r.example/a:{at}")), Timestamp::UNIX_EPOCH).unwrap();
        bytes.extend(line);
        head = next;
    }
    bytes
}

/// Four entries and, in the middle, two lines of a crash, and the entry that says so.
fn recovered_log() -> Vec<u8> {
    let (mut bytes, torn) = (log(2), b"{\"seq\":3,\"time\":\"20\n{\"s\n");
    let (line, mut head) = whole(&bytes).unwrap().recovered(torn, Timestamp::UNIX_EPOCH).unwrap();
    bytes.extend(torn);
    bytes.extend(line);
    for name in ["after", "and after"] {
        let (line, next) = head.next(&decision(name), Timestamp::UNIX_EPOCH).unwrap();
        bytes.extend(line);
        head = next;
    }
    bytes
}

/// The last entry's hash if the log is whole.
fn whole(bytes: &[u8]) -> Option<Head> {
    let mut chain = Chain::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        chain.line(line).ok()?;
    }
    chain.end().ok()?;
    (chain.began() == Some(Head::START)).then(|| chain.head())?
}

fn faulty(bytes: &[u8]) -> (usize, ChainFault) {
    let mut chain = Chain::default();
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += 1;
        if let Err((back, fault)) = chain.line(line) {
            return (at - back as usize, fault);
        }
    }
    let (back, fault) = chain.end().unwrap_err();
    (at + 1 - back as usize, fault)
}

// [V-286]
#[test]
fn every_byte_that_is_another_is_found() {
    for good in [log(4), recovered_log()] {
        let head = whole(&good).unwrap();
        for at in 0..good.len() {
            for flip in [1, 0x20, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                // All but the last entry is held by what follows it; the last one by a hash that was kept.
                assert_ne!(whole(&bad), Some(head), "byte {at} ^ {flip}");
                let last = good[..good.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
                assert!(at > last || whole(&bad).is_none(), "byte {at} ^ {flip}");
            }
        }
    }
}

// [V-286] [V-287]
#[test]
fn what_stands_before_a_crash_can_not_be_written_anew() {
    let good = recovered_log();
    let history = log(2).len();
    let other = String::from_utf8(log(2)).unwrap().replace("allowed", "denied");
    let mut anew = Vec::new();
    let mut head = Head::START;
    for name in ["x:0", "x:1"] {
        let (line, next) = head.next(&decision(name), Timestamp::UNIX_EPOCH).unwrap();
        anew.extend(line);
        head = next;
    }
    // Each is a good log by itself, as long as nothing stands behind it, or was cut.
    assert!(whole(&anew).is_some());
    for before in [&anew[..], other.as_bytes(), &log(1), b""] {
        assert_eq!(whole(&[before, &good[history..]].concat()), None);
    }
    // A line that says so and names no entry is none.
    let silent = String::from_utf8(good).unwrap().replace(",\"after\":", ",\"then\":");
    assert_eq!(whole(silent.as_bytes()), None);
    // What is whole and follows nothing is no crash, whatever stands behind it.
    let foreign = log(4).split_inclusive(|byte| *byte == b'\n').nth(3).unwrap().to_vec();
    let line = whole(&log(2)).unwrap().recovered(&foreign, Timestamp::UNIX_EPOCH).unwrap().0;
    assert_eq!(faulty(&[log(2), foreign, line].concat()).0, 3);
}

// [V-286]
#[test]
fn lines_that_are_gone_twice_there_moved_or_put_in_are_found() {
    let good = log(5);
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        match at {
            0 => assert_eq!(faulty(&without.concat()), (1, ChainFault::Beginning { found: 2 })),
            // What is cut off at the end, the log itself can't tell: what its head is, is told.
            4 => assert_eq!(whole(&without.concat()), whole(&log(4))),
            _ => assert_eq!(faulty(&without.concat()).0, at + 1),
        }
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        assert_eq!(faulty(&twice.concat()).0, at + 2);
        for other in 0..at {
            let mut moved = lines.clone();
            moved.swap(at, other);
            let begins_later = other == 0;
            assert!(whole(&moved.concat()).is_none() && (begins_later || faulty(&moved.concat()).0 == other + 1));
        }
        let mut more = lines.clone();
        let forged = log(at + 1);
        let forged = forged.split_inclusive(|byte| *byte == b'\n').nth(at).unwrap().to_vec();
        let forged = String::from_utf8(forged).unwrap().replace("allowed", "denied");
        more.insert(at, forged.as_bytes());
        assert!(whole(&more.concat()).is_none());
    }
    for cut in 1..lines[4].len() {
        let (at, fault) = faulty(&good[..good.len() - cut]);
        assert_eq!((at, fault), (5, ChainFault::Torn), "{cut}");
    }
    assert_eq!(whole(b""), None);
}

// [V-287]
#[test]
fn what_a_crash_left_is_accounted_for_by_the_next_entry_alone() {
    let good = log(3);
    let mut begins: Vec<_> = good.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    begins.insert(0, 0);
    for (last, begin) in begins.iter().take(3).enumerate() {
        for end in begin + 1..begins[last + 1] {
            let mut mended = good[..end].to_vec();
            mended.push(b'\n');
            let (head, torn) = Head::of_tail(&mended, true).unwrap();
            if end == begins[last + 1] - 1 {
                assert_eq!((head.seq as usize, torn), (last + 1, &b""[..]), "it lacks its line feed alone");
                assert!(whole(&mended).is_some());
                continue;
            }
            assert_eq!((head.seq as usize, torn), (last, &mended[*begin..]));
            let (line, head) = head.recovered(torn, Timestamp::UNIX_EPOCH).unwrap();
            mended.extend(line);
            mended.extend(head.next(&decision("after"), Timestamp::UNIX_EPOCH).unwrap().0);
            assert!(whole(&mended).is_some(), "cut at {end}");
            // Another byte in what was left is another line.
            let mut changed = mended.clone();
            changed[*begin] ^= 1;
            assert!(whole(&changed).is_none());
        }
    }
    // An entry that says so behind whole ones accounts for nothing.
    let head = whole(&good).unwrap();
    let recovered = Event::Recovered { bytes: 0, after: head.hash.to_string() };
    let (line, head) = head.next(&recovered, Timestamp::UNIX_EPOCH).unwrap();
    let after = head.next(&decision("after"), Timestamp::UNIX_EPOCH).unwrap().0;
    assert!(whole(&[good, line, after].concat()).is_none());
}

#[test]
fn other_files_are_no_logs() {
    for other in ["root:x:0:0\n", "{}\n", "{\"seq\":1}\n", "x", "{\"seq\":1,\"time\":5}", "\n", "[]\n[]\n"] {
        assert!(Head::of_tail(other.as_bytes(), true).is_err(), "{other}");
    }
    let long = vec![b'x'; 100_000];
    assert!(Head::of_tail(&long, false).is_err());
    assert_eq!(Head::of_tail(b"", true).unwrap(), (Head::START, &b""[..]));
    let big = "x".repeat(LOG_LINE_BYTES as usize);
    assert_eq!(Head::START.next(&decision(&big), Timestamp::UNIX_EPOCH).unwrap_err(), ChainFault::TooLong);
}

proptest! {
    // [V-286]
    #[test]
    fn no_edit_of_a_log_leaves_it_whole_with_the_same_head(
        torn in any::<bool>(), from in 0_usize..1500, length in 0_usize..80,
        put in proptest::collection::vec(any::<u8>(), 0..80)
    ) {
        let good = if torn { recovered_log() } else { log(6) };
        let from = from.min(good.len());
        let to = (from + length).min(good.len());
        let bad = [&good[..from], &put, &good[to..]].concat();
        prop_assume!(bad != good);
        prop_assert_ne!(whole(&bad), whole(&good));
    }
}
