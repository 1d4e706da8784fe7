use super::*;

fn entry(path: &str, kind: Kind) -> Entry {
    let inode = Inode { kind, mode: 0o755, uid: 0, gid: 0, xattrs: Xattrs::new() };
    Entry { path: path.into(), what: What::Node(inode) }
}

fn file(path: &str) -> Entry {
    entry(path, Kind::File { size: 1, content: Some([1; 32]) })
}

fn directory(path: &str) -> Entry {
    entry(path, Kind::Directory)
}

fn symlink(path: &str, target: &str) -> Entry {
    entry(path, Kind::Symlink(target.into()))
}

fn hard(path: &str, target: &str) -> Entry {
    let attributes = Inode { kind: Kind::Directory, mode: 0o600, uid: 7, gid: 7, xattrs: Xattrs::new() };
    Entry { path: path.into(), what: What::HardLink(target.into(), attributes) }
}

fn tree(layers: impl IntoIterator<Item = Vec<Entry>>) -> Result<Tree, TreeFault> {
    let mut tree = Tree::default();
    layers.into_iter().try_for_each(|layer| tree.apply(layer))?;
    Ok(tree)
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.iter().skip(1).map(|(path, _)| str::from_utf8(path).unwrap()).collect()
}

// [V-292]
#[test]
fn whiteouts_hide_what_is_below_wherever_they_stand() {
    let lower = || vec![directory("a"), file("a/x"), file("a/y"), file("ab"), file("b/c")];
    for (upper, expected) in [
        (vec![file("a/.wh.x")], vec!["a", "a/y", "ab", "b", "b/c"]),
        (vec![file(".wh.a")], vec!["ab", "b", "b/c"]),
        (vec![file("a/z"), file("a/.wh..wh..opq")], vec!["a", "a/z", "ab", "b", "b/c"]),
        (vec![file("a/.wh..wh..opq"), file("a/z")], vec!["a", "a/z", "ab", "b", "b/c"]),
        (vec![file("a/x"), file("a/.wh.x")], vec!["a", "a/x", "a/y", "ab", "b", "b/c"]),
        (vec![file(".wh.a"), file("a")], vec!["a", "ab", "b", "b/c"]),
        (vec![file(".wh..wh..opq"), file("n")], vec!["n"]),
        (vec![file(".wh..wh.plnk"), file("nowhere/.wh.x")], vec!["a", "a/x", "a/y", "ab", "b", "b/c"]),
    ] {
        assert_eq!(paths(&tree([lower(), upper]).unwrap()), expected);
    }
    for bad in [".wh.", "a/.wh..", "a/.wh..."] {
        assert!(matches!(tree([lower(), vec![file(bad)]]), Err(TreeFault::Whiteout(_))), "{bad}");
    }
    // A directory in place of a link hides what the link was, not where it led, as overlays have it.
    let linked = || vec![file("usr/lib/x"), symlink("lib", "usr/lib")];
    for (upper, expected) in [
        (
            vec![directory("lib"), file("lib/.wh..wh..opq"), file("lib/y")],
            vec!["lib", "lib/y", "usr", "usr/lib", "usr/lib/x"],
        ),
        (vec![directory("lib"), file("lib/.wh.x")], vec!["lib", "usr", "usr/lib", "usr/lib/x"]),
        (vec![file("lib/.wh.x")], vec!["lib", "usr", "usr/lib"]),
    ] {
        assert_eq!(paths(&tree([linked(), upper]).unwrap()), expected);
    }
    // A filesystem's own archive has no whiteouts: a file of that name is one.
    let mut plain = Tree::default();
    plain.add_all([file(".wh.a")]).unwrap();
    assert_eq!(paths(&plain), [".wh.a"]);
}

