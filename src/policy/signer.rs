//! Who speaks for an authority: the holder of a key, or of a certificate that names an identity.

use super::Reason;
use crate::{
    crypto::Fingerprint,
    limits::IDENTITY_PATTERN_BYTES,
    trust::{Identity, Principal, RootId},
    verify::{Demands, Verified},
};
use regex::{Regex, RegexBuilder};
use std::{collections::BTreeMap, fmt};

/// Which identities speak for an authority.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IdentityPattern {
    /// The holder of this key, signing as itself and not in a role.
    Key(Fingerprint),
    /// Holders of certificates.
    Certificate(Box<CertificatePattern>),
}

/// Which certificates speak for an authority, and what has to stand behind their signatures.
#[derive(Clone, Debug)]
pub struct CertificatePattern {
    /// The trusted root that they have to be verified by, and what it is called.
    pub root: (RootId, String),
    /// The OIDC issuer, or the certification authority's name; none where the root says enough.
    pub issuer: Option<TextPattern>,
    /// The subject alternative name, or the subject's.
    pub subject: TextPattern,
    /// Claims of the certificate, by the names of [`crate::format::fulcio::CLAIMS`].
    pub claims: BTreeMap<&'static str, TextPattern>,
    /// Logs, timestamps, certificate transparency.
    pub demands: Demands,
}

/// A text, a glob or a regular expression; each is compared with the whole of what it is compared with.
#[derive(Clone, Debug)]
pub struct TextPattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Exact,
    Regex(Regex),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextPatternError {
    /// It matches nothing that an identity can be.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than patterns are read.
    #[error("the pattern has {0} bytes, at most {IDENTITY_PATTERN_BYTES} are read")]
    TooLong(usize),
    /// No regular expression.
    #[error("no regular expression: {0}")]
    Regex(String),
}

impl TextPattern {
    /// A glob: `*` stands for any text without a slash, `**` for any text; nothing else is special.
    ///
    /// # Errors
    /// An empty text, or one over [`IDENTITY_PATTERN_BYTES`].
    pub fn glob(text: &str) -> Result<Self, TextPatternError> {
        let checked = Self::checked(text)?;
        if !text.contains('*') {
            return Ok(Self { text: checked, matcher: Matcher::Exact });
        }
        let parts = text.split("**").map(|part| part.split('*').map(regex::escape).collect::<Vec<_>>().join("[^/]*"));
        let expression = parts.collect::<Vec<_>>().join("(?s:.*)");
        Ok(Self { text: checked, matcher: Matcher::Regex(compile(&expression)?) })
    }

    /// A regular expression, anchored at both ends whether it says so or not.
    ///
    /// # Errors
    /// No regular expression, an empty one, or one over [`IDENTITY_PATTERN_BYTES`].
    pub fn regexp(text: &str) -> Result<Self, TextPatternError> {
        let text = Self::checked(text)?;
        let matcher = Matcher::Regex(compile(&text)?);
        Ok(Self { text, matcher })
    }

    /// Exactly this text.
    ///
    /// # Errors
    /// An empty text, or one over [`IDENTITY_PATTERN_BYTES`].
    pub fn exact(text: &str) -> Result<Self, TextPatternError> {
        Ok(Self { text: Self::checked(text)?, matcher: Matcher::Exact })
    }

