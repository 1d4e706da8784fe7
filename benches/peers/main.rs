//! boltseal beside cosign and notation: whole processes, in turn, on this machine.
//!
//! `benches/run.sh` runs it in a release build; `--write` puts the tables into docs/benchmarks.md, `trust` measures content
//! trust alone, `keyless` keyless verification, `audit` audits of fleets. A target that is missed is said plainly and fails nothing: times depend on the machine, and what they depend
//! on stands beside them.

mod audit;
#[path = "../../tests/common/mod.rs"]
mod common;
mod fixture;
mod keyless;
mod keyless_math;
mod measure;
mod proxy;
mod report;
#[path = "../../tests/common/sigstore/mod.rs"]
mod sigstore;
mod tls;
mod tools;
mod trust;
mod trust_files;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use common::{PASSWORD, Ran, peers, peers::Kind};
use fixture::Pusher;
use measure::Sample;
use proxy::Proxy;
use report::{HEAD, Row, Series, Target, millis, word};
use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    process::ExitCode,
    time::Duration,
};
use tokio::runtime::Runtime;
use tools::Tools;

/// Runs of each command, in turn with the others'.
const RUNS: usize = 20;
/// Runs where one takes seconds.
const FEW: usize = 5;
/// The round trip at which attachments are fetched.
const ROUND_TRIP: Duration = Duration::from_millis(20);
const ATTACHMENTS: usize = 200;
const IN_HALF_A_SECOND: Target = Target::Within(Duration::from_millis(500));

/// A table that can be measured alone: its name, and what adds it to a text.
type Table = (&'static str, fn(&mut String));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == measure::CHILD) {
        return measure::child(&arguments[1..]);
    }
    if arguments.first().is_some_and(|first| first == trust::CHILD) {
        return trust::child(&arguments[1..]);
    }
    let alone: [Table; 3] = [("audit", audit::table), ("trust", trust::table), ("keyless", keyless::table)];
    if let Some((_, table)) = alone.iter().find(|(name, _)| arguments.first().is_some_and(|first| first == name)) {
        let mut text = heading(&[]);
        table(&mut text);
        println!("{text}");
        return ExitCode::SUCCESS;
    }
    let runtime = Runtime::new().expect("a runtime");
    let bench = Bench { tools: Tools::new(), runtime, pusher: pusher(&[]) };
    let mut missing = Vec::new();
    for tool in ["cosign", "notation", "refreg", "docker-registry"] {
        if !peers::is_there(tool) {
            missing.push(tool);
            println!("NOT RUN: everything that needs {tool}; tests/peers.sh fetches it");
        }
    }
    let mut text = heading(&missing);
    bench.start(&mut text);
    for kind in [Kind::Refreg, Kind::DockerRegistry] {
        if peers::is_there(kind.tool()) {
            bench.registry(kind, &mut text);
        }
    }
    if peers::is_there("refreg") {
        bench.tls(&mut text);
    }
    bench.fleet(&mut text);
    audit::table(&mut text);
    trust::table(&mut text);
    keyless::table(&mut text);
    println!("{text}");
    if arguments.iter().any(|argument| argument == "--write") && at_most().is_none() {
        write(&text);
    }
    ExitCode::SUCCESS
}

fn pusher(authorities: &[PathBuf]) -> Pusher {
    Pusher::new(&common::key("release.test.key"), PASSWORD, authorities).expect("the test key")
}

struct Bench {
    tools: Tools,
    runtime: Runtime,
    pusher: Pusher,
}

/// The commands of a row. Each is made for a run by its number, since nothing is signed twice.
struct Contest<'c> {
    operation: String,
    ours: Box<dyn Fn(usize) -> Command + 'c>,
    cosign: Option<Box<dyn Fn(usize) -> Command + 'c>>,
    notation: Option<Box<dyn Fn(usize) -> Command + 'c>>,
    targets: Vec<Target>,
}

impl<'c> Contest<'c> {
    fn new(operation: impl Into<String>, ours: impl Fn(usize) -> Command + 'c) -> Self {
        let targets = Vec::new();
        Self { operation: operation.into(), ours: Box::new(ours), cosign: None, notation: None, targets }
    }

    fn cosign(self, command: impl Fn(usize) -> Option<Command> + 'c) -> Self {
        let there = command(0).is_some();
        let command = Box::new(move |run| command(run).expect("cosign is there"));
        Self { cosign: there.then_some(command as _), ..self }
    }

    fn notation(self, command: impl Fn(usize) -> Option<Command> + 'c) -> Self {
        let there = command(0).is_some();
        let command = Box::new(move |run| command(run).expect("notation is there"));
        Self { notation: there.then_some(command as _), ..self }
    }

    fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Runs `runs` times in turn, the peers at most `peer_runs` times.
    fn run(self, runs: usize, peer_runs: usize) -> Row {
        let runs = at_most().unwrap_or(runs).min(runs);
        let (mut ours, mut cosign, mut notation) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..runs {
            ours.push(measure::run(&(self.ours)(run)));
            let peers: [(&Option<_>, &mut Vec<Sample>); 2] =
                [(&self.cosign, &mut cosign), (&self.notation, &mut notation)];
            for (command, samples) in peers {
                if let Some(command) = command.as_ref().filter(|_| run < peer_runs) {
                    samples.push(measure::run(&command(run)));
                }
            }
        }
        let series = |samples: Vec<Sample>| (!samples.is_empty()).then(|| Series::new(samples));
        let row = Row {
            operation: self.operation,
            ours: Series::new(ours),
            cosign: series(cosign),
            notation: series(notation),
            targets: self.targets,
        };
        eprintln!("{}", row.render());
        row
    }
}

/// `BENCH_RUNS`: how often each command is run at most, to see that all of it works; what takes cosign minutes is left out then.
fn at_most() -> Option<usize> {
    std::env::var("BENCH_RUNS").ok()?.parse().ok()
}

fn push_row(text: &mut String, row: &Row) {
    let _ = writeln!(text, "{}", row.render());
}

impl Bench {
    fn start(&self, text: &mut String) {
        let _ = writeln!(text, "### One command\n\n{HEAD}");
        let row = Contest::new("`--version`", |_| self.tools.boltseal(&["--version"]))
            .cosign(|_| self.tools.cosign(&["version"]))
            .notation(|_| self.tools.notation(&["version"]))
            .target(Target::Within(Duration::from_millis(5)));
        push_row(text, &row.run(RUNS, RUNS));
    }

    /// Verifying and signing one image, and an image with many attachments.
    fn registry(&self, kind: Kind, text: &mut String) {
        let registry = peers::start(kind);
        let on = kind.tool();
        let image = |name: &str, bundles| self.image(registry.address, name, bundles);
        let by_cosign = image("by-cosign", 0);
        if let Some(mut sign) = self.tools.cosign_sign(&by_cosign, &[]) {
            Ran::of(&mut sign).expect(0);
        } else {
            Ran::of(&mut self.tools.sign(&by_cosign)).expect(0);
        }
        let by_notation = image("by-notation", 0);
        if let Some(mut sign) = self.tools.notation_sign(&by_notation) {
            Ran::of(&mut sign).expect(0);
        }
        let by_us = image("by-us", 0);
        let key = common::key("release.test.key");
        Ran::of(&mut self.tools.boltseal(&["sign", "--key", &key, &by_us])).expect(0);
        let tagged = |digest: &str| digest.split('@').next().map(|name| format!("{name}:1")).unwrap_or_default();
        for (how, image, others) in [
            ("digest, a bundle by cosign", by_cosign.clone(), by_notation.clone()),
            ("tag, a bundle by cosign", tagged(&by_cosign), tagged(&by_notation)),
            ("digest, both formats by boltseal", by_us.clone(), by_notation.clone()),
        ] {
            let image = [image];
            let row = Contest::new(format!("verify by {how}, {on}"), |_| self.tools.verify(&image, &[]))
                .cosign(|_| self.tools.cosign_verify(&image, &[]))
                .notation(|_| self.tools.notation(&["verify", "--insecure-registry", &others]))
                .target(Target::QuarterOfCosign)
                .target(Target::Notation);
            push_row(text, &row.run(RUNS, RUNS));
        }
        self.signing(registry.address, on, text);
        let targets = if kind == Kind::Refreg { vec![IN_HALF_A_SECOND] } else { Vec::new() };
        self.attachments(registry.address, on, targets, text);
    }

    fn image(&self, registry: SocketAddr, name: &str, bundles: usize) -> String {
        self.runtime.block_on(self.pusher.image(registry, name, "1", bundles)).expect("an image is pushed")
    }

    /// Verifying over TLS, where the certificate is a private authority's: the system's roots are read too.
    fn tls(&self, text: &mut String) {
        let registry = tls::start().expect("refreg behind TLS");
        let authority = registry.authority.display().to_string();
        let pusher = pusher(std::slice::from_ref(&registry.authority));
        let push = |name: &str, bundles| {
            let image = pusher.image(registry.address, name, "1", bundles);
            self.runtime.block_on(image).expect("an image is pushed")
        };
        let (image, by_notation) = ([push("app", 1)], push("by-notation", 0));
        let notation = |arguments: &[&str]| {
            let mut command = self.tools.notation(arguments)?;
            command.env("SSL_CERT_FILE", &authority);
            Some(command)
        };
        if let Some(mut sign) = notation(&["sign", "--force-referrers-tag=false", &by_notation]) {
            Ran::of(&mut sign).expect(0);
        }
        let ours = |_| self.tools.verify(&image, &["--registry-ca", &authority]);
        let row = Contest::new("verify by digest, a bundle, refreg over TLS", ours)
            .cosign(|_| self.tools.cosign_verify(&image, &["--registry-cacert", &authority]))
            .notation(|_| notation(&["verify", &by_notation]))
            .target(Target::QuarterOfCosign)
            .target(Target::Notation);
        push_row(text, &row.run(RUNS, RUNS));
    }

