use crate::{
    args::InspectArgs,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
    render::tree,
    settings,
};
use boltseal::ops::inspect::{Node, inspect};
use serde_json::json;

pub async fn run(args: InspectArgs, output: &Output) -> Result<Exit, Failure> {
    let root = inspect(&settings::session(&args.registry)?, &args.reference).await?;
    let exit = if is_whole(&root) { Exit::Done } else { Exit::Unknown };
    let value = json!({
        "version": JSON_VERSION, "reference": args.reference.to_string(), "verified": false,
        "root": tree::to_json(&root), "exit": exit as u8,
    });
    output.result(&value, || format!("{} (nothing below is verified)\n{}", args.reference, tree::to_text(&root)));
    Ok(exit)
}

fn is_whole(node: &Node) -> bool {
    node.unread.is_empty() && node.images.iter().chain(&node.beside).all(is_whole)
}
