use super::{JudgeArgs, RegistryArgs};
use boltseal::{limits::CHAIN_DEPTH, oci::Reference};
use clap::Args;

/// Follows an image to its builder, its source and its base image, and that one to its own.
///
/// Signed provenance leads from one image to the next, if the authorities signed it that the policy trusts with the image it is
/// about. Each image is judged by its own scope. What is said of builders and sources is what somebody signed, no more.
/// Annotations and shared layers are shown as claims, and contradictions are named. What is not known is a gap, with its reason.
/// Other registries are asked only where a scope of the policy names their host.
/// Exit code: the worst of the image and of those that signed provenance leads to, as `verify` has it. A gap or a claim
/// changes nothing; `base` in the policy does.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal provenance registry.example.com/shop/cart:1.2
  boltseal provenance --depth 1 -o json --policy policy.yaml registry.example.com/shop/cart@sha256:…
  boltseal provenance --dot registry.example.com/shop/cart:1.2 | dot -Tsvg > chain.svg")]
pub struct ProvenanceArgs {
    /// The image.
    #[arg(value_name = "REF")]
    pub reference: Reference,
    /// How many levels of images are followed.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = depth)]
    pub depth: usize,
    /// Write the chain as a graph in DOT, for Graphviz.
    #[arg(long)]
    pub dot: bool,
    /// Start from one image of the index; what is signed of the index counts for it.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// Give up after so many seconds; that is "could not tell".
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

fn depth(text: &str) -> Result<usize, String> {
    let depth = text.parse().ok().filter(|depth| (1..=CHAIN_DEPTH).contains(depth));
    depth.ok_or_else(|| format!("expected 1 to {CHAIN_DEPTH}"))
}
