//! What content trust costs in processor time: the trust data of a repository with many tags, judged to the last
//! signature, by us and by the crate `sigstore-tuf`.

use crate::{
    measure::thread_time,
    report::{median, millis, word},
    trust_files::{self, Files, REPOSITORY, SIGNERS, TAG},
};
use boltseal::{
    crypto::Fingerprint,
    format::{
        trust_manifest::{TrustArtifact, TrustLayer},
        tuf::{Metadata, RoleName, Root},
    },
    oci::{Digest, Manifest},
    store::{Remembered, TrustStore},
    trust::tuf::{Asked, Floors, Rules, Terms, TrustState, TrustedStart, Update},
};
use jiff::Timestamp;
use sigstore_tuf::TrustedMetadataSet;
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};
use tokio::runtime::Runtime;

/// The first argument of a process that judges once and prints its microseconds.
pub const CHILD: &str = "--judge";
/// Processes that judge once.
const PROCESSES: usize = 40;
/// Times that one process judges.
const REPEATS: usize = 200;

/// One way to come from bytes to a tag's digest.
#[derive(Clone, Copy)]
struct Work {
    name: &'static str,
    run: fn(&Fixture),
}

const COLD: Work = Work { name: "cold", run: cold };
const WARM: Work = Work { name: "warm", run: warm };
const THEIRS_COLD: Work = Work { name: "theirs-cold", run: |fixture| judge_theirs(&fixture.files) };
const THEIRS_WARM: Work = Work { name: "theirs-warm", run: |fixture| judge_theirs(&read_files(&fixture.folder)) };

/// A repository's trust data as they lie in a registry, in a store and as plain files, all in one folder.
struct Fixture {
    manifest: Vec<u8>,
    files: Files,
    store: TrustStore,
    folder: PathBuf,
    pins: BTreeSet<Fingerprint>,
}

impl Fixture {
    fn make(folder: &Path, tags: usize) -> Self {
        let files = Runtime::new().expect("a runtime").block_on(trust_files::make(tags));
        fs::create_dir_all(folder.join("files")).expect("a folder");
        for (name, bytes) in &files {
            fs::write(folder.join("files").join(name), bytes).expect("a file");
        }
        let manifest = Manifest::Image(Box::new(TrustArtifact::State.encode(&files))).encode();
        fs::write(folder.join("manifest.json"), manifest).expect("a file");
        let fixture = Self::load(folder);
        let state = fixture.update(&fixture.files, Floors::default());
        let seen = Remembered { floors: state.floors(), root: files["1.root.json"].clone(), files, etag: None };
        fixture.store.remember(REPOSITORY, &seen).expect("it is remembered");
        fixture
    }

    fn load(folder: &Path) -> Self {
        let files = read_files(folder);
        let root = Metadata::<Root>::decode(&files["1.root.json"]).expect("a root");
        let ids = &root.signed().role(&RoleName::Root).expect("the root's keys").keyids;
        Self {
            manifest: fs::read(folder.join("manifest.json")).expect("a file"),
            store: TrustStore::at(folder.join("store")),
            folder: folder.to_owned(),
            pins: ids.iter().map(|id| root.signed().keys[id].decode().expect("a key").fingerprint()).collect(),
            files,
        }
    }

    fn update(&self, files: &Files, floors: Floors) -> TrustState {
        let start = TrustedStart::Pinned { keys: self.pins.clone(), threshold: 2 };
        let rules = Rules::Boltseal { repository: REPOSITORY.to_owned() };
        let terms = Terms { floors, ..Terms::new(Timestamp::now(), rules) };
        let mut update = Update::begin(start, terms).expect("it begins");
        while let Some(want) = update.want().expect("there is a way") {
            let supplied = match files.get(&want.file) {
                Some(bytes) => update.supply_shared(bytes),
                None => update.absent(),
            };
            supplied.expect("it verifies");
        }
        update.finish().expect("a state")
    }
}

fn read_files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder.join("files")).expect("a folder").map(|entry| entry.expect("an entry"));
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().expect("a name"), fs::read(entry.path()).expect("a file").into())
    };
    entries.map(read).collect()
}

fn vouch(state: &TrustState) {
    let vouched = state.vouch(&Asked::Tag(TAG.to_owned()), &[RoleName::from(RoleName::RELEASES)], &[]);
    let _ = black_box(vouched.expect("the tag is signed"));
}

/// From the manifest's bytes and pinned keys; the digests of the manifest and of its blobs are checked on the way.
fn cold(fixture: &Fixture) {
    black_box(Digest::sha256(&fixture.manifest));
    let Manifest::Image(image) = Manifest::decode(&fixture.manifest).expect("a manifest") else { panic!("an image") };
    let files = TrustArtifact::State.decode(&image).expect("files").0.into_iter().map(|(name, file)| match file {
        TrustLayer::Inline(bytes) => (name, bytes),
        TrustLayer::Blob(blob) => {
            let bytes = fixture.files[&name].clone();
            assert_eq!(Digest::sha256(&bytes), blob.digest);
            (name, bytes)
        }
    });
    vouch(&fixture.update(&files.collect(), Floors::default()));
}

