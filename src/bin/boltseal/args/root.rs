use super::RegistryArgs;
use boltseal::trust::Service;
use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use std::{path::PathBuf, str::FromStr};

/// Shows, refreshes, makes and names the trusted roots that certificates, logs and timestamps are verified by.
#[derive(Subcommand)]
pub enum RootCommand {
    Show(RootShowArgs),
    Update(RootUpdateArgs),
    Add(RootAddArgs),
    Create(Box<RootCreateArgs>),
}

/// Shows what a trusted root holds, where it came from, and what of it can't be used. No network.
#[derive(Args)]
pub struct RootShowArgs {
    /// The root: public-good, github, one that was added, or a file; all that have a name if left out.
    #[arg(value_name = "NAME|FILE")]
    pub root: Option<String>,
}

/// Refreshes a trusted root from its TUF repository. Nothing else does: a verification never goes to the network for it.
///
/// What was seen before is never taken back: an older state is refused. Exit code 0: refreshed, 1: what is served is refused,
/// 4: the repository could not be read; in both cases what was there is there still.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal root update public-good      from cron, every day
  boltseal root update --all
  boltseal root update public-good --mirror /media/usb/sigstore-tuf")]
#[command(group = ArgGroup::new("which").required(true).args(["name", "all"]))]
pub struct RootUpdateArgs {
    /// The root: public-good, github, or one that was added with --mirror.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Refresh public-good, and every other root that was refreshed or added with --mirror before.
    #[arg(long)]
    pub all: bool,
    /// The TUF repository, an address or a folder: used from now on. Whom it has to be signed by stays.
    #[arg(long, value_name = "URL|DIR", conflicts_with = "all")]
    pub mirror: Option<String>,
    /// Begin with this TUF root, and not where the last update ended; it must not be older.
    #[arg(long, value_name = "ROOT.json", conflicts_with = "all")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Gives a trusted root of your own a name, for --trusted-root and for policies.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal root add corp trusted_root.json
  boltseal root add corp --mirror https://tuf.corp.example --root root.json")]
#[command(group = ArgGroup::new("source").required(true).args(["file", "mirror"]))]
pub struct RootAddArgs {
    /// The name: lower-case letters, digits and `-`.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// A trusted_root.json. It is copied.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The TUF repository that it is refreshed from, an address or a folder.
    #[arg(long, value_name = "URL|DIR", requires = "root")]
    pub mirror: Option<String>,
    /// The TUF root that is trusted, which came by a trusted way.
    #[arg(long, value_name = "ROOT.json", requires = "mirror")]
    pub root: Option<PathBuf>,
    /// Put it in the place of a root that has the name, and forget what was seen of that.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Makes a trusted_root.json of keys and certificates, as `cosign trusted-root create` does and takes its arguments.
///
/// A service is a file, and what else is known of it: FILE[,url=URL][,start-time=TIME][,end-time=TIME][,origin=TEXT]. cosign's
/// certificate-chain=FILE and public-key=FILE are read too. Where a kind of service is not named, the file counts that
/// SIGSTORE_ROOT_FILE, SIGSTORE_REKOR_PUBLIC_KEY, SIGSTORE_CT_LOG_PUBLIC_KEY_FILE or SIGSTORE_TSA_CERTIFICATE_FILE names.
#[derive(Args)]
#[command(after_help = "Example:
  boltseal root create --fulcio fulcio.pem --rekor rekor.pub,url=https://rekor.corp.example --ctfe ctfe.pub --out corp.json")]
pub struct RootCreateArgs {
    /// Who issues certificates: the chain (PEM), the authority's own certificate last; may be repeated.
    #[arg(long, value_name = "SERVICE")]
    pub fulcio: Vec<ServiceFile>,
    /// A transparency log: its public key (PEM); may be repeated.
    #[arg(long, value_name = "SERVICE")]
    pub rekor: Vec<ServiceFile>,
    /// A certificate transparency log: its public key (PEM); may be repeated.
    #[arg(long, value_name = "SERVICE")]
    pub ctfe: Vec<ServiceFile>,
    /// Who signs timestamps: the chain (PEM), the certificate that signs first; may be repeated.
    #[arg(long, value_name = "SERVICE")]
    pub tsa: Vec<ServiceFile>,
    /// Take what public-good has of the kinds that nothing else names.
    #[arg(long)]
    pub with_default_services: bool,
    /// Where it is written, in the place of what is there; else to standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A service by its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFile {
    pub path: PathBuf,
    pub service: Service,
}

impl FromStr for ServiceFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut path = None;
        let mut service = Service::default();
        let time = |value: &str| value.parse::<Timestamp>().map_err(|error| format!("{value:?} is no time: {error}"));
        for (at, part) in text.split(',').enumerate() {
            match part.split_once('=') {
                None if at == 0 && !part.is_empty() => path = Some(PathBuf::from(part)),
                Some(("certificate-chain" | "public-key", file)) if path.is_none() && !file.is_empty() => {
                    path = Some(PathBuf::from(file));
                }
                Some(("url", url)) => service.url = url.to_owned(),
                Some(("start-time", start)) => service.start = Some(time(start)?),
                Some(("end-time", end)) => service.end = Some(time(end)?),
                Some(("origin", origin)) => service.origin = Some(origin.to_owned()),
                _ => {
                    return Err(format!("{part:?}: expected FILE first, then url=, start-time=, end-time= or origin="));
                }
            }
        }
        let path = path.ok_or("expected FILE, certificate-chain=FILE or public-key=FILE")?;
        Ok(Self { path, service })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_file_and_what_is_known_of_it() {
        let read = |text: &str| text.parse::<ServiceFile>();
        assert_eq!(read("a.pem"), Ok(ServiceFile { path: "a.pem".into(), service: Service::default() }));
        let cosign = read("url=https://a,public-key=a.pub,start-time=2024-01-01T00:00:00Z,origin=a.example").unwrap();
        assert_eq!(cosign, read("a.pub,url=https://a,origin=a.example,start-time=2024-01-01T00:00:00Z").unwrap());
        assert_eq!(cosign.service.start.unwrap().to_string(), "2024-01-01T00:00:00Z");
        for wrong in
            ["", "url=https://a", "a.pem,b.pem", "a.pem,public-key=b.pem", "a.pem,start=now", "a.pem,end-time=now"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
