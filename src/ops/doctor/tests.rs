use super::*;
use crate::{oci::Reference, policy::Policy};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};

/// What stands for boltseal.
const PROGRAM: &str = "#!/bin/sh\n";
const NO_VERIFIER: &str = "Disabled_Plugins = [\"io.containerd.image-verifier.v1.bindir\"]\n";

struct Node {
    home: tempfile::TempDir,
}

impl Node {
    /// A node on which nothing is wrong.
    fn new() -> Self {
        let node = Self { home: tempfile::tempdir().unwrap() };
        fs::create_dir(node.at("bin")).unwrap();
        node.program("boltseal", PROGRAM);
        node.program("bin/boltseal-containerd", PROGRAM);
        node.write("config.toml", &node.verifier("bin", ""));
        node
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        self.mode(name, 0o755);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn verifier(&self, folder: &str, more: &str) -> String {
        let folder = self.at(folder);
        format!(
            "version = 3\n[plugins.\"io.containerd.image-verifier.v1.bindir\"]\nbin_dir = \"{}\"\n{more}\n",
            folder.display()
        )
    }

    fn look(&self, version: Option<&str>) -> Vec<Finding> {
        let node = ContainerdNode {
            config: self.at("config.toml"),
            version: version.map(str::to_owned),
            program: self.at("boltseal"),
            deadline: Duration::from_secs(8),
            hosts: vec!["/x".into()],
        };
        containerd(&node).0
    }

    fn ids(&self) -> Vec<(&'static str, Level)> {
        self.look(Some("2.1.9")).iter().map(|finding| (finding.id, finding.level)).collect()
    }
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(Node::new().look(Some("2.1.0")), []);
    assert_eq!(Node::new().look(Some("v2.2.0-rc.1")), []);
}

// [V-210]
#[test]
fn a_version_that_asks_nobody_is_named() {
    for (version, level) in [("1.7.24", Level::Bypass), ("2.0.5", Level::Bypass), ("devel", Level::Unknown)] {
        let found = Node::new().look(Some(version));
        assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), [level], "{version}");
    }
    assert_eq!(Node::new().look(None)[0].id, "version-unknown");
}

// [V-210]
#[test]
fn each_setting_that_has_cri_pull_by_itself_is_named() {
    for (written, part) in [
        ("use_local_image_pull = true", "use_local_image_pull"),
        ("disable_snapshot_annotations = false", "disable_snapshot_annotations"),
        ("discard_unpacked_layers = true", "discard_unpacked_layers"),
        ("image_pull_with_sync_fs = true", "image_pull_with_sync_fs"),
        ("max_concurrent_downloads = 10", "max_concurrent_downloads"),
        ("registry.mirrors.\"docker.io\".endpoint = [\"https://m\"]", "registry.mirrors"),
        ("registry.configs.\"r\".tls.insecure_skip_verify = true", "registry.configs"),
        ("registry.auths.\"r\".username = \"u\"", "registry.auths"),
        ("containerd.discard_unpacked_layers = true", "discard_unpacked_layers"),
    ] {
        for plugin in ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"] {
            let node = Node::new();
            let text = node.verifier("bin", &format!("[plugins.\"{plugin}\"]\n{written}"));
            node.write("config.toml", &text);
            let found = node.look(Some("2.1.9"));
            assert_eq!(found.len(), 1, "{written}: {found:?}");
            assert!(found[0].level == Level::Bypass && found[0].message.contains(part), "{found:?}");
        }
    }
    let node = Node::new();
    let good = "max_concurrent_downloads = 3\ndisable_snapshot_annotations = true\ndiscard_unpacked_layers = false";
    let text = node
        .verifier("bin", &format!("[plugins.\"io.containerd.cri.v1.images\"]\n{good}\nregistry.config_path = \"/x\""));
    node.write("config.toml", &text);
    assert_eq!(node.ids(), []);
}

