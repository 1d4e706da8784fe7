//! Samples to ratios, ratios to a table.

use crate::measure::Sample;
use std::time::Duration;

/// All runs of one command.
pub struct Series(Vec<Sample>);

impl Series {
    pub fn new(samples: Vec<Sample>) -> Self {
        assert!(!samples.is_empty(), "nothing was measured");
        Self(samples)
    }

    /// Milliseconds, median.
    pub fn wall(&self) -> f64 {
        median(self.walls())
    }

    /// Peak resident memory in MiB, median.
    pub fn memory(&self) -> f64 {
        median(self.0.iter().map(|sample| sample.memory as f64 / 1024.0).collect())
    }

    fn cpu(&self) -> f64 {
        median(self.0.iter().map(|sample| millis(sample.cpu)).collect())
    }

    fn walls(&self) -> Vec<f64> {
        self.0.iter().map(|sample| millis(sample.wall)).collect()
    }

    fn cell(&self) -> String {
        let walls = self.walls();
        let (least, most) = walls.iter().fold((f64::MAX, 0_f64), |(l, m), wall| (l.min(*wall), m.max(*wall)));
        let (wall, cpu, memory) = (self.wall(), self.cpu(), self.memory());
        format!("{wall:.1} ({least:.1}–{most:.1}) ms, cpu {cpu:.1} ms, {memory:.1} MiB")
    }
}

/// What a row has to reach.
#[derive(Clone, Copy)]
pub enum Target {
    /// A quarter of cosign's wall time and memory.
    QuarterOfCosign,
    /// Notation's wall time and memory.
    Notation,
    /// This wall time.
    Within(Duration),
}

/// One operation, by us and by the others.
pub struct Row {
    pub operation: String,
    pub ours: Series,
    pub cosign: Option<Series>,
    pub notation: Option<Series>,
    pub targets: Vec<Target>,
}

pub const HEAD: &str = "\
| operation | ÷ cosign: wall, memory | ÷ notation: wall, memory | target | boltseal | cosign | notation |
|---|---|---|---|---|---|---|";

impl Row {
    pub fn render(&self) -> String {
        let ratios = |peer: &Option<Series>| {
            peer.as_ref().map_or_else(
                || "–".to_owned(),
                |peer| {
                    let (wall, memory) = self.ratios(peer);
                    format!("{wall:.2}, {memory:.2}")
                },
            )
        };
        let cell = |peer: &Option<Series>| peer.as_ref().map_or_else(|| "–".to_owned(), Series::cell);
        let targets: Vec<_> = self.targets.iter().filter_map(|target| self.judge(*target)).collect();
        let targets = if targets.is_empty() { "–".to_owned() } else { targets.join("; ") };
        let (operation, ours, cosign) = (&self.operation, self.ours.cell(), cell(&self.cosign));
        let (by_cosign, by_notation) = (ratios(&self.cosign), ratios(&self.notation));
        let notation = cell(&self.notation);
        format!("| {operation} | {by_cosign} | {by_notation} | {targets} | {ours} | {cosign} | {notation} |")
    }

    fn ratios(&self, peer: &Series) -> (f64, f64) {
        (self.ours.wall() / peer.wall(), self.ours.memory() / peer.memory())
    }

    fn judge(&self, target: Target) -> Option<String> {
        match target {
            Target::QuarterOfCosign => {
                let ratios = self.ratios(self.cosign.as_ref()?);
                Some(format!("≤ 1/4 of cosign: {}", both(ratios, 0.25)))
            }
            Target::Notation => {
                let ratios = self.ratios(self.notation.as_ref()?);
                Some(format!("≤ notation: {}", both(ratios, 1.0)))
            }
            Target::Within(most) => {
                Some(format!("< {} ms: {}", most.as_millis(), word(self.ours.wall() < millis(most))))
            }
        }
    }
}

fn both((wall, memory): (f64, f64), most: f64) -> String {
    match (wall <= most, memory <= most) {
        (true, true) => "met".to_owned(),
        (wall, memory) => format!("wall {}, memory {}", word(wall), word(memory)),
    }
}

/// What is said of a target.
pub fn word(met: bool) -> &'static str {
    if met { "met" } else { "NOT met" }
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The middle one.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) }
}
