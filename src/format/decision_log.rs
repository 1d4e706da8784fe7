//! The log of decisions: lines of JSON, each of which names the SHA-256 of the line before it (SPEC.md, section 14).
//!
//! A line's hash is over its bytes as they stand in the file, its line feed among them; there is no other canonical form. The
//! chain shows that nothing between two known lines was altered, removed, moved or put in. That nothing behind the last known line
//! was cut or written anew it can't show: somebody has to keep a hash elsewhere ([`Head`]).

use crate::{
    crypto::hash::{Hash, Hasher, sha256},
    limits::LOG_LINE_BYTES,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the first entry of a log begins.
const FIRST: &[u8] = b"{\"seq\":1,\"time\":\"";

/// Where a log stands: its last entry, by which the next one is chained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The entry's number; 0 before the first.
    pub seq: u64,
    /// The SHA-256 of its line; zeros before the first.
    pub hash: LineHash,
}

/// The SHA-256 of a line, its line feed among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineHash(pub [u8; 32]);

/// What an entry records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// An image was judged.
    Decision(Box<Decided>),
    /// The log goes on from another file.
    Continued {
        /// That file's name.
        from: String,
    },
    /// What stands between the last entry and this one was not written to its end; nobody was told what it would have said.
    Recovered {
        /// Bytes of it.
        bytes: u64,
        /// The hash of that last entry, in hex; zeros where there is none. The line's `previous` is that of the bytes.
        after: String,
    },
}

/// A decision, as it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// The verb, or the enforcement point.
    pub by: String,
    /// What was asked for.
    pub reference: String,
    /// What was judged; none where the reference led nowhere.
    pub digest: Option<String>,
    /// The index that lists it, where a platform was chosen.
    pub index: Option<String>,
    /// The decision's word, as `-o json` has it.
    pub decision: String,
    /// The ids of its reasons.
    pub reasons: Vec<String>,
    /// The policy's scope.
    pub scope: Option<String>,
    /// The mode of that.
    pub mode: Option<String>,
    /// The policy; none where flags were judged by.
    pub policy: Option<NamedPolicy>,
    /// What went wrong before there was anything to judge.
    pub error: Option<String>,
}

/// The policy file that was judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedPolicy {
    /// The file.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: String,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: Timestamp,
    previous: String,
    version: &'static str,
    #[serde(flatten)]
    event: &'a Event,
}

/// Of an entry only what chains it; what else stands there is the reader's.
#[derive(Deserialize)]
struct Written<'a> {
    seq: u64,
    previous: &'a str,
    event: &'a str,
    #[serde(default)]
    after: Option<&'a str>,
}

/// How an entry is chained.
#[derive(Clone, Copy)]
struct Link {
    /// Where the log stands behind it.
    head: Head,
    /// The hash of what stands before it: an entry, or what was cut off.
    previous: LineHash,
    /// The hash of the last entry before it, where something was cut off between the two.
    after: Option<LineHash>,
    /// Whether it says that the log goes on from another file.
    continues: bool,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// No entry.
    #[error("no entry of a decision log ({0}); expected a JSON object with seq, previous and event")]
    NoEntry(String),
    /// Longer than entries are.
    #[error("more than {LOG_LINE_BYTES} bytes, which no entry has")]
    TooLong,
    /// It does not follow what stands before it.
    #[error(
        "expected it to follow {expected}; it follows {found}: a line before it, or this one, was altered, removed, moved or put in"
    )]
    Broken {
        /// The hash of what stands before it.
        expected: LineHash,
        /// The hash that it names.
        found: LineHash,
    },
    /// Another number than the next.
    #[error("expected entry {expected}; found {found}")]
    Number {
        /// The next number.
        expected: u64,
        /// Its number.
        found: u64,
    },
    /// What stood before the first line is gone.
    #[error(
        "expected entry 1, or one that continues another file; found entry {found}: what stood before it was removed"
    )]
    Beginning {
        /// Its number.
        found: u64,
    },
    /// The file ends within a line.
    #[error("it is cut off: by a crash, or by somebody; the next entry will say so, if it was a crash")]
    Torn,
    /// A hash that was kept elsewhere is not in it.
    #[error("no entry has the hash {0}: the log was cut before it, or written anew")]
    HeadMissing(LineHash),
}

