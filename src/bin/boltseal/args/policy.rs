use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:
  boltseal policy export --to containers --dir /etc/containers
  boltseal policy export --to openshift --dir . && oc apply -f boltseal-openshift.yaml")]
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportTarget {
    /// policy.json and registries.d, for podman, CRI-O, skopeo and buildah.
    Containers,
    /// `ClusterImagePolicy` objects and the list of allowed registries.
    #[value(name = "openshift")]
    OpenShift,
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
