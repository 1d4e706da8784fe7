//! The engine, Microsoft's `regorus`: a request in, an answer out.
//!
//! What it does not hold: its time limit is not looked at within functions and single calls, what calls itself overflows the
//! stack, which ends the process, and some calls panic or take all memory. So [`answer`] belongs into a process that may die.

use super::{RULE, RegoError, Request, functions::add_functions};
use crate::limits::{JSON_DEPTH, REGO_MESSAGE, REGO_MESSAGES, REGO_STEPS, REGO_TIME};
use regorus::{Engine, LimitError, Value, utils::limits::ExecutionTimerConfig};
use std::fmt;

/// What a [`super::Runner`] gives back for its request: the program is read, run and asked, here and now.
#[must_use]
pub fn answer(request: &[u8]) -> Vec<u8> {
    let request = serde_json::from_slice::<Request<'_>>(request).map_err(|error| RegoError::Failed(error.to_string()));
    serde_json::to_vec(&request.and_then(|request| ask(&request))).unwrap_or_default()
}

fn ask(request: &Request<'_>) -> Result<Vec<String>, RegoError> {
    let (mut engine, rule) = compile(&request.name, &request.text)?;
    let failed = |why: String| RegoError::Failed(one_line(&why));
    add_functions(&mut engine, request.now).map_err(failed)?;
    let input = request.input.get();
    engine.set_input(Value::from_json_str(input).map_err(|error| RegoError::Input(one_line(&error.to_string())))?);
    let denied = engine.eval_rule(rule).map_err(|error| match error.downcast_ref::<LimitError>() {
        Some(LimitError::TimeLimitExceeded { .. }) => RegoError::TooSlow(REGO_TIME),
        _ => failed(error.to_string()),
    })?;
    messages(&denied)
}

/// The engine with the program, and the path of its rule: `data.PACKAGE.deny`.
fn compile(name: &str, text: &str) -> Result<(Engine, String), RegoError> {
    // The parser goes down once for each bracket: none is opened deeper than documents are read.
    if depth(text) > JSON_DEPTH {
        return Err(RegoError::Compile(format!("brackets more than {JSON_DEPTH} deep")));
    }
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.set_gather_prints(true);
    engine.set_execution_timer_config(ExecutionTimerConfig { limit: REGO_TIME, check_interval: REGO_STEPS });
    let refused = |error: &dyn fmt::Display| RegoError::Compile(one_line(&error.to_string()));
    let package = engine.add_policy(name.to_owned(), text.to_owned()).map_err(|error| refused(&error))?;
    let has_rule = engine.has_declared_rule_rooted_at(name, RULE).map_err(|error| refused(&error))?;
    if has_rule { Ok((engine, format!("{package}.{RULE}"))) } else { Err(RegoError::NoRule(package)) }
}

/// The messages in the order of their texts, as many and as long as are told.
fn messages(denied: &Value) -> Result<Vec<String>, RegoError> {
    let denied = denied.as_set().map_err(|_| RegoError::NotASet(kind(denied).to_owned()))?;
    let mut messages = denied.iter().map(message).collect::<Result<Vec<_>, _>>()?;
    messages.sort_unstable();
    let more = messages.len().saturating_sub(REGO_MESSAGES);
    messages.truncate(REGO_MESSAGES);
    let mut told: Vec<_> = messages.into_iter().map(|text| text.chars().take(REGO_MESSAGE).collect()).collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Ok(told)
}

/// A text, or an object's text `msg`.
fn message(denied: &Value) -> Result<&str, RegoError> {
    let text = match denied {
        Value::Object(members) => members.get(&Value::from("msg")),
        other => Some(other),
    };
    match text {
        Some(Value::String(text)) if text.trim().is_empty() => Ok("no message"),
        Some(Value::String(text)) => Ok(text),
        _ => Err(RegoError::NotAMessage(kind(denied).to_owned())),
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
    let line = match (place, error) {
        (Some(place), Some(error)) => format!("{}: {}", place.trim(), error.trim()),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    line.chars().take(REGO_MESSAGE).collect()
}
