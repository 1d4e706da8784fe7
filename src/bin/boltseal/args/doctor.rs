use boltseal::oci::RepositoryName;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use url::Url;

/// Looks for every way past an enforcement point on this machine.
#[derive(Subcommand)]
pub enum DoctorCommand {
    Containerd(DoctorContainerdArgs),
    Proxy(DoctorProxyArgs),
}

/// Tells whether containerd asks boltseal before every pull, and what would let an image past it.
///
/// Read are containerd's configuration with its imports, the folder of verifiers, and boltseal's own configuration and
/// policy, and who may write these. The verifier has to be this very program. Exit code 0: nothing lets images pass;
/// 1: something does, or blocks every pull; 4: it could not be told.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal doctor containerd
  boltseal doctor containerd -o json --config /var/lib/rancher/k3s/agent/etc/containerd/config.toml")]
pub struct DoctorContainerdArgs {
    /// The configuration that containerd is started with.
    #[arg(long, value_name = "FILE", default_value = "/etc/containerd/config.toml")]
    pub config: PathBuf,
    /// containerd's program, which is asked for its version.
    #[arg(long, value_name = "PROGRAM", default_value = "containerd")]
    pub containerd: PathBuf,
    /// containerd's version, where the program can't be asked here.
    #[arg(long, value_name = "VERSION")]
    pub containerd_version: Option<String>,
}

/// Tells which images a runtime pulls past the verifying proxy, and prints the files that lead to the proxy alone.
///
/// Read are the runtime's settings for registries, as they are on this machine. Exit code 0: every registry that is named is
/// asked through the proxy alone; 1: there is a way past it, or none to it; 4: it could not be told.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal doctor proxy --runtime containerd --proxy http://127.0.0.1:5720 docker.io registry.example.com
  boltseal doctor proxy --runtime containers --proxy https://proxy.example.com registry.example.com")]
pub struct DoctorProxyArgs {
    /// Whose settings.
    #[arg(long)]
    pub runtime: ProxiedBy,
    /// Where the proxy is, as the runtime sees it.
    #[arg(long, value_name = "URL", value_parser = proxy_url)]
    pub proxy: Url,
    /// containerd's folder of hosts [/etc/containerd/certs.d], or registries.conf [/etc/containers/registries.conf].
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// The registries behind the proxy, as images name them: docker.io, registry.example.com:5000.
    #[arg(required = true, value_name = "REGISTRY", value_parser = registry_name)]
    pub registries: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ProxiedBy {
    /// containerd, nerdctl, and docker with containerd's image store: `hosts.toml`
    Containerd,
    /// podman, CRI-O, skopeo, buildah: `registries.conf`
    Containers,
}

fn proxy_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.path() == "/");
    url.ok_or_else(|| "expected such as http://127.0.0.1:5720, without a path".to_owned())
}

/// A registry as images name it: the host alone, as settings are kept by it.
fn registry_name(text: &str) -> Result<String, String> {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let host = address.split('/').next().unwrap_or_default();
    // A word without dot and port would be part of a name on Docker Hub.
    let image = format!("{host}/any/image").parse::<RepositoryName>();
    if !image.is_ok_and(|name| name.path == "any/image") {
        return Err("expected a registry as images name it, such as docker.io or registry.example.com:5000".to_owned());
    }
    if host != text {
        return Err(format!("expected the registry without scheme and path: {host}"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::registry_name;

    // [V-315]
    #[test]
    fn a_registry_is_a_host_alone() {
        for good in ["docker.io", "registry.example.com:5000", "localhost", "127.0.0.1:5000", "[::1]:5000", "host:5000"]
        {
            assert_eq!(registry_name(good).as_deref(), Ok(good));
        }
        for meant in ["https://docker.io", "docker.io/library", "http://docker.io/v2/", "docker.io/"] {
            assert!(registry_name(meant).unwrap_err().ends_with("path: docker.io"), "{meant}");
        }
        for bad in ["", "registry", "*.example.com", "docker.io@x", "https://", "_default", ".."] {
            assert!(registry_name(bad).unwrap_err().contains("such as docker.io"), "{bad}");
        }
    }
}
