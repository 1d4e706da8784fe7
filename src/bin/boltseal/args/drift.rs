use super::{JudgeArgs, RegistryArgs};
use boltseal::{oci::Reference, ops::drift::Rootfs};
use clap::Args;

/// Compares an unpacked filesystem with the layers of the image that it came from, file by file.
///
/// The image is verified first, as `verify` does it; its layers are fetched and checked by their digests. Told are files that
/// were added, changed or deleted, and other types, modes, owners, extended attributes, link targets and hard links. What a
/// runtime puts into every container (/etc/hosts, /proc, ...) and what --ignore names is listed apart. Times are not compared.
/// Exit code 0: no drift, 1: drift, or the image is denied, 4: could not tell.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal audit drift registry.example.com/app:1.2 --rootfs /run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/rootfs
  docker export CONTAINER | boltseal audit drift registry.example.com/app@sha256:… --rootfs -
  boltseal audit drift registry.example.com/app:1.2 --rootfs ./rootfs --ignore '/var/log/**' -o json")]
pub struct DriftArgs {
    /// The image, [registry/]repository[:tag][@digest] or oci:DIR[:tag].
    #[arg(value_name = "REF")]
    pub reference: Reference,
    /// The filesystem: a directory, a tar archive (compressed or not), or `-` for an archive on standard input.
    #[arg(long, value_name = "DIR|TAR", value_parser = rootfs)]
    pub rootfs: Rootfs,
    /// Do not count differences of these paths, for example '/var/log/**'; they are still listed. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub ignore: Vec<String>,
    /// The image of the index that was unpacked; else this machine's.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

fn rootfs(text: &str) -> Result<Rootfs, std::convert::Infallible> {
    Ok(if text == "-" { Rootfs::Stdin } else { Rootfs::Path(text.into()) })
}
