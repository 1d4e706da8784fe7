use super::*;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};
use tempfile::TempDir;

/// An entry of a layer, as a test writes it.
#[derive(Clone, Debug)]
enum Part {
    File(String, u32, Vec<u8>),
    Directory(String, u32),
    Symlink(String, String),
    /// With the mode that both have; what is on the disk says it.
    HardLink(String, String, u32),
    Whiteout(String),
    Opaque(String),
}

/// Puts a part onto the disk the plain way, without anything of what is tested; `false` if it can't be there.
fn unpack_onto(root: &Path, part: &Part) -> bool {
    let at = |path: &str| root.join(path);
    let clear = |path: &Path| match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => fs::create_dir_all(path.parent().unwrap()).unwrap_or_default(),
    };
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).is_ok();
    match part {
        Part::File(path, mode, content) => {
            clear(&at(path));
            fs::write(at(path), content).is_ok() && set_mode(&at(path), *mode)
        }
        Part::Directory(path, mode) => {
            if !at(path).symlink_metadata().is_ok_and(|found| found.is_dir()) {
                clear(&at(path));
            }
            fs::create_dir_all(at(path)).is_ok() && set_mode(&at(path), *mode)
        }
        Part::Symlink(path, target) => {
            clear(&at(path));
            symlink(target, at(path)).is_ok()
        }
        Part::HardLink(path, target, _) => {
            let is_file = at(target).symlink_metadata().is_ok_and(|found| found.is_file());
            if !is_file || same_file(&at(path), &at(target)) {
                return false;
            }
            clear(&at(path));
            fs::hard_link(at(target), at(path)).is_ok()
        }
        Part::Whiteout(path) => {
            if at(path).symlink_metadata().is_ok() {
                clear(&at(path));
            }
            true
        }
        Part::Opaque(path) => {
            let Ok(entries) = fs::read_dir(at(path)) else { return false };
            entries.for_each(|entry| clear(&entry.unwrap().path()));
            true
        }
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| path.symlink_metadata().map(|found| (found.dev(), found.ino())).ok();
    identity(a) == identity(b)
}

fn pack(parts: &[Part], root: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let owner = root.metadata().unwrap();
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_uid(owner.uid().into());
        header.set_gid(owner.gid().into());
        header
    };
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    for part in parts {
        let whiteout = |path: &str, name: &str| match path.rsplit_once('/') {
            Some((parent, base)) => format!("{parent}/.wh.{name}{base}"),
            None => format!(".wh.{name}{path}"),
        };
        match part {
            Part::File(path, mode, content) => {
                builder.append_data(&mut header(Regular, *mode, content.len() as u64), path, &content[..])
            }
            Part::Directory(path, mode) => builder.append_data(&mut header(Directory, *mode, 0), path, &[][..]),
            Part::Symlink(path, target) => builder.append_link(&mut header(Symlink, 0o777, 0), path, target),
            Part::HardLink(path, target, mode) => builder.append_link(&mut header(Link, *mode, 0), path, target),
            Part::Whiteout(path) => builder.append_data(&mut header(Regular, 0, 0), whiteout(path, ""), &[][..]),
            Part::Opaque(path) => {
                builder.append_data(&mut header(Regular, 0, 0), format!("{path}/.wh..wh..opq"), &[][..])
            }
        }
        .unwrap();
    }
    builder.into_inner().unwrap()
}

fn compressed(archive: &[u8], how: usize) -> Vec<u8> {
    let zstd = |bytes| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    match how % 4 {
        0 => archive.to_vec(),
        1 => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(archive).unwrap();
            encoder.finish().unwrap()
        }
        2 => zstd(archive),
        // As zstd:chunked has it: several frames, and one that holds no content.
        _ => {
            let (first, second) = archive.split_at(archive.len() / 2);
            let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
            [zstd(first), skipped.clone(), zstd(second), skipped].concat()
        }
    }
}