    /// Each run signs an image that nobody has signed yet.
    fn signing(&self, registry: SocketAddr, on: &str, text: &mut String) {
        let fresh = |by: &str| -> Vec<String> {
            (0..RUNS).map(|run| self.image(registry, &format!("sign/{by}/{run}"), 0)).collect()
        };
        let (ours, cosigns, notations) = (fresh("boltseal"), fresh("cosign"), fresh("notation"));
        let row = Contest::new(format!("sign by digest, a bundle, {on}"), |run| self.tools.sign(&ours[run]))
            .cosign(|run| self.tools.cosign_sign(&cosigns[run], &[]))
            .notation(|run| self.tools.notation_sign(&notations[run]));
        push_row(text, &row.run(RUNS, RUNS));
    }

    /// Many bundles on one image, at a distance.
    fn attachments(&self, registry: SocketAddr, on: &str, targets: Vec<Target>, text: &mut String) {
        let image = self.image(registry, "many", ATTACHMENTS);
        let proxy = self.runtime.block_on(Proxy::start(registry, ROUND_TRIP));
        let image = [image.replace(&registry.to_string(), &proxy.address.to_string())];
        let operation = format!("verify by digest, {ATTACHMENTS} bundles at {} ms, {on}", ROUND_TRIP.as_millis());
        let row = Contest::new(operation, |_| self.tools.verify(&image, &[]))
            .cosign(|_| self.tools.cosign_verify(&image, &[]).filter(|_| at_most().is_none()));
        push_row(text, &Contest { targets, ..row }.run(FEW, 1));
    }

    /// Many images in one run, and the embedded registry.
    fn fleet(&self, text: &mut String) {
        // cosign reads the first page of a list of referrers only: all are on it.
        let options = EmbeddedOptions { page_size: ATTACHMENTS, ..EmbeddedOptions::default() };
        let embedded = self.runtime.block_on(Embedded::start(options)).expect("a registry");
        self.attachments(embedded.address(), "embedded registry", vec![IN_HALF_A_SECOND], text);
        let registry = peers::is_there("refreg").then(|| peers::start(Kind::Refreg));
        let (address, on) = match &registry {
            Some(registry) => (registry.address, "refreg"),
            None => (embedded.address(), "embedded registry"),
        };
        let images = self.runtime.block_on(self.pusher.fleet(address, 1_000)).expect("images are pushed");
        let proxy = self.runtime.block_on(Proxy::start(address, Duration::ZERO));
        let images: Vec<_> =
            images.iter().map(|image| image.replace(&address.to_string(), &proxy.address.to_string())).collect();
        let hundred = &images[..100];
        let row = Contest::new(format!("verify 100 images in one run, {on}"), |_| self.tools.verify(hundred, &[]))
            .cosign(|_| self.tools.cosign_verify(hundred, &[]))
            .target(Target::QuarterOfCosign);
        push_row(text, &row.run(RUNS, FEW));
        let _ = writeln!(
            text,
            "\n### Many images in one `verify` run, {on}\n\n| images | boltseal | connections | cosign | connections |\n|---|---|---|---|---|"
        );
        let mut memory = Vec::new();
        for count in [100, 500, 1_000] {
            proxy.connections();
            let ours = measure::run(&self.tools.verify(&images[..count], &[]));
            let connections = proxy.connections();
            let cosign = self.tools.cosign_verify(&images[..count], &[]).map(|command| measure::run(&command));
            let theirs = proxy.connections();
            memory.push(ours.memory);
            let cosign = cosign.map_or_else(|| "–".to_owned(), shown);
            let _ = writeln!(text, "| {count} | {} | {connections} | {cosign} | {theirs} |", shown(ours));
        }
        let growth = memory[2] as f64 / memory[0] as f64;
        let _ = writeln!(
            text,
            "\nMemory at 1,000 images ÷ at 100: {growth:.2}. Flat memory (at most 1.25): {}.",
            word(growth <= 1.25)
        );
    }
}

fn shown(sample: Sample) -> String {
    format!("{:.0} ms, {:.1} MiB", millis(sample.wall), sample.memory as f64 / 1024.0)
}

/// Where and when.
fn heading(missing: &[&str]) -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let mut text = format!("Measured {date} on {cores} cores of {model}, load {load} at the start.\n\n");
    for tool in missing {
        let _ = writeln!(text, "NOT RUN: everything that needs {tool}.\n");
    }
    text
}

/// Puts the tables between the markers of docs/benchmarks.md.
fn write(text: &str) {
    const MARKERS: [&str; 2] = ["<!-- measured -->\n", "<!-- /measured -->"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md");
    let page = fs::read_to_string(&path).expect("docs/benchmarks.md");
    let (before, rest) = page.split_once(MARKERS[0]).expect("the first marker");
    let (_, after) = rest.split_once(MARKERS[1]).expect("the second marker");
    fs::write(&path, format!("{before}{}\n{text}\n{}{after}", MARKERS[0], MARKERS[1])).expect("docs/benchmarks.md");
}
