//! What a registry says about an error, made fit to be shown.

use serde::Deserialize;

/// Characters of a foreign message that are shown.
const SHOWN: usize = 300;

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// A foreign text on one line: control and direction-changing characters taken out, cut at [`SHOWN`] characters.
pub(super) fn shown(text: &str) -> String {
    let hidden =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let clean =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control() && !hidden(*c));
    let mut shown: String = clean.take(SHOWN + 1).collect();
    if let Some((at, _)) = shown.char_indices().nth(SHOWN) {
        shown.truncate(at);
        shown.push('…');
    }
    shown.trim().to_owned()
}

/// The message of an error answer: the distribution specification's error JSON ("Error Codes"), else `otherwise`.
pub(super) fn of_body(body: &[u8], otherwise: &str) -> String {
    let errors = serde_json::from_slice::<Errors>(body).map(|answer| answer.errors).unwrap_or_default();
    let said: Vec<String> = errors
        .iter()
        .take(3)
        .map(|error| shown(format!("{}: {}", error.code, error.message).trim_end_matches(": ")))
        .collect();
    if said.is_empty() { otherwise.to_owned() } else { shown(&said.join("; ")) }
}

/// Whether an error answer carries one of these codes.
pub(super) fn has_code(body: &[u8], codes: &[&str]) -> bool {
    serde_json::from_slice::<Errors>(body)
        .is_ok_and(|answer| answer.errors.iter().any(|error| codes.contains(&error.code.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_words_can_not_forge_the_terminal() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[2J\r\n way \u202egpj"}]}"#;
        assert_eq!(of_body(body, "Forbidden"), "DENIED: no[2J   way gpj");
        assert_eq!(of_body(b"<html>", "Forbidden"), "Forbidden");
        assert_eq!(of_body(br#"{"errors":[{"code":"DENIED"}]}"#, "Forbidden"), "DENIED");
        let long = format!(r#"{{"errors":[{{"code":"X","message":"{}"}}]}}"#, "ä".repeat(5000));
        assert_eq!(of_body(long.as_bytes(), "").chars().count(), SHOWN + 1);
    }
}
