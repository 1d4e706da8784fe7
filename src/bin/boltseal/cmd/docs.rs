use crate::{
    args::{Cli, CompletionsArgs, ManArgs},
    exit::{Exit, Failure},
    output::Output,
};
use clap::CommandFactory as _;

pub fn completions(args: &CompletionsArgs, output: &Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "boltseal", &mut script);
    output.raw(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

pub fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::supplied(format!("{}: {error}", args.folder.display()));
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(failed)?;
    Ok(Exit::Done)
}