/// Packs what the disk takes, layer by layer; the tree that the layers make, and the disk.
fn both(layers: &[Vec<Part>]) -> (TempDir, Tree) {
    let (disk, mut tree) = (tempfile::tempdir().unwrap(), Tree::default());
    for (at, layer) in layers.iter().enumerate() {
        let is_whiteout = |part: &&Part| matches!(part, Part::Whiteout(_) | Part::Opaque(_));
        let (first, then): (Vec<_>, Vec<_>) = layer.iter().partition(is_whiteout);
        let mut taken = Vec::new();
        for part in first.into_iter().chain(then).filter(|part| unpack_onto(disk.path(), part)) {
            taken.push(match part {
                Part::HardLink(path, target, _) => {
                    let mode = disk.path().join(path).symlink_metadata().unwrap().mode() & 0o7777;
                    Part::HardLink(path.clone(), target.clone(), mode)
                }
                other => other.clone(),
            });
        }
        let archive = compressed(&pack(&taken, disk.path()), at);
        let unpacked = unpack(&archive[..], most(archive.len() as u64), Hasher::sha256()).unwrap();
        tree.apply(unpacked.entries).unwrap_or_else(|fault| panic!("{fault}: {layers:#?}"));
    }
    (disk, tree)
}

fn compared(disk: &TempDir, tree: &Tree) -> Report {
    compare_directory(tree, &Rules::parse(&[]).unwrap(), disk.path()).unwrap()
}

fn found(report: &Report) -> Vec<(String, &'static str)> {
    report.differences.iter().map(|one| (shown_path(&one.path), one.change.id())).collect()
}

