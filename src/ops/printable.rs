use super::pin_files::line_of;
use std::ops::Range;

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

/// What is wrong with settings, in one line: where, if that is known, and what. Of what is set no more is told than that.
#[must_use]
pub fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().replace('\n', ", ");
    // What is empty, or has several lines, is all of a table: it may stand anywhere in it.
    let one_line =
        |span: &Range<usize>| text.get(span.clone()).is_some_and(|part| !part.is_empty() && !part.contains('\n'));
    let Some(at) = error.span().filter(one_line).map(|span| span.start) else { return what };
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |feed| feed + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let member = line.split_once('=').map_or(line, |(member, _)| member).trim();
    let is_told = line.contains('=') || member.starts_with('[');
    let member = if is_told { format!(", `{member}`") } else { String::new() };
    format!("line {}{member}: {what}", line_of(text, at))
}

#[cfg(test)]
mod tests {
    use super::{printable, toml_fault};
    use toml::Table;

    #[test]
    fn foreign_text_stays_on_its_line() {
        let forged = "x)\nallowed  registry.example.com/app:1.0\r\u{1b}[2K\u{202e}";
        assert!(!printable(forged).contains(['\n', '\r', '\u{1b}', '\u{202e}']));
        assert_eq!(printable("\u{fffe}\u{ffff}"), "\u{fffd}\u{fffd}", "no Char of XML 1.0, 2.2");
        assert_eq!(printable("a\u{61c}b"), "a\u{fffd}b", "Arabic's mark of direction");
        assert_eq!(printable("grün: ok"), "grün: ok");
    }

    #[test]
    fn settings_are_told_by_line_and_member() {
        let fault = |text: &str| toml_fault(text, &text.parse::<Table>().unwrap_err());
        assert!(fault("a = 1\nb = x\n").starts_with("line 2, `b`: "), "{}", fault("a = 1\nb = x\n"));
        assert!(!fault("a = 1\nb = \"s3cret\n").contains("s3cret") && !fault("[a\nb = 1").contains('\n'));
        // Where it stands is not known of what is read in two steps.
        #[derive(Debug, serde::Deserialize)]
        struct Flat {
            #[serde(flatten)]
            _own: std::collections::BTreeMap<String, u8>,
        }
        let text = "a = 1\nb = \"x\"\n";
        let told = toml_fault(text, &toml::from_str::<Flat>(text).unwrap_err());
        assert!(!told.starts_with("line"), "{told}");
    }
}
