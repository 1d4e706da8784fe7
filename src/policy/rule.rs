use super::{ConfigRule, ContentTrust, IdentityPattern, Pattern, PredicateType, Question, RegoRule, signer::Stranger};
use crate::{
    oci::{Digest, Reference, Repository, RepositoryName},
    trust::{Anchors, Principal},
    verify::{Format, SignedReference, Subject, Verified},
};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// A trust policy that can be kept: every name in it is defined, every threshold can be reached, and at most one scope
/// is the most specific for any repository.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) mode: Mode,
    /// Most specific first.
    pub(super) scopes: Vec<Scope>,
    pub(super) anchors: Anchors,
}

/// What is done with a deny. It never changes what counts as verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A deny stops what was asked for.
    #[default]
    Enforced,
    /// A deny is reported and stops nothing.
    Permissive,
    /// Nothing is judged, and nothing is called allowed.
    Disabled,
}

/// What a policy asks of the images of one scope.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The repositories that it is about.
    pub pattern: Pattern,
    /// What is done with a deny.
    pub mode: Mode,
    /// What is asked of the repository's trust state.
    pub content_trust: Option<ContentTrust>,
    /// Whose decision counts in the place of what is asked below. Where nothing is, it stands among the requirements.
    pub vsa: Option<Requirement>,
    /// What is asked of the configurations of its images.
    pub config: Option<ConfigRule>,
    /// What is asked beside that; all of it has to be met.
    pub requirements: Vec<Requirement>,
    /// What may deny an image that all the rest allows.
    pub rego: Option<Arc<RegoRule>>,
}

/// One thing that is asked: so many of these authorities have to have said this of the image.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// What has to be said.
    pub asked: Asked,
    /// Of how many authorities, as different principals; at least 1.
    pub threshold: usize,
    /// By whom.
    pub from: Vec<Arc<Authority>>,
    /// What the signed reference has to say.
    pub identity: IdentityRule,
    /// Which unsigned statements count that lie in the index.
    pub unsigned: Unsigned,
}

/// Which unsigned statements count that lie in an index (BuildKit's attestation manifests): as claims of whoever signed what
/// is around them, which the builder did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unsigned {
    /// None.
    #[default]
    Refuse,
    /// Those that an image signature over the index covers, by one of the authorities.
    CoveredByIndex,
    /// Those that an image signature over their attestation manifest covers, by one of the authorities.
    CoveredByManifest,
}

/// What has to be said of an image. A signature is no attestation, and an attestation no signature.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Asked {
    /// "This image".
    Signature {
        /// With these annotations, others beside them.
        annotations: BTreeMap<String, String>,
    },
    /// An attestation.
    Attestation {
        /// Of this type.
        predicate: PredicateType,
        /// Not older than this, by the time that the predicate states: as the signer states it.
        max_age: Option<SignedDuration>,
    },
    /// A document of one family, whatever its type.
    Document(Box<Question>),
}

/// A policy's name for a set of identities.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The name.
    pub name: String,
    /// Any of these speaks for it.
    pub identities: Vec<IdentityPattern>,
}

/// What the reference inside the signed bytes has to say about the one that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdentityRule {
    /// Nothing.
    #[default]
    Any,
    /// The same repository. A signature that carries no reference, as cosign's bundles, does not count.
    Repository,
    /// The same repository and the tag that was asked for.
    Tag,
    /// The repository that was asked for, after the longest prefix among the keys is replaced by its value; a
    /// repository without such a prefix stays itself. Prefixes end where a component does.
    Map(BTreeMap<String, String>),
}

impl Policy {
    /// The keys and trusted roots that the policy names: what a verification starts from.
    #[must_use]
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// The keys and trusted roots that the scope of a repository names: no others can help there, so no others are tried.
    #[must_use]
    pub fn anchors_for(&self, repository: &Repository) -> Anchors {
        let asked = self.scope(repository).into_iter().flat_map(|scope| scope.vsa.iter().chain(&scope.requirements));
        let authorities = asked.flat_map(|requirement| &requirement.from);
        let (mut keys, mut roots) = (BTreeSet::new(), BTreeSet::new());
        for identity in authorities.flat_map(|authority| &authority.identities) {
            match identity {
                IdentityPattern::Key(key) => keys.insert(*key),
                IdentityPattern::Certificate(pattern) => roots.insert(pattern.root.0),
            };
        }
        Anchors::new(self.anchors.keys.iter().filter(|key| keys.contains(&key.fingerprint())).cloned())
            .with_roots(self.anchors.roots.iter().filter(|root| roots.contains(&root.id())).cloned())
    }

    /// Whether signatures or attestations are asked of a repository's images.
    #[must_use]
    pub fn asks_for_evidence(&self, repository: &Repository) -> bool {
        self.scope(repository).is_some_and(|scope| !scope.requirements.is_empty())
    }

    /// Whether unsigned statements of an index count for a repository's images, covered in this way.
    #[must_use]
    pub fn accepts(&self, repository: &Repository, unsigned: Unsigned) -> bool {
        self.scope(repository).is_some_and(|scope| scope.requirements.iter().any(|one| one.unsigned == unsigned))
    }

    /// The lock files that the scopes name, as the policy writes their paths; each once.
    pub fn locks(&self) -> impl Iterator<Item = &str> {
        let locks = self.scopes.iter().filter_map(|scope| scope.content_trust.as_ref()?.lock.as_deref());
        locks.collect::<BTreeSet<_>>().into_iter()
    }

