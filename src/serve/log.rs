//! What a server says: one line of JSON for each decision, and for each event.

use super::lock;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::{io::Write, sync::Mutex};

/// Where lines go.
pub struct Log {
    out: Mutex<Box<dyn Write + Send>>,
}

/// A decision, as it is logged.
#[derive(Debug, Default, Serialize)]
pub struct Decided<'d> {
    /// The request's.
    pub id: &'d str,
    /// Who asked.
    pub client: String,
    /// What was asked for.
    pub asked: String,
    /// What it was found to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// `allowed`, `denied`, `would-deny`, `not-judged`, `unknown`, `absent`, or what the server names beside them.
    pub decision: &'static str,
    /// Why.
    pub reason: String,
    /// The policy's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether it was decided before.
    pub cached: bool,
    /// Milliseconds that it took.
    pub ms: u64,
}

impl Log {
    /// A log that is written there. A line that can't be written is lost.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out) }
    }

    /// A decision.
    pub fn decision(&self, decided: &Decided<'_>) {
        #[derive(Serialize)]
        struct Line<'l> {
            time: Timestamp,
            event: &'static str,
            #[serde(flatten)]
            decided: &'l Decided<'l>,
        }
        self.line(&Line { time: Timestamp::now(), event: "decision", decided });
    }

    /// Something else that happened; `level` is `info`, `warning` or `error`.
    pub fn event(&self, level: &'static str, event: &'static str, message: &str) {
        self.line(&json!({ "time": Timestamp::now(), "event": event, "level": level, "message": message }));
    }

    fn line(&self, value: &impl Serialize) {
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            let mut out = lock(&self.out);
            let _ = out.write_all(&line).and_then(|()| out.flush());
        }
    }
}
