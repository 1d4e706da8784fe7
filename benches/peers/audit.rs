//! What an audit of a fleet costs: images a second, processor time an image, memory; without evidence of an earlier run
//! (cold) and with it (warm), beside one cosign process, which has no policy.

use crate::{
    common::{
        self,
        peers::{self, Kind},
    },
    measure::{self, Sample},
    report::{millis, word},
    tools::Tools,
};
use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use std::{fmt::Write as _, fs, net::SocketAddr, time::Duration};
use tokio::runtime::Runtime;

/// Images of one run: each count has to cost as much an image as the others.
const COUNTS: [usize; 3] = [100, 1_000, 10_000];
/// Images of a run by cosign, and of one against a registry that needs milliseconds for each request itself.
const FEW: usize = 1_000;
const MEMORY: f64 = 150.0;
const COLD: f64 = 400.0;
const WARM: f64 = 1_000.0;
/// What the cost of an image may grow by between the least and the most images.
const GROWTH: f64 = 1.25;

pub fn table(text: &mut String) {
    let runtime = Runtime::new().expect("a runtime");
    let tools = Tools::new();
    let _ = writeln!(
        text,
        "\n### Images in one `audit` run\n\n| registry | images | run | images/s | target | cpu an image | memory |\n|---|---|---|---|---|---|---|"
    );
    let options = EmbeddedOptions { memory: 1 << 30, ..EmbeddedOptions::default() };
    let embedded = runtime.block_on(Embedded::start(options)).expect("a registry");
    // To see that it works, the smallest fleet is enough.
    let sizes = if crate::at_most().is_some() { 1 } else { COUNTS.len() };
    fleet(&runtime, &tools, ("embedded registry", embedded.address()), &COUNTS[..sizes], text);
    drop(embedded);
    for (kind, counts) in [(Kind::Refreg, &COUNTS[..sizes]), (Kind::DockerRegistry, &COUNTS[..sizes.min(2)])] {
        if peers::is_there(kind.tool()) {
            let registry = peers::start(kind);
            fleet(&runtime, &tools, (kind.tool(), registry.address), counts, text);
        } else {
            let _ = writeln!(text, "| NOT RUN: {} is missing | | | | | | |", kind.tool());
        }
    }
}

fn fleet(runtime: &Runtime, tools: &Tools, (on, address): (&str, SocketAddr), counts: &[usize], text: &mut String) {
    let most = counts.last().copied().unwrap_or_default();
    let pushed = runtime.block_on(crate::pusher(&[]).fleet(address, most)).expect("images are pushed");
    let tagged: Vec<_> = pushed.iter().filter_map(|image| Some(format!("{}:1", image.split('@').next()?))).collect();
    let mut costs = Vec::new();
    let mut line = |images: usize, run: &str, sample: Sample, least: Option<f64>| {
        let a_second = images as f64 / sample.wall.as_secs_f64();
        let memory = sample.memory as f64 / 1024.0;
        let target = least.map_or_else(
            || "–".to_owned(),
            |least| format!("≥ {least:.0}: {}; ≤ {MEMORY:.0} MiB: {}", word(a_second >= least), word(memory <= MEMORY)),
        );
        let cpu = millis(sample.cpu) / images as f64;
        let row = format!("| {on} | {images} | {run} | {a_second:.0} | {target} | {cpu:.3} ms | {memory:.1} MiB |");
        eprintln!("{row}");
        let _ = writeln!(text, "{row}");
    };
    let is_slow = counts.len() < COUNTS.len();
    for count in counts {
        let list = tools.home().join("images.txt");
        fs::write(&list, tagged[..*count].join("\n")).expect("a file");
        let cache = tempfile::tempdir().expect("a folder");
        let audit = || {
            let mut command = tools.boltseal(&["audit", "--key", &common::key("release.test.pub"), "-o", "json"]);
            command.arg("--from").arg(&list).env("BOLTSEAL_CACHE", cache.path());
            measure::run(&command)
        };
        let (cold, warm) = (audit(), audit());
        line(*count, "boltseal, cold", cold, (!is_slow).then_some(COLD));
        line(*count, "boltseal, warm", warm, (!is_slow).then_some(WARM));
        costs.push(cold.cpu.div_f64(*count as f64));
    }
    if let Some(command) = tools.cosign_verify(&tagged[..FEW.min(most)], &[]) {
        line(FEW.min(most), "cosign, without a policy", measure::run(&command), None);
    }
    if let (Some(few), Some(many)) = (costs.first(), costs.last()) {
        let growth = ratio(*many, *few);
        let _ = writeln!(
            text,
            "| {on} | {most} ÷ {} | boltseal, cold | | ≤ {GROWTH}: {} | {growth:.2} | |",
            counts.first().copied().unwrap_or_default(),
            word(growth <= GROWTH)
        );
    }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}
