//! Images that were found, each once, and of those the share that is audited here.

use super::record::{InputRecord, Place, RUNNING_UNKNOWN, Shard, Told};
use crate::{
    limits::{AUDIT_ENTRY_SHOWN, AUDIT_PLACES},
    oci::{Digest, Reference},
};
use std::collections::{HashMap, HashSet};
use tokio::sync::mpsc::Sender;

/// An image that an input names.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub reference: Reference,
    /// The digest that runs, where the input says it.
    pub running: Option<Digest>,
    /// Whether the input names what runs by something that no registry has, an image's id or `<none>`: it may have been built
    /// or loaded on the spot, whatever its tag means in a registry.
    pub runs_other: bool,
    /// Where it runs; the first [`AUDIT_PLACES`].
    pub places: Vec<Place>,
    /// In how many places.
    pub place_count: u64,
    /// What the input leaves open.
    pub gaps: Vec<Told>,
}

/// What an input says of the digest that runs.
pub(super) enum Runs {
    /// It is this one.
    Digest(Digest),
    /// Something is named, and it is no manifest's digest: what.
    Other(String),
    /// Nothing: why.
    Unsaid(&'static str),
}

/// What comes out of an input.
#[derive(Clone, Debug)]
pub enum Item {
    /// An image, once.
    Image(Box<Found>),
    /// An entry that names none.
    Unusable(InputRecord),
    /// The end, if nothing went wrong before.
    End(Counts),
}

/// What was counted on the way.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Places that images of this shard run in.
    pub places: u64,
    /// Entries beyond the first of an image.
    pub repeated: u64,
    /// Images that are other shards'.
    pub elsewhere: u64,
    /// Tags that are evidence by their names.
    pub evidence_tags: u64,
    /// Which input was not read to its end, and why.
    pub cut: Option<String>,
}

impl Found {
    /// An image that is named, nothing more.
    #[must_use]
    pub fn named(reference: Reference) -> Self {
        Self { reference, running: None, runs_other: false, places: Vec::new(), place_count: 0, gaps: Vec::new() }
    }

    /// The same, with what the input says of the digest that runs. A digest in its name says that as well.
    #[must_use]
    pub(super) fn running(mut self, runs: Runs) -> Self {
        let why = match runs {
            Runs::Digest(digest) => {
                self.running = Some(digest);
                return self;
            }
            _ if self.reference.digest.is_some() => return self,
            Runs::Other(why) => {
                self.runs_other = true;
                why
            }
            Runs::Unsaid(why) => why.to_owned(),
        };
        self.gaps.push(Told { id: RUNNING_UNKNOWN.to_owned(), message: why });
        self
    }

    /// The same, in a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.places.push(place);
        self.place_count += 1;
        self
    }

    /// What makes it one image, whatever machine looks: SHA-256 of name and digest.
    fn key(&self) -> [u8; 32] {
        let digest = self.running.map(|digest| digest.to_string()).unwrap_or_default();
        hash(&format!("{}\n{digest}", self.reference))
    }
}

fn hash(text: &str) -> [u8; 32] {
    match Digest::sha256(text.as_bytes()) {
        Digest::Sha256(hash) => hash,
        Digest::Sha512(_) => [0; 32],
    }
}

