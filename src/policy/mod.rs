//! Findings to decision: what a scope asks of an image, and whether it was met. Pure; `now` is an argument.

mod content_trust;
mod decision;
mod document;
mod error;
mod evaluate;
mod export;
mod import;
mod load;
mod predicate;
mod reason;
mod rule;
mod rules;
mod scope;
mod signer;

pub use content_trust::{ByDigest, ContentTrust, OnExpired, RootPins, Tofu};
pub use decision::{Approved, Decision, Match, Met, Outcome};
pub use document::schema;
pub use error::{PolicyError, Position};
pub use evaluate::{evaluate, evaluate_with};
pub use export::{ExportError, Exported, Inexpressible, Target, export};
pub use import::{ImportError, Imported, Lost, Source, import};
pub use load::{Certificates, FileLoader, Flags, KeyLoader};
pub use predicate::PredicateType;
pub use reason::{Reason, TrustReason};
pub use rule::{
    Asked, Authority, Explanation, IdentityRule, IdentityUnmeetable, Mode, Policy, Requirement, Scope, Unsigned,
};
pub use rules::{
    BaseFault, BaseMiss, BaseRule, Bases, Circumstances, ConfigRule, Lineage, Listed, Miss, MustList, PackagePattern,
    ProvenanceRule, Question, RegoRule, Relative, SbomRule, Seen, SignedProvenance, Topic, VsaMiss, VsaRule, VulnRule,
    Waiver, signed_provenance,
};
pub use scope::{Pattern, ScopeError};
pub use signer::{CertificatePattern, IdentityPattern, TextPattern, TextPatternError};
