//! What a server says: one line of JSON for each decision, and for each event.

use crate::limits::SERVE_LOG_LINES;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use serde_json::json;
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Where lines go. They are written by a thread of their own: whoever reads them slowly holds up no answer.
pub struct Log {
    lines: SyncSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    lost: Counter,
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
    /// A log that is written there. A line that can't be written, or for which too many others wait, is lost.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        let (lines, from) = sync_channel(SERVE_LOG_LINES);
        let (waiting, lost) = (Arc::default(), Counter::default());
        let (left, failed) = (Arc::clone(&waiting), lost.clone());
        thread::spawn(move || write(out, &from, &left, &failed));
        Self { lines, waiting, lost }
    }

    /// How many lines were lost.
    pub(super) fn lost(&self) -> Counter {
        self.lost.clone()
    }

    /// Waits until all is written, for so long at most.
    pub(super) async fn written(&self, most: Duration) {
        let end = Instant::now() + most;
        while self.waiting.load(Ordering::Acquire) > 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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
            self.waiting.fetch_add(1, Ordering::AcqRel);
            if self.lines.try_send(line).is_err() {
                self.waiting.fetch_sub(1, Ordering::AcqRel);
                self.lost.inc();
            }
        }
    }
}

fn write(mut out: Box<dyn Write + Send>, lines: &Receiver<Vec<u8>>, waiting: &AtomicUsize, lost: &Counter) {
    for line in lines {
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            lost.inc();
        }
        waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io,
        sync::{Mutex, atomic::AtomicBool},
    };

    /// It takes nothing for a while.
    #[derive(Clone, Default)]
    struct Stuck(Arc<(AtomicBool, Mutex<Vec<u8>>)>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            while self.0.0.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            self.0.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_reader_that_hangs_costs_lines_and_no_time() {
        let out = Stuck::default();
        let is_stuck = |is| out.0.0.store(is, Ordering::SeqCst);
        is_stuck(true);
        let log = Log::new(Box::new(out.clone()));
        // One more is in the writer's hands.
        for _ in 0..SERVE_LOG_LINES + 11 {
            log.event("info", "test", "a line");
        }
        assert!((10..=11).contains(&log.lost().get()), "{}", log.lost().get());
        let begun = Instant::now();
        log.written(Duration::from_millis(20)).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        is_stuck(false);
        log.written(Duration::from_secs(30)).await;
        let lines = out.0.1.lock().unwrap().iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(lines + log.lost().get(), SERVE_LOG_LINES as u64 + 11);
    }
}