// [V-210]
#[test]
fn imports_are_read_too() {
    let node = Node::new();
    fs::create_dir(node.at("conf.d")).unwrap();
    node.write("conf.d/a.toml", "imports = [\"../b.toml\"]\n");
    node.write("conf.d/ignored.txt", "disabled_plugins = [\"io.containerd.image-verifier.v1.bindir\"]\n");
    node.write(
        "b.toml",
        "imports = [\"config.toml\"]\ndisabled_plugins = [\"io.containerd.image-verifier.v1.bindir\"]\n",
    );
    node.write("config.toml", &format!("imports = [\"conf.d/*.toml\"]\n{}", node.verifier("bin", "")));
    let found = node.look(Some("2.1.9"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].id, found[0].place.clone()), ("plugin-disabled", Some(node.at("b.toml"))));
    node.write("conf.d/a.toml", "imports = [\"*/x.toml\"]\n");
    assert_eq!(node.ids(), [("not-read", Level::Unknown)]);
    node.write("conf.d/a.toml", "imports = 7 7");
    assert_eq!(node.ids(), [("not-read", Level::Unknown)]);
    // A second folder is looked at as well.
    node.write("conf.d/a.toml", &node.verifier("elsewhere", ""));
    assert_eq!(node.ids(), [("folder-missing", Level::Bypass), ("folders-differ", Level::Warning)]);
}

// [V-210]
#[test]
fn the_folder_of_verifiers_is_looked_through() {
    let node = Node::new();
    node.program("bin/00-other", "#!/bin/sh\nexit 0\n");
    assert_eq!(node.ids(), [("other-file", Level::Warning)]);
    let most = |node: &Node, most: i64| {
        let text = node.verifier("bin", &format!("max_verifiers = {most}"));
        node.write("config.toml", &text);
    };
    most(&node, 1);
    assert_eq!(node.ids(), [("max-verifiers", Level::Bypass), ("other-file", Level::Warning)]);
    most(&node, -1);
    assert_eq!(node.ids(), [("other-file", Level::Warning)]);
    fs::remove_file(node.at("bin/boltseal-containerd")).unwrap();
    assert_eq!(node.ids(), [("boltseal-missing", Level::Bypass), ("other-file", Level::Warning)]);
    fs::remove_file(node.at("bin/00-other")).unwrap();
    assert_eq!(node.ids(), [("folder-empty", Level::Bypass)]);
    fs::remove_dir(node.at("bin")).unwrap();
    assert_eq!(node.ids(), [("folder-missing", Level::Bypass)]);

    let node = Node::new();
    node.write("bin/config.toml", "");
    node.mode("bin/config.toml", 0o644);
    assert_eq!(node.ids(), [("not-executable", Level::Blocked)]);
    fs::remove_file(node.at("bin/config.toml")).unwrap();
    symlink("/absent", node.at("bin/link")).unwrap();
    assert_eq!(node.ids(), [("not-executable", Level::Blocked)]);
    fs::remove_file(node.at("bin/link")).unwrap();
    node.mode("bin/boltseal-containerd", 0o775);
    assert_eq!(node.ids(), [("writable", Level::Bypass)]);
    node.mode("bin/boltseal-containerd", 0o755);
    node.mode("bin", 0o777);
    assert_eq!(node.ids(), [("writable", Level::Bypass)]);
}

// [V-210]
#[test]
fn the_verifier_is_this_program_whatever_it_is_called() {
    let node = Node::new();
    let verifier = node.at("bin/boltseal-containerd");
    let link = |to: &Path| {
        fs::remove_file(&verifier).unwrap();
        symlink(to, &verifier).unwrap();
    };
    // As long as boltseal, and longer.
    for other in ["#!/bin/zz\n", "#!/bin/sh\nexit 0\n"] {
        node.program("bin/boltseal-containerd", other);
        assert_eq!(node.ids(), [("other-program", Level::Bypass)], "{other}");
    }
    link(Path::new("/bin/true"));
    assert_eq!(node.ids(), [("other-program", Level::Bypass)]);
    link(&node.at("boltseal"));
    assert_eq!(node.ids(), []);
    fs::rename(&verifier, node.at("bin/verify")).unwrap();
    assert_eq!(node.ids(), []);
    // Nothing to compare with.
    let node = Node::new();
    fs::remove_file(node.at("boltseal")).unwrap();
    assert_eq!(node.ids(), [("not-read", Level::Unknown)]);
}