/// No name is another's kind: `d` are directories, `f` files, `s` symbolic links.
fn part() -> impl Strategy<Value = Part> {
    let parent = prop::collection::vec("d[0-2]", 0..3).prop_map(|parts| parts.join("/"));
    let under = |parent: &str, name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
    let file = (parent.clone(), "f[0-3]").prop_map(move |(parent, name)| under(&parent, &name));
    let link = (parent.clone(), "s[0-1]").prop_map(move |(parent, name)| under(&parent, &name));
    let directory = "d[0-2](/d[0-2]){0,2}";
    let content = prop::collection::vec(any::<u8>(), 0..2_000);
    prop_oneof![
        4 => (file.clone(), prop_oneof![Just(0o644), Just(0o755), Just(0o4711)], content)
            .prop_map(|(path, mode, content)| Part::File(path, mode, content)),
        2 => (directory, prop_oneof![Just(0o755), Just(0o1777)]).prop_map(|(path, mode)| Part::Directory(path, mode)),
        1 => (link, "[df][0-2]").prop_map(|(path, target)| Part::Symlink(path, target)),
        1 => (file.clone(), file.clone()).prop_map(|(path, target)| Part::HardLink(path, target, 0)),
        1 => file.prop_map(Part::Whiteout),
        1 => directory.prop_map(Part::Whiteout),
        1 => directory.prop_map(Part::Opaque),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    // [V-294]
    #[test]
    fn what_was_unpacked_from_the_layers_has_not_drifted(layers in prop::collection::vec(prop::collection::vec(part(), 0..14), 1..5)) {
        let (disk, tree) = both(&layers);
        let report = compared(&disk, &tree);
        prop_assert_eq!(found(&report), vec![], "{:?}", layers);
        prop_assert_eq!(report.unknowns, 0);
        prop_assert_eq!(report.compared as usize, tree.iter().count());
        // The same as an archive.
        let mut builder = tar::Builder::new(Vec::new());
        builder.follow_symlinks(false);
        builder.append_dir_all("", disk.path()).unwrap();
        let archive = builder.into_inner().unwrap();
        let mut flat = Tree::default();
        let unpacked = unpack(&archive[..], LAYER_BYTES, Hasher::sha256()).unwrap();
        prop_assert!(unpacked.ended);
        flat.add_all(unpacked.entries).unwrap();
        let report = beside(&tree, &Rules::parse(&[]).unwrap(), &flat);
        // tar's builder writes each name as a file of its own.
        let other: Vec<_> = report.differences.iter().filter(|one| one.change != Change::Links).collect();
        prop_assert!(other.is_empty(), "{:?}", other);
    }

    // [V-294]
    #[test]
    fn each_single_change_is_found(layers in prop::collection::vec(prop::collection::vec(part(), 4..14), 1..4), which: prop::sample::Index, how in 0..5_usize) {
        let (disk, tree) = both(&layers);
        let paths: Vec<_> = tree.iter().skip(1).map(|(path, _)| String::from_utf8(path.to_vec()).unwrap()).collect();
        prop_assume!(!paths.is_empty());
        let path = which.get(&paths).clone();
        let at = disk.path().join(&path);
        let kind = at.symlink_metadata().unwrap().file_type();
        let expected = match how {
            0 if kind.is_file() => { flip(&at); "content" }
            1 if kind.is_file() => { fs::OpenOptions::new().append(true).open(&at).unwrap().write_all(b"x").unwrap(); "content" }
            2 if !kind.is_symlink() && !tree.find(path.as_bytes()).unwrap().implied => {
                fs::set_permissions(&at, fs::Permissions::from_mode(0o2700)).unwrap(); "mode"
            }
            3 if !kind.is_dir() => { fs::remove_file(&at).unwrap(); symlink("elsewhere", &at).unwrap(); if kind.is_symlink() { "target" } else { "type" } }
            4 if kind.is_dir() => { fs::write(at.join("new"), "").unwrap(); "added" }
            _ => { if kind.is_dir() { fs::remove_dir_all(&at).unwrap() } else { fs::remove_file(&at).unwrap() } "deleted" }
        };
        let report = compared(&disk, &tree);
        let named = if expected == "added" { format!("/{path}/new") } else { format!("/{path}") };
        prop_assert!(found(&report).contains(&(named, expected)), "{} of {}: {:?}", expected, path, found(&report));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    // [V-293]
    #[test]
    fn broken_bytes_are_refused_or_read_and_never_more(
        layer in prop::collection::vec(part(), 1..6), how in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = compressed(&pack(&layer, Path::new("/")), how);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(unpacked) = unpack(&bytes[..], 1 << 20, Hasher::sha256()) {
            let mut tree = Tree::default();
            let _ = tree.apply(unpacked.entries);
            // Whatever was read: each path's parent is a directory of the tree.
            for (path, _) in tree.iter().skip(1) {
                let (parent, name) = node::split(path).unwrap();
                let above = tree.find(parent).and_then(|node| tree.inode(node)).unwrap();
                prop_assert!(above.1.kind == Kind::Directory && !matches!(name, b"" | b"." | b".."));
            }
        }
    }
}

/// Another content of the same size, or a byte where there was none.
fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    match content.first_mut() {
        Some(first) => *first ^= 1,
        None => content.push(0),
    }
    fs::write(path, content).unwrap();
}

// [V-294]
#[test]
fn links_types_attributes_and_odd_files_are_told_apart() {
    let file = |path: &str, content: &[u8]| Part::File(path.into(), 0o644, content.into());
    let layers =
        [vec![file("a", b"one"), Part::HardLink("b".into(), "a".into(), 0), file("c", b"one"), file("e", b"5")]];
    let (disk, tree) = both(&layers);
    let at = |name: &str| disk.path().join(name);
    assert_eq!(found(&compared(&disk, &tree)), []);
    // A copy in place of a link, and a link in place of a copy.
    fs::remove_file(at("b")).unwrap();
    fs::write(at("b"), "one").unwrap();
    fs::remove_file(at("c")).unwrap();
    fs::hard_link(at("a"), at("c")).unwrap();
    let links = found(&compared(&disk, &tree));
    assert!(!links.is_empty() && links.iter().all(|(_, change)| *change == "links"), "{links:?}");
    // A pipe is neither opened nor waited for.
    fs::remove_file(at("e")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("e"), rustix::fs::Mode::RUSR).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let odd = found(&compared(&disk, &tree));
    assert!(odd.contains(&("/e".into(), "type")) && odd.contains(&("/pipe".into(), "added")), "{odd:?}");
}

#[test]
fn extended_attributes_are_compared_where_there_can_be_any() {
    let layers = [vec![Part::File("a".into(), 0o644, b"x".to_vec())]];
    let (disk, tree) = both(&layers);
    let file = fs::File::open(disk.path().join("a")).unwrap();
    let set = rustix::fs::fsetxattr(&file, "user.boltseal", b"1", rustix::fs::XattrFlags::empty());
    let report = compared(&disk, &tree);
    match set {
        Ok(()) => assert_eq!(found(&report), [("/a".into(), "xattr")]),
        Err(_) => assert!(report.unchecked.iter().any(|one| one.contains("extended attributes"))),
    }
}

// [V-295]
#[test]
fn what_is_ignored_or_the_runtime_s_is_told_and_what_can_t_be_read_is_unknown() {
    let layers =
        [vec![Part::File("etc/hosts".into(), 0o644, Vec::new()), Part::File("log/a".into(), 0o644, Vec::new())]];
    let (disk, tree) = both(&layers);
    fs::write(disk.path().join("etc/hosts"), "127.0.0.1 localhost").unwrap();
    fs::write(disk.path().join("log/a"), "line").unwrap();
    let rules = Rules::parse(&["/log/**".to_owned()]).unwrap();
    let report = compare_directory(&tree, &rules, disk.path()).unwrap();
    assert_eq!(
        report.differences.iter().map(|one| one.standing).collect::<Vec<_>>(),
        [Standing::Runtime, Standing::Ignored]
    );
    assert_eq!((report.count(Standing::Drift), report.count(Standing::Runtime)), (0, 1));
    // Nor is what can't be read where runtimes put things: there, too, a program may lie.
    for top in ["deep", "dev/shm/deep", "log/deep"] {
        let mut deep = disk.path().join(top);
        deep.extend(["d"; crate::limits::WALK_DEPTH]);
        fs::create_dir_all(&deep).unwrap();
    }
    let compare = |pattern: &str| {
        let report = compare_directory(&tree, &Rules::parse(&[pattern.to_owned()]).unwrap(), disk.path()).unwrap();
        (report.unknowns, report.unknown.len())
    };
    // Of the directories on the way `/log/**` names all that is below, `/log/*` and `/*` do not.
    assert_eq!((compare("/log/**"), compare("/log/*"), compare("/*")), ((2, 3), (3, 3), (3, 3)));
    // Root reads everything.
    if !rustix::process::geteuid().is_root() {
        for closed in ["etc", "dev/shm"] {
            fs::set_permissions(disk.path().join(closed), fs::Permissions::from_mode(0o0)).unwrap();
        }
        assert_eq!(compare("/log/**"), (3, 4), "the one below /dev/shm is not reached any more");
        for closed in ["etc", "dev/shm"] {
            fs::set_permissions(disk.path().join(closed), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// A file: its path, its attributes by the layers, and those that are there.
type Attributed<'a> = (&'a str, &'a [&'a str], Result<Option<&'a [&'a str]>, &'a str>);

/// A tree of files with these attributes, and what is found beside it.
fn met(comparable: Comparable, all: &[Attributed<'_>]) -> Report {
    let named = |names: &[&str]| names.iter().map(|name| (name.as_bytes().to_vec(), b"1".to_vec())).collect::<Xattrs>();
    let kind = || Kind::File { size: 0, content: Some([0; 32]) };
    let entry = |(path, names, _): &Attributed<'_>| {
        let inode = Inode { kind: kind(), mode: 0o644, uid: 0, gid: 0, xattrs: named(names) };
        Entry { path: path.as_bytes().to_vec(), what: What::Node(inode) }
    };
    let (mut tree, rules) = (Tree::default(), Rules::parse(&[]).unwrap());
    tree.add_all(all.iter().map(entry)).unwrap();
    let mut comparison = Comparison::new(&tree, &rules, comparable);
    for (at, (path, _, there)) in all.iter().enumerate() {
        let xattrs = there.map(|names| names.map(named)).map_err(str::to_owned);
        let attributes = Some(Attributes { mode: 0o644, uid: 1, gid: 0, xattrs });
        let (path, identity) = (path.as_bytes(), (0, at as u64));
        comparison.meet(&Found { path, kind: kind(), attributes, identity, shared: false });
    }
    comparison.finish()
}

// [V-294] [V-295]
#[test]
fn attributes_that_can_t_be_read_are_unknown_and_access_lists_are_the_image_s() {
    let root = Comparable { owners: false, xattrs: true };
    let report = met(root, &[("a", &[], Err("too many")), ("b", &[], Ok(Some(&[])))]);
    assert_eq!((report.unknowns, found(&report)), (1, vec![]));
    assert_eq!(report.unknown[0].why, "its extended attributes: too many");
    let there: &[&str] = &["system.posix_acl_access", "security.selinux", "security.ima", "system.nfs4_acl"];
    let report = met(root, &[("a", &[], Ok(Some(there))), ("b", &[], Ok(None))]);
    let change = Change::Xattr { name: b"system.posix_acl_access".to_vec(), how: "added" };
    assert_eq!(report.differences.iter().map(|one| &one.change).collect::<Vec<_>>(), [&change]);
    assert!(report.unchecked.iter().any(|one| one.contains("security.selinux")), "{:?}", report.unchecked);
    // A descriptor that is good for nothing; and more names than a list of them can have.
    let path = rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    assert!(walk::xattrs(std::os::fd::AsFd::as_fd(&path)).is_err());
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return };
    fs::write(memory.path().join("a"), "x").unwrap();
    let file = fs::File::open(memory.path().join("a")).unwrap();
    let set = |at: u32| {
        let name = format!("user.{at:0>240}");
        rustix::fs::fsetxattr(&file, name, b"1", rustix::fs::XattrFlags::empty()).is_ok()
    };
    if (0..300).all(set) {
        let unpacked =
            unpack(&pack(&[Part::File("a".into(), 0o644, b"x".into())], memory.path())[..], 1 << 20, Hasher::sha256());
        let mut tree = Tree::default();
        tree.apply(unpacked.unwrap().entries).unwrap();
        let report = compare_directory(&tree, &Rules::parse(&[]).unwrap(), memory.path()).unwrap();
        assert_eq!((report.unknowns, found(&report)), (1, vec![]));
    }
}

// [V-297]
#[test]
fn to_whoever_is_not_root_owners_are_not_compared_and_added_capabilities_are_drift() {
    let capability: &[&str] = &["security.capability"];
    let all: &[Attributed<'_>] = &[
        ("added", &[], Ok(Some(capability))),
        ("gone", capability, Ok(Some(&[]))),
        ("same", capability, Ok(Some(capability))),
    ];
    let report = met(Comparable { owners: false, xattrs: true }, all);
    assert_eq!(found(&report), [("/added".into(), "xattr")]);
    for told in ["this is not root; 3 paths have others", "extended attributes of 1 paths"] {
        assert!(report.unchecked.iter().any(|one| one.contains(told)), "{told}: {:?}", report.unchecked);
    }
    let report = met(Comparable { owners: true, xattrs: true }, all);
    assert_eq!(report.count(Standing::Drift), 5, "{:?}", found(&report));
    assert!(!report.unchecked.iter().any(|one| one.contains("root")), "{:?}", report.unchecked);
}

// [V-297]
#[test]
fn no_link_leads_out_of_what_is_walked_and_no_other_mount_is_entered() {
    let layers = [vec![Part::File("d/f".into(), 0o644, b"x".to_vec()), Part::File("e".into(), 0o644, b"x".to_vec())]];
    let (disk, tree) = both(&layers);
    // Elsewhere lies just what is expected.
    let (elsewhere, _) = both(&layers);
    fs::remove_dir_all(disk.path().join("d")).unwrap();
    symlink(elsewhere.path().join("d"), disk.path().join("d")).unwrap();
    fs::remove_file(disk.path().join("e")).unwrap();
    symlink(elsewhere.path().join("e"), disk.path().join("e")).unwrap();
    let expected =
        [("/d", "type"), ("/d/f", "deleted"), ("/e", "type")].map(|(path, change)| (path.to_owned(), change));
    assert_eq!(found(&compared(&disk, &tree)), expected);
    // Below /dev there are other filesystems; where not, tests/interop mounts one.
    let device = |path: &str| fs::metadata(path).map(|found| found.dev()).ok();
    if device("/dev/shm").is_some_and(|shm| Some(shm) != device("/dev")) {
        let report = compare_directory(&Tree::default(), &Rules::parse(&[]).unwrap(), Path::new("/dev")).unwrap();
        let shm = report.unknown.iter().find(|one| one.path == b"shm").expect("a mount");
        assert!(shm.why.contains("another filesystem") && shm.standing == Standing::Drift, "{shm:?}");
        assert!(!report.differences.iter().any(|one| one.path.starts_with(b"shm/")));
    }
}

// [V-294]
#[test]
fn a_flood_of_one_kind_hides_no_other() {
    let (tree, rules) = (Tree::default(), Rules::parse(&["/a/**".to_owned()]).unwrap());
    let mut comparison = Comparison::new(&tree, &rules, Comparable::default());
    let mut add = |path: &str, kind| {
        let found = Found { path: path.as_bytes(), kind, attributes: None, identity: (0, 0), shared: false };
        comparison.meet(&found);
        comparison.unread(path.as_bytes(), Unread::Itself, String::new());
    };
    let flood = crate::limits::DIFFERENCES + 1;
    (0..flood).for_each(|at| add(&format!("a/{at}"), Kind::Directory));
    add("miner", Kind::Fifo);
    let report = comparison.finish();
    assert!(
        report.differences.iter().any(|one| one.path == b"miner")
            && report.unknown.iter().any(|one| one.path == b"miner")
    );
    assert_eq!((report.count(Standing::Ignored), report.differences.len() as u64), (flood, flood));
    assert_eq!((report.unknowns, report.unknown.len() as u64), (1, flood));
}

// [V-293]
#[test]
fn an_archive_without_an_end_is_no_filesystem() {
    let parts: Vec<_> = ["a", "b"].map(|path| Part::File(path.into(), 0o644, b"x".to_vec())).into();
    let (whole, mut tree) = (pack(&parts, Path::new("/")), Tree::default());
    tree.apply(unpack(&whole[..], 1 << 20, Hasher::sha256()).unwrap().entries).unwrap();
    let compare = |bytes: &[u8]| {
        There::Archive(Box::new(io::Cursor::new(bytes.to_vec())), 1 << 20).compare(&tree, &Rules::parse(&[]).unwrap())
    };
    assert_eq!(found(&compare(&whole).unwrap()), []);
    // Cut between two entries, behind the last, within one; nothing at all.
    for (cut, fault) in [(1_024, "cut off"), (2_048, "cut off"), (1_500, ""), (0, "cut off")] {
        let error = compare(&whole[..cut]).unwrap_err();
        assert!(matches!(&error, DriftError::Archive(_)) && error.to_string().contains(fault), "{cut}: {error}");
    }
    // Nor what some readers would find behind its end.
    let error = compare(&[&whole[..], &whole].concat()).unwrap_err();
    assert!(error.to_string().contains("behind its end"), "{error}");
    assert!(compare(&[&whole[..], &[0; 4_096]].concat()).is_ok());
    // A layer's digest says that it is whole; some builders end them so.
    assert!(unpack(&whole[..2_048], 1 << 20, Hasher::sha256()).is_ok());
}

/// What comes byte by byte.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

// [V-291]
#[test]
fn how_bytes_come_does_not_change_what_they_are() {
    let archive = pack(&[Part::File("a".into(), 0o644, b"x".into())], Path::new("/"));
    for how in 0..4 {
        let unpacked = unpack(Drops(&compressed(&archive, how)), 1 << 20, Hasher::sha256()).unwrap();
        assert_eq!((unpacked.digest, unpacked.entries.len()), (Digest::sha256(&archive), 1), "{how}");
    }
}

// [V-293]
#[test]
fn a_bomb_ends_at_its_bound() {
    let archive = pack(&[Part::File("zeros".into(), 0o644, vec![0; 1 << 20])], Path::new("/"));
    for how in 0..4 {
        let bomb = compressed(&archive, how);
        let fault = unpack(&bomb[..], 1 << 20, Hasher::sha256()).unwrap_err();
        assert!(fault.to_string().contains("decompresses to more than"), "{how}: {fault}");
        assert_eq!(unpack(&bomb[..], 2 << 20, Hasher::sha256()).unwrap().digest, Digest::sha256(&archive));
        for cut in [1, bomb.len() / 2] {
            assert!(unpack(&bomb[..bomb.len() - cut], 2 << 20, Hasher::sha256()).is_err() || how == 0, "{how}");
        }
    }
    assert_eq!((most(0), most(1 << 20), most(u64::MAX)), (1 << 30, 200 * (1 << 20) + (1 << 30), LAYER_BYTES));
}
