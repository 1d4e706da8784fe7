//! One command's wall time and memory. Each is started by a fresh, small process, since a child's peak memory counts
//! from that of the process that forked it.

use nix::{
    sys::resource::{UsageWho, getrusage},
    time::{ClockId, clock_gettime},
};
use std::{
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// The first argument of the small process.
pub const CHILD: &str = "--measure";

/// One run of a command.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From before the start to the exit.
    pub wall: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Peak resident memory in KiB.
    pub memory: u64,
}

/// Runs `command` through the small process and measures it.
///
/// # Panics
/// The command ends with anything but 0: what failed is not worth a time.
pub fn run(command: &Command) -> Sample {
    let mut outer = Command::new(std::env::current_exe().expect("this program"));
    outer.arg(CHILD).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        outer.current_dir(dir);
    }
    let output = outer.stdin(Stdio::null()).output().expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match (output.status.success(), numbers.as_slice()) {
        (true, [wall, cpu, memory]) => {
            Sample { wall: Duration::from_micros(*wall), cpu: Duration::from_micros(*cpu), memory: *memory }
        }
        _ => panic!("{command:?} failed\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The small process: runs the rest of the command line, prints microseconds of wall and processor time and KiB.
pub fn child(arguments: &[String]) -> ExitCode {
    let Some((program, arguments)) = arguments.split_first() else { return ExitCode::from(2) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().expect("the command starts");
    let wall = started.elapsed();
    // This process had no other child.
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage of a finished child");
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    println!("{} {} {}", wall.as_micros(), micros(usage.user_time()) + micros(usage.system_time()), usage.max_rss());
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The processor time of this thread.
pub fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock").into()
}
