mod log;

use crate::{
    args::{AuditArgs, AuditCommand},
    exit::{Exit, Failure},
    output::Output,
};

pub async fn run(args: AuditArgs, output: &Output) -> Result<Exit, Failure> {
    if let Some(command) = args.command {
        return match command {
            AuditCommand::Log(command) => log::run(command, output),
        };
    }
    let _ = (args.fleet, output);
    Err(Failure::usage("audit --from is being built on this branch"))
}
