use super::NotaryFormatError;
use serde_json::Value;

/// Canonical JSON as docker/go's `canonical/json` writes it, which is what Notary signs: members sorted by name, no
/// white space, whole numbers, and of all characters only `"` and `\` escaped, besides U+2028 and U+2029.
///
/// (TUF's own canonical JSON, OLPC's, does not escape the last two.)
pub(super) fn encode(value: &Value) -> Result<Vec<u8>, NotaryFormatError> {
    let mut text = String::new();
    write(&mut text, value)?;
    Ok(text.into_bytes())
}

/// Recursion ends: strict JSON is at most `JSON_DEPTH` deep.
fn write(text: &mut String, value: &Value) -> Result<(), NotaryFormatError> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) if number.is_i64() || number.is_u64() => text.push_str(&number.to_string()),
        Value::Number(number) => return Err(NotaryFormatError::Number(number.to_string())),
        Value::String(value) => write_text(text, value),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(text, item)?;
            }
            text.push(']');
        }
        // serde_json's map is sorted by the bytes of its names.
        Value::Object(members) => {
            text.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_text(text, name);
                text.push(':');
                write(text, member)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn write_text(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_sorted_and_two_ascii_characters_are_escaped() {
        let value = json!({ "b": [1, -2, true, null], "a": { "z": "a\"b\\c\n\u{1}é\u{2028}", "Z": {} }, "B": [] });
        let expected = "{\"B\":[],\"a\":{\"Z\":{},\"z\":\"a\\\"b\\\\c\n\u{1}é\\u2028\"},\"b\":[1,-2,true,null]}";
        assert_eq!(String::from_utf8(encode(&value).unwrap()).unwrap(), expected);
        assert!(matches!(encode(&json!({ "a": 1.5 })), Err(NotaryFormatError::Number(_))));
    }
}