// [V-292]
#[test]
fn a_path_through_a_symbolic_link_lands_where_it_leads_and_never_outside() {
    let links = || {
        vec![directory("usr/lib"), symlink("lib", "usr/lib"), symlink("out", "../../../usr"), symlink("abs", "/usr")]
    };
    for (path, expected) in [("lib/x", "usr/lib/x"), ("out/x", "usr/x"), ("abs/lib/x", "usr/lib/x")] {
        assert!(tree([links(), vec![file(path)]]).unwrap().find(expected.as_bytes()).is_some(), "{path}");
    }
    // The last component is the link itself.
    let replaced = tree([links(), vec![directory("lib")]]).unwrap();
    assert!(matches!(replaced.kind(b"lib"), Some(Kind::Directory)));
    assert!(replaced.find(b"usr/lib").is_some());
    let dangling = tree([vec![symlink("a", "b/c")], vec![file("a/x")]]).unwrap();
    assert!(dangling.find(b"b/c/x").is_some());
    let loops = tree([vec![symlink("a", "b"), symlink("b", "a")], vec![file("a/x")]]);
    assert!(matches!(loops, Err(TreeFault::Links(_))));
    assert!(matches!(tree([vec![file("a"), file("a/x")]]), Err(TreeFault::Parent(_))));
    let long = "a/".repeat(1_500);
    let grows = tree([vec![symlink("s", &long)], vec![file(&format!("s/{long}x"))]]);
    assert!(matches!(grows, Err(TreeFault::Links(_))));
}

// [V-292]
#[test]
fn the_last_of_equal_entries_counts_and_directories_are_merged() {
    let merged = tree([vec![directory("a"), file("a/x")], vec![directory("a"), file("a/x"), symlink("a/x", "y")]]);
    let merged = merged.unwrap();
    assert_eq!(paths(&merged), ["a", "a/x"]);
    assert!(matches!(merged.kind(b"a/x"), Some(Kind::Symlink(_))));
    let replaced = tree([vec![file("a/x/y")], vec![file("a")]]).unwrap();
    assert_eq!(paths(&replaced), ["a"]);
    let implied = tree([vec![file("a/b/c")]]).unwrap();
    assert!(implied.find(b"a").unwrap().implied && !implied.find(b"a/b/c").unwrap().implied);
    assert!(!tree([vec![file("a/b/c"), directory("a")]]).unwrap().find(b"a").unwrap().implied);
}

// [V-292]
#[test]
fn hard_links_share_what_they_lead_to() {
    let linked = tree([vec![file("a"), hard("b", "a")], vec![hard("c/d", "b")]]).unwrap();
    let inode = |path: &[u8]| linked.inode(linked.find(path).unwrap()).unwrap();
    assert_eq!((inode(b"a").0, inode(b"b").0), (inode(b"c/d").0, inode(b"c/d").0));
    assert_eq!((inode(b"a").1.mode, inode(b"a").1.uid), (0o600, 7));
    assert_eq!(linked.links()[inode(b"a").0], 3);
    // A later layer's file of the same name is another one.
    let parted = tree([vec![file("a"), hard("b", "a")], vec![file("a")]]).unwrap();
    assert!(parted.inode(parted.find(b"a").unwrap()).unwrap().0 != parted.inode(parted.find(b"b").unwrap()).unwrap().0);
    for bad in [hard("b", "nothing"), hard("b", "d"), hard("a", "a"), hard("b", "")] {
        assert!(matches!(tree([vec![file("a"), directory("d"), bad]]), Err(TreeFault::HardLink(_))));
    }
}

// [V-293]
#[test]
fn many_steps_through_links_are_refused_before_they_take_long() {
    let mut tree = Tree::default();
    tree.apply(vec![symlink("s", &"./".repeat(2_000)), directory("d")]).unwrap();
    let many = (0..11_000).map(|at| file(&format!("s/{at}"))).collect();
    assert!(matches!(tree.apply(many), Err(TreeFault::Entries)));
}

// [V-293]
#[test]
fn names_of_all_layers_together_are_bounded() {
    let mut tree = Tree { held: TREE_NAME_BYTES - 8, ..Tree::default() };
    tree.apply(vec![file("a/b")]).unwrap();
    // What is replaced takes its place still.
    tree.apply(vec![file("a/b")]).unwrap();
    assert!(matches!(tree.apply(vec![symlink("c", "d")]), Err(TreeFault::Entries)));
}
