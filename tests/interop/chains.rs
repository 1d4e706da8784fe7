//! Chains of images in a real registry, and one whose newest image BuildKit built.

use crate::{
    bench::Case,
    chain::{Chain, Made},
    common::{
        Ran,
        peers::{self, Kind},
    },
    docker::{Daemon, client},
};
use boltseal::{
    oci::{Descriptor, Reference},
    registry::{Access, Options, Selector, Session},
};
use serde_json::{Value, json};
use std::fs;

/// Bytes of what BuildKit attests here.
const STATEMENT: u64 = 1 << 20;

pub fn cases() -> Vec<Case> {
    let build = ["docker-buildx", "dockerd", "docker", "containerd", "runc", "docker-registry", "CAP_SYS_ADMIN"];
    vec![
        Case::new("a chain of images is followed and judged", &["docker-registry"], followed),
        Case::new("what BuildKit says of its base is followed, and asked for", &build, built),
    ]
}

fn in_runtime(work: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work);
}

fn followed() {
    let registry = peers::start(Kind::DockerRegistry);
    in_runtime(async { Chain::build(&registry.address.to_string()).await.good() });
}

/// A build of this Dockerfile by BuildKit, pushed with its attestations.
fn build(chain: &Chain, daemon: &Daemon, name: &str, dockerfile: &str, more: &[&str]) -> Made {
    let home = chain.machine.home.path();
    let context = home.join("context");
    fs::create_dir_all(&context).expect("a folder");
    fs::write(context.join("Dockerfile"), dockerfile).expect("a file");
    let name = format!("{}/{name}", chain.address);
    let mut command = client(home);
    command.args(["-H", &daemon.host(), "buildx", "build", "--no-cache", "--provenance=mode=max"]);
    command.args(["--push", "-t", &name]);
    Ran::of(command.args(more).arg(&context)).expect(0);
    let ran = chain.ask(&["inspect", "-o", "json", &name]).expect(0).json();
    Made { digest: ran["root"]["digest"].as_str().and_then(|text| text.parse().ok()).expect("a digest"), name }
}

/// The provenance that BuildKit pushed into an index.
async fn provenance(made: &Made) -> Value {
    let reference: Reference = made.name.parse().expect("a name");
    let session = Session::new(Options::default()).expect("a session");
    let repo = session.open(&reference.repository, Access::Pull).expect("a repository");
    let index = repo.manifest(&Selector::Digest(made.digest)).await.expect("an index");
    let index: Value = serde_json::from_slice(&index.bytes).expect("JSON");
    let entries = index["manifests"].as_array().expect("entries");
    let is_attestation = |entry: &&Value| entry["annotations"]["vnd.docker.reference.type"] == "attestation-manifest";
    let entry: Descriptor =
        serde_json::from_value(entries.iter().find(is_attestation).expect("one").clone()).expect("one");
    let manifest = repo.listed_manifest(&entry).await.expect("a manifest");
    let layer = &manifest.image().expect("an image").layers[0];
    let statement: Value = serde_json::from_slice(&repo.blob(layer, STATEMENT).await.expect("a blob")).expect("JSON");
    statement["predicate"].clone()
}

/// Signs what BuildKit built, and attests what it said of that.
async fn release(chain: &Chain, made: &Made) {
    chain.sign("release", made);
    chain.attest_predicate("release", made, &provenance(made).await);
}

fn built() {
    let registry = peers::start(Kind::DockerRegistry);
    let daemon = Daemon::with_images(true);
    in_runtime(async {
        let chain = Chain::build(&registry.address.to_string()).await;
        let base = &chain.base.name;
        let asks = |depth: usize| format!(", base: {{ policy: apply, depth: {depth} }}");
        let app = build(&chain, &daemon, "shop/built:1", &format!("FROM {base}\nCOPY Dockerfile /d\n"), &[]);
        // Unsigned in the index, it counts where the policy says so; the base is asked for all the same.
        chain.sign("release", &app);
        chain.denied(&app, &asks(2), 1, "attestation-missing");
        let text = fs::read_to_string(chain.policy(&asks(2))).expect("a policy");
        let accepts = "provenance: { from: [release], unsigned: covered-by-index }";
        let covered = chain.file("covered.yaml");
        fs::write(&covered, text.replace("provenance: { from: [release] }", accepts)).expect("a policy");
        chain.ask(&["verify", "--policy", &covered, &app.name]).expect(0);
        let report = chain.ask(&["provenance", "-o", "json", "--policy", &covered, &app.name]).expect(0).json();
        assert_eq!(report["chain"]["hops"][0]["builds"][0]["covered"], "index", "{report:#}");
        assert_eq!(report["chain"]["hops"][1]["judged"]["verdict"], "allowed", "{report:#}");
        release(&chain, &app).await;
        let report = chain.follow(&app.name, &asks(3), &["-o", "json"]).expect(0).json();
        let hops = report["chain"]["hops"].as_array().expect("hops");
        let names: Vec<_> = hops.iter().map(|hop| hop["reference"].as_str().expect("a name")).collect();
        assert_eq!(names, [app.pinned(), chain.base.pinned(), chain.distro.pinned()], "{report:#}");
        assert_eq!(
            hops[0]["children"][0]["reached"],
            json!({ "by": "provenance", "builds": [0], "sharesLayers": true })
        );
        // From scratch there is no base; a stage that nobody signed is one image too many.
        let scratch = build(&chain, &daemon, "shop/scratch:1", "FROM scratch\nCOPY Dockerfile /d\n", &[]);
        release(&chain, &scratch).await;
        chain.verify(&scratch, &asks(1)).expect(0);
        let stage = chain.push("base/unsigned:2", 2, None).await.name;
        let text = format!("FROM {stage} AS tools\nFROM {base}\nCOPY --from=tools /layer-1 /d\n");
        let staged = build(&chain, &daemon, "shop/staged:1", &text, &[]);
        release(&chain, &staged).await;
        chain.denied(&staged, &asks(1), 1, "base-denied");
        // A layout on the client's disk has a digest, and no place.
        let layout = format!("oci:{}:1", chain.file("layout"));
        chain.ask(&["pull", "--policy", &chain.policy(""), base, "--to", &layout]).expect(0);
        let context = format!("base=oci-layout://{}@{}", chain.file("layout"), chain.base.digest);
        let local =
            build(&chain, &daemon, "shop/local:1", "FROM base\nCOPY Dockerfile /d\n", &["--build-context", &context]);
        release(&chain, &local).await;
        chain.denied(&local, &asks(1), 1, "base-unknown");
    });
}
