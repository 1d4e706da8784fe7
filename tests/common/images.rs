//! The table of images that each enforcement point is tried on, in whatever registry holds them: good ones, and one for
//! each way in which an image can be wrong. Binaries that use it run on a multi-threaded runtime.
#![allow(dead_code, reason = "each test binary uses its part")]

use crate::common::{Boltseal, Ran, image, key};
use boltseal::{
    format::trust_manifest::TRUST_TAG,
    oci::{Reference, Repository},
    registry::{Access, Options, Repo, Selector, Session},
};
use std::{ffi::OsStr, fs, net::TcpListener};

/// What a policy says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Allowed, and by this digest.
    Allowed(String),
    /// Denied, with this id among the reasons.
    Denied(&'static str),
    /// The registry can't be asked.
    Unknown,
}

/// An image of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: &'static str,
    /// Repository and tag; or repository alone, where only the digest is asked for.
    pub name: String,
    /// What the registry says that the tag means, or what is asked for.
    pub served: String,
    /// Of the name: what the tag means to who believes the signed map.
    pub expected: Expected,
    /// What a point answers that was told what the registry serves.
    pub as_served: Expected,
}

impl Row {
    /// The row by digest, as CRI asks.
    pub fn by_digest(&self) -> String {
        let reference: Reference = self.name.parse().expect("a reference");
        format!("{}@{}", reference.repository, self.served)
    }

    /// The row by its tag, where it has one; else by digest.
    pub fn by_tag(&self) -> String {
        let reference: Reference = self.name.parse().expect("a reference");
        if reference.tag.is_some() { self.name.clone() } else { self.by_digest() }
    }
}

/// The images, and a machine with keys and the policy.
pub struct Table {
    pub address: String,
    pub machine: Boltseal,
    pub rows: Vec<Row>,
}

impl Table {
    /// Makes all of it in the registry at an address.
    pub async fn build(address: &str) -> Self {
        let mut table = Self { address: address.to_owned(), machine: Boltseal::new(), rows: Vec::new() };
        for name in ["root", "alice"] {
            table.ask(&["key", "generate", "--output-key-prefix", name]).expect(0);
        }
        table.plain().await;
        table.signed_tags().await;
        table.rolled_back().await;
        let down = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port");
        let (name, served) = (format!("{down}/plain/down:1.0"), format!("sha256:{}", "1".repeat(64)));
        table.row("the registry is down", &name, &served, Expected::Unknown, None);
        table.write_policy(&down.to_string());
        table
    }

    /// A signed and an unsigned image alone.
    pub async fn small(address: &str) -> Self {
        let mut table = Self { address: address.to_owned(), machine: Boltseal::new(), rows: Vec::new() };
        for (what, repository) in [("signed", "plain/signed"), ("unsigned", "plain/unsigned")] {
            let made = table.push(repository, "1.0", repository).await;
            let name = table.at(&format!("{repository}:1.0"));
            let expected = match what {
                "signed" => Expected::Allowed(made.index.clone()),
                _ => Expected::Denied("unsigned"),
            };
            if what == "signed" {
                table.sign("release.test.key", &[], &name);
            }
            table.row(what, &name, &made.index, expected, None);
        }
        fs::copy(key("release.test.pub"), table.file("release.pub")).expect("a key");
        table.set_policy("mode: enforced");
        table
    }

    /// Writes a policy of one key for everything, with more of its head.
    pub fn set_policy(&self, head: &str) {
        let text = format!(
            "version: 1\n{head}\nauthorities:\n  release: {{ key: release.pub }}\nimages:\n  \
             \"**\": {{ signatures: {{ from: [release] }} }}\n"
        );
        fs::write(self.policy(), text).expect("a policy");
    }

    pub fn at(&self, place: &str) -> String {
        format!("{}/{place}", self.address)
    }

    pub fn policy(&self) -> String {
        self.file("policy.yaml")
    }

    pub fn file(&self, name: &str) -> String {
        self.machine.home.path().join(name).display().to_string()
    }

