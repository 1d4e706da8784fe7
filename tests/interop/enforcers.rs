//! skopeo and podman under the exported policy give the answers that boltseal gives. CRI-O and OpenShift share their code.

use crate::{
    bench::{Bench, Case, Image, OTHER, P256, RSA},
    common::{
        Ran,
        peers::{self, Kind},
    },
};
use std::{fs, path::PathBuf};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for tool in [Tool::Skopeo, Tool::Podman] {
        let name = tool.name();
        cases.extend(Case::on_each(
            format!("{name} under the exported policy answers as boltseal does"),
            &[name],
            move |bench| table(bench, tool),
        ));
        let kind = Kind::DockerRegistry;
        cases.push(Case::on(
            kind,
            format!("{name} under the exported policy asks for two of three"),
            &[name],
            move |bench| two_of_three(bench, tool),
        ));
        cases.push(Case::on(
            kind,
            format!("{name} refuses everything when the exported policy, its key or the registry is unusable"),
            &[name],
            move |bench| unusable(bench, tool),
        ));
    }
    cases.push(Case::on(
        Kind::DockerRegistry,
        "a host in capitals misses its scope, which is why no wider one is exported",
        &["skopeo"],
        capitals,
    ));
    cases.push(Case::on(Kind::DockerRegistry, "a domain is its hosts with every port to skopeo", &["skopeo"], ports));
    cases
}

#[derive(Clone, Copy)]
enum Tool {
    Skopeo,
    Podman,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Skopeo => "skopeo",
            Self::Podman => "podman",
        }
    }

    /// Pulls an image, by the policy and settings of a folder.
    fn pull(self, bench: &Bench, etc: &str, reference: &str) -> Ran {
        let home = tempfile::tempdir_in(bench.home()).expect("a folder");
        let mut command = bench.tool(self.name());
        match self {
            Self::Skopeo => {
                command.args([
                    "--policy",
                    &format!("{etc}/policy.json"),
                    "--registries.d",
                    &format!("{etc}/registries.d"),
                ]);
                command.args(["copy", "--override-arch", "amd64", "--src-tls-verify=false"]);
                command.args([format!("docker://{reference}"), format!("dir:{}", home.path().join("image").display())]);
            }
            Self::Podman => {
                // podman has no flag for it, and reads this folder of the user's home in the place of the machine's.
                let settings = bench.home().join(".config/containers");
                fs::create_dir_all(&settings).expect("a folder");
                let _ = fs::remove_file(settings.join("registries.d"));
                std::os::unix::fs::symlink(format!("{etc}/registries.d"), settings.join("registries.d"))
                    .expect("a link");
                let at = |name: &str| home.path().join(name).display().to_string();
                command.args(["--root", &at("root"), "--runroot", &at("run"), "--tmpdir", &at("tmp")]);
                command.args(["--storage-driver", "vfs", "pull", "--quiet"]);
                command.args([
                    "--arch",
                    "amd64",
                    "--tls-verify=false",
                    "--signature-policy",
                    &format!("{etc}/policy.json"),
                    reference,
                ]);
            }
        }
        Ran::of(&mut command)
    }
}

/// Writes the policy and exports it; its path, and the folder of what was exported.
fn exported(bench: &Bench, name: &str, images: &str) -> (String, String) {
    let keys = [("release", P256), ("rsa", RSA), ("other", OTHER)];
    let keys: String = keys.iter().map(|(name, key)| format!("  {name}: {{ key: '{}' }}\n", key.public())).collect();
    let policy = bench.file(&format!("{name}.yaml"), &format!("version: 1\nauthorities:\n{keys}images:\n{images}"));
    let etc = bench.home().join(format!("{name}.etc")).display().to_string();
    bench.boltseal.run(["policy", "export", "--to", "containers", "--policy", &policy, "--dir", &etc]).expect(0);
    (policy, etc)
}

/// Both answer alike, and so.
fn both(bench: &Bench, tool: Tool, (policy, etc): &(String, String), reference: &str, allowed: bool) {
    let theirs = tool.pull(bench, etc, reference);
    // By digest it may be the platform's image already.
    let platform: &[&str] = if reference.contains('@') { &[] } else { &["--platform", "linux/amd64"] };
    let ours = bench.boltseal.run([&["verify", "--policy", policy, reference], platform].concat());
    let answers = (theirs.code == 0, ours.code == 0);
    assert_eq!(
        answers,
        (allowed, allowed),
        "{}, boltseal\n{}\n{}{}",
        theirs.line,
        theirs.stderr,
        ours.stdout,
        ours.stderr
    );
}