// [V-210]
#[test]
fn what_decides_is_written_by_its_owner_alone() {
    let node = Node::new();
    fs::create_dir(node.at("keys")).unwrap();
    node.write("policy.yaml", "");
    node.write("keys/a.pub", "");
    symlink(node.at("keys/a.pub"), node.at("link.pub")).unwrap();
    let files = ["policy.yaml", "link.pub", "absent.toml"].map(|name| node.at(name));
    let found = || writable(&files).into_iter().filter_map(|finding| finding.place).collect::<Vec<_>>();
    for (name, right, wrong) in
        [("policy.yaml", 0o644, 0o664), ("keys/a.pub", 0o644, 0o646), ("keys", 0o755, 0o775), (".", 0o700, 0o777)]
    {
        assert_eq!(found(), [] as [PathBuf; 0]);
        node.mode(name, wrong);
        assert_eq!(found(), [node.at(name).canonicalize().unwrap()], "{name}");
        node.mode(name, right);
    }
}

// [V-210]
#[test]
fn a_setting_counts_in_any_spelling() {
    let node = Node::new();
    let right = node.verifier("bin", "");
    for (text, id) in [
        (format!("{NO_VERIFIER}{right}"), "plugin-disabled"),
        (format!("{right}[plugins.\"io.containerd.cri.v1.images\"]\nUse_Local_Image_Pull = true\n"), "cri-falls-back"),
        (right.replace("[plugins", "[Plugins").replace("bin_dir", "Bin_Dir") + "Max_Verifiers = 0\n", "max-verifiers"),
    ] {
        node.write("config.toml", &text);
        assert_eq!(node.ids(), [(id, Level::Bypass)], "{text}");
    }
    // Which of two counts is not told.
    node.write("config.toml", &format!("imports = [\"more.toml\"]\n{right}"));
    node.write("more.toml", &format!("disabled_plugins = []\n{NO_VERIFIER}"));
    let found = node.look(Some("2.1.9"));
    assert_eq!((found.len(), found[0].level), (1, Level::Unknown), "{found:?}");
    assert!(["\"disabled_plugins\"", "\"Disabled_Plugins\""].iter().all(|key| found[0].message.contains(key)));
    // What a plugin is called is no setting.
    let table = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
    let folded = settings::folded(&table("[Plugins.\"io.X\"]\nA = [{ B = \"C\" }]\n")).unwrap();
    assert_eq!(folded, table("[plugins.\"io.X\"]\na = [{ b = \"C\" }]\n"));
}

#[test]
fn folders_of_mirrors_are_compared() {
    let node = Node::new();
    let paths = |paths: &str| {
        let cri = format!("[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"{paths}\"");
        node.write("config.toml", &node.verifier("bin", &cri));
        node.ids()
    };
    assert_eq!(paths(""), []);
    assert_eq!(paths("/x"), []);
    assert_eq!(paths("/y:/x"), [("hosts-differ", Level::Warning)]);
}

#[test]
fn deadlines_are_compared() {
    for (written, found) in [
        ("10s", None),
        ("1m", None),
        ("1m30.5s", None),
        ("8s", Some("deadline")),
        ("500ms", Some("deadline")),
        ("soon", Some("deadline-unknown")),
    ] {
        let node = Node::new();
        let text = node.verifier("bin", &format!("per_verifier_timeout = \"{written}\""));
        node.write("config.toml", &text);
        assert_eq!(node.ids().first().map(|found| found.0), found, "{written}");
    }
}

#[test]
fn a_policy_that_lets_pass_or_misses_the_pause_image_is_named() {
    let pause: Reference = "registry.k8s.io/pause:3.10".parse().unwrap();
    let look = |text: &str| {
        let policy = Policy::parse(text, &|_| Err("no keys".to_owned())).unwrap();
        covers(&policy, &pause).iter().map(|finding| finding.id).collect::<Vec<_>>()
    };
    let root = format!("content-trust: {{ root: {{ keys: [{}] }} }}", "07".repeat(32));
    let all = format!("images:\n  \"registry.k8s.io/**\": {{ {root} }}\n");
    assert_eq!(look(&format!("version: 1\n{all}")), [] as [&str; 0]);
    assert_eq!(look(&format!("version: 1\nmode: permissive\n{all}")).len(), 2);
    assert_eq!(look(&format!("version: 1\nimages:\n  \"r.example/**\": {{ {root} }}\n")), ["pause-not-covered"]);
}
