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
        flat.add_all(unpack(&archive[..], LAYER_BYTES, Hasher::sha256()).unwrap().entries).unwrap();
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
    let mut deep = disk.path().join("deep");
    for _ in 0..crate::limits::WALK_DEPTH {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let report = compare_directory(&tree, &rules, disk.path()).unwrap();
    assert_eq!(report.unknowns, 1, "{:?}", report.unknown);
    // Root reads everything.
    if !rustix::process::geteuid().is_root() {
        fs::set_permissions(disk.path().join("etc"), fs::Permissions::from_mode(0o0)).unwrap();
        assert_eq!(compare_directory(&tree, &rules, disk.path()).unwrap().unknowns, 2);
        fs::set_permissions(disk.path().join("etc"), fs::Permissions::from_mode(0o755)).unwrap();
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
