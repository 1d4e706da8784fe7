//! The functions beside the engine's own: OPA's names for the time, which is the caller's, and a "no" for what one call of could
//! take all memory or the whole day with numbers out of a document, or would not say the same twice.

use jiff::Timestamp;
use regorus::{Engine, Extension, Value};
use std::io;

/// Not here: the engine can't be stopped within a single call, and a number or a text of a few bytes is enough for one.
const REFUSED: [(&str, u8); 9] = [
    ("numbers.range", 2),
    ("numbers.range_step", 3),
    ("bits.lsh", 2),
    ("product", 1),
    ("to_number", 1),
    ("rand.intn", 2),
    ("units.parse", 1),
    ("units.parse_bytes", 1),
    ("json.unmarshal", 1),
];

pub(super) fn add_functions(engine: &mut Engine, now: Timestamp) -> Result<(), String> {
    let mut add = |name: &str, arguments: u8, function: Box<dyn Extension>| {
        engine.add_extension(name.to_owned(), arguments, function).map_err(|error| error.to_string())
    };
    let now = Value::from(nanoseconds(now));
    add("time.now_ns", 0, Box::new(move |_| Ok(now.clone())))?;
    add("time.parse_rfc3339_ns", 1, Box::new(|arguments| Ok(parse_time(&arguments)?)))?;
    for (name, arguments) in REFUSED {
        let refusal = move |_| Err(wrong(format!("{name} is not available here")).into());
        add(name, arguments, Box::new(refusal))?;
    }
    Ok(())
}

fn parse_time(arguments: &[Value]) -> Result<Value, io::Error> {
    let text = arguments.first().and_then(|text| text.as_string().ok());
    let time = text.and_then(|text| text.parse::<Timestamp>().ok());
    time.map(|time| Value::from(nanoseconds(time)))
        .ok_or_else(|| wrong("expected a time such as 2026-11-01T00:00:00Z".into()))
}

/// Nanoseconds since 1970: OPA's times, for the years that they reach.
fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(if time < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}

fn wrong(message: String) -> io::Error {
    io::Error::other(message)
}
