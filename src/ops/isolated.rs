//! A process for each run of a Rego program: whatever a program does to the engine, it is done to a process that has little
//! memory and time, no environment and no files, and that nobody else needs.

use crate::{
    limits::{REGO_ANSWER_BYTES, REGO_REQUEST_BYTES},
    policy::Policy,
    rego::{RegoError, Runner, answer},
};
use std::{
    env, io,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Handle, RuntimeFlavor};

/// The argument by which a program is started as such a process; it has to call [`answer_one`] then.
pub const CALL: &str = "rego-run";

/// Runs each program in a process of its own: the answer has to be whole and in time. Where it is not, the process is ended,
/// and nothing is known of what it would have said.
#[derive(Clone, Debug)]
pub struct Isolated {
    program: PathBuf,
}

impl Isolated {
    /// By this program, which calls [`answer_one`] when its only argument is [`CALL`].
    #[must_use]
    pub fn this() -> Self {
        // Also where the file was replaced since by a newer version's.
        let running = PathBuf::from("/proc/self/exe");
        Self { program: if cfg!(target_os = "linux") { running } else { env::current_exe().unwrap_or_default() } }
    }
}

impl Runner for Isolated {
    fn run(&self, request: &[u8], within: Duration) -> Result<Vec<u8>, RegoError> {
        let until = Instant::now() + within;
        let failed = |error: &dyn std::fmt::Display| RegoError::Failed(format!("the engine could not be run: {error}"));
        let mut command = Command::new(&self.program);
        command.arg(CALL).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, "boltseal");
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (sender, receiver) = mpsc::channel();
        let answer = thread::scope(|scope| {
            let talk = || sender.send(pipes.map(|(input, output)| exchange(input, output, request)));
            let talks = thread::Builder::new().spawn_scoped(scope, talk);
            let answer = talks.map(|_| receiver.recv_timeout(until.saturating_duration_since(Instant::now())));
            // Nobody waits for it any longer; without it the pipes are closed, and their thread ends.
            let _ = child.kill();
            let _ = child.wait();
            answer
        });
        match answer {
            Ok(Ok(Some(Ok(answer)))) => Ok(answer),
            Ok(Err(mpsc::RecvTimeoutError::Timeout)) => Err(RegoError::TooSlow(within)),
            Err(error) | Ok(Ok(Some(Err(error)))) => Err(failed(&error)),
            Ok(Ok(None) | Err(mpsc::RecvTimeoutError::Disconnected)) => Err(failed(&"no pipes")),
        }
    }
}

/// Tells a process its request, and reads what it answers when it has heard all of it.
fn exchange(mut input: impl io::Write, output: impl io::Read, request: &[u8]) -> io::Result<Vec<u8>> {
    // A process that ends early is told by its answer.
    let _ = input.write_all(request);
    drop(input);
    let mut answer = Vec::new();
    output.take(REGO_ANSWER_BYTES + 1).read_to_end(&mut answer)?;
    if answer.len() as u64 > REGO_ANSWER_BYTES {
        return Err(io::Error::other(format!("more than {REGO_ANSWER_BYTES} bytes of answer")));
    }
    Ok(answer)
}

/// The other side of [`Isolated`]: answers one request, from standard input on standard output. Whatever comes of it, this
/// process can do nothing else afterwards: on Linux it has given up memory, files and processes before it reads.
///
/// # Errors
/// The limits can't be set; the pipes fail.
pub fn answer_one() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    limit()?;
    let mut request = Vec::new();
    io::stdin().lock().take(REGO_REQUEST_BYTES).read_to_end(&mut request)?;
    let mut output = io::stdout().lock();
    output.write_all(&answer(&request))?;
    output.flush()
}

#[cfg(target_os = "linux")]
fn limit() -> io::Result<()> {
    use crate::limits::{REGO_LOAD_TIME, REGO_MEMORY};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = [
        (Resource::As, REGO_MEMORY),
        (Resource::Cpu, REGO_LOAD_TIME.as_secs()),
        (Resource::Core, 0),
        (Resource::Nofile, 0),
        (Resource::Nproc, 0),
    ];
    for (resource, most) in limits {
        // Whoever started us may have set less.
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Does what may wait for such a process; where other tasks wait for this thread, it is said to the runtime.
pub(super) fn waiting<T>(policy: &Policy, evaluate: impl FnOnce() -> T) -> T {
    let is_shared = || Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
    if policy.rego_files().next().is_some() && is_shared() { tokio::task::block_in_place(evaluate) } else { evaluate() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::PublicKey, rego::Program};
    use std::sync::Arc;

    // [V-176] [V-177]
    #[test]
    fn a_process_that_says_something_else_has_said_nothing() {
        let loaded =
            |isolated| Program::load("x.rego", "package x", Arc::new(isolated)).map(drop).unwrap_err().to_string();
        for (program, why) in [
            ("/nowhere/boltseal", "could not be run: No such file"),
            ("false", "ended without an answer"),
            ("yes", "more than 1048576 bytes of answer"),
        ] {
            let told = loaded(Isolated { program: program.into() });
            assert!(told.contains(why), "{program}: {told}");
        }
        // This program is the tests': it finds none of that name, and says so.
        assert_eq!(loaded(Isolated::this()), "the engine ended without an answer");
    }

    #[test]
    fn whoever_waits_says_so_where_others_wait_for_the_thread() {
        let key = PublicKey::from_pem(include_str!("../../keys/ci.test.pub")).unwrap();
        let text =
            "{version: 1, authorities: {ci: {key: ci}}, images: {\"**\": {signatures: {from: [ci]}, rego: x.rego}}}";
        let file = |_: &str| Ok(Some(b"package x\n\ndeny contains \"x\" if false".to_vec()));
        let policy = Policy::parse_with(text, &|_| Ok(key.clone()), &file).unwrap();
        let wait = || waiting(&policy, || 1);
        assert_eq!(wait(), 1);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { assert_eq!(wait(), 1) });
        let shared = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let policy = policy.clone();
        // Another task runs meanwhile on the only thread of the runtime.
        let (sender, receiver) = mpsc::channel();
        let both = async {
            let waits =
                tokio::spawn(async move { waiting(&policy, || receiver.recv_timeout(Duration::from_secs(30))) });
            let says = tokio::spawn(async move { sender.send(()) });
            (waits.await.unwrap().is_ok(), says.await.unwrap().is_ok())
        };
        assert_eq!(shared.block_on(both), (true, true));
    }
}
