//! A plain TUF client over HTTP: the update machine that guards an image repository, at work on any TUF repository.
//!
//! ```text
//! tuf_client --metadata-dir D init ROOT
//! tuf_client --metadata-dir D --metadata-url U refresh
//! tuf_client --metadata-dir D --metadata-url U --target-name N --target-base-url U --target-dir T download
//! ```
//!
//! Exit code 0, or 1 with the reason on stderr. D holds the trusted metadata under names without versions: `root.json`,
//! `timestamp.json`, `targets%2Freleases.json`. A file is written when it verified, and never before.

use boltseal::{
    format::tuf::{RoleName, Target, percent_encode},
    trust::tuf::{Rules, Scope, Supplied, Terms, TrustState, TrustedStart, Update},
};
use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: tuf_client --metadata-dir D (init ROOT | --metadata-url U refresh | \
                     --metadata-url U --target-name N… --target-base-url U --target-dir T download)";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

pub async fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::parse(arguments)?;
    let folder = PathBuf::from(arguments.one("--metadata-dir")?);
    match arguments.words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["init", root] => init(&folder, Path::new(root)),
        ["refresh"] => {
            let client = Client { folder, url: arguments.one("--metadata-url")?, http: reqwest::Client::new() };
            client.update(Scope::TopLevel).await.map(drop)
        }
        ["download"] => {
            let client = Client { folder, url: arguments.one("--metadata-url")?, http: reqwest::Client::new() };
            let names = arguments.options.get("--target-name").ok_or(USAGE)?;
            let state = client.update(Scope::Paths(names.clone())).await?;
            for name in names {
                let to = PathBuf::from(arguments.one("--target-dir")?);
                client.download(&state, name, &arguments.one("--target-base-url")?, &to).await?;
            }
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

struct Arguments {
    options: BTreeMap<String, Vec<String>>,
    words: Vec<String>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let (mut options, mut words) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
        while let Some(argument) = arguments.next() {
            if argument.starts_with("--") {
                options.entry(argument).or_default().push(arguments.next().ok_or(USAGE)?);
            } else {
                words.push(argument);
            }
        }
        Ok(Self { options, words })
    }

    fn one(&self, name: &str) -> Result<String> {
        match self.options.get(name).map(Vec::as_slice) {
            Some([value]) => Ok(value.clone()),
            _ => Err(format!("{name} is needed once; {USAGE}").into()),
        }
    }
}

/// Trusts a root: from now on every update goes on from it.
fn init(folder: &Path, root: &Path) -> Result<()> {
    let bytes = fs::read(root)?;
    Update::begin(TrustedStart::Root(bytes.clone()), Terms::new(jiff::Timestamp::now(), Rules::Tuf))?;
    fs::create_dir_all(folder)?;
    write(&folder.join(RoleName::Root.file_name(None)), &bytes)
}

struct Client {
    folder: PathBuf,
    url: String,
    http: reqwest::Client,
}

impl Client {
    /// One update, from what the folder holds to what the repository serves.
    async fn update(&self, scope: Scope) -> Result<TrustState> {
        let root = self.kept(&RoleName::Root)?.ok_or("no trusted root; run init first")?;
        let mut known = BTreeMap::new();
        for role in [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets] {
            if let Some(bytes) = self.kept(&role)? {
                known.insert(role, bytes);
            }
        }
        let terms = Terms { scope, known, ..Terms::new(jiff::Timestamp::now(), Rules::Tuf) };
        let mut update = Update::begin(TrustedStart::Root(root), terms)?;
        while let Some(want) = update.want()? {
            let delegated = !want.role.is_top_level();
            if let Some(bytes) = self.kept(&want.role)?.filter(|_| delegated)
                && update.supply(&bytes).is_ok()
            {
                continue;
            }
            let Some(bytes) = self.fetch(&self.url, &want.file, want.max_bytes).await? else {
                update.absent()?;
                continue;
            };
            if update.supply(&bytes)? == Supplied::Kept {
                write(&self.folder.join(want.role.file_name(None)), &bytes)?;
            }
        }
        Ok(update.finish()?)
    }

    fn kept(&self, role: &RoleName) -> Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(role.file_name(None))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// At most so many bytes, or nothing if the server says that there is no such file. Any other answer is an error: it says
    /// nothing about what there is.
    async fn fetch(&self, base: &str, file: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let url = format!("{}/{file}", base.trim_end_matches('/'));
        let mut response = self.http.get(&url).send().await?;
        // Stores of objects answer 403 for what is not there.
        if [403, 404].contains(&response.status().as_u16()) {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(format!("{url}: {}", response.status()).into());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > most {
                return Err(format!("{url}: more than {most} bytes").into());
            }
        }
        Ok(Some(bytes))
    }

    /// A target that the metadata lists, unless the folder has it already.
    async fn download(&self, state: &TrustState, name: &str, base: &str, folder: &Path) -> Result<()> {
        let target = state.lookup(name)?.target;
        let path = folder.join(percent_encode(name, b""));
        if fs::read(&path).is_ok_and(|bytes| target.is(&bytes)) {
            return Ok(());
        }
        let file = percent_encode(&served_path(state, name, target), b"/");
        let bytes = self.fetch(base, &file, target.length).await?.ok_or_else(|| format!("{name}: not there"))?;
        if !target.is(&bytes) {
            return Err(format!("{name}: not the bytes that the metadata lists").into());
        }
        fs::create_dir_all(folder)?;
        write(&path, &bytes)
    }
}

/// With consistent snapshots `folder/HASH.name` (TUF 1.0.34, 6.2).
fn served_path(state: &TrustState, name: &str, target: &Target) -> String {
    let hashes = target.hashes.to_map();
    let hash = hashes.get("sha256").or_else(|| hashes.values().next());
    match (state.root().signed().consistent_snapshot, hash, name.rsplit_once('/')) {
        (true, Some(hash), Some((folder, file))) => format!("{folder}/{hash}.{file}"),
        (true, Some(hash), None) => format!("{hash}.{name}"),
        _ => name.to_owned(),
    }
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().ok_or(USAGE)?)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
