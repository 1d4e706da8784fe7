//! OLPC canonical JSON as securesystemslib writes it: the bytes that TUF signs (TUF 1.0.34, 4.2).

use serde_json::Value;

/// Why a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} is no integer, and canonical JSON has no other numbers")]
pub struct CanonicalError(String);

/// The canonical form of a value: members sorted by code point, no white space, integers alone, and in strings only `"`
/// and `\` escaped, so that a line feed stands there as it is. It is not RFC 8785's form, and not always JSON.
///
/// Both signing and verifying call this one function.
///
/// # Errors
/// A number that is no integer of 64 bits.
pub fn canonical(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut bytes = Vec::new();
    write(value, &mut bytes)?;
    Ok(bytes)
}

// Recursion ends: what is decoded is nested at most limits::JSON_DEPTH deep.
fn write(value: &Value, bytes: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => bytes.extend_from_slice(b"null"),
        Value::Bool(true) => bytes.extend_from_slice(b"true"),
        Value::Bool(false) => bytes.extend_from_slice(b"false"),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            bytes.extend_from_slice(number.to_string().as_bytes());
        }
        Value::Number(number) => return Err(CanonicalError(number.to_string())),
        Value::String(text) => write_text(text, bytes),
        Value::Array(items) => {
            bytes.push(b'[');
            for (at, item) in items.iter().enumerate() {
                separate(at, bytes);
                write(item, bytes)?;
            }
            bytes.push(b']');
        }
        Value::Object(members) => {
            // UTF-8 sorts as its code points do.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            bytes.push(b'{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                separate(at, bytes);
                write_text(name, bytes);
                bytes.push(b':');
                write(member, bytes)?;
            }
            bytes.push(b'}');
        }
    }
    Ok(())
}

fn separate(at: usize, bytes: &mut Vec<u8>) {
    if at > 0 {
        bytes.push(b',');
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            bytes.push(b'\\');
        }
        bytes.push(byte);
    }
    bytes.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn members_are_sorted_and_only_quote_and_backslash_escaped() {
        let value =
            json!({"b": [1, -2, true, null], "a": "q\" b\\ l\n \u{e9}", "A": {}, "\u{1f600}": 0, "\u{ffff}": 1});
        let expected = "{\"A\":{},\"a\":\"q\\\" b\\\\ l\n é\",\"b\":[1,-2,true,null],\"\u{ffff}\":1,\"😀\":0}";
        assert_eq!(String::from_utf8(canonical(&value).unwrap()).unwrap(), expected);
        assert_eq!(canonical(&json!(u64::MAX)).unwrap(), b"18446744073709551615");
    }

    // [V-64]
    #[test]
    fn a_number_with_a_fraction_or_an_exponent_has_no_form() {
        for text in ["1.0", "1e3", "-0.0", "18446744073709551616"] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(canonical(&json!({ "a": [value] })).is_err(), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn another_implementation_writes_the_same_bytes(value in any_json()) {
            let theirs = sigstore_tuf::canonical_json::to_canonical_bytes(&value).unwrap();
            prop_assert_eq!(canonical(&value).unwrap(), theirs);
        }

        #[test]
        fn two_values_have_two_forms(a in any_json(), b in any_json()) {
            prop_assert_eq!(a == b, canonical(&a).unwrap() == canonical(&b).unwrap());
        }
    }
}
