//! Three images, each built on the one before it, signed by different keys in scopes of their own: in whatever registry
//! holds them. Binaries that use it run on a multi-threaded runtime.
#![allow(dead_code, reason = "each test binary uses its part")]

use crate::common::{Boltseal, Ran, key};
use boltseal::{
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference},
    registry::{Access, Options, Repo, Selector, Session},
};
use serde_json::{Value, json};
use std::{ffi::OsStr, fs, net::TcpListener};

pub const BUILDKIT: &str = "https://mobyproject.org/buildkit@v1";
const BASE: &str = "org.opencontainers.image.base";

/// An image of the chain.
#[derive(Clone, Debug)]
pub struct Made {
    /// Repository and tag.
    pub name: String,
    pub digest: Digest,
}

impl Made {
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// As BuildKit names it.
    fn material(&self) -> Value {
        let (repository, tag) = self.name.rsplit_once(':').expect("a tag");
        let uri = format!("pkg:docker/{repository}@{tag}?platform=linux%2Famd64");
        json!({ "uri": uri, "digest": { "sha256": self.digest.to_string().split(':').nth(1) } })
    }
}

/// The registry, and a machine with keys and policies.
pub struct Chain {
    pub address: String,
    pub machine: Boltseal,
    pub distro: Made,
    pub base: Made,
    pub app: Made,
}

impl Chain {
    pub async fn build(address: &str) -> Self {
        let nothing = Made { name: String::new(), digest: Digest::sha256(b"") };
        let machine = Boltseal::new();
        let (distro, base, app) = (nothing.clone(), nothing.clone(), nothing);
        let mut chain = Self { address: address.to_owned(), machine, distro, base, app };
        for name in ["release", "qa", "ci"] {
            fs::copy(key(&format!("{name}.test.pub")), chain.file(&format!("{name}.pub"))).expect("a key");
        }
        chain.distro = chain.push("vendor/distro:3", 1, None).await;
        chain.attest("qa", &chain.distro, BUILDKIT, &[]);
        chain.sign("qa", &chain.distro);
        chain.base = chain.push("base/go:1.26", 2, Some(&chain.distro)).await;
        chain.attest("ci", &chain.base, BUILDKIT, &[&chain.distro]);
        chain.sign("ci", &chain.base);
        chain.app = chain.push("shop/cart:1", 3, Some(&chain.base)).await;
        chain.attest("release", &chain.app, BUILDKIT, &[&chain.base]);
        chain.sign("release", &chain.app);
        chain
    }

    pub fn file(&self, name: &str) -> String {
        self.machine.home.path().join(name).display().to_string()
    }

    /// A policy of a scope for each of the three; what more is asked of the applications.
    pub fn policy(&self, more: &str) -> String {
        let address = &self.address;
        let asked = |by: &str| format!("signatures: {{ from: [{by}] }}, provenance: {{ from: [{by}] }}");
        let text = format!(
            "version: 1\nauthorities: {{ release: {{ key: release.pub }}, ci: {{ key: ci.pub }}, qa: {{ key: qa.pub }} }}\nimages:\n  \
             \"{address}/shop/**\": {{ {}{more} }}\n  \"{address}/base/**\": {{ {} }}\n  \"{address}/vendor/**\": {{ {} }}\n",
            asked("release"),
            asked("ci"),
            asked("qa"),
        );
        let path = self.file(&format!("policy-{}.yaml", hex::encode(Digest::sha256(more.as_bytes()).to_string())));
        fs::write(&path, text).expect("a policy");
        path
    }

    /// The registry may answer on other threads of this process meanwhile.
    pub fn ask<A: AsRef<OsStr>>(&self, words: &[A]) -> Ran {
        tokio::task::block_in_place(|| self.machine.run(words))
    }

    pub fn follow(&self, image: &str, more: &str, words: &[&str]) -> Ran {
        self.ask(&[&["provenance", "--policy", &self.policy(more)], words, &[image]].concat())
    }

    fn repo(&self, name: &str) -> Repo {
        let reference: Reference = name.parse().expect("a name");
        let session = Session::new(Options::default()).expect("a session");
        session.open(&reference.repository, Access::PullPush).expect("a repository")
    }

    /// Pushes an image of so many layers, the lower ones those of all others; its annotations name a base.
    pub async fn push(&self, name: &str, layers: usize, base: Option<&Made>) -> Made {
        let name = format!("{}/{name}", self.address);
        let repo = self.repo(&name);
        let contents: Vec<Vec<u8>> = (1..=layers).map(|layer| tar(&format!("layer {layer}"))).collect();
        let diff_ids: Vec<_> = contents.iter().map(|content| Digest::sha256(content).to_string()).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Labels": { "name": name } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string().into_bytes();
        for content in contents.iter().chain([&config]) {
            repo.push_blob(content).await.expect("pushed");
        }
        let layers =
            contents.iter().map(|content| Descriptor::of("application/vnd.oci.image.layer.v1.tar", content)).collect();
        let mut manifest =
            ImageManifest::new(Descriptor::of("application/vnd.oci.image.config.v1+json", &config), layers);
        if let Some(base) = base {
            manifest.annotations.insert(format!("{BASE}.name"), base.name.clone());
            manifest.annotations.insert(format!("{BASE}.digest"), base.digest.to_string());
        }
        let tag = name.rsplit(':').next().expect("a tag").to_owned();
        let manifest = Manifest::Image(Box::new(manifest));
        let (digest, _) = repo.push_manifest(&Selector::Tag(tag), &manifest).await.expect("pushed");
        Made { name, digest }
    }