    pub fn find(&self, what: &str) -> &Row {
        self.rows.iter().find(|row| row.what == what).unwrap_or_else(|| panic!("no row {what:?}"))
    }

    fn row(&mut self, what: &'static str, name: &str, served: &str, expected: Expected, as_served: Option<Expected>) {
        let as_served = as_served.unwrap_or_else(|| expected.clone());
        self.rows.push(Row { what, name: name.to_owned(), served: served.to_owned(), expected, as_served });
    }

    /// The registry may answer on other threads of this process meanwhile.
    pub fn ask<A: AsRef<OsStr>>(&self, words: &[A]) -> Ran {
        tokio::task::block_in_place(|| self.machine.run(words))
    }

    fn repo(&self, place: &str) -> Repo {
        let reference: Reference = self.at(place).parse().expect("a name");
        let session = Session::new(Options::default()).expect("a session");
        session.open(&reference.repository, Access::PullPush).expect("a repository")
    }

    /// Pushes an index of two images; the seed makes its digests differ from others'.
    pub async fn push(&self, repository: &str, tag: &str, seed: &str) -> image::Layout {
        self.push_at(&self.at(&format!("{repository}:{tag}")), seed).await
    }

    /// The same, in whatever registry.
    pub async fn push_at(&self, name: &str, seed: &str) -> image::Layout {
        let reference: Reference = name.parse().expect("a name");
        let (home, tag) = (tempfile::tempdir().expect("a folder"), reference.tag_or_latest().expect("a tag"));
        let dir = home.path().join("layout");
        let made = image::write(&dir, tag, seed);
        let session = Session::new(Options::default()).expect("a session");
        let from = session.open(&Repository::Layout(dir), Access::Pull).expect("the layout");
        let to = session.open(&reference.repository, Access::PullPush).expect("a repository");
        image::copy(&from, &to, tag, &made).await;
        made
    }

    fn sign(&self, signer: &str, more: &[&str], reference: &str) {
        let key = key(signer);
        self.ask(&[&["sign", "--key", &key], more, &[reference]].concat()).expect(0);
    }

    /// Signatures alone.
    async fn plain(&mut self) {
        let allowed = |digest: &str| Expected::Allowed(digest.to_owned());
        for (what, repository, signer, more, expected) in [
            ("signed", "plain/signed", Some("release.test.key"), &[][..], None),
            ("unsigned", "plain/unsigned", None, &[], Some(Expected::Denied("unsigned"))),
            (
                "signed by a wrong key",
                "plain/other",
                Some("qa.test.key"),
                &[],
                Some(Expected::Denied("signer-unknown")),
            ),
            ("only the index is signed", "plain/index", Some("release.test.key"), &["--index-only"], None),
            ("no scope matches", "elsewhere/app", Some("release.test.key"), &[], Some(Expected::Denied("no-policy"))),
        ] {
            let made = self.push(repository, "1.0", repository).await;
            let name = self.at(&format!("{repository}:1.0"));
            if let Some(signer) = signer {
                self.sign(signer, more, &name);
            }
            self.row(what, &name, &made.index, expected.unwrap_or_else(|| allowed(&made.index)), None);
            if what == "only the index is signed" {
                let place = self.at(repository);
                self.row("an image of it, by digest", &place, &made.images[0], Expected::Denied("unsigned"), None);
            }
        }
        let made = self.push("plain/images", "1.0", "images").await;
        let place = self.at("plain/images");
        for image in &made.images {
            self.sign("release.test.key", &[], &format!("{place}@{image}"));
        }
        self.row(
            "only the images are signed",
            &format!("{place}:1.0"),
            &made.index,
            Expected::Denied("unsigned"),
            None,
        );
        self.row("one of them, by digest", &place, &made.images[0], allowed(&made.images[0]), None);
    }

