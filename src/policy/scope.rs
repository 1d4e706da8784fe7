use crate::oci::{Repository, canonical_host};
use std::{cmp::Reverse, collections::BTreeSet, fmt};

/// A scope of the policy: a glob over a repository's whole name, `host/path`, matched from end to end.
///
/// `*` stands for any characters within one component, `**` for any number of components, none included:
/// `registry.example.com/prod/**` matches `registry.example.com/prod`, too. Tags and digests take no part.
/// A layout has no repository name; scopes that begin with `oci:` are matched against its folder as it was typed,
/// and no other scope matches it. Nothing is resolved there: a folder with `..` or `*` in it is matched by `oci:**` alone.
///
/// Names are compared in one spelling: the host in lower case, without `:443`; Docker Hub as `docker.io`, its official
/// images under `library/`. Another name or address of the same registry is another registry to a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    layout: bool,
    components: Vec<String>,
    text: String,
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A registry alone, or a glob too short for any repository.
    #[error("it matches no repository; expected host/path, all of a registry is {0:?}")]
    MatchesNothing(String),
    /// Two slashes in a row, or one at an end.
    #[error("an empty component; expected host/path without a slash at either end")]
    EmptyComponent,
    /// `**` beside other characters.
    #[error("{0:?}: `**` has to be a component of its own, `*` stands for characters within one")]
    Wildcard(String),
    /// A character that no repository name has.
    #[error(
        "{component:?}: no repository name has {character:?}; a scope has neither tag nor digest, and `*` and `**` are its only wildcards"
    )]
    Character {
        /// The component that it stands in.
        component: String,
        /// The character.
        character: char,
    },
    /// Longer than any repository name.
    #[error("{0} characters, at most {MAX} are expected")]
    TooLong(usize),
}

const LAYOUT: &str = "oci:";
const MANY: &str = "**";
const HUB: &str = "docker.io";
const MAX: usize = 1_024;

/// Higher is more specific: what one scope matches and another does not exceed makes it the more specific one.
type Rank = (usize, usize, usize, Reverse<usize>, Reverse<usize>);

