use super::RegistryArgs;
use boltseal::oci::Reference;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:
  boltseal policy export --to containers --dir /etc/containers
  boltseal policy export --to openshift --dir . && oc apply -f boltseal-openshift.yaml
  boltseal policy export --to buildkit --dir . docker.io/library/alpine:3.22 registry.example.com/base:1 && \\
    EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=source-policy.json docker buildx build .")]
pub struct ExportArgs {
    /// Whose words.
    #[arg(long, value_enum, value_name = "TARGET")]
    pub to: ExportTarget,
    /// The policy file; else as `verify` finds it.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The folder that the files are written into; those that are there are replaced, and keep mode and owner.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// For buildkit, the images of a build: each is verified, and allowed by its digest alone; all others are denied.
    #[arg(value_name = "REF")]
    pub images: Vec<Reference>,
    /// For buildkit, the least that repositories' trust data have to be; else BOLTSEAL_LOCK, or what the policy names.
    #[arg(long, value_name = "FILE", requires = "images")]
    pub lock: Option<PathBuf>,
    /// For buildkit, give up on one image after so many seconds; that is "could not tell".
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportTarget {
    /// policy.json and registries.d, for podman, CRI-O, skopeo and buildah.
    Containers,
    /// `ClusterImagePolicy` objects and the list of allowed registries.
    #[value(name = "openshift")]
    OpenShift,
    /// source-policy.json, a source policy of BuildKit: of the images that are named, for a policy names no digests.
    #[value(name = "buildkit")]
    BuildKit,
}

#[derive(Args)]
#[command(after_help = "Example:
  boltseal policy import --from containers /etc/containers/policy.json --file policy.yaml")]
pub struct ImportArgs {
    /// Whose policy it is.
    #[arg(long, value_enum, value_name = "KIND")]
    pub from: ImportSource,
    /// The other tool's file.
    #[arg(value_name = "FILE")]
    pub source: PathBuf,
    /// Where the policy is written; it must not exist.
    #[arg(long, value_name = "FILE", default_value = "policy.yaml")]
    pub file: PathBuf,
    /// Write it even if something has no equal. What is left out is denied.
    #[arg(long)]
    pub partial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportSource {
    /// policy.json of podman, CRI-O, skopeo, buildah.
    Containers,
    /// trustpolicy.json of notation.
    Notation,
    /// ClusterImagePolicy of Sigstore's policy-controller, one or more.
    ClusterImagePolicy,
    /// daemon.json of Docker, its `content-trust`.
    Daemon,
    /// values.yaml of Connaisseur.
    Connaisseur,
}

/// Runs a folder of cases: evidence that was kept, and what the policy has to say of it.
///
/// Files whose names end with .test.yaml, .test.yml or .test.json are read. Exit code 0: all cases are as expected, 1: one is not.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal policy test policy-tests
  boltseal policy test --policy new-policy.yaml -o json policy-tests

A case:
  version: 1
  policy: policy.yaml
  cases:
    - name: a critical finding is denied
      evidence: kept/20261120T080000Z-5f0c…      # of `verify --save-evidence`, with its own image and time;
                                                 # or an image layout, with image: REF and time: 2026-11-20T00:00:00Z
      expect: { decision: denied, reasons: [vuln-found] }")]
pub struct PolicyTestArgs {
    /// The folder of case files, or one of them.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The policy file; else the one that a case file names, or as `verify` finds it.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// Judges kept decisions again, by a changed policy or at another time, and tells what would change.
///
/// The evidence that was kept is verified again; what a report says of its decision is only compared with. Nothing is fetched,
/// and nothing here says that an image may be used. Exit code 0: nothing changes, 1: a decision does, 4: one could not be told.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal verify --save-evidence kept $(cat images.txt)
  boltseal policy replay --policy new-policy.yaml kept
  boltseal policy replay --at 2027-01-01T00:00:00Z kept     # which waivers and ages run out until then?")]
pub struct ReplayArgs {
    /// The policy file; else as `verify` finds it.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Judge by this time; else each by its own.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Show what does not change, too.
    #[arg(long)]
    pub all: bool,
    /// What `verify --save-evidence` wrote: the folder, or single decisions in it.
    #[arg(required = true, value_name = "DIR")]
    pub kept: Vec<PathBuf>,
}
