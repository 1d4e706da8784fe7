//! Terminal manners, in one place: results to standard output, all else to standard error, bars only on a terminal,
//! nothing but a quiet end when the reader of a pipe has gone.

mod confirm;

use crate::{
    args::Format,
    exit::{Exit, Failure},
};
pub use boltseal::ops::printable;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// The version of everything that `-o json` writes.
pub const JSON_VERSION: u32 = 1;

pub struct Output {
    format: Format,
    quiet: bool,
    /// Questions are answered with yes.
    yes: bool,
    /// Nobody reads standard output any more, or it can't be written.
    lost: AtomicBool,
    /// It can't be written.
    broken: AtomicBool,
}

impl Output {
    pub fn new(format: Format, quiet: bool, yes: bool) -> Self {
        Self { format, quiet, yes, lost: AtomicBool::new(false), broken: AtomicBool::new(false) }
    }

    /// What a run ends with: results that could not be written are none.
    pub fn ended(&self, exit: Exit) -> Exit {
        if self.broken.load(Ordering::Relaxed) { exit.worst(Exit::Supplied) } else { exit }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A result, in the format that was asked for: `text` is asked for only if it is shown.
    pub fn result(&self, value: &Value, text: impl FnOnce() -> String) {
        match self.format {
            Format::Json => self.raw(&format!("{value:#}\n")),
            Format::Text => self.raw(&text()),
        }
    }

    /// Exactly this, to standard output. If its reader has gone (`… | head`), nothing more is written; the work goes
    /// on, and the exit code stays what it would have been. If it can't be written, see [`Self::ended`].
    pub fn raw(&self, text: &str) {
        if self.lost.load(Ordering::Relaxed) {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.lost.store(true, Ordering::Relaxed);
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.broken.store(true, Ordering::Relaxed);
                let _ = writeln!(io::stderr(), "error: standard output: {error}");
            }
        }
    }

    /// Something by the way.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    pub fn warn(&self, text: impl Display) {
        self.note(format_args!("warning: {text}"));
    }

    /// What went wrong with one of several things.
    pub fn failure_line(&self, failure: &Failure) {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "error: {}", printable(&failure.message));
        if let Some(hint) = failure.hint {
            let _ = writeln!(stderr, "  {hint}");
        }
    }

    /// What ended the run.
    pub fn failure(&self, failure: &Failure) {
        self.failure_line(failure);
        if self.is_json() {
            let error = json!({ "message": failure.message, "hint": failure.hint });
            self.raw(&format!(
                "{:#}\n",
                json!({ "version": JSON_VERSION, "error": error, "exit": failure.exit as u8 })
            ));
        }
    }

    /// A bar over `length` steps on a terminal; elsewhere each step is a line of its own.
    pub fn progress(&self, length: u64, unit: Unit) -> Progress<'_> {
        let bar = (!self.quiet && length > 0 && io::stderr().is_terminal()).then(|| {
            let template = match unit {
                Unit::Steps => "{bar:30} {pos}/{len} {msg}",
                Unit::Bytes => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}",
            };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(length).with_style(style)
        });
        Progress { output: self, bar }
    }
}

/// Time between two lines that tell how far a long run is, where there is no terminal.
const TALLY: Duration = Duration::from_secs(30);

/// How far a run is whose length nobody knows: a counter on a terminal that shows no results, else a line now and then.
pub struct Tally<'o> {
    output: &'o Output,
    what: &'static str,
    bar: Option<ProgressBar>,
    told: Cell<Instant>,
}

impl Output {
    pub fn tally(&self, what: &'static str) -> Tally<'_> {
        let shown = !self.quiet && io::stderr().is_terminal() && !io::stdout().is_terminal();
        let style = || ProgressStyle::with_template("{spinner} {pos} {prefix}, {per_sec}, {msg}");
        let bar = shown.then(|| {
            let style = style().unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::new_spinner().with_style(style).with_prefix(what)
        });
        Tally { output: self, what, bar, told: Cell::new(Instant::now()) }
    }
}

impl Tally<'_> {
    pub fn at(&self, count: u64, more: impl Display) {
        if let Some(bar) = &self.bar {
            bar.set_message(more.to_string());
            bar.set_position(count);
        } else if self.told.get().elapsed() > TALLY && !io::stderr().is_terminal() {
            self.told.set(Instant::now());
            self.output.note(format_args!("{count} {}, {more}", self.what));
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What a bar counts.
#[derive(Clone, Copy)]
pub enum Unit {
    Steps,
    Bytes,
}

pub struct Progress<'o> {
    output: &'o Output,
    bar: Option<ProgressBar>,
}

impl Progress<'_> {
    pub fn advance(&self, by: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(by);
        }
    }

    /// One step done: moves the bar, or says so in a line.
    pub fn step(&self, what: impl Display) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(what.to_string());
                bar.inc(1);
            }
            None => self.output.note(what),
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