    /// What is done with a deny where no scope matches.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The scopes, most specific first.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The most specific scope that matches.
    #[must_use]
    pub fn scope(&self, repository: &Repository) -> Option<&Scope> {
        let name = Pattern::of(repository);
        self.scopes.iter().find(|scope| scope.pattern.matches(&name))
    }

    /// What the policy asks of a reference, without looking at the image.
    #[must_use]
    pub fn explain(&self, reference: &Reference) -> Explanation<'_> {
        let scope = self.scope(&reference.repository);
        Explanation {
            repository: Pattern::of(&reference.repository).to_string(),
            mode: scope.map_or(self.mode, |scope| scope.mode),
            scope,
        }
    }
}

impl Scope {
    /// Whether it asks for anything.
    pub(super) fn asks(&self) -> bool {
        self.content_trust.is_some() || !self.requirements.is_empty()
    }
}

/// What a policy asks of a reference.
#[derive(Clone, Debug)]
pub struct Explanation<'p> {
    /// The repository's name as scopes are matched against it.
    pub repository: String,
    /// What is done with a deny.
    pub mode: Mode,
    /// The scope that counts; without one the image is denied.
    pub scope: Option<&'p Scope>,
}

impl Requirement {
    /// The images of an index of which it is asked one by one, since statements that lie in the index are about one each;
    /// else none.
    pub(super) fn images_of<'s>(&self, subject: &'s Subject) -> &'s [Digest] {
        let is_whole = self.unsigned != Unsigned::Refuse && subject.within().is_none();
        subject.embedded().filter(|_| is_whole).map_or(&[], |embedded| embedded.images())
    }

    /// Whether a piece of evidence is of a kind that counts for an image: what was signed, or is covered as the policy says.
    pub(super) fn takes(&self, verified: &Verified, image: Digest) -> bool {
        let covered = match verified.format() {
            Format::CoveredByIndex => Unsigned::CoveredByIndex,
            Format::CoveredByManifest => Unsigned::CoveredByManifest,
            _ => return true,
        };
        self.unsigned == covered && *verified.digest() == image
    }
}

impl Authority {
    /// Whether a verified signature speaks for this authority.
    pub(super) fn admits(&self, verified: &Verified) -> Result<(), Stranger> {
        let mut nearest = Stranger::Other;
        for pattern in &self.identities {
            match pattern.admits(&self.name, verified) {
                Ok(()) => return Ok(()),
                Err(Stranger::Other) => {}
                Err(near) => nearest = near,
            }
        }
        Err(nearest)
    }

    /// The principals that can speak for this authority.
    pub(super) fn principals(&self) -> impl Iterator<Item = Principal> {
        self.identities.iter().map(IdentityPattern::principal)
    }
}

impl IdentityRule {
    /// What a signed reference has to be for this rule and what was asked for: a repository, and a tag where one is
    /// compared; `Any` asks for nothing.
    ///
    /// # Errors
    /// Why no signature at all can meet the rule for this reference.
    pub(super) fn expected(&self, asked: &Reference) -> Result<Option<SignedReference>, IdentityUnmeetable> {
        let mut tag = None;
        let repository = match self {
            Self::Any => return Ok(None),
            Self::Map(map) => mapped(map, &asked.repository.to_string()).ok_or(IdentityUnmeetable::NoName)?,
            Self::Repository | Self::Tag => match &asked.repository {
                Repository::Registry(name) => name.clone(),
                Repository::Layout(_) => return Err(IdentityUnmeetable::NoName),
            },
        };
        if *self == Self::Tag {
            tag = Some(asked.tag_or_latest().ok_or(IdentityUnmeetable::NoTag)?.to_owned());
        }
        Ok(Some(SignedReference { repository, tag }))
    }
}

/// Why no signature can meet an identity rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityUnmeetable {
    /// The rule compares tags, and the image was asked for by digest alone.
    NoTag,
    /// The rule compares repositories, and what was asked for is a layout, or maps to no repository name.
    NoName,
}

/// The name under which something was signed: the longest matching prefix of what is asked for replaced.
pub(super) fn mapped(map: &BTreeMap<String, String>, asked: &str) -> Option<RepositoryName> {
    let at_component = |prefix: &str| {
        asked.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/')).map(str::to_owned)
    };
    let longest = map
        .iter()
        .filter_map(|(prefix, signed)| at_component(prefix).map(|rest| (prefix.len(), signed, rest)))
        .max_by_key(|(length, ..)| *length);
    let name = longest.map_or(asked.to_owned(), |(_, signed, rest)| format!("{signed}{rest}"));
    if name.starts_with("oci:") { None } else { name.parse().ok() }
}

/// As they are written in policies.
macro_rules! display {
    ($($name:ident { $($value:pat => $word:literal),+ })+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($value => $word),+ })
            }
        }
    )+};
}

display! {
    Mode { Self::Enforced => "enforced", Self::Permissive => "permissive", Self::Disabled => "disabled" }
    IdentityRule { Self::Any => "any", Self::Repository => "repository", Self::Tag => "tag", Self::Map(_) => "map" }
    Unsigned {
        Self::Refuse => "refuse", Self::CoveredByIndex => "covered-by-index", Self::CoveredByManifest => "covered-by-manifest"
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature { .. } => f.write_str("image signature"),
            Self::Attestation { predicate, .. } => write!(f, "attestation {predicate}"),
            Self::Document(question) => question.fmt(f),
        }
    }
}
