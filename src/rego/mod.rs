//! Rego, for what the policy's plain words have no question for: a program that is shown a document and names what it denies.
//! Nothing of it can allow: the answer is a list of messages, and the empty list says nothing.
//!
//! The engine can't be bounded within a process (`engine.rs`). So a program is not run where it is asked but by a [`Runner`],
//! bytes in, bytes out: `ops::isolated` is one with a process for each run. No clock is read for a program's eyes; the engine
//! looks at one to end a run that takes too long.

mod engine;
mod functions;

pub use engine::answer;

use crate::{
    json,
    limits::{JSON_VALUES, REGO_BYTES, REGO_INPUT_BYTES, REGO_LOAD_TIME, REGO_MESSAGE, REGO_MESSAGES, REGO_RUN_TIME},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

/// The rule that a program has to define: a set of messages.
const RULE: &str = "deny";

/// An image that nothing was said of; what a program is shown first.
const NOTHING: &str = r#"{
    "version": 1, "now": "1970-01-01T00:00:00Z", "scope": "registry.example.com/**",
    "reference": "registry.example.com/app:1", "repository": "registry.example.com/app", "tag": "1",
    "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "digests": ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    "met": [], "attestations": []
}"#;

/// A Rego program that ran once.
#[derive(Clone)]
pub struct Program {
    name: Arc<str>,
    text: Arc<str>,
    runner: Arc<dyn Runner>,
}

/// Who runs programs.
pub trait Runner: fmt::Debug + Send + Sync {
    /// What [`answer`] says to a request, at most [`crate::limits::REGO_ANSWER_BYTES`]; bytes that are no whole answer are none.
    ///
    /// # Errors
    /// There is no answer within this time, or none at all.
    fn run(&self, request: &[u8], within: Duration) -> Result<Vec<u8>, RegoError>;
}

/// Runs programs in this process.
///
/// Held are the bounds of [`crate::limits`] on program, input and messages, and, between the steps of rules, on the time. Not
/// held: a function that calls itself ends the process, functions that call many others, and single calls with
/// a large number or text, can take hours or all memory, and some panic. That is for programs and documents of one's own;
/// what a server judges by is run by `ops::isolated`.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

impl Runner for InProcess {
    fn run(&self, request: &[u8], _: Duration) -> Result<Vec<u8>, RegoError> {
        Ok(answer(request))
    }
}

/// What a runner is told.
#[derive(Serialize, Deserialize)]
struct Request<'r> {
    #[serde(borrow)]
    name: Cow<'r, str>,
    #[serde(borrow)]
    text: Cow<'r, str>,
    now: Timestamp,
    #[serde(borrow)]
    input: &'r RawValue,
}

/// Why a program can't be used, or has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RegoError {
    /// More bytes than are read.
    #[error("{0} bytes, at most {REGO_BYTES} are read")]
    TooLarge(usize),
    /// Not Rego (version 1), or it calls what is not there.
    #[error("{0}")]
    Compile(String),
    /// There is no rule to ask.
    #[error("package {0} has no rule `{RULE}`; expected `{RULE} contains message if {{ … }}`")]
    NoRule(String),
    /// The rule is no set.
    #[error("`{RULE}` is {0}; expected a set of messages, `{RULE} contains message if {{ … }}`")]
    NotASet(String),
    /// An element of the set is no message.
    #[error("`{RULE}` has {0}; expected texts, or objects with a text `msg`")]
    NotAMessage(String),
    /// It ran, and came to no answer.
    #[error("{0}")]
    Failed(String),
    /// It ran for longer than it may.
    #[error("no answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// What it is to be shown is larger than it may be.
    #[error("{0} bytes of input, at most {REGO_INPUT_BYTES} are shown")]
    InputTooLarge(usize),
    /// What it is to be shown is no JSON that it can be shown.
    #[error("the input can't be shown: {0}")]
    Input(String),
}

impl Program {
    /// Takes a program: one file, Rego version 1, of any package, with the rule `deny`, a set. It is run once, with an image
    /// that nothing was said of: what fails there would fail for the first such image.
    ///
    /// The engine reads it again for each run.
    ///
    /// # Errors
    /// As [`RegoError`] says.
    pub fn load(name: &str, text: &str, runner: Arc<dyn Runner>) -> Result<Self, RegoError> {
        if text.len() > REGO_BYTES {
            return Err(RegoError::TooLarge(text.len()));
        }
        let program = Self { name: name.into(), text: text.into(), runner };
        match program.ask(NOTHING, Timestamp::UNIX_EPOCH, REGO_LOAD_TIME) {
            Ok(_) => Ok(program),
            Err(RegoError::Failed(why)) => Err(RegoError::Compile(why)),
            Err(other) => Err(other),
        }
    }

    /// What the program denies, when it is shown this JSON; empty where it has nothing against it. At most [`REGO_MESSAGES`]
    /// messages are told, in the order of their texts.
    ///
    /// A function that fails, such as a time that is none, ends the run: a rule that can't be evaluated does not count as one
    /// that denies nothing.
    ///
    /// # Errors
    /// The program came to no answer. It is then not known whether it denies.
    pub fn denials(&self, input: &str, now: Timestamp) -> Result<Vec<String>, RegoError> {
        if input.len() > REGO_INPUT_BYTES {
            return Err(RegoError::InputTooLarge(input.len()));
        }
        json::check(input.as_bytes(), JSON_VALUES).map_err(|error| RegoError::Input(error.to_string()))?;
        self.ask(input, now, REGO_RUN_TIME)
    }

    fn ask(&self, input: &str, now: Timestamp, within: Duration) -> Result<Vec<String>, RegoError> {
        let unshown = |error: serde_json::Error| RegoError::Input(error.to_string());
        let input = serde_json::from_str(input).map_err(unshown)?;
        let request = Request { name: (*self.name).into(), text: (*self.text).into(), now, input };
        let request = serde_json::to_vec(&request).map_err(unshown)?;
        decode(&self.runner.run(&request, within)?)
    }
}

/// Reads a runner's answer. It may come of a process that has failed in any way.
fn decode(answer: &[u8]) -> Result<Vec<String>, RegoError> {
    let failed = |why: &str| RegoError::Failed(why.to_owned());
    let said: Result<Vec<String>, RegoError> =
        json::decode(answer).map_err(|_| failed("the engine ended without an answer"))?;
    let messages = said?;
    let is_long = |text: &String| text.trim().is_empty() || text.chars().count() > REGO_MESSAGE;
    if messages.len() > REGO_MESSAGES + 1 || messages.iter().any(is_long) {
        return Err(failed("the engine told more, or longer, messages than it may"));
    }
    Ok(messages)
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests;
