//! The command line: arguments in; text, JSON and an exit code out. All work is done by the library's `ops`.
#![forbid(unsafe_code)]
#![warn(clippy::too_many_lines)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod args;
mod cmd;
mod containerd;
mod demo;
mod docker;
mod exit;
mod output;
mod render;
mod settings;

use args::{BlobCommand, Cli, Command};
use boltseal::ops::isolated;
use clap::Parser as _;
use exit::{Exit, Failure};
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any word is read: this one is no verb, and only we say it.
    if std::env::args_os().skip(1).eq([isolated::CALL]) {
        return if isolated::answer_one().is_ok() { Exit::Done.into() } else { Exit::Bug.into() };
    }
    if let Some(arguments) = containerd::called() {
        return containerd::run(&arguments);
    }
    let plugin = docker::Plugin::called();
    let parsed = match plugin.map(docker::Plugin::call) {
        None => Cli::try_parse(),
        Some(docker::Called::Answered(code)) => return code,
        Some(docker::Called::Words(words)) => args::parse_as(plugin.map_or("boltseal", docker::Plugin::typed), words),
    };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let output = Output::new(cli.output, cli.quiet, cli.yes);
    let exit = run(cli, &output).unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    output.ended(exit).into()
}

fn run(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    #[cfg(feature = "serve")]
    if let Command::Serve(command) = cli.command {
        return cmd::serve::run(command);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Bug, format!("no runtime: {error}")))?;
    // Dropping the work on a signal is what removes temporary files.
    let done = runtime.block_on(async {
        tokio::select! {
            biased;
            done = dispatch(cli.command, output) => done,
            signal = stopped() => Err(Failure::new(Exit::Unknown, format!("stopped by {signal}"))),
        }
    });
    // A prompt or a helper that hangs must not keep a finished command alive.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Sign(args) => cmd::sign::run(args, output).await,
        Command::Attest(args) => cmd::attest::run(args, output).await,
        Command::Verify(args) => cmd::verify::run(args, output).await,
        Command::Pull(args) => cmd::pull::run(args, output).await,
        Command::Resolve(args) => cmd::resolve::run(args, output).await,
        Command::Inspect(args) => cmd::inspect::run(args, output).await,
        Command::Provenance(args) => cmd::provenance::run(args, output).await,
        Command::Blob(BlobCommand::Sign(args)) => cmd::blob_sign::sign(&args, output).await,
        Command::Blob(BlobCommand::Verify(args)) => cmd::blob::verify(&args, output),
        Command::Key(args) => cmd::key::run(args, output),
        Command::Policy(args) => cmd::policy::run(args, output).await,
        Command::Root(command) => cmd::root::run(command, output).await,
        Command::Trust(command) => cmd::trust::run(command, output).await,
        Command::Pin(args) => cmd::pin::run(args, output).await,
        Command::Run(args) => cmd::run::run(args, output).await,
        Command::Doctor(command) => cmd::doctor::run(command, output).await,
        Command::Audit(args) => cmd::audit::run(args, output).await,
        // It has a runtime of its own, and stops by itself.
        #[cfg(feature = "serve")]
        Command::Serve(command) => cmd::serve::serve(command).await,
        Command::Demo(args) => demo::run(args, output).await,
        Command::Completions(args) => cmd::docs::completions(&args, output),
        Command::Man(args) => cmd::docs::man(&args),
    }
}

/// Waits for a signal that asks to stop; its name.
async fn stopped() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            return tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
        }
    }
    let _ = tokio::signal::ctrl_c().await;
    "SIGINT"
}
