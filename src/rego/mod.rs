//! Rego, for what the policy's plain words have no question for: a program, compiled once, that is shown a document and names
//! what it denies. Nothing of it can allow: the answer is a list of messages, and the empty list says nothing.
//!
//! The language is `regorus`'; what a program can call beside is in `functions.rs`. No clock is read for a program's eyes; the
//! engine looks at one to end a run that takes too long.

mod functions;

use crate::limits::{JSON_DEPTH, REGO_BYTES, REGO_INPUT_BYTES, REGO_MESSAGE, REGO_MESSAGES, REGO_STEPS, REGO_TIME};
use functions::add_functions;
use jiff::Timestamp;
use regorus::{Engine, LimitError, Value, utils::limits::ExecutionTimerConfig};
use serde_json::json;
use std::fmt;

/// The rule that a program has to define: a set of messages.
const RULE: &str = "deny";

/// A compiled Rego program.
#[derive(Clone)]
pub struct Program {
    engine: Engine,
    /// The rule's path: `data.PACKAGE.deny`.
    rule: String,
}

/// Why a program can't be used, or has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    #[error("no answer within {} ms", REGO_TIME.as_millis())]
    TooSlow,
    /// What it is to be shown is larger than it may be.
    #[error("{0} bytes of input, at most {REGO_INPUT_BYTES} are shown")]
    InputTooLarge(usize),
    /// What it is to be shown is no JSON that it can be shown.
    #[error("the input can't be shown: {0}")]
    Input(String),
}

impl Program {
    /// Compiles a program: one file, Rego version 1, of any package, with the rule `deny`, a set. It is run once, with an image
    /// that nothing was said of: what fails there would fail for the first such image.
    ///
    /// # Errors
    /// As [`RegoError`] says.
    pub fn compile(name: &str, text: &str) -> Result<Self, RegoError> {
        if text.len() > REGO_BYTES {
            return Err(RegoError::TooLarge(text.len()));
        }
        // The parser goes down once for each bracket: none is opened deeper than documents are read.
        if depth(text) > JSON_DEPTH {
            return Err(RegoError::Compile(format!("brackets more than {JSON_DEPTH} deep")));
        }
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_gather_prints(true);
        engine.set_execution_timer_config(ExecutionTimerConfig { limit: REGO_TIME, check_interval: REGO_STEPS });
        let compile = |error: &dyn fmt::Display| RegoError::Compile(one_line(&error.to_string()));
        let package = engine.add_policy(name.to_owned(), text.to_owned()).map_err(|error| compile(&error))?;
        let has_rule = engine.has_declared_rule_rooted_at(name, RULE).map_err(|error| compile(&error))?;
        if !has_rule {
            return Err(RegoError::NoRule(package));
        }
        let program = Self { engine, rule: format!("{package}.{RULE}") };
        let nothing = json!({
            "version": 1, "reference": "", "repository": "", "tag": null, "digest": "", "digests": [], "scope": "", "now": "",
            "met": [], "attestations": [],
        });
        match program.denials(&nothing.to_string(), Timestamp::UNIX_EPOCH) {
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
        let input = Value::from_json_str(input).map_err(|error| RegoError::Input(one_line(&error.to_string())))?;
        let mut engine = self.engine.clone();
        let failed = |why: String| RegoError::Failed(one_line(&why));
        add_functions(&mut engine, now).map_err(failed)?;
        engine.set_input(input);
        let answer = engine.eval_rule(self.rule.clone()).map_err(|error| match error.downcast_ref::<LimitError>() {
            Some(LimitError::TimeLimitExceeded { .. }) => RegoError::TooSlow,
            _ => failed(error.to_string()),
        })?;
        let denied = answer.as_set().map_err(|_| RegoError::NotASet(kind(&answer).to_owned()))?;
        let mut messages = denied.iter().take(REGO_MESSAGES).map(message).collect::<Result<Vec<_>, _>>()?;
        if denied.len() > messages.len() {
            messages.push(format!("and {} more", denied.len() - messages.len()));
        }
        Ok(messages)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.rule).finish()
    }
}

/// A text, or an object's text `msg`.
fn message(denied: &Value) -> Result<String, RegoError> {
    let text = match denied {
        Value::Object(members) => members.get(&Value::from("msg")),
        other => Some(other),
    };
    match text.and_then(|text| text.as_string().ok()) {
        Some(text) if text.trim().is_empty() => Ok("no message".to_owned()),
        Some(text) => Ok(text.chars().take(REGO_MESSAGE).collect()),
        None => Err(RegoError::NotAMessage(kind(denied).to_owned())),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Set(_) => "a set",
        Value::Object(_) => "an object",
        _ => "undefined",
    }
}

/// How deep brackets are open at once, at most: those in texts and comments count, too.
fn depth(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// The engine's message without its drawing of the source: the place, and what is wrong.
fn one_line(text: &str) -> String {
    let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
    let error = text.lines().find_map(|line| line.trim_start().strip_prefix("error: "));
    match (place, error) {
        (Some(place), Some(error)) => format!("{}: {}", place.trim(), error.trim()),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests;
