use super::*;
use std::io::BufReader;
use tar::{Builder, EntryType};

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header
}

/// One entry of a name as it is, without what the builder refuses.
fn raw(name: &[u8], kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = header(kind, content.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

fn pax_entry(records: &[u8], name: &[u8], content: &[u8]) -> Vec<u8> {
    [raw(b"x", EntryType::XHeader, records), raw(name, EntryType::Regular, content)].concat()
}

fn read_all(bytes: &[u8]) -> Result<Vec<Entry>, ArchiveFault> {
    read(&mut BufReader::new(bytes)).map(|(entries, _)| entries)
}

fn paths(bytes: &[u8]) -> Vec<String> {
    read_all(bytes).unwrap().iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect()
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length =
        (1..=4).map(|digits| rest.len() + digits).find(|length| length.to_string().len() + rest.len() == *length);
    format!("{}{rest}", length.unwrap()).into_bytes()
}

// [V-293]
#[test]
fn paths_that_lead_out_are_refused_and_absolute_ones_begin_at_the_root() {
    for bad in [&b"../x"[..], b"a/../../x", b"a/..", b"..", b"/.."] {
        let fault = read_all(&raw(bad, EntryType::Regular, b"")).unwrap_err();
        assert!(matches!(fault, ArchiveFault::Path { .. }), "{fault}");
    }
    assert_eq!(paths(&raw(b"/etc//./passwd", EntryType::Regular, b"x")), ["etc/passwd"]);
    assert_eq!(paths(&raw(b"./", EntryType::Directory, b"")), [""]);
    let link = pax_entry(&record("linkpath", "../../x"), b"a", b"");
    let mut link = link;
    link[2 * BLOCK + 156] = b'1';
    let mut fixed = Header::from_byte_slice(&link[2 * BLOCK..3 * BLOCK]).clone();
    fixed.set_cksum();
    link[2 * BLOCK..3 * BLOCK].copy_from_slice(fixed.as_bytes());
    assert!(matches!(read_all(&link), Err(ArchiveFault::Path { .. })));
}

// [V-293]
#[test]
fn what_pax_says_counts_as_it_does_for_runtimes() {
    let size = pax_entry(&record("size", "3"), b"a", b"abc");
    let mut lies = size.clone();
    // The header says 0 and PAX 3: as Go has it, PAX counts.
    let mut header = Header::from_byte_slice(&lies[2 * BLOCK..3 * BLOCK]).clone();
    header.set_size(0);
    header.set_cksum();
    lies[2 * BLOCK..3 * BLOCK].copy_from_slice(header.as_bytes());
    for bytes in [size, lies] {
        let entries = read_all(&bytes).unwrap();
        let What::Node(Inode { kind: Kind::File { size, content }, .. }) = &entries[0].what else { panic!() };
        assert_eq!((*size, *content), (3, Some(crate::crypto::hash::sha256(b"abc"))));
    }
    assert_eq!(paths(&pax_entry(&record("path", "long/name"), b"a", b"")), ["long/name"]);
    assert_eq!(paths(&pax_entry(&record("path", ""), b"a", b"")), ["a"]);
    // A global header changes nothing.
    let global = [raw(b"g", EntryType::XGlobalHeader, &record("path", "other")), raw(b"a", EntryType::Regular, b"")];
    assert_eq!(paths(&global.concat()), ["a"]);
    // It ends what was said before it.
    let [before, name] =
        [raw(b"x", EntryType::XHeader, &record("path", "lost")), raw(b"l", EntryType::GNULongName, b"lost")];
    assert_eq!(paths(&[before.clone(), global.concat()].concat()), ["a"]);
    assert_eq!(paths(&[name, global.concat()].concat()), ["a"]);
    assert_eq!(paths(&[global[0].clone(), before, global[1].clone()].concat()), ["lost"]);
    let binary = [&b"32 SCHILY.xattr.user.a=x\ny=z\n "[..], &[0_u8, b'\n']].concat();
    let entries = read_all(&pax_entry(&binary, b"a", b"")).unwrap();
    let What::Node(inode) = &entries[0].what else { panic!() };
    assert_eq!(inode.xattrs.get(&b"user.a"[..]).map(Vec::as_slice), Some(&b"x\ny=z\n \0"[..]));
    for bad in [
        &b"x"[..],
        b"0 a=b\n",
        b"6 a=b\n7",
        b"99 path=a\n",
        b"+6 a=b\n",
        b"7 =bcd\n",
        b"8 path\n\n",
        &record("path", "a\0b"),
        &record("size", "-1"),
        &record("size", "99999999999999999999999"),
        &record("GNU.sparse.major", "1"),
    ] {
        let fault = read_all(&pax_entry(bad, b"a", b"")).unwrap_err();
        assert!(matches!(fault, ArchiveFault::Malformed { .. }), "{bad:?}: {fault}");
    }
}

// [V-293]
#[test]
fn broken_archives_are_refused() {
    let good = raw(b"a", EntryType::Regular, &[7; 700]);
    assert_eq!(paths(&good), ["a"]);
    assert_eq!(paths(&[&good[..], &[0; 2 * BLOCK], b"whatever follows the end"].concat()), ["a"]);
    for cut in [1, 100, BLOCK, good.len() - 1] {
        assert!(read_all(&good[..good.len() - cut]).is_err(), "{cut}");
    }
    for at in [0, 100, 124, 148, 156, 257] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(matches!(read_all(&bad), Err(ArchiveFault::Malformed { .. })), "{at}");
    }
    let behind = [&good[..], &[0; BLOCK], &good].concat();
    assert!(matches!(read_all(&behind), Err(ArchiveFault::Malformed { .. })));
    for kind in [EntryType::GNUSparse, EntryType::new(b'Z')] {
        assert!(matches!(read_all(&raw(b"a", kind, b"")), Err(ArchiveFault::Malformed { .. })));
    }
    let huge = raw(b"x", EntryType::XHeader, &vec![b'9'; TAR_EXTENSION_BYTES as usize + 1]);
    assert!(matches!(read_all(&huge), Err(ArchiveFault::Limit { .. })));
    assert!(read_all(&raw(&[b'a'; 100], EntryType::GNULongName, &[])).is_ok());
    let long = [raw(b"l", EntryType::GNULongName, &[b'a'; 256]), good].concat();
    assert!(matches!(read_all(&long), Err(ArchiveFault::Path { .. })));
}

#[test]
fn numbers_are_octal_or_binary_and_empty_ones_nothing() {
    assert_eq!(number(b"0000644\0"), Some(0o644));
    assert_eq!(number(b" 644 \0  "), Some(0o644));
    assert_eq!(number(&[0; 8]), Some(0));
    assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]), Some(1 << 40));
    for bad in [&b"0000648\0"[..], b"-1", b"+1", &[0xff; 12], &[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(number(bad), None, "{bad:?}");
    }
}

#[test]
fn long_names_of_both_kinds_and_links_are_read() {
    let mut builder = Builder::new(Vec::new());
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    builder.append_data(&mut header(EntryType::Regular, 2), &long, &b"ok"[..]).unwrap();
    let target = "t".repeat(200);
    builder.append_link(&mut header(EntryType::Symlink, 0), "link", &target).unwrap();
    let entries = read_all(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(entries[0].path, long.as_bytes());
    let What::Node(Inode { kind: Kind::Symlink(found), .. }) = &entries[1].what else { panic!() };
    assert_eq!(found, target.as_bytes());
}
