use crate::{
    args::{ServeAdmissionArgs, ServeCommand, ServeProxyArgs},
    exit::{Exit, Failure},
    output::printable,
    render::one_line,
    settings,
};
use boltseal::serve::{
    Log, Shell, Words,
    admission::{Admission, AdmissionSettings},
    proxy::{Proxy, ProxySettings},
    read_settings,
};
use std::{path::Path, sync::Arc};

/// What servers know of this program.
const WORDS: Words = Words { roots: settings::roots, rego: settings::rego, reasons: one_line::reasons, printable };

/// Bytes of a thread's stack: as the main thread has them, where all other verbs run.
const STACK: usize = 8 << 20;

pub fn run(command: ServeCommand) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .map_err(|error| Failure::new(Exit::Bug, format!("no runtime: {error}")))?;
    let done = runtime.block_on(serve(command));
    runtime.shutdown_background();
    done
}

pub async fn serve(command: ServeCommand) -> Result<Exit, Failure> {
    match command {
        ServeCommand::Admission(args) => admission(args).await,
        ServeCommand::Proxy(args) => proxy(args).await,
    }
}

async fn admission(args: ServeAdmissionArgs) -> Result<Exit, Failure> {
    let settings: AdmissionSettings = read_settings(&args.config)?;
    let settings = settings.beside(args.config.parent().unwrap_or(Path::new("")));
    let log = Log::new(Box::new(std::io::stdout()));
    let (server, judge) = (settings.server.clone(), settings.judge.clone());
    let mut shell = Shell::open(server, judge, &settings.cache, WORDS, log).await?;
    let admission = Admission::new(&mut shell, &settings, printable).await;
    let admission = admission.map_err(|error| Failure::supplied(format!("{}: {error}", args.config.display())))?;
    shell.run(Arc::new(admission), crate::stopped()).await;
    Ok(Exit::Done)
}

async fn proxy(args: ServeProxyArgs) -> Result<Exit, Failure> {
    let settings: ProxySettings = read_settings(&args.config)?;
    let wrong = |message| Failure::supplied(format!("{}: {message}", args.config.display()));
    let upstreams = settings.upstreams().map_err(wrong)?;
    let settings = settings.beside(args.config.parent().unwrap_or(Path::new("")));
    let log = Log::new(Box::new(std::io::stdout()));
    let shell = Shell::open(settings.server, settings.judge, &settings.cache, WORDS, log).await?;
    let proxy = Proxy::new(&shell, upstreams, settings.pass_evidence, printable);
    shell.run(Arc::new(proxy), crate::stopped()).await;
    Ok(Exit::Done)
}
