/// Text from a registry or a signature on one line, with nothing in it that a terminal or a page would obey: neither control
/// characters nor those that change the direction of writing, nor what no XML document may hold.
#[must_use]
pub fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect()
}

/// What is wrong with settings, in one line: where, and what.
#[must_use]
pub fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
    format!("line {line}, column {}: {}", last.chars().count() + 1, error.message().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn foreign_text_stays_on_its_line() {
        let forged = "x)\nallowed  registry.example.com/app:1.0\r\u{1b}[2K\u{202e}";
        assert!(!printable(forged).contains(['\n', '\r', '\u{1b}', '\u{202e}']));
        assert_eq!(printable("\u{fffe}\u{ffff}"), "\u{fffd}\u{fffd}", "no Char of XML 1.0, 2.2");
        assert_eq!(printable("a\u{61c}b"), "a\u{fffd}b", "Arabic's mark of direction");
        assert_eq!(printable("grün: ok"), "grün: ok");
    }
}
