use super::{
    VsaMiss,
    base::{BaseFault, BaseMiss},
};
use crate::format::predicate::{SbomFormat, Severity};
use jiff::{SignedDuration, Timestamp};
use std::{cmp::Reverse, fmt};

/// What a document, or an image's configuration, lacks. The ids are stable and listed in SPEC.md.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Miss {
    /// The document is not what its type says.
    Malformed {
        /// Which member, and what is wrong.
        why: String,
    },
    /// It is older than is asked for.
    TooOld {
        /// The time that it states.
        stated: Timestamp,
        /// The greatest age.
        max_age: SignedDuration,
    },
    /// It states a time that is still to come.
    FromFuture {
        /// The time that it states.
        stated: Timestamp,
    },
    /// It states no time.
    TimeUnknown,
    /// The same authority has signed a newer one.
    Superseded {
        /// The time that the newer one states.
        by: Timestamp,
    },
    /// There may be something newer that is not known.
    NewestUnknown {
        /// Why.
        why: String,
    },
    /// An image of the index lacks what is asked of each.
    Unattested,
    /// Somebody else built it.
    Builder {
        /// The pattern.
        expected: String,
        /// Who says that they built it.
        found: String,
    },
    /// It is another kind of build.
    BuildType {
        /// The pattern.
        expected: String,
        /// The build type.
        found: String,
    },
    /// It is a kind of build whose source, ref and workflow are not known here.
    BuildTypeUnknown {
        /// The build type.
        found: String,
    },
    /// It was built from something else.
    Source {
        /// The pattern.
        expected: String,
        /// The source; none where none is stated.
        found: Option<String>,
    },
    /// It was built from another ref.
    Reference {
        /// The pattern.
        expected: String,
        /// The ref; none where none is stated.
        found: Option<String>,
    },
    /// It was built by another workflow.
    Workflow {
        /// The pattern.
        expected: String,
        /// The workflow; none where none is stated.
        found: Option<String>,
    },
    /// The builder is not known to reach the level.
    Level {
        /// The level.
        expected: u8,
        /// What the builder is known to reach.
        found: u8,
        /// The builder.
        builder: String,
    },
    /// Parameters that the build type does not define.
    Parameters {
        /// Their names.
        names: Vec<String>,
    },
    /// The images that it was built from are not known, or not allowed.
    Base(Box<BaseMiss>),
    /// Another format.
    Format {
        /// The formats.
        expected: Vec<SbomFormat>,
        /// The format.
        found: SbomFormat,
    },
    /// The SBOM describes something else.
    Described {
        /// The image's digest.
        expected: String,
        /// What it describes.
        found: Option<String>,
    },
    /// A package is not listed.
    PackageMissing {
        /// The pattern.
        expected: String,
    },
    /// A package is listed, with another digest or none.
    PackageDigest {
        /// The pattern.
        package: String,
        /// The digest.
        expected: String,
        /// The digest that is listed.
        found: Option<String>,
    },
    /// A package that is not wanted.
    PackageDenied {
        /// The pattern.
        pattern: String,
        /// The package.
        found: String,
    },
    /// A licence that is not wanted.
    LicenseDenied {
        /// The pattern.
        pattern: String,
        /// The licence.
        found: String,
        /// The package.
        package: String,
    },
    /// Vulnerabilities that are worse than is accepted.
    Vulnerable {
        /// The worst of them.
        id: String,
        /// Its severity.
        severity: Severity,
        /// The package that has it; empty where none is stated.
        package: String,
        /// What is accepted.
        most: Severity,
        /// How many there are.
        count: usize,
        /// Why it is not known what all is said of them.
        unsure: Option<String>,
    },
    /// A verification summary does not count.
    Summary(VsaMiss),
    /// The image's configuration was not read.
    ConfigUnread,
    /// It runs as root.
    RootUser {
        /// The configured user.
        found: String,
    },
    /// Its history or environment has what looks like a secret.
    Secret {
        /// Where: a step of the history, or a variable's name. Never the secret.
        place: String,
        /// What it looks like.
        looks_like: &'static str,
    },
    /// It is too large.
    TooLarge {
        /// Bytes of its layers, compressed.
        found: u64,
        /// Bytes that are accepted.
        most: u64,
    },
    /// It has too many layers.
    TooManyLayers {
        /// Its layers.
        found: usize,
        /// Layers that are accepted.
        most: usize,
    },
    /// A label is missing or another.
    Label {
        /// The label.
        name: String,
        /// The pattern.
        expected: String,
        /// Its value.
        found: Option<String>,
    },
    /// All else allows the image, and the scope's Rego program does not.
    Rego {
        /// What it says.
        message: String,
    },
    /// All else allows the image, and the scope's Rego program came to no answer.
    RegoFailed {
        /// Why.
        why: String,
    },
}

