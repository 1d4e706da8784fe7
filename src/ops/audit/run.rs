use super::{
    inventory::{Counts, Found, Item, Sink},
    judge::judge,
    record::{Decision, Drift, PolicySource, Record, Shard, Summary},
    source::{self, Source},
};
use crate::{
    limits::AUDIT_AT_ONCE,
    ops::{OpsError, verify::Verifier},
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// An audit of a fleet.
pub struct Audit<'a> {
    /// Who judges.
    pub verifier: Verifier<'a>,
    /// What is audited, one after the other. An image that several name is one.
    pub sources: Vec<Source>,
    /// The share of it that is.
    pub shard: Option<Shard>,
    /// Time for one image.
    pub patience: Duration,
    /// How many levels of images each is followed to that it was built from; none follows nothing.
    pub depth: Option<usize>,
    /// Whether records come in the order of the input, and not as they are ready.
    pub ordered: bool,
    /// Where the policy came from.
    pub policy: PolicySource,
}

impl Audit<'_> {
    /// Judges every image once, and hands each record on as it is ready; the summary is returned, and is the last.
    ///
    /// Memory grows by 32 bytes for an image of the input, by what is known of it for an image of this shard that an input in
    /// JSON or one of several inputs names, and by nothing else.
    ///
    /// # Errors
    /// An input can't be opened. What is wrong with an entry or an image is said in its record and stops no other.
    pub async fn run(&self, mut each: impl FnMut(&Record)) -> Result<Summary, OpsError> {
        let items = source::open(&self.sources, self.verifier.session, |sender| Sink::new(sender, self.shard))?;
        let items = stream::unfold(items, |mut items| async move { Some((items.recv().await?, items)) });
        let work = items.map(|item| self.one(item));
        let done = if self.ordered {
            work.buffered(AUDIT_AT_ONCE).left_stream()
        } else {
            work.buffer_unordered(AUDIT_AT_ONCE).right_stream()
        };
        let mut tally = Tally::default();
        let mut done = std::pin::pin!(done);
        while let Some(done) = done.next().await {
            match done {
                Done::Record(record) => {
                    tally.count(&record);
                    each(&record);
                }
                Done::End(counts) => tally.counts = Some(counts),
            }
        }
        Ok(self.summary(tally))
    }

    async fn one(&self, item: Item) -> Done {
        match item {
            Item::Image(found) => Done::Record(self.image(*found).await),
            Item::Unusable(record) => Done::Record(Record::Input(record)),
            Item::End(counts) => Done::End(counts),
        }
    }

    async fn image(&self, found: Found) -> Record {
        Record::Image(Box::new(judge(&self.verifier, found, self.patience, self.depth).await))
    }

    fn summary(&self, tally: Tally) -> Summary {
        let Tally { images, unusable, decisions, drift, exit, counts } = tally;
        let gone = || Counts { cut: Some("whoever read it stopped".to_owned()), ..Counts::default() };
        let counts = counts.unwrap_or_else(gone);
        // An input that breaks off is one that can't be used.
        let exit = if counts.cut.is_some() { worst(exit, 3) } else { exit };
        let all = |words: &[&'static str], found: &BTreeMap<&'static str, u64>| {
            words.iter().map(|word| (*word, found.get(word).copied().unwrap_or_default())).collect()
        };
        Summary {
            from: self.sources.iter().map(Source::to_string).collect(),
            images,
            places: counts.places,
            repeated: counts.repeated,
            unusable,
            elsewhere: counts.elsewhere,
            evidence_tags: counts.evidence_tags,
            decisions: all(&Decision::WORDS, &decisions),
            drift: all(&Drift::WORDS, &drift),
            policy: self.policy.clone(),
            shard: self.shard,
            started: self.verifier.now,
            finished: Timestamp::now(),
            boltseal: env!("CARGO_PKG_VERSION").to_owned(),
            cut: counts.cut,
            exit,
        }
    }
}

enum Done {
    Record(Record),
    End(Counts),
}

#[derive(Default)]
struct Tally {
    images: u64,
    unusable: u64,
    decisions: BTreeMap<&'static str, u64>,
    drift: BTreeMap<&'static str, u64>,
    exit: u8,
    counts: Option<Counts>,
}

impl Tally {
    fn count(&mut self, record: &Record) {
        match record {
            Record::Image(image) => {
                self.images += 1;
                *self.decisions.entry(image.decision.word()).or_default() += 1;
                *self.drift.entry(image.drift.word()).or_default() += 1;
                self.exit = worst(self.exit, image.exit);
            }
            Record::Input(input) => {
                self.unusable += 1;
                self.exit = worst(self.exit, input.exit);
            }
            Record::Summary(_) => {}
        }
    }
}

/// The worse of two exit codes (SPEC.md, "Exit codes"): 5, 3, 1, 4, 0.
#[must_use]
pub fn worst(one: u8, other: u8) -> u8 {
    let rank = |exit: u8| [5, 3, 1, 4, 0].iter().position(|code| *code == exit).unwrap_or_default();
    if rank(one) <= rank(other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::worst;

    // [V-274]
    #[test]
    fn the_worst_exit_code_wins() {
        let order = [0, 4, 1, 3, 5];
        for (at, low) in order.iter().enumerate() {
            for high in &order[at..] {
                assert_eq!((worst(*low, *high), worst(*high, *low)), (*high, *high));
            }
        }
    }
}
