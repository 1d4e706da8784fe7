use super::{JudgeArgs, RegistryArgs};
use clap::{Args, ValueEnum};
use std::{ffi::OsString, path::PathBuf};

/// Verifies the images that files name, and writes their digests into the files.
///
/// Dockerfiles: `# syntax`, FROM, `ARG` defaults that a FROM uses, COPY --from, RUN --mount=from. Compose: `image` of services
/// that are not built, or pulled first; files of `include` and `extends` are to be named, too. Kubernetes: all containers, also
/// in lists, custom resources, Tekton's and Argo's kinds, and image volumes. Every other byte stays. A file of which one image
/// is not allowed, or can't be pinned where it stands, is left as it is.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal pin Dockerfile compose.yaml
  boltseal pin --check deploy/*.yaml
  boltseal pin --source-policy build.json Dockerfile && \\
    EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=build.json docker buildx build .")]
pub struct PinArgs {
    /// Dockerfiles, Compose files, Kubernetes manifests.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write nothing: exit code 1 if an image is denied, or named without a digest.
    #[arg(long, conflicts_with_all = ["update", "source_policy"])]
    pub check: bool,
    /// Look anew for what tags mean that stand beside a digest.
    #[arg(long)]
    pub update: bool,
    /// Leave the files as they are, and write a BuildKit source policy that pins their images and denies all others.
    #[arg(long, value_name = "FILE")]
    pub source_policy: Option<PathBuf>,
    /// What the files are, where their names do not say it.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    pub kind: Option<PinKind>,
    /// Give up on one image after so many seconds; that is "could not tell".
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PinKind {
    /// Dockerfile, Containerfile.
    Dockerfile,
    /// Compose or Kubernetes, YAML or JSON.
    Manifest,
}

/// Runs `docker pull`, `podman pull` or `nerdctl pull` on what the policy allows, by its digest.
///
/// The image is verified as `verify` does it, pulled by the digest that was verified, and given its tag: what
/// DOCKER_CONTENT_TRUST=1 did. What is not allowed is not pulled.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal run docker pull registry.example.com/app:1.2
  boltseal run --policy policy.yaml podman pull --tls-verify=false 127.0.0.1:5000/app:1.2")]
pub struct RunArgs {
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// The command: docker, podman or nerdctl, `pull`, its flags, and one image.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
