//! Logical lines and words of a Dockerfile, each with where it stands.

use std::ops::Range;

/// A word, quotes and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub at: Range<usize>,
}

impl Word {
    /// Whether it stands in the file as it reads, without a line's end in it.
    pub fn is_whole(&self) -> bool {
        self.at.len() == self.text.len()
    }

    /// What follows a prefix.
    pub fn after(&self, prefix: &str) -> Option<Self> {
        let text = self.text.strip_prefix(prefix)?.to_owned();
        Some(Self { at: self.at.start + prefix.len()..self.at.end, text })
    }
}

/// Reads physical lines: each with its first byte, without its end.
pub(super) struct Lines<'t> {
    text: &'t str,
    next: usize,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, next: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } }
    }

    pub fn peek(&self) -> Option<(usize, &'t str)> {
        let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
        let line = rest.split('\n').next().unwrap_or_default();
        Some((self.next, line.strip_suffix('\r').unwrap_or(line)))
    }

    /// Whether there is a line that starts so.
    pub fn starts_with(&self, text: &str) -> bool {
        self.peek().is_some_and(|(_, line)| line.starts_with(text))
    }

    pub fn advance(&mut self) {
        let rest = self.text.get(self.next..).unwrap_or_default();
        self.next += rest.find('\n').map_or(rest.len(), |at| at + 1);
    }

    /// A line with those that continue it, as characters and where they stand. Comments and empty lines in between are
    /// passed over, as BuildKit does it.
    pub fn logical(&mut self, escape: char) -> Option<Vec<(char, usize)>> {
        let mut all: Vec<(char, usize)> = Vec::new();
        let mut begun = false;
        while let Some((start, line)) = self.peek() {
            self.advance();
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            begun = true;
            let continued = line.trim_end().strip_suffix(escape);
            all.extend(continued.unwrap_or(line).char_indices().map(|(at, c)| (c, start + at)));
            if continued.is_none() {
                break;
            }
        }
        begun.then_some(all)
    }
}

/// Words between blanks that are not quoted.
pub(super) fn words(line: &[(char, usize)], escape: char) -> Vec<Word> {
    let (mut words, mut word): (Vec<Word>, Option<Word>) = (Vec::new(), None);
    let (mut quote, mut escaped) = (None, false);
    for (c, at) in line {
        let blank = quote.is_none() && !escaped && c.is_whitespace();
        if blank {
            words.extend(word.take());
            continue;
        }
        match (quote, c) {
            _ if escaped => escaped = false,
            (None | Some('"'), c) if *c == escape => escaped = true,
            (None, '"' | '\'') => quote = Some(*c),
            (Some(open), c) if open == *c => quote = None,
            _ => {}
        }
        let word = word.get_or_insert_with(|| Word { text: String::new(), at: *at..*at });
        word.text.push(*c);
        word.at.end = at + c.len_utf8();
    }
    words.extend(word);
    words
}
