//! A chain of images: as a tree for people, as a graph for Graphviz.

use crate::{exit::Exit, output::printable};
use boltseal::ops::provenance::{Build, Chain, Claim, Hop, Link, Reached, Source, Told, Verdict};
use std::{collections::BTreeSet, fmt::Write as _};

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::Denied => "denied",
        Verdict::WouldDeny => "would-deny",
        Verdict::CouldNotTell => "could-not-tell",
        Verdict::NotJudged => "not-judged",
        Verdict::NotVisited => "not-visited",
    }
}

/// The worst of the image and of those that signed provenance leads to.
pub fn exit(chain: &Chain) -> Exit {
    chain.hops.iter().filter(|hop| hop.proven).fold(Exit::Done, |worst, hop| {
        worst.worst(match hop.judged.verdict {
            Verdict::Denied => Exit::Denied,
            Verdict::CouldNotTell => Exit::Unknown,
            Verdict::Allowed | Verdict::WouldDeny | Verdict::NotJudged | Verdict::NotVisited => Exit::Done,
        })
    })
}

pub fn to_text(chain: &Chain) -> String {
    let mut tree = Tree { chain, shown: BTreeSet::new(), text: String::new() };
    tree.hop(0, None, 0);
    tree.text
}

struct Tree<'c> {
    chain: &'c Chain,
    shown: BTreeSet<usize>,
    text: String,
}

impl Tree<'_> {
    /// An image, and what it leads to; each image once, so that it ends.
    fn hop(&mut self, at: usize, link: Option<&Link>, depth: usize) {
        let Some(hop) = self.chain.hops.get(at) else { return };
        let indent = "    ".repeat(depth);
        let reached = link.map(|link| format!("{}: ", how(link))).unwrap_or_default();
        let again = if self.shown.insert(at) { "" } else { "  (see above)" };
        let word = word(hop.judged.verdict);
        let _ = writeln!(self.text, "{indent}{reached}{word}  {}{again}", printable(&hop.reference));
        if !again.is_empty() {
            return;
        }
        for line in lines(self.chain, hop) {
            let _ = writeln!(self.text, "{indent}  {}", printable(&line));
        }
        for link in &hop.children {
            self.hop(link.to, Some(link), depth + 1);
        }
    }
}

fn how(link: &Link) -> &'static str {
    match (&link.reached, link.cycle) {
        (_, true) => "CYCLE",
        (Reached::Claim, _) => "CLAIMED",
        (Reached::Provenance { shares_layers: Some(true), .. }, _) => "built on",
        (Reached::Provenance { .. }, _) => "built with",
    }
}

fn lines(chain: &Chain, hop: &Hop) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(scope), Some(mode)) = (&hop.judged.scope, &hop.judged.mode) {
        lines.push(format!("scope    {scope} ({mode})"));
    }
    lines.extend(hop.judged.reasons.iter().map(|reason| told("reason  ", reason)));
    for build in &hop.builds {
        let builder = if build.builder.is_empty() { "a builder without a name" } else { build.builder.as_str() };
        lines.push(format!("builder  {builder} ({})", signed(build)));
        lines.extend(build.sources.iter().map(|source| format!("source   {} ({})", place(source), signed(build))));
    }
    lines.extend(hop.claims.iter().map(|claim| format!("CLAIM    {}", claimed(chain, claim))));
    lines.extend(hop.contradictions.iter().map(|contradiction| told("CONTRADICTION", contradiction)));
    lines.extend(hop.gaps.iter().map(|gap| told("GAP     ", gap)));
    lines
}

fn told(what: &str, told: &Told) -> String {
    format!("{what} {}: {}", told.id, told.message)
}

/// By whom it was said, and that it is no more than that.
fn signed(build: &Build) -> String {
    let short = if build.counts { "" } else { ", not what the scope asks" };
    let what = build.covered.map_or("that".to_owned(), |around| format!("the {around} that holds it, unsigned"));
    format!("{} signed {what}{short}", build.authorities.join(", "))
}

fn place(source: &Source) -> String {
    let mut text = source.uri.clone();
    let digest = source.digest.values().next();
    for part in source.reference.iter().chain(digest) {
        let _ = write!(text, " {part}");
    }
    if !source.by_builder {
        text.push_str(", as the builder's client said");
    }
    text
}

fn claimed(chain: &Chain, claim: &Claim) -> String {
    match claim {
        Claim::Annotation { name, digest } => {
            let [name, digest] = [name, digest].map(|part| part.as_deref().unwrap_or("nothing"));
            format!("its annotations call {name}, {digest} its base")
        }
        Claim::Layers { of, count } => {
            let of = chain.hops.get(*of).map_or("another image", |hop| hop.reference.as_str());
            format!("its first {count} layers are those of {of}")
        }
    }
}