fn table(bench: &Bench, tool: Tool) {
    let scope = |identity: &str| {
        format!("  '{}/**': {{ signatures: {{ from: [release, rsa], identity: {identity} }} }}\n", bench.address)
    };
    let repository = exported(bench, "repository", &scope("repository"));
    let tag = exported(bench, "tag", &scope("tag"));
    let elsewhere = exported(
        bench,
        "elsewhere",
        "  'registry.example.com/**': { signatures: { from: [release], identity: repository } }\n",
    );
    let nothing = exported(bench, "nothing", &format!("  '{}/**': {{ mode: disabled }}\n", bench.address));
    let image = bench.push();
    for (rules, allowed) in [(&repository, false), (&tag, false), (&elsewhere, false), (&nothing, true)] {
        both(bench, tool, rules, &image.tag(), allowed);
    }
    // By somebody else, then by one of those that are asked for.
    bench.boltseal_sign(&OTHER, &[&image.tag()]).expect(0);
    both(bench, tool, &repository, &image.tag(), false);
    bench.boltseal_sign(&RSA, &[&image.tag()]).expect(0);
    for (rules, allowed) in [(&repository, true), (&tag, true), (&elsewhere, false)] {
        both(bench, tool, rules, &image.tag(), allowed);
    }
    // The index and the platform's image by digest: a tag is asked for, and none is named.
    for reference in [image.index(), image.child()] {
        both(bench, tool, &repository, &reference, true);
        both(bench, tool, &tag, &reference, false);
    }
    moved(bench, tool, &image, &repository, &tag);
    platforms(bench, tool, &repository);
}

/// Under another tag, and in another repository.
fn moved(bench: &Bench, tool: Tool, image: &Image, repository: &(String, String), tag: &(String, String)) {
    bench.run("oras", &["tag", "--plain-http", &image.tag(), "v2"]).expect(0);
    let v2 = format!("{}:v2", image.name);
    both(bench, tool, repository, &v2, true);
    both(bench, tool, tag, &v2, false);
    let copy = Image { name: format!("{}/copy", image.name), layout: image.layout.clone() };
    bench.run("oras", &["cp", "--no-tty", "--from-plain-http", "--to-plain-http", &image.tag(), &copy.tag()]).expect(0);
    for digest in image.digests() {
        let (from, to) = (image.attached(digest, ".sig"), copy.attached(digest, ".sig"));
        bench.run("oras", &["cp", "--no-tty", "--from-plain-http", "--to-plain-http", &from, &to]).expect(0);
    }
    both(bench, tool, repository, &copy.tag(), false);
    both(bench, tool, tag, &copy.tag(), false);
    // What is signed is moved back onto: the tag now names something else.
    let next = bench.push_as(&format!("{}/next", bench.repository));
    bench.run("oras", &["cp", "--no-tty", "--from-plain-http", "--to-plain-http", &next.tag(), &image.tag()]).expect(0);
    both(bench, tool, repository, &image.tag(), false);
}

/// Only the platforms' images are signed; only the index is, where they ask for more than we do.
fn platforms(bench: &Bench, tool: Tool, rules: &(String, String)) {
    let images = bench.push_as(&format!("{}/images", bench.repository));
    for digest in &images.layout.images {
        bench.boltseal_sign(&P256, &[&images.at(digest)]).expect(0);
    }
    both(bench, tool, rules, &images.tag(), true);
    let index = bench.push_as(&format!("{}/index", bench.repository));
    bench.boltseal_sign(&P256, &["--index-only", &index.tag()]).expect(0);
    tool.pull(bench, &rules.1, &index.tag()).expect(tool.refuses());
    bench.boltseal.run(["verify", "--platform", "linux/amd64", "--policy", &rules.0, &index.tag()]).expect(0);
}

impl Tool {
    /// Its exit code for a pull that failed.
    fn refuses(self) -> i32 {
        match self {
            Self::Skopeo => 1,
            Self::Podman => 125,
        }
    }
}

