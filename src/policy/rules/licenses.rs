//! Licences that are not wanted.

use crate::policy::TextPattern;
use spdx::{Expression, LicenseItem, LicenseReq, ParseMode};

/// Expressions beyond this are read word by word. Source: the longest of a Debian package has 700 bytes.
const EXPRESSION_BYTES: usize = 4_096;
/// As tools write them: old names, names of no list, `GPL-2.0+`.
const AS_FOUND: ParseMode = ParseMode { allow_unknown: true, ..ParseMode::LAX };

/// A pattern that a licence can't be met without, if any: of `A OR B` one that is wanted is enough, of `A AND B` it is not.
pub(super) fn denied<'p>(license: &str, patterns: &'p [TextPattern]) -> Option<&'p TextPattern> {
    let matching = |name: &str| patterns.iter().find(|pattern| pattern.matches(&name.to_ascii_lowercase()));
    if let Some(pattern) = matching(license) {
        return Some(pattern);
    }
    let expression = (license.len() <= EXPRESSION_BYTES).then(|| Expression::parse_mode(license, AS_FOUND).ok());
    match expression.flatten() {
        Some(expression) => {
            let mut first = None;
            let is_wanted = expression.evaluate(|req| {
                let found = names(req).iter().find_map(|name| matching(name));
                first = first.or(found);
                found.is_none()
            });
            if is_wanted { None } else { first }
        }
        // Words, and nothing is known of how they hang together: each counts.
        None => license.split(|c: char| c.is_whitespace() || "()/,;".contains(c)).find_map(matching),
    }
}

/// The names that a licence is known by: with `+`, both.
fn names(req: &LicenseReq) -> Vec<String> {
    match &req.license {
        LicenseItem::Spdx { id, or_later: true } => vec![id.name.to_owned(), format!("{}+", id.name)],
        LicenseItem::Spdx { id, .. } => vec![id.name.to_owned()],
        other @ LicenseItem::Other(_) => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_denied_only_if_every_way_is() {
        let patterns = ["gpl-*", "agpl-*", "noassertion", "sspl"].map(|text| TextPattern::glob(text).unwrap());
        for (license, is_denied) in [
            ("MIT", false),
            ("GPL-3.0-or-later", true),
            ("gpl-3.0-only", true),
            ("MIT OR GPL-2.0-only", false),
            ("MIT AND GPL-2.0-only", true),
            ("(MIT OR AGPL-3.0-only) AND Apache-2.0", false),
            ("(GPL-2.0-only OR AGPL-3.0-only) AND Apache-2.0", true),
            ("GPL-2.0+", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", true),
            ("LGPL-2.1-only", false),
            ("NOASSERTION", true),
            ("Some words, SSPL; others", true),
            ("Some words about gpl", false),
            ("", false),
        ] {
            assert_eq!(denied(license, &patterns).is_some(), is_denied, "{license}");
        }
        let long = format!("MIT OR {}GPL-2.0-only", "MIT OR ".repeat(EXPRESSION_BYTES));
        assert!(denied(&long, &patterns).is_some(), "what is too long to be read is not taken for a choice");
    }
}
