//! A result on one line, for runtimes that pass on no more.

use boltseal::{ops::verify::Verification, policy::Decision};
use std::fmt::Write as _;

/// Reasons that are told; the rest is counted.
const SHOWN: usize = 2;

/// Why a decision is what it is: the digest and who stands for it, or the reasons by their ids.
pub fn reasons(verification: &Verification) -> String {
    let subject = verification.findings.subject();
    let scope = verification.outcome.scope.as_deref().unwrap_or("none");
    match &verification.outcome.decision {
        Decision::Allow(approved) => {
            let by = approved.met().iter().flat_map(|met| &met.by).map(|by| by.authority.as_str());
            let roles = approved.trust().into_iter().flat_map(|vouched| vouched.by().keys()).map(ToString::to_string);
            let mut names: Vec<_> = by.map(str::to_owned).chain(roles).collect();
            names.dedup();
            format!("{} in scope {scope}, by {}", subject.digest(), names.join(", "))
        }
        Decision::Deny(reasons) | Decision::Undetermined(reasons) => {
            let told: Vec<_> = reasons.iter().take(SHOWN).map(|reason| format!("{}: {reason}", reason.id())).collect();
            let mut text = told.join("; ");
            if reasons.len() > SHOWN {
                let _ = write!(text, "; and {} more", reasons.len() - SHOWN);
            }
            text
        }
        Decision::NotJudged => format!("mode disabled in scope {scope}"),
    }
}

/// At most so many bytes of a text, cut between characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most.saturating_sub('…'.len_utf8())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_cut_text_is_whole_characters() {
        assert_eq!(cut("grün", 5), "grün");
        assert_eq!(cut("grüngrün", 6), "gr…");
        assert_eq!(cut("aaaa", 2), "…");
    }
}
