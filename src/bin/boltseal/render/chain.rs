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
    format!("{} signed that{short}", build.authorities.join(", "))
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
