//! A proxy that runs as the program does, in front of a registry, and how it is asked.

use super::Boltseal;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// `boltseal serve proxy`; it runs until it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    process: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The settings of a proxy, made up line by line.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The first is the default.
    pub upstreams: Vec<String>,
    pub more: &'static str,
    pub server: String,
    pub judge: String,
    pub cache: String,
}

impl Settings {
    pub fn of(upstream: &str) -> Self {
        Self { upstreams: vec![upstream.to_owned()], ..Self::default() }
    }

    /// Writes them beside the policy.
    pub fn write(&self, folder: &Path) -> String {
        let Self { upstreams, more, server, judge, cache } = self;
        let text = format!(
            "upstreams = {upstreams:?}\ndefault-upstream = {:?}\n{more}\n[server]\nlisten = \"127.0.0.1:0\"\n{server}\n\
             [judge]\npolicy = \"policy.yaml\"\nstate = \"state\"\n{judge}\n[cache]\n{cache}\n",
            upstreams[0]
        );
        let file = folder.join("proxy.toml");
        fs::write(&file, text).expect("settings");
        file.display().to_string()
    }
}

/// The registry that a row of the table lies in.
pub fn host(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

impl Proxy {
    /// Starts it, and waits until it says where it listens.
    pub fn start(machine: &Boltseal, settings: &str) -> Self {
        let mut command = machine.command();
        command.args(["serve", "proxy", "--config", settings]);
        Self::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the proxy starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (kept, out) = (Arc::clone(&lines), process.stdout.take().expect("its log"));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                kept.lock().expect("the log").push(value);
            }
        });
        let mut proxy = Self { address: ([127, 0, 0, 1], 0).into(), process, lines };
        let started = proxy.wait_for("it starts", |line| line["event"] == "started");
        let text = started["message"].as_str().expect("a message").trim_start_matches("listening at ");
        proxy.address = text.split(',').next().and_then(|text| text.parse().ok()).expect("an address");
        proxy
    }

    /// What it has said so far.
    pub fn log(&self) -> Vec<Value> {
        self.lines.lock().expect("the log").clone()
    }

    /// The decisions of its log on what was asked with these words in it.
    pub fn decisions(&self, asked: &str) -> Vec<Value> {
        let is = |line: &Value| {
            line["event"] == "decision" && line["asked"].as_str().is_some_and(|text| text.contains(asked))
        };
        self.log().into_iter().filter(is).collect()
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub fn wait_for(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_new(what, 0, is)
    }

    /// Waits for a line of the log behind so many.
    #[track_caller]
    pub fn wait_for_new(&self, what: &str, behind: usize, is: impl Fn(&Value) -> bool) -> Value {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(line) = self.log().into_iter().skip(behind).find(&is) {
                return line;
            }
            assert!(
                Instant::now() < patience,
                "{what}: {:#?}",
                self.log().into_iter().skip(behind).collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Tells it to stop, and waits; its exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal();
        self.process.wait().expect("it ends").code().unwrap_or(-1)
    }

    /// Tells it to stop.
    pub fn signal(&self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its resident memory, in KiB.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
    }
}