    pub fn sign(&self, by: &str, image: &Made) {
        self.ask(&["sign", "--key", &key(&format!("{by}.test.key")), &image.pinned()]).expect(0);
    }

    pub fn attest(&self, by: &str, image: &Made, build_type: &str, from: &[&Made]) {
        self.attest_materials(by, image, build_type, &from.iter().map(|made| made.material()).collect::<Vec<_>>());
    }

    pub fn attest_materials(&self, by: &str, image: &Made, build_type: &str, materials: &[Value]) {
        let predicate = json!({
            "builder": { "id": format!("https://builds.example/{by}") }, "buildType": build_type, "materials": materials,
            "invocation": { "configSource": { "uri": "https://git.example/acme/cart.git#refs/tags/v1", "digest": { "sha1": "0".repeat(40) } } },
        });
        self.attest_predicate(by, image, &predicate);
    }

    pub fn attest_predicate(&self, by: &str, image: &Made, predicate: &Value) {
        let file = self.file("predicate.json");
        fs::write(&file, predicate.to_string()).expect("a file");
        let key = key(&format!("{by}.test.key"));
        self.ask(&["attest", "--key", &key, "--type", "slsaprovenance02", "--predicate", &file, &image.pinned()])
            .expect(0);
    }

    /// All that is promised of a chain.
    pub async fn check(&self) {
        self.good();
        self.bad_bases().await;
        self.claims().await;
        self.foreign_hosts().await;
    }

    pub fn good(&self) {
        let report = self.follow(&self.app.name, "", &["-o", "json"]).expect(0).json();
        let hops = report["chain"]["hops"].as_array().expect("hops");
        let names: Vec<_> = hops.iter().map(|hop| hop["reference"].as_str().expect("a name")).collect();
        assert_eq!(names, [self.app.pinned(), self.base.pinned(), self.distro.pinned()]);
        for (at, hop) in hops.iter().enumerate() {
            assert_eq!(hop["judged"]["verdict"], "allowed", "{report:#}");
            assert_eq!((hop["proven"].as_bool(), hop["depth"].as_u64()), (Some(true), Some(at as u64)));
            assert_eq!((&hop["contradictions"], &hop["gaps"]), (&json!([]), &json!([])), "{report:#}");
            assert_eq!(hop["builds"][0]["sources"][0]["uri"], "https://git.example/acme/cart");
            if at < 2 {
                let link = json!({ "to": at + 1, "cycle": false, "reached": { "by": "provenance", "builds": [0], "sharesLayers": true } });
                assert_eq!(hop["children"], json!([link]));
            }
        }
        assert_eq!(hops[0]["builds"][0]["authorities"], json!(["release"]));
        assert_eq!(report["exit"], 0);
        let text = self.follow(&self.app.name, "", &[]).expect(0).stdout;
        for told in ["built on: allowed", "release signed that", "CLAIM", "https://builds.example/qa"] {
            assert!(text.contains(told), "{told}: {text}");
        }
        let dot = self.follow(&self.app.name, "", &["--dot"]).expect(0).stdout;
        assert!(dot.starts_with("digraph") && dot.contains("n1 -> n2 [label=\"built on\", style=solid]"), "{dot}");
        self.follow(&self.app.name, "", &["--dot", "-o", "json"]).expect(2);
        let one = self.follow(&self.app.name, "", &["--depth", "1", "-o", "json"]).expect(0).json();
        assert_eq!(one["chain"]["hops"].as_array().map(Vec::len), Some(2));
        assert_eq!(one["chain"]["hops"][1]["gaps"][0]["id"], "not-followed");
        // As deep as there is evidence.
        for (depth, code) in [(1, 0), (3, 0), (8, 0)] {
            self.verify(&self.app, &format!(", base: {{ policy: apply, depth: {depth} }}")).expect(code);
        }
    }

    pub fn verify(&self, image: &Made, more: &str) -> Ran {
        self.ask(&["verify", "-o", "json", "--policy", &self.policy(more), &image.name])
    }

    #[track_caller]
    pub fn denied(&self, image: &Made, more: &str, code: i32, id: &str) {
        let ran = self.verify(image, more).expect(code);
        assert_eq!(ran.json()["results"][0]["reasons"][0]["id"], id, "{}", ran.stdout);
        let policy = self.policy(more);
        assert_eq!(self.ask(&["resolve", "--policy", &policy, &image.name]).expect(code).stdout, "");
        let to = format!("oci:{}", self.file("pulled"));
        self.ask(&["pull", "--policy", &policy, &image.name, "--to", &to]).expect(code);
    }

