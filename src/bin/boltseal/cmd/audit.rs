use crate::{
    args::{AuditArgs, AuditCommand},
    cmd::drift,
    exit::{Exit, Failure},
    output::Output,
};

pub async fn run(args: AuditArgs, output: &Output) -> Result<Exit, Failure> {
    if let Some(command) = args.command {
        return match command {
            AuditCommand::Drift(args) => drift::run(args, output).await,
        };
    }
    let _ = (args.fleet, output);
    Err(Failure::usage("audit --from is being built on this branch"))
}