/// From what is remembered and pinned keys.
fn warm(fixture: &Fixture) {
    let seen = fixture.store.load(REPOSITORY).expect("it loads").expect("it is remembered");
    vouch(&fixture.update(&seen.files, seen.floors));
}

/// The same files by sigstore-tuf, which knows no manifest and no pinned keys: from the trusted root.
fn judge_theirs(files: &Files) {
    let now = Timestamp::now();
    let of = |role: &str| {
        let suffix = format!(".{}", RoleName::from(role).file_name(None));
        files.iter().find(|(name, _)| name.ends_with(&suffix)).expect("a file").1
    };
    let mut set = TrustedMetadataSet::from_root(&files["1.root.json"]).expect("a root");
    set.check_root_expired(now).expect("fresh");
    set.update_timestamp(&files["timestamp.json"], now).expect("a timestamp");
    set.update_snapshot(of("snapshot"), now).expect("a snapshot");
    set.update_targets(of("targets"), now).expect("targets");
    for role in [RoleName::RELEASES, RoleName::REVOKED].into_iter().chain(SIGNERS) {
        set.update_delegated_targets(of(role), role, "targets", now).expect("a delegated role");
    }
    let target = set.targets_role(RoleName::RELEASES).and_then(|map| map.target(TAG));
    black_box(target.expect("the tag is listed"));
}

fn timed(work: Work, fixture: &Fixture) -> Duration {
    let before = thread_time();
    (work.run)(fixture);
    thread_time() - before
}

/// The small process: judges once.
pub fn child(arguments: &[String]) -> ExitCode {
    let [name, folder] = arguments else { return ExitCode::from(2) };
    let known = [COLD, WARM, THEIRS_COLD, THEIRS_WARM];
    let Some(work) = known.into_iter().find(|work| work.name == name) else { return ExitCode::from(2) };
    println!("{}", timed(work, &Fixture::load(Path::new(folder))).as_micros());
    ExitCode::SUCCESS
}

/// Medians in milliseconds.
struct Taken {
    /// Of processes that judge once.
    first: f64,
    /// Of one that judges again and again.
    repeated: f64,
}

/// In turn with the peer's.
fn measure(works: [Work; 2], fixture: &Fixture) -> [Taken; 2] {
    let (mut first, mut repeated) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..PROCESSES {
        for (work, samples) in works.iter().zip(&mut first) {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            let output = command.args([CHILD, work.name]).arg(&fixture.folder).output().expect("this program runs");
            let micros = String::from_utf8_lossy(&output.stdout).trim().parse().expect("microseconds");
            samples.push(millis(Duration::from_micros(micros)));
        }
    }
    for _ in 0..REPEATS {
        for (work, samples) in works.iter().zip(&mut repeated) {
            samples.push(millis(timed(*work, fixture)));
        }
    }
    let ([ours, theirs], [again, theirs_again]) = (first.map(median), repeated.map(median));
    [Taken { first: ours, repeated: again }, Taken { first: theirs, repeated: theirs_again }]
}

/// Measures all of it.
pub fn table(text: &mut String) {
    let _ = writeln!(text, "\n### Processor time of content trust\n\n{HEAD}");
    for (tags, most) in [(1_000, [Some(10.0), Some(2.0)]), (10_000, [None, None])] {
        let folder = tempfile::tempdir().expect("a folder");
        let fixture = Fixture::make(folder.path(), tags);
        for (works, most) in [[COLD, THEIRS_COLD], [WARM, THEIRS_WARM]].into_iter().zip(most) {
            let row = render(tags, works[0].name, most, &measure(works, &fixture));
            eprintln!("{row}");
            let _ = writeln!(text, "{row}");
        }
    }
}

const HEAD: &str = "\
| tags | from | ÷ sigstore-tuf: first, repeated | target | boltseal: first, repeated | sigstore-tuf |
|---|---|---|---|---|---|";

fn render(tags: usize, name: &str, most: Option<f64>, [ours, theirs]: &[Taken; 2]) -> String {
    let target = most.map_or_else(
        || "–".to_owned(),
        |most| {
            let [first, repeated] = [ours.first, ours.repeated].map(|taken| word(taken <= most));
            format!("≤ {most} ms: first {first}, repeated {repeated}")
        },
    );
    let (first, repeated) = (ours.first / theirs.first, ours.repeated / theirs.repeated);
    format!(
        "| {tags} | {name} | {first:.2}, {repeated:.2} | {target} | {:.2} ms, {:.2} ms | {:.2} ms, {:.2} ms |",
        ours.first, ours.repeated, theirs.first, theirs.repeated
    )
}