    /// An application of ours on these images.
    async fn app_on(&self, name: &str, build_type: &str, materials: &[Value], base: Option<&Made>) -> Made {
        let app = self.push(&format!("shop/{name}:1"), 3, base).await;
        self.sign("release", &app);
        self.attest_materials("release", &app, build_type, materials);
        app
    }

    async fn bad_bases(&self) {
        let asks = ", base: { policy: apply }";
        let unsigned = self.push("base/unsigned:1", 2, None).await;
        let on_unsigned = self.app_on("on-unsigned", BUILDKIT, &[unsigned.material()], None).await;
        self.denied(&on_unsigned, asks, 1, "base-denied");
        self.verify(&on_unsigned, "").expect(0);
        let report = self.follow(&on_unsigned.name, "", &["-o", "json"]).expect(1).json();
        assert_eq!(report["chain"]["hops"][1]["judged"]["reasons"][0]["id"], "unsigned", "{report:#}");
        // The application's own key is not one of those that the base's scope names.
        self.sign("release", &unsigned);
        self.denied(&on_unsigned, asks, 1, "base-denied");
        let gone = Made { digest: Digest::sha256(b"gone"), ..self.base.clone() };
        let on_gone = self.app_on("on-gone", BUILDKIT, &[gone.material()], None).await;
        self.denied(&on_gone, asks, 4, "base-unread");
        let report = self.follow(&on_gone.name, "", &["-o", "json"]).expect(4).json();
        assert_eq!(report["chain"]["hops"][1]["gaps"][0]["id"], "not-read", "{report:#}");
        // A level deeper: the base is good, and says nothing of what it was built from.
        let silent = self.push("base/silent:1", 2, None).await;
        self.sign("ci", &silent);
        self.attest_materials("ci", &silent, "https://example.com/mine", &[]);
        let on_silent = self.app_on("on-silent", BUILDKIT, &[silent.material()], None).await;
        self.verify(&on_silent, asks).expect(0);
        self.denied(&on_silent, ", base: { policy: apply, depth: 2 }", 1, "base-unknown");
    }

    async fn claims(&self) {
        // Annotations and layers say what the base is; nobody signed that.
        let claimed = self.app_on("claimed", "https://example.com/mine", &[], Some(&self.base)).await;
        self.denied(&claimed, ", base: { policy: apply }", 1, "base-unknown");
        let report = self.follow(&claimed.name, "", &["-o", "json"]).expect(0).json();
        let [app, base] = [0, 1].map(|at| &report["chain"]["hops"][at]);
        assert_eq!(app["children"][0]["reached"]["by"], "claim", "{report:#}");
        assert_eq!((&base["proven"], &base["judged"]["verdict"]), (&json!(false), &json!("allowed")));
        assert_eq!(app["gaps"][0]["id"], "bases-not-listed");
        // They say another thing than what was signed.
        let liar = self.app_on("liar", BUILDKIT, &[self.distro.material()], Some(&self.base)).await;
        let report = self.follow(&liar.name, "", &["-o", "json"]).expect(0).json();
        assert_eq!(report["chain"]["hops"][0]["contradictions"][0]["id"], "annotation-contradicted", "{report:#}");
        assert!(self.follow(&liar.name, "", &[]).expect(0).stdout.contains("CONTRADICTION annotation-contradicted"));
        // They name an image whose layers these are not.
        let stranger = self.push("base/stranger:1", 5, None).await;
        let faked = self.app_on("faked", BUILDKIT, &[stranger.material()], Some(&stranger)).await;
        let report = self.follow(&faked.name, "", &["-o", "json"]).expect(1).json();
        assert_eq!(report["chain"]["hops"][0]["contradictions"][0]["id"], "layers-differ", "{report:#}");
    }

    /// What provenance and annotations name elsewhere is not asked there: not a byte is sent.
    async fn foreign_hosts(&self) {
        let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
        elsewhere.set_nonblocking(true).expect("set");
        let host = elsewhere.local_addr().expect("an address");
        let there = Made { name: format!("{host}/base/go:1"), digest: self.base.digest };
        let app = self.app_on("elsewhere", BUILDKIT, &[there.material()], Some(&there)).await;
        self.denied(&app, ", base: { policy: apply }", 1, "base-not-in-policy");
        let report = self.follow(&app.name, "", &["-o", "json"]).expect(0).json();
        let hop = &report["chain"]["hops"][1];
        assert_eq!(
            (&hop["judged"]["verdict"], &hop["gaps"][0]["id"]),
            (&json!("not-visited"), &json!("not-in-policy"))
        );
        // Nor with a policy that is for everything.
        let by_key = ["provenance", "--key", &key("release.test.pub"), &app.name];
        assert!(self.ask(&by_key).expect(0).stdout.contains("not-in-policy"));
        assert!(elsewhere.accept().is_err(), "somebody called");
    }
}

fn tar(text: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, text.replace(' ', "-"), text.as_bytes()).expect("in memory");
    archive.into_inner().expect("in memory")
}
