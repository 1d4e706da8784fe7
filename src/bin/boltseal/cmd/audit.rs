use crate::{
    args::AuditArgs,
    exit::{Exit, Failure},
    output::Output,
};

pub async fn run(args: AuditArgs, output: &Output) -> Result<Exit, Failure> {
    if let Some(command) = args.command {
        match command {}
    }
    let _ = (args.fleet, output);
    Err(Failure::usage("audit --from is being built on this branch"))
}