/// The graph: images, builders and sources; claims and what is not judged are dashed.
pub fn to_dot(chain: &Chain) -> String {
    let mut text = "digraph chain {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n".to_owned();
    for (at, hop) in chain.hops.iter().enumerate() {
        let (color, style) = match hop.judged.verdict {
            Verdict::Allowed => ("darkgreen", "solid"),
            Verdict::Denied | Verdict::WouldDeny => ("red", "solid"),
            Verdict::CouldNotTell => ("orange", "solid"),
            Verdict::NotJudged | Verdict::NotVisited => ("gray", "dashed"),
        };
        let ids = hop.contradictions.iter().chain(&hop.judged.reasons).chain(&hop.gaps).map(|one| one.id.as_str());
        let told: Vec<_> = std::iter::once(word(hop.judged.verdict)).chain(ids).collect();
        let label = quoted(&[&hop.reference, &told.join(", ")]);
        let _ = writeln!(text, "  n{at} [label={label}, color={color}, style={style}];");
        for (number, build) in hop.builds.iter().enumerate() {
            let name = format!("n{at}b{number}");
            leaf(&mut text, at, &name, &quoted(&[&build.builder, &signed(build)]), "built by");
            for (number, source) in build.sources.iter().enumerate() {
                leaf(&mut text, at, &format!("{name}s{number}"), &quoted(&[&place(source), &signed(build)]), "source");
            }
        }
        for link in &hop.children {
            let style = if link.reached == Reached::Claim { "dashed" } else { "solid" };
            let _ = writeln!(text, "  n{at} -> n{} [label={}, style={style}];", link.to, quoted(&[how(link)]));
        }
    }
    text.push_str("}\n");
    text
}

fn leaf(text: &mut String, from: usize, name: &str, label: &str, edge: &str) {
    let _ = writeln!(text, "  {name} [label={label}, shape=note];");
    let _ = writeln!(text, "  n{from} -> {name} [label={}];", quoted(&[edge]));
}

/// A string of DOT, whose only escapes are our own line breaks.
fn quoted(lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| printable(line).replace('\\', "\\\\").replace('"', "\\\""));
    format!("\"{}\"", lines.collect::<Vec<_>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boltseal::ops::provenance::Judged;

    fn hop(at: usize, verdict: Verdict, children: Vec<Link>) -> Hop {
        let judged = Judged { verdict, scope: None, mode: None, reasons: Vec::new() };
        Hop {
            reference: format!("r.example/i{at}"),
            digest: None,
            depth: at,
            proven: at < 2,
            judged,
            builds: Vec::new(),
            claims: Vec::new(),
            contradictions: Vec::new(),
            gaps: Vec::new(),
            children,
        }
    }

    fn link(to: usize, reached: Reached) -> Link {
        Link { to, reached, cycle: to == 0 }
    }

    fn signed() -> Reached {
        Reached::Provenance { builds: vec![0], shares_layers: None }
    }

    fn chain() -> Chain {
        let first = hop(0, Verdict::Allowed, vec![link(1, signed()), link(2, Reached::Claim)]);
        let second = hop(1, Verdict::NotVisited, vec![link(0, signed())]);
        Chain { hops: vec![first, second, hop(2, Verdict::Denied, Vec::new())] }
    }

    // [V-269]
    #[test]
    fn what_is_only_claimed_and_what_nobody_looked_at_change_no_exit_code() {
        assert_eq!(exit(&chain()), Exit::Done);
        for (at, verdict, expected) in [
            (1, Verdict::Denied, Exit::Denied),
            (1, Verdict::CouldNotTell, Exit::Unknown),
            (1, Verdict::WouldDeny, Exit::Done),
            (0, Verdict::Denied, Exit::Denied),
        ] {
            let mut chain = chain();
            chain.hops[at].judged.verdict = verdict;
            assert_eq!(exit(&chain), expected);
        }
    }

    #[test]
    fn a_chain_that_leads_back_is_shown_once() {
        let text = to_text(&chain());
        assert!(text.contains("CYCLE: allowed  r.example/i0  (see above)"), "{text}");
        assert!(text.contains("CLAIMED: denied  r.example/i2"), "{text}");
        let dot = to_dot(&chain());
        assert!(
            dot.contains("n1 -> n0 [label=\"CYCLE\"") && dot.contains("n0 -> n2 [label=\"CLAIMED\", style=dashed]")
        );
    }

    #[test]
    fn foreign_text_forges_neither_lines_nor_nodes() {
        let mut chain = chain();
        let forged = "b\"];\n  n9 -> n0;\\\n  allowed  r.example/other\u{1b}[2K".to_owned();
        let source = Source { uri: forged.clone(), reference: None, digest: [].into(), by_builder: true };
        chain.hops[0].gaps.push(Told { id: "no-provenance".to_owned(), message: forged.clone() });
        chain.hops[0].claims.push(Claim::Annotation { name: Some(forged.clone()), digest: None });
        chain.hops[0].builds.push(Build {
            signed_by: "key".to_owned(),
            covered: None,
            authorities: vec!["ci".to_owned()],
            counts: true,
            builder: forged.clone(),
            build_type: forged,
            lists_bases: true,
            workflow: None,
            finished: None,
            sources: vec![source],
        });
        let (text, dot) = (to_text(&chain), to_dot(&chain));
        assert!(!text.lines().any(|line| line.trim_start().starts_with("allowed  r.example/other")), "{text}");
        assert!(!text.contains('\u{1b}') && !dot.contains('\u{1b}'));
        assert!(!dot.lines().any(|line| line.trim_start().starts_with("n9")), "{dot}");
        assert!(dot.contains(r#"b\"];"#), "{dot}");
    }
}