fn two_of_three(bench: &Bench, tool: Tool) {
    let scope = format!(
        "  '{}/**': {{ signatures: {{ threshold: 2, from: [release, rsa, other], identity: tag }} }}\n",
        bench.address
    );
    let rules = exported(bench, "threshold", &scope);
    let image = bench.push();
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    both(bench, tool, &rules, &image.tag(), false);
    bench.boltseal_sign(&OTHER, &[&image.tag()]).expect(0);
    both(bench, tool, &rules, &image.tag(), true);
}

// [V-235]
fn unusable(bench: &Bench, tool: Tool) {
    let scope = format!("  '{}/**': {{ signatures: {{ from: [release], identity: repository }} }}\n", bench.address);
    let (policy, etc) = exported(bench, "good", &scope);
    let image = bench.push();
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    tool.pull(bench, &etc, &image.tag()).expect(0);
    // Boltseal itself takes no part: whether it is there makes no difference. The files do.
    let file = PathBuf::from(&etc).join("policy.json");
    let good = fs::read_to_string(&file).expect("policy.json");
    for bad in
        ["", "{}", &good.replacen("keyData", "novel", 1), &good.replacen("LS0t", "AAAA", 1), &good[..good.len() / 2]]
    {
        fs::write(&file, bad).expect("policy.json");
        tool.pull(bench, &etc, &image.tag()).expect(tool.refuses());
    }
    // Written again over the broken one.
    bench.boltseal.run(["policy", "export", "--to", "containers", "--policy", &policy, "--dir", &etc]).expect(0);
    tool.pull(bench, &etc, &image.tag()).expect(0);
    // Nobody looks for signatures, and so there are none.
    fs::remove_file(PathBuf::from(&etc).join("registries.d/boltseal.yaml")).expect("registries.d");
    tool.pull(bench, &etc, &image.tag()).expect(tool.refuses());
    // A registry that is down.
    let down = format!("{}/app:v1", peers::free_address());
    let (policy, etc) = exported(
        bench,
        "down",
        &format!(
            "  '{}/**': {{ signatures: {{ from: [release], identity: repository }} }}\n",
            down.split('/').next().expect("a host")
        ),
    );
    tool.pull(bench, &etc, &down).expect(tool.refuses());
    bench.boltseal.run(["verify", "--policy", &policy, &down]).expect(4);
}

fn capitals(bench: &Bench) {
    let port = bench.address.rsplit_once(':').expect("a port").1.to_owned();
    let image = bench.push();
    let (small, large) = (format!("localhost:{port}"), format!("LOCALHOST:{port}"));
    let inner = format!("  '{small}/**': {{ signatures: {{ from: [release], identity: repository }} }}\n");
    // Written by hand, as it is refused: everything passes but what has to be signed.
    let (_, etc) = exported(bench, "inner", &inner);
    let file = PathBuf::from(&etc).join("policy.json");
    let narrow = fs::read_to_string(&file).expect("policy.json");
    Tool::Skopeo.pull(bench, &etc, &format!("{large}/{}:v1", bench.repository)).expect(1);
    fs::write(&file, narrow.replacen("\"reject\"", "\"insecureAcceptAnything\"", 1)).expect("policy.json");
    Tool::Skopeo.pull(bench, &etc, &format!("{small}/{}:v1", bench.repository)).expect(1);
    Tool::Skopeo.pull(bench, &etc, &format!("{large}/{}:v1", bench.repository)).expect(0);
    let policy = bench.file(
        "wide.yaml",
        &format!(
            "version: 1\nauthorities: {{ release: {{ key: '{}' }} }}\nimages:\n{inner}  '**': {{ mode: disabled }}\n",
            P256.public()
        ),
    );
    bench.boltseal.run(["verify", "--policy", &policy, &format!("{large}/{}:v1", bench.repository)]).expect(1);
    bench.boltseal.run(["policy", "export", "--to", "containers", "--policy", &policy, "--dir", &etc]).expect(3);
    drop(image);
}

/// `127.0.0.1:PORT` is a host below `0.0.1` to skopeo.
fn ports(bench: &Bench) {
    let image = bench.push();
    let rule = "{ signatures: { from: [release], identity: repository } }";
    let (policy, etc) = exported(bench, "domain", &format!("  '*.0.0.1/**': {rule}\n  '*.0.0.1:*/**': {rule}\n"));
    both(bench, Tool::Skopeo, &(policy.clone(), etc.clone()), &image.tag(), false);
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    both(bench, Tool::Skopeo, &(policy, etc), &image.tag(), true);
}