    fn checked(text: &str) -> Result<String, TextPatternError> {
        match text.len() {
            0 => Err(TextPatternError::Empty),
            long if long > IDENTITY_PATTERN_BYTES => Err(TextPatternError::TooLong(long)),
            _ => Ok(text.to_owned()),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => self.text == text,
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }
}

fn compile(expression: &str) -> Result<Regex, TextPatternError> {
    // The group keeps an alternative from escaping the anchors; \z, unlike $, is the very end.
    RegexBuilder::new(&format!(r"\A(?:{expression})\z"))
        .build()
        .map_err(|error| TextPatternError::Regex(error.to_string()))
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a verified signature does not speak for an authority.
pub(super) enum Stranger {
    /// It is of another kind of signer: there is nothing to say about it.
    Other,
    /// It is of the same kind, and this is what is not as asked.
    Near(Box<Reason>),
}

impl IdentityPattern {
    /// Whether a verified signature speaks for the authority of this name.
    pub(super) fn admits(&self, authority: &str, verified: &Verified) -> Result<(), Stranger> {
        match (self, verified.identity()) {
            (Self::Key(key), Identity::Key(signer)) if key == signer => Ok(()),
            (Self::Certificate(pattern), Identity::Certificate { issuer, san }) => {
                pattern.admits(authority, verified, issuer, san)
            }
            _ => Err(Stranger::Other),
        }
    }

    /// Somebody who can speak for it; of a pattern that many match, one who stands for them all.
    pub(super) fn principal(&self) -> Principal {
        match self {
            Self::Key(key) => Principal::Key(*key),
            Self::Certificate(pattern) => Principal::Certificate {
                issuer: pattern.issuer.as_ref().map(ToString::to_string).unwrap_or_default(),
                san: pattern.subject.to_string(),
            },
        }
    }
}

impl CertificatePattern {
    /// Whether a verified signature is by such a certificate, and as much stands behind it as is asked for.
    ///
    /// # Errors
    /// What is not as asked; `authority` is who asks.
    pub fn accepts(&self, authority: &str, verified: &Verified) -> Result<(), Reason> {
        let (expected, found) = (self.to_string(), verified.identity().clone());
        let admitted = match &found {
            Identity::Certificate { issuer, san } => self.admits(authority, verified, issuer, san),
            _ => Err(Stranger::Other),
        };
        admitted.map_err(|stranger| match stranger {
            Stranger::Near(reason) => *reason,
            Stranger::Other => Reason::SignerMismatch { authority: authority.to_owned(), expected, found },
        })
    }

    fn admits(&self, authority: &str, verified: &Verified, issuer: &str, san: &str) -> Result<(), Stranger> {
        let near = |reason| Err(Stranger::Near(Box::new(reason)));
        let authority = authority.to_owned();
        let backing = verified.backing();
        if backing.root().map(|(id, _)| id) != Some(self.root.0) {
            return Err(Stranger::Other);
        }
        if !(self.issuer.as_ref().is_none_or(|pattern| pattern.matches(issuer)) && self.subject.matches(san)) {
            let (expected, found) = (self.to_string(), verified.identity().clone());
            return near(Reason::SignerMismatch { authority, expected, found });
        }
        for (name, pattern) in &self.claims {
            let found = backing.claims().get(name);
            if !found.is_some_and(|value| pattern.matches(value)) {
                let (expected, found) = (pattern.to_string(), found.cloned());
                return near(Reason::ClaimMismatch { authority, name, expected, found });
            }
        }
        backing.meets(&self.demands).or_else(|rejection| near(Reason::BackingShort { authority, rejection }))
    }
}

impl fmt::Display for CertificatePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject.fmt(f)?;
        if let Some(issuer) = &self.issuer {
            write!(f, " (by {issuer})")?;
        }
        write!(f, ", trusted root {}", self.root.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [V-121]
    #[test]
    fn patterns_match_the_whole_and_stars_stop_at_slashes() {
        let glob = |pattern: &str, text: &str| TextPattern::glob(pattern).unwrap().matches(text);
        assert!(glob("https://x/a.yml@refs/tags/*", "https://x/a.yml@refs/tags/v1"));
        assert!(!glob("https://x/a.yml@refs/tags/*", "https://x/a.yml@refs/tags/v1/x"));
        assert!(glob("https://x/**", "https://x/a/b") && glob("**@acme.example", "a/b@acme.example"));
        assert!(!glob("a@acme.example", "a@acmeXexample") && !glob("a@acme.*", "xa@acme.org"));
        assert!(!glob("*", "a/b") && !glob("a*", "a\nb/") && glob("a*", "a\nb"));
        let regexp = |pattern: &str, text: &str| TextPattern::regexp(pattern).unwrap().matches(text);
        assert!(regexp("a|b", "b") && !regexp("a|b", "ab") && !regexp("a|b", "xb"));
        assert!(!regexp("a", "a\n") && regexp("^a.*$", "abc") && !regexp("a$|", "ab"));
        assert!(matches!(TextPattern::regexp("a(").unwrap_err(), TextPatternError::Regex(_)));
        assert_eq!(TextPattern::glob("").unwrap_err(), TextPatternError::Empty);
        let long = "a".repeat(IDENTITY_PATTERN_BYTES + 1);
        assert!(matches!(TextPattern::exact(&long), Err(TextPatternError::TooLong(_))));
    }
}