impl Head {
    /// Before the first entry.
    pub const START: Self = Self { seq: 0, hash: LineHash([0; 32]) };

    /// The line of the next entry, with its line feed, and where the log stands then.
    ///
    /// # Errors
    /// It would be longer than entries are read.
    pub fn next(self, event: &Event, now: Timestamp) -> Result<(Vec<u8>, Self), ChainFault> {
        let line = Line {
            seq: self.seq.saturating_add(1),
            time: now,
            previous: self.hash.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            event,
        };
        let mut bytes = super::to_json(&line);
        bytes.push(b'\n');
        if bytes.len() as u64 > LOG_LINE_BYTES {
            return Err(ChainFault::TooLong);
        }
        let head = Self { seq: line.seq, hash: LineHash(sha256(&bytes)) };
        Ok((bytes, head))
    }

    /// An entry for what was cut off behind the last one; it stands behind these bytes, the last of which is a line feed.
    ///
    /// # Errors
    /// As [`Head::next`].
    pub fn recovered(self, torn: &[u8], now: Timestamp) -> Result<(Vec<u8>, Self), ChainFault> {
        let event = Event::Recovered { bytes: torn.len() as u64, after: self.hash.to_string() };
        Self { hash: LineHash(sha256(torn)), ..self }.next(&event, now)
    }

    /// Where a log stands that ends like this, with a line feed, and what of the end is no entry: cut off, without an entry
    /// that says so. `whole` is whether `tail` is all of it.
    ///
    /// # Errors
    /// There is no entry within the tail.
    pub fn of_tail(tail: &[u8], whole: bool) -> Result<(Self, &[u8]), ChainFault> {
        let mut fault = None;
        let mut end = tail.len();
        loop {
            // The last line that ends before `end`.
            let Some(feed) = tail.get(..end).and_then(|before| before.iter().rposition(|byte| *byte == b'\n')) else {
                // Nothing but the beginning of a first entry: everything else is somebody else's file.
                let begins = tail.starts_with(FIRST) || FIRST.starts_with(tail.strip_suffix(b"\n").unwrap_or(tail));
                return if whole && begins && tail != b"\n" {
                    Ok((Self::START, tail))
                } else {
                    Err(fault.unwrap_or(ChainFault::TooLong))
                };
            };
            let start = tail.get(..feed).and_then(|before| before.iter().rposition(|byte| *byte == b'\n'));
            let start = start.map_or(0, |at| at + 1);
            let line = tail.get(start..=feed).unwrap_or_default();
            match Link::decode(line) {
                // A line that begins before the tail does would be none.
                Ok(link) if whole || start > 0 => return Ok((link.head, tail.get(feed + 1..).unwrap_or_default())),
                Ok(_) => {}
                Err(found) => fault = fault.or(Some(found)),
            }
            end = start;
        }
    }
}

impl Link {
    /// Reads a line, with its line feed.
    fn decode(line: &[u8]) -> Result<Self, ChainFault> {
        if line.len() as u64 > LOG_LINE_BYTES {
            return Err(ChainFault::TooLong);
        }
        let written: Written<'_> =
            serde_json::from_slice(line).map_err(|error| ChainFault::NoEntry(error.to_string()))?;
        let hash = |text: Option<&str>, name: &str| {
            let parsed = text.and_then(|text| text.parse().ok());
            parsed.ok_or_else(|| ChainFault::NoEntry(format!("{name} is no SHA-256")))
        };
        let recovers = written.event == "recovered";
        Ok(Self {
            head: Head { seq: written.seq, hash: LineHash(sha256(line)) },
            previous: hash(Some(written.previous), "previous")?,
            after: recovers.then(|| hash(written.after, "after")).transpose()?,
            continues: written.event == "continued",
        })
    }
}