impl Miss {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "document-malformed",
            Self::TooOld { .. } => "attestation-too-old",
            Self::FromFuture { .. } => "attestation-from-future",
            Self::TimeUnknown => "attestation-time-unknown",
            Self::Superseded { .. } => "superseded",
            Self::NewestUnknown { .. } => "newest-unknown",
            Self::Unattested => "image-unattested",
            Self::Builder { .. } => "builder-mismatch",
            Self::BuildType { .. } => "build-type-mismatch",
            Self::BuildTypeUnknown { .. } => "build-type-unknown",
            Self::Source { .. } => "source-mismatch",
            Self::Reference { .. } => "ref-mismatch",
            Self::Workflow { .. } => "workflow-mismatch",
            Self::Level { .. } => "level-unmet",
            Self::Parameters { .. } => "parameters-unknown",
            Self::Base(miss) => miss.fault.id(),
            Self::Format { .. } => "sbom-format",
            Self::Described { .. } => "sbom-subject-mismatch",
            Self::PackageMissing { .. } => "package-missing",
            Self::PackageDigest { .. } => "package-digest-mismatch",
            Self::PackageDenied { .. } => "package-denied",
            Self::LicenseDenied { .. } => "license-denied",
            Self::Vulnerable { .. } => "vuln-found",
            Self::Summary(miss) => miss.id(),
            Self::ConfigUnread => "config-unread",
            Self::RootUser { .. } => "config-root-user",
            Self::Secret { .. } => "config-secret",
            Self::TooLarge { .. } => "config-too-large",
            Self::TooManyLayers { .. } => "config-too-many-layers",
            Self::Label { .. } => "config-label",
            Self::Rego { .. } => "rego-denied",
            Self::RegoFailed { .. } => "rego-failed",
        }
    }

    /// Whether it may be otherwise once more can be read, or a program has an answer.
    pub(in crate::policy) fn is_open(&self) -> bool {
        matches!(self, Self::RegoFailed { .. }) || matches!(self, Self::Base(miss) if miss.fault == BaseFault::Unread)
    }

    /// As [`crate::policy::Reason`] orders them.
    pub(in crate::policy) fn order(&self) -> (u8, Option<Reverse<Timestamp>>) {
        match self {
            Self::Base(miss) if miss.fault == BaseFault::Unread => (0, None),
            Self::TooOld { stated, .. } => (2, Some(Reverse(*stated))),
            Self::FromFuture { .. } => (3, None),
            Self::TimeUnknown | Self::Superseded { .. } => (4, None),
            Self::Malformed { .. } => (6, None),
            Self::NewestUnknown { .. } | Self::ConfigUnread | Self::Unattested => (10, None),
            _ => (1, None),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { why } => write!(f, "found a document that can't be read: {why}"),
            Self::TooOld { stated, max_age } => {
                write!(f, "expected one of the last {} hours; found one that states {stated}", max_age.as_hours())
            }
            Self::FromFuture { stated } => write!(f, "expected one of the past; found one that states {stated}"),
            Self::Summary(miss) => miss.fmt(f),
            Self::TimeUnknown => f.write_str("expected a stated time; found one that states none"),
            Self::Superseded { by } => write!(f, "expected the newest; found one that a newer one of {by} supersedes"),
            Self::Unattested => f.write_str(
                "expected what is asked to hold for each image of the index; found that it does not for this one",
            ),
            Self::NewestUnknown { why } => write!(f, "expected the newest; found that there may be a newer one: {why}"),
            Self::Rego { message } => f.write_str(message),
            Self::RegoFailed { why } => write!(f, "expected an answer; found none: {why}"),
            Self::BuildTypeUnknown { found } => {
                write!(f, "expected a build type whose source is known; found {}", shown(found))
            }
            Self::Level { expected, found, builder } => {
                write!(
                    f,
                    "expected a builder of SLSA build level {expected}; found {}, known for {found}",
                    shown(builder)
                )
            }
            Self::Parameters { names } => {
                write!(f, "expected no parameters but those of the build type; found {}", names.join(", "))
            }
            Self::Builder { expected, found } => two(f, "a build by", expected, Some(found)),
            Self::BuildType { expected, found } => two(f, "a build of type", expected, Some(found)),
            Self::Source { expected, found } => two(f, "a build from", expected, found.as_ref()),
            Self::Reference { expected, found } => two(f, "a build of ref", expected, found.as_ref()),
            Self::Workflow { expected, found } => two(f, "a build by workflow", expected, found.as_ref()),
            Self::Base(miss) => miss.fmt(f),
            Self::Described { expected, found } => two(f, "an SBOM of", expected, found.as_ref()),
            Self::Format { .. }
            | Self::PackageMissing { .. }
            | Self::PackageDigest { .. }
            | Self::PackageDenied { .. }
            | Self::LicenseDenied { .. }
            | Self::Vulnerable { .. } => self.content(f),
            _ => self.config(f),
        }
    }
}