impl Pattern {
    /// Reads a scope.
    ///
    /// # Errors
    /// See [`ScopeError`].
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.len() > MAX {
            return Err(ScopeError::TooLong(text.len()));
        }
        if let Some(dir) = text.strip_prefix(LAYOUT) {
            let components = folder(dir);
            return match components.iter().find(|c| c.contains(MANY) && *c != MANY) {
                Some(bad) => Err(ScopeError::Wildcard(bad.clone())),
                None if dir.is_empty() => Err(ScopeError::EmptyComponent),
                None => Ok(Self::new(true, components)),
            };
        }
        let components: Vec<&str> = text.split('/').collect();
        for (position, component) in components.iter().enumerate() {
            check(component, position == 0 && components.len() > 1)?;
        }
        let pattern = Self::new(false, repository(&components));
        if pattern.components.len() < 2 && pattern.components.iter().all(|c| c != MANY) {
            return Err(ScopeError::MatchesNothing(format!("{text}/**")));
        }
        Ok(pattern)
    }

    /// The name of a repository, as a glob without wildcards.
    pub(super) fn of(repository: &Repository) -> Self {
        match repository {
            Repository::Registry(name) => {
                let mut components = vec![name.host.clone()];
                components.extend(name.path.split('/').map(str::to_owned));
                Self::new(false, components)
            }
            Repository::Layout(dir) => Self::new(true, folder(&dir.to_string_lossy())),
        }
    }

    fn new(layout: bool, components: Vec<String>) -> Self {
        let components = canonical_wildcards(components);
        let text = format!("{}{}", if layout { LAYOUT } else { "" }, components.join("/"));
        Self { layout, components, text }
    }

    /// Whether it is about layouts, and not about repositories.
    pub(super) fn is_layout(&self) -> bool {
        self.layout
    }

    /// Whether this scope matches a name from [`Pattern::of`].
    pub(super) fn matches(&self, name: &Self) -> bool {
        if name.components.iter().any(|c| c == ".." || c.contains('*')) {
            return self.layout == name.layout && self.components == [MANY];
        }
        name.text.starts_with(self.start()) && self.overlaps(name)
    }

    /// Whether some name is matched by both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let component = |a: &String, b: &String| overlap(a.as_bytes(), b.as_bytes(), |b| *b == b'*', |a, b| a == b);
        self.layout == other.layout && overlap(&self.components, &other.components, |c| c == MANY, component)
    }

    /// How specific a scope is: literal characters before the first wildcard, then all literal characters, then the
    /// least number of components, then fewer `**`, then fewer `*`. A scope whose names are all another's too is
    /// never the less specific one.
    pub(super) fn rank(&self) -> Rank {
        let literals = |text: &str| text.chars().filter(|c| !matches!(c, '*' | '/')).count();
        let many = self.components.iter().filter(|c| *c == MANY).count();
        let stars = self.text.matches('*').count() - 2 * many;
        // A registry's repository has a host and a path at least, whatever the glob leaves room for.
        let least = (self.components.len() - many).max(if self.layout { 0 } else { 2 });
        (literals(self.prefix()), literals(&self.text), least, Reverse(many), Reverse(stars))
    }

    /// What every name that is matched starts with.
    pub(super) fn start(&self) -> &str {
        self.prefix().trim_end_matches('/')
    }

    /// The text before the first wildcard.
    fn prefix(&self) -> &str {
        self.text.split('*').next().unwrap_or_default()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether two sequences with wildcards can spell the same: a walk over the pairs of positions that both can reach.
fn overlap<T>(a: &[T], b: &[T], is_many: impl Fn(&T) -> bool, meet: impl Fn(&T, &T) -> bool) -> bool {
    let mut seen = BTreeSet::new();
    let mut todo = vec![(a, b)];
    while let Some((a, b)) = todo.pop() {
        if !seen.insert((a.len(), b.len())) {
            continue;
        }
        let many = a.first().is_some_and(&is_many) || b.first().is_some_and(&is_many);
        match (a.split_first(), b.split_first()) {
            (None, None) => return true,
            // The wildcard ends here, or takes what stands on the other side.
            (Some((_, a_rest)), Some((_, b_rest))) if many => todo.extend([(a_rest, b), (a, b_rest)]),
            (Some((_, a_rest)), None) if many => todo.push((a_rest, b)),
            (None, Some((_, b_rest))) if many => todo.push((a, b_rest)),
            (Some((x, a_rest)), Some((y, b_rest))) if meet(x, y) => todo.push((a_rest, b_rest)),
            _ => {}
        }
    }
    false
}

fn check(component: &str, is_host: bool) -> Result<(), ScopeError> {
    if component.is_empty() {
        return Err(ScopeError::EmptyComponent);
    }
    if component.contains(MANY) && component != MANY {
        return Err(ScopeError::Wildcard(component.to_owned()));
    }
    let allowed = |c: char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || matches!(c, '.' | '-' | '_' | '*')
            || is_host && (c.is_ascii_uppercase() || matches!(c, ':' | '[' | ']'))
    };
    match component.chars().find(|c| !allowed(*c)) {
        Some(character) => Err(ScopeError::Character { component: component.to_owned(), character }),
        None => Ok(()),
    }
}

/// The components of a registry's repository, with `docker.io` and `library/` filled in as references have them.
fn repository(components: &[&str]) -> Vec<String> {
    let is_host = |first: &str| first.contains(['.', ':', '[', '*']) || first == "localhost";
    let (first, rest) = match components.split_first() {
        Some((first, rest)) if is_host(first) => (canonical_host(first), rest),
        _ => (HUB.to_owned(), components),
    };
    let official = first == HUB && matches!(rest, [one] if *one != MANY);
    let library = official.then(|| "library".to_owned());
    std::iter::once(first).chain(library).chain(rest.iter().map(|c| (*c).to_owned())).collect()
}

/// The components of a folder as typed; a leading slash is one of its own.
fn folder(dir: &str) -> Vec<String> {
    let lead = match dir.trim_matches(['.', '/']) {
        "" if !dir.contains("..") && !dir.starts_with('/') => Some(".".to_owned()),
        _ => dir.starts_with('/').then(String::new),
    };
    lead.into_iter().chain(dir.split('/').filter(|c| !matches!(*c, "" | ".")).map(str::to_owned)).collect()
}

/// Of the spellings of one glob the canonical one: in a run of `*` and `**`, one `**` and it last.
fn canonical_wildcards(components: Vec<String>) -> Vec<String> {
    let mut canonical: Vec<String> = Vec::with_capacity(components.len());
    for component in components {
        let many_before = canonical.last().is_some_and(|last| last == MANY);
        match component.as_str() {
            MANY if many_before => {}
            "*" if many_before => canonical.insert(canonical.len() - 1, component),
            _ => canonical.push(component),
        }
    }
    canonical
}

#[cfg(test)]
mod tests;
