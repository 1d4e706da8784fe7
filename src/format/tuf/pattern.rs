//! Which paths a delegation is about (TUF 1.0.34, 4.5, "paths" and "path_hash_prefixes").

use crate::crypto::hash;

/// A shell pattern, matched component by component: `*`, `?`, `[a-z]` and `[!a-z]` never match a `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Vec<Token>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Many,
    One,
    Exactly(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// Why a text is no pattern. Readers differ on what such a text means, so metadata that has one is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no path pattern: a `[` without its `]`, or nothing between them")]
pub struct PatternError(String);

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// A character class that does not end in the same component, or is empty.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let components = text.split('/').map(parse_component);
        components.collect::<Option<_>>().map(Self).ok_or_else(|| PatternError(text.to_owned()))
    }

    /// Whether the whole path matches, with as many components as the pattern.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut components = path.split('/');
        let each = self.0.iter().all(|tokens| components.next().is_some_and(|text| component_matches(tokens, text)));
        each && components.next().is_none()
    }
}

fn parse_component(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            // Two in a row are one: it keeps the time of a match to length times length.
            '*' if tokens.last() == Some(&Token::Many) => continue,
            '*' => Token::Many,
            '?' => Token::One,
            '[' => {
                let (class, after) = parse_class(rest.as_str())?;
                rest = after.chars();
                class
            }
            other => Token::Exactly(other),
        });
    }
    Some(tokens)
}

/// What stands behind a `[`: the class, and the text behind its `]`. A `]` that comes first is one of the class.
fn parse_class(text: &str) -> Option<(Token, &str)> {
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let first = text.chars().next()?.len_utf8();
    let end = first + text.get(first..)?.find(']')?;
    let members: Vec<char> = text.get(..end)?.chars().collect();
    let mut ranges = Vec::new();
    let mut rest = members.as_slice();
    while let [from, after @ ..] = rest {
        rest = match after {
            ['-', to, after @ ..] => {
                ranges.push((*from, *to));
                after
            }
            _ => {
                ranges.push((*from, *from));
                after
            }
        };
    }
    Some((Token::Class { negated, ranges }, text.get(end + 1..)?))
}

/// Greedy, with one point to go back to: the last `*` can always take over from those before it.
fn component_matches(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (tokens.get(token), text.get(at)) {
            (None, None) => return true,
            (Some(Token::Many), _) => {
                back = Some((token, at));
                token += 1;
                continue;
            }
            (Some(one), Some(character)) if token_matches(one, *character) => {
                (token, at) = (token + 1, at + 1);
                continue;
            }
            _ => {}
        }
        match back {
            Some((many, from)) if from < text.len() => {
                back = Some((many, from + 1));
                (token, at) = (many + 1, from + 1);
            }
            _ => return false,
        }
    }
}

fn token_matches(token: &Token, character: char) -> bool {
    match token {
        Token::Many => false,
        Token::One => true,
        Token::Exactly(expected) => *expected == character,
        Token::Class { negated, ranges } => {
            ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *negated
        }
    }
}

/// Whether the path's SHA-256 in hex starts with one of these prefixes.
#[must_use]
pub fn hash_prefix_matches(prefixes: &[String], path: &str) -> bool {
    let hash = hex::encode(hash::sha256(path.as_bytes()));
    prefixes.iter().any(|prefix| hash.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(path)
    }

    #[test]
    fn a_wildcard_stays_within_its_component() {
        for (pattern, path, expected) in [
            ("*", "1.0", true),
            ("*", "revoked/sha256/ab", false),
            ("*", "", true),
            ("**", "a/b", false),
            ("revoked/sha256/*", "revoked/sha256/ab", true),
            ("revoked/sha256/*", "revoked/sha256/ab/c", false),
            ("v?.*", "v1.22", true),
            ("v?.*", "v10.2", false),
            ("*a*b*c", "xxaxxbxxbxc", true),
            ("*a*b*c", "xxaxxbxxbx", false),
            ("[a-c]?", "bz", true),
            ("[!a-c]?", "bz", false),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("{a,b}", "a", false),
            (".*", ".git", true),
            ("a/", "a", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} and {path}");
        }
    }

    #[test]
    fn a_class_that_does_not_end_is_no_pattern() {
        for bad in ["[", "a[b", "[]", "[!]", "[a/b]"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_prefix_is_of_the_path() {
        let hash = hex::encode(hash::sha256(b"1.0"));
        assert!(hash_prefix_matches(&[hash[..2].to_owned()], "1.0"));
        assert!(!hash_prefix_matches(&[format!("{}g", &hash[..2])], "1.0"));
        assert!(!hash_prefix_matches(&[], "1.0"));
    }

    /// The same question, answered by trying everything.
    fn slowly(tokens: &[Token], text: &[char]) -> bool {
        match (tokens.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Token::Many, tokens)), _) => (0..=text.len()).any(|taken| slowly(tokens, &text[taken..])),
            (Some((token, tokens)), Some((character, text))) => {
                token_matches(token, *character) && slowly(tokens, text)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn going_back_to_the_last_star_is_enough(pattern in "[ab*?]{0,8}", path in "[ab]{0,8}") {
            let tokens = parse_component(&pattern).unwrap();
            let text: Vec<char> = path.chars().collect();
            prop_assert_eq!(component_matches(&tokens, &path), slowly(&tokens, &text));
        }

        #[test]
        fn another_implementation_matches_the_same(pattern in "[ab*?/\\[\\]!-]{0,8}", path in "[ab/!-]{0,6}") {
            let role = serde_json::json!({"name": "d", "keyids": [], "threshold": 1, "paths": [pattern]});
            let role: sigstore_tuf::DelegatedRole = serde_json::from_value(role).unwrap();
            // Three stars in a row are an error there and one star here.
            prop_assume!(!pattern.contains("**"));
            match (role.matches_path(&path), Pattern::parse(&pattern)) {
                (Ok(theirs), Ok(ours)) => prop_assert_eq!(theirs, ours.matches(&path)),
                (Err(_), Err(_)) => {}
                (theirs, ours) => prop_assert!(false, "{:?} and {:?}", theirs, ours),
            }
        }
    }
}