    fn start_trust(&self, place: &str) {
        let (root, alice) = (self.file("root.key"), format!("alice={}", self.file("alice.key")));
        let line = ["trust", "init", place, "--root-key", &root, "--signer", &alice, "--lock"];
        self.ask(&[&line[..], &[&self.file("boltseal.lock")]].concat()).expect(0);
    }

    fn sign_tag(&self, reference: &str) {
        self.ask(&["trust", "sign", "--key", &self.file("alice.key"), reference]).expect(0);
    }

    /// Signed tags: a good one, one that the registry has moved, one whose image is revoked, one that nobody signed.
    async fn signed_tags(&mut self) {
        let place = self.at("trust/app");
        self.start_trust(&place);
        let mut made = Vec::new();
        for tag in ["1.0", "2.0", "3.0", "4.0"] {
            made.push(self.push("trust/app", tag, tag).await.index);
            if tag != "4.0" {
                self.sign_tag(&format!("{place}:{tag}"));
            }
        }
        let (root, alice) = (self.file("root.key"), self.file("alice.key"));
        let revoke = ["trust", "revoke", "--key", &root, "--key", &alice, &place, "--digest", &made[2]];
        self.ask(&[&revoke[..], &["--reason", "broken"]].concat()).expect(0);
        // Whoever may push points 2.0 at the image of 1.0, which is as well signed.
        let repo = self.repo("trust/app");
        let one = repo.manifest(&Selector::Tag("1.0".to_owned())).await.expect("it is there");
        let at = Selector::Tag("2.0".to_owned());
        repo.push_manifest_bytes(&at, &one.descriptor.media_type, &one.bytes).await.expect("it moves");
        let allowed = |at: usize| Expected::Allowed(made[at].clone());
        self.row("a signed tag", &format!("{place}:1.0"), &made[0], allowed(0), None);
        let moved = Some(Expected::Denied("moved-tag"));
        self.row("a moved tag", &format!("{place}:2.0"), &made[0], allowed(1), moved);
        self.row("a revoked image", &place, &made[2], Expected::Denied("revoked"), None);
        self.row("a tag that nobody signed", &format!("{place}:4.0"), &made[3], Expected::Denied("not-listed"), None);
    }

    /// A repository whose registry serves an older state than the lock has seen.
    async fn rolled_back(&mut self) {
        let place = self.at("trust/rolled");
        self.start_trust(&place);
        let made = self.push("trust/rolled", "1.0", "rolled").await;
        self.sign_tag(&format!("{place}:1.0"));
        let repo = self.repo("trust/rolled");
        let trust = Selector::Tag(TRUST_TAG.to_owned());
        let old = repo.manifest(&trust).await.expect("trust data");
        self.push("trust/rolled", "2.0", "rolled too").await;
        self.sign_tag(&format!("{place}:2.0"));
        self.ask(&["trust", "pin", &place, "--lock", &self.file("boltseal.lock")]).expect(0);
        repo.push_manifest_bytes(&trust, &old.descriptor.media_type, &old.bytes).await.expect("it is rolled back");
        self.row("rolled back", &format!("{place}:1.0"), &made.index, Expected::Denied("rollback"), None);
    }

    fn write_policy(&self, down: &str) {
        fs::copy(key("release.test.pub"), self.file("release.pub")).expect("a key");
        let seen = self.ask(&["key", "inspect", "-o", "json", &self.file("root.pub")]).expect(0).json();
        let root = seen["keys"][0]["key"]["fingerprint"].as_str().expect("a fingerprint").to_owned();
        let address = &self.address;
        let signed = "{ signatures: { from: [release], identity: repository } }";
        let text = format!(
            "version: 1\nauthorities:\n  release: {{ key: release.pub }}\nimages:\n  \"{address}/plain/**\": {signed}\n  \
             \"{down}/plain/**\": {signed}\n  \
             \"{address}/trust/app\": {{ content-trust: {{ root: {{ keys: [{root}] }} }} }}\n  \
             \"{address}/trust/rolled\": {{ content-trust: {{ lock: boltseal.lock }} }}\n"
        );
        fs::write(self.policy(), text).expect("a policy");
    }
}
