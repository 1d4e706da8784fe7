//! Asking before something is written.

use super::Output;
use crate::exit::Failure;
use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
};

impl Output {
    /// What a question is about. It is shown even where only errors and results are wanted, unless nobody is asked.
    pub fn propose(&self, text: impl Display) {
        if !(self.quiet && self.yes) {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Whether it is to be done: `-y` says yes, else whoever sits at the terminal is asked.
    ///
    /// # Errors
    /// Nobody is there to answer.
    pub async fn confirm(&self, question: &str) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(format!(
                "{question} There is no terminal to ask at: look at what would be done, then pass -y"
            )));
        }
        let _ = write!(io::stderr(), "{question} [y/N] ");
        // On a thread of its own: a signal ends the run while nobody answers.
        let answer = tokio::task::spawn_blocking(|| io::stdin().lines().next()).await;
        Ok(matches!(answer, Ok(Some(Ok(answer))) if is_yes(&answer)))
    }
}

/// All else is no.
fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y", "Y", "yes", " YES \r"].into_iter().all(is_yes));
        assert!(!["", "n", "no", "yep", "yes please", "ja", "1"].into_iter().any(is_yes));
    }
}