impl Miss {
    fn content(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { expected, found } => {
                let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
                write!(f, "expected an SBOM in {}; found {found}", expected.join(" or "))
            }
            Self::PackageMissing { expected } => write!(f, "expected package {expected}; found none that matches"),
            Self::PackageDigest { package, expected, found } => {
                let found = found.as_deref().map_or("no digest", |found| found);
                write!(f, "expected package {package} with digest {expected}; found {found}")
            }
            Self::PackageDenied { pattern, found } => write!(f, "expected no package {pattern}; found {found}"),
            Self::LicenseDenied { pattern, found, package } => {
                write!(f, "expected no licence {pattern}; found {found:?} of {package}")
            }
            Self::Vulnerable { id, severity, package, most, count, unsure } => {
                write!(f, "expected no vulnerability above {most}; found {id} ({severity})")?;
                if !package.is_empty() {
                    write!(f, " in {package}")?;
                }
                if *count > 1 {
                    write!(f, ", and {} more", count - 1)?;
                }
                unsure.as_ref().map_or(Ok(()), |why| write!(f, "; {why}"))
            }
            _ => Ok(()),
        }
    }

    fn config(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigUnread => f.write_str("expected the image's configuration; found that it was not read"),
            Self::RootUser { found } => write!(f, "expected a user other than root; found {}", shown(found)),
            Self::Secret { place, looks_like } => {
                write!(f, "expected no secrets; found what looks like {looks_like} in {place}")
            }
            Self::TooLarge { found, most } => write!(f, "expected at most {most} bytes of layers; found {found}"),
            Self::TooManyLayers { found, most } => write!(f, "expected at most {most} layers; found {found}"),
            Self::Label { name, expected, found } => {
                let found = found.as_ref().map_or("none".to_owned(), |found| format!("{found:?}"));
                write!(f, "expected label {name:?} to be {expected:?}; found {found}")
            }
            _ => Ok(()),
        }
    }
}

fn two(f: &mut fmt::Formatter<'_>, what: &str, expected: &str, found: Option<&String>) -> fmt::Result {
    write!(f, "expected {what} {expected}; found {}", found.map_or("none stated".to_owned(), |found| shown(found)))
}

/// An attacker's text, in quotes and not too long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{text:?}") }
}