/// An entry that names no image: what is wrong with it, and the exit code that it has alone.
pub(super) fn unusable(at: String, text: &str, problem: impl ToString, exit: u8) -> Item {
    let end = (0..=AUDIT_ENTRY_SHOWN.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let text = text.get(..end).unwrap_or_default().to_owned();
    Item::Unusable(InputRecord { at, text, problem: problem.to_string(), exit })
}

/// An entry that is an image, and names it by nothing that a registry has.
pub(super) fn unnamed(at: String, text: &str) -> Item {
    unusable(at, text, "has no name and no digest of a repository: it was built or loaded here", 4)
}

/// Nobody reads any more.
pub(super) struct Closed;

/// Where found images go. Of every image, other shards' too, it remembers 32 bytes. This shard's images that run in places are
/// gathered until all input ends, since the next entry may be one more place; of several sources all are.
pub(super) struct Sink {
    sender: Sender<Item>,
    shard: Option<Shard>,
    /// The source that is read, where there are several: problems are told with it.
    within: Option<String>,
    seen: HashSet<[u8; 32]>,
    gathered: Vec<Found>,
    at: HashMap<[u8; 32], usize>,
    pub counts: Counts,
}

impl Sink {
    pub fn new(sender: Sender<Item>, shard: Option<Shard>) -> Self {
        let (seen, gathered, at) = (HashSet::new(), Vec::new(), HashMap::new());
        Self { sender, shard, within: None, seen, gathered, at, counts: Counts::default() }
    }

    /// Begins with one of several sources.
    pub fn enter(&mut self, source: String) {
        self.within = Some(source);
    }

    /// Notes that a source was not read to its end.
    pub fn cut(&mut self, why: &impl ToString) {
        let why = self.place(why.to_string());
        self.counts.cut = Some(match self.counts.cut.take() {
            Some(before) => format!("{before}; {why}"),
            None => why,
        });
    }

    fn place(&self, at: String) -> String {
        match &self.within {
            Some(source) => format!("{source}: {at}"),
            None => at,
        }
    }

    /// The image as an item, if it is the first of its name and digest, and of this shard; of several sources it is gathered, as
    /// the next one may say more of it.
    pub fn admit(&mut self, found: Found) -> Option<Item> {
        if self.within.is_some() {
            self.gather(found);
            return None;
        }
        self.is_new(&found.key(), &found).then(|| Item::Image(Box::new(found)))
    }

    /// Takes an image that may run in more places.
    pub fn gather(&mut self, found: Found) {
        let key = found.key();
        if self.is_new(&key, &found) {
            self.at.insert(key, self.gathered.len());
            self.gathered.push(found);
        } else if let Some(first) = self.at.get(&key).and_then(|at| self.gathered.get_mut(*at)) {
            first.place_count += found.place_count;
            let room = AUDIT_PLACES.saturating_sub(first.places.len());
            first.places.extend(found.places.into_iter().take(room));
            // One place where something else may run is enough.
            if found.runs_other && !first.runs_other {
                (first.runs_other, first.gaps) = (true, found.gaps);
            }
        }
    }

    /// Counts an entry; whether it is the first of its image, and this shard's.
    fn is_new(&mut self, key: &[u8; 32], found: &Found) -> bool {
        let (new, here) = (self.seen.insert(*key), self.is_here(key));
        if here {
            self.counts.places += found.place_count;
            self.counts.repeated += u64::from(!new);
        } else {
            self.counts.elsewhere += u64::from(new);
        }
        new && here
    }

    fn is_here(&self, key: &[u8; 32]) -> bool {
        let Some(Shard { index, of }) = self.shard else { return true };
        let head = key.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head));
        head.checked_rem(of) == Some(index)
    }

    /// The item as it is told, if it is by this shard: what names no image is told by one of them, too.
    fn told(&self, item: Item) -> Option<Item> {
        match item {
            Item::Unusable(mut record) => {
                record.at = self.place(record.at);
                let is_here = self.is_here(&hash(&format!("{}\n{}", record.at, record.text)));
                is_here.then_some(Item::Unusable(record))
            }
            Item::Image(_) | Item::End(_) => Some(item),
        }
    }

    /// Sends on; waits until there is room, in a thread that may wait.
    pub fn send(&self, item: Item) -> Result<(), Closed> {
        self.told(item).map_or(Ok(()), |item| self.sender.blocking_send(item).map_err(|_| Closed))
    }

    /// The same among others' work.
    pub async fn pass(&self, item: Item) -> Result<(), Closed> {
        let Some(item) = self.told(item) else { return Ok(()) };
        self.sender.send(item).await.map_err(|_| Closed)
    }

    /// Sends what was gathered, in the order in which it was named first, and the end.
    pub async fn end(self) -> Result<(), Closed> {
        let items = self.gathered.into_iter().map(|found| Item::Image(Box::new(found)));
        for item in items.chain([Item::End(self.counts)]) {
            self.sender.send(item).await.map_err(|_| Closed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::channel;

    fn found(text: &str) -> Found {
        Found::named(text.parse().unwrap())
    }

    // [V-272]
    #[test]
    fn shards_together_are_all_and_have_nothing_in_common() {
        let images: Vec<_> = (0..1_000).map(|n| format!("registry.example.com/app/{n}:1")).collect();
        let mut owners = vec![0; images.len()];
        for index in 0..7 {
            let mut sink = Sink::new(channel(1).0, Some(Shard { index, of: 7 }));
            let mine: Vec<_> = images.iter().map(|image| sink.admit(found(image)).is_some()).collect();
            let count = mine.iter().filter(|mine| **mine).count();
            assert!((100..190).contains(&count), "{count}");
            assert_eq!(sink.counts.elsewhere as usize, 1_000 - count);
            mine.iter().zip(&mut owners).for_each(|(mine, owners)| *owners += u32::from(*mine));
        }
        assert!(owners.iter().all(|owners| *owners == 1));
        let mut told = 0;
        for index in 0..3 {
            let (sender, mut receiver) = channel(100);
            let sink = Sink::new(sender, Some(Shard { index, of: 3 }));
            (0..30).for_each(|n| assert!(sink.send(unusable(format!("line {n}"), "A B", "x", 3)).is_ok()));
            told += std::iter::from_fn(|| receiver.try_recv().ok()).count();
        }
        assert_eq!(told, 30, "what names no image is told once");
        // Stable over versions and machines: what a job finished stays finished.
        let mut sink = Sink::new(channel(1).0, Some(Shard { index: 1, of: 3 }));
        let mine: Vec<_> = (0..6).filter(|n| sink.admit(found(&format!("a.b/c:{n}"))).is_some()).collect();
        assert_eq!(mine, [0, 2, 5]);
    }

    // [V-271]
    #[tokio::test]
    async fn an_image_is_one_wherever_it_runs() {
        let (sender, mut receiver) = channel(10);
        let mut sink = Sink::new(sender, None);
        let place = |pod: u32| Place { pod: Some(pod.to_string()), ..Place::default() };
        for n in 0..(AUDIT_PLACES as u32 + 5) {
            sink.gather(found("busybox:1").at(place(n)));
        }
        sink.gather(Found { running: Some(Digest::sha256(b"")), ..found("busybox:1") }.at(place(0)));
        assert!(sink.admit(found("docker.io/library/busybox:2")).is_some());
        assert!(sink.admit(found("busybox:2")).is_none(), "one spelling");
        assert!(sink.end().await.is_ok());
        let Some(Item::Image(first)) = receiver.recv().await else { panic!("no image") };
        assert_eq!((first.places.len(), first.place_count), (AUDIT_PLACES, AUDIT_PLACES as u64 + 5));
        assert!(matches!(receiver.recv().await, Some(Item::Image(other)) if other.running.is_some()));
        let Some(Item::End(counts)) = receiver.recv().await else { panic!("no end") };
        assert_eq!((counts.places, counts.repeated), (AUDIT_PLACES as u64 + 6, AUDIT_PLACES as u64 + 5));
    }

    // [V-272]
    #[test]
    fn places_are_counted_where_their_image_is_judged() {
        let places: u64 = (0..3)
            .map(|index| {
                let mut sink = Sink::new(channel(1).0, Some(Shard { index, of: 3 }));
                for n in 0..20 {
                    sink.gather(found(&format!("a.b/c:{}", n % 10)).at(Place::default()));
                }
                assert_eq!(sink.gathered.len() as u64 + sink.counts.elsewhere, 10);
                sink.counts.places
            })
            .sum();
        assert_eq!(places, 20);
    }

    #[test]
    fn a_shown_entry_is_cut_between_characters() {
        let Item::Unusable(record) = unusable("1".to_owned(), &"ü".repeat(300), "x", 3) else { panic!() };
        assert_eq!(record.text, "ü".repeat(AUDIT_ENTRY_SHOWN / 2));
    }
}