/// A log that is read line by line.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    began: Option<Head>,
    last: Option<Head>,
    /// Lines since the last entry that are none: how many, their hash, and what is wrong with the first of them.
    torn: Option<(u64, Hasher, ChainFault)>,
    recovered: u64,
}

impl Chain {
    /// Takes the next line in, with its line feed.
    ///
    /// # Errors
    /// It does not follow the one before it. A line that is no entry is only known to be wrong when the next one that is, or
    /// the end, does not account for it: the error is that line's then, so many lines back.
    pub fn line(&mut self, line: &[u8]) -> Result<(), (u64, ChainFault)> {
        let read = match line.last() {
            Some(b'\n') => Link::decode(line),
            _ => Err(ChainFault::NoEntry("its line feed is missing".to_owned())),
        };
        let last = self.last.unwrap_or(Head::START);
        match (&mut self.torn, read) {
            (None, Ok(link)) => {
                self.follows(link).map_err(|fault| (0, fault))?;
                self.last = Some(link.head);
            }
            (None, Err(fault)) => {
                let mut hasher = Hasher::sha256();
                hasher.update(line);
                self.torn = Some((1, hasher, fault));
            }
            // More of the same crash; anything that is whole has to account for it.
            (Some((count, hasher, _)), Err(_)) => {
                hasher.update(line);
                *count += 1;
            }
            (Some((count, hasher, fault)), Ok(Link { head, previous, after, .. })) => {
                let accounts = after == Some(last.hash)
                    && Hash::Sha256(previous.0) == hasher.clone().finish()
                    && head.seq == last.seq.saturating_add(1);
                if !accounts {
                    return Err((*count, fault.clone()));
                }
                self.began = self.began.or(Some(Head::START));
                self.last = Some(head);
                self.torn = None;
                self.recovered += 1;
            }
        }
        Ok(())
    }

    fn follows(&mut self, Link { head, previous, after, continues }: Link) -> Result<(), ChainFault> {
        let last = match self.last {
            Some(last) => last,
            // The first line says what it follows: nothing, or, as one that continues it, the end of a log that was not given.
            None => {
                let before = head.seq.checked_sub(1).ok_or(ChainFault::Number { expected: 1, found: 0 })?;
                let before = Head { seq: before, hash: previous };
                if before.seq > 0 && !continues {
                    return Err(ChainFault::Beginning { found: head.seq });
                }
                if (before.seq == 0) != (before.hash == Head::START.hash) {
                    return Err(ChainFault::Number { expected: 1, found: head.seq });
                }
                self.began = Some(before);
                before
            }
        };
        if previous != last.hash {
            return Err(ChainFault::Broken { expected: last.hash, found: previous });
        }
        let expected = last.seq.saturating_add(1);
        if head.seq != expected {
            return Err(ChainFault::Number { expected, found: head.seq });
        }
        // It would have to account for something, and nothing is there.
        match after {
            Some(_) => Err(ChainFault::NoEntry("recovered, behind a whole entry".to_owned())),
            None => Ok(()),
        }
    }

    /// The end of a file.
    ///
    /// # Errors
    /// Its last lines are no entries, and nothing accounts for them.
    pub fn end(&self) -> Result<(), (u64, ChainFault)> {
        self.torn.as_ref().map_or(Ok(()), |(count, ..)| Err((*count, ChainFault::Torn)))
    }

    /// What its first line follows; its beginning, or the end of another log.
    #[must_use]
    pub fn began(&self) -> Option<Head> {
        self.began
    }

    /// Where it stands.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.last
    }

    /// How often something was cut off, and the next entry said so.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.recovered
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for LineHash {
    type Err = ();

    /// 64 hex digits, in lower case.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(|_| ())?;
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Err(()) } else { Ok(Self(hash)) }
    }
}

#[cfg(test)]
mod tests;
