//! The authorities of a policy, and what they are verified by.

use super::{FileLoader, KeyLoader};
use crate::{
    crypto::{PublicKey, Purpose},
    format::fulcio::CLAIMS,
    policy::{
        Authority, CertificatePattern, IdentityPattern, PolicyError, Position, TextPattern, TextPatternError,
        document::{self, Demand, LogDemand},
    },
    trust::{Anchors, Instance, TrustedRoot, TrustedRootError},
    verify::Demands,
};
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, sync::Arc};

/// The names of the trusted roots that come with this version.
pub(super) const PUBLIC_GOOD: &str = "public-good";
pub(super) const GITHUB: &str = "github";

/// Reads what authorities name, each file once.
pub(super) struct Sources<'l> {
    load: &'l KeyLoader<'l>,
    files: &'l FileLoader<'l>,
    keys: Vec<PublicKey>,
    roots: BTreeMap<(String, Option<String>), Arc<TrustedRoot>>,
}

/// An authority's name, and where it stands.
#[derive(Clone, Copy)]
struct Named<'n> {
    name: &'n str,
}

impl<'l> Sources<'l> {
    pub(super) fn new(load: &'l KeyLoader<'l>, files: &'l FileLoader<'l>) -> Self {
        Self { load, files, keys: Vec::new(), roots: BTreeMap::new() }
    }

    /// Everything that was read.
    pub(super) fn anchors(self) -> Anchors {
        Anchors::new(self.keys).with_roots(self.roots.into_values())
    }

    pub(super) fn authority(
        &mut self,
        name: &Spanned<String>,
        raw: document::Authority,
    ) -> Result<Authority, PolicyError> {
        let named = Named { name: &name.value };
        let identities = match (raw.key, raw.keys, raw.keyless, raw.x509) {
            (Some(key), None, None, None) => vec![self.key(named, &key)?],
            (None, Some(keys), None, None) if !keys.is_empty() => {
                keys.iter().map(|key| self.key(named, key)).collect::<Result<_, _>>()?
            }
            (None, None, Some(keyless), None) if keyless.subject.is_some() != keyless.subject_regexp.is_some() => {
                vec![self.keyless(named, keyless)?]
            }
            (None, None, None, Some(x509)) => vec![self.x509(named, &x509)?],
            _ => return Err(PolicyError::AuthorityKeys { place: Position::of(name), name: name.value.clone() }),
        };
        Ok(Authority { name: name.value.clone(), identities })
    }

    fn key(&mut self, named: Named<'_>, source: &Spanned<String>) -> Result<IdentityPattern, PolicyError> {
        let inline = source.value.trim_start().starts_with("-----BEGIN");
        let key = if inline {
            PublicKey::from_pem(&source.value).map_err(|error| error.to_string())
        } else {
            (self.load)(&source.value)
        };
        let key = key.map_err(|why| PolicyError::Key {
            place: Position::of(source),
            authority: named.name.to_owned(),
            key: if inline { "(inline)".to_owned() } else { source.value.clone() },
            why,
        })?;
        let pattern = IdentityPattern::Key(key.fingerprint());
        self.keys.push(key);
        Ok(pattern)
    }

    fn keyless(&mut self, named: Named<'_>, raw: document::Keyless) -> Result<IdentityPattern, PolicyError> {
        let root = match &raw.trusted_root {
            Some(name) => self.root(named, name, None)?,
            None => self.embedded(named, &raw.issuer)?,
        };
        let subject = match (&raw.subject, &raw.subject_regexp) {
            (Some(glob), _) => named.pattern("subject", glob, TextPattern::glob)?,
            (None, Some(regexp)) => named.pattern("subject-regexp", regexp, TextPattern::regexp)?,
            (None, None) => {
                return Err(PolicyError::AuthorityKeys {
                    place: Position::of(&raw.issuer),
                    name: named.name.to_owned(),
                });
            }
        };
        let mut claims = BTreeMap::new();
        for (name, pattern) in raw.claims.0 {
            let known = CLAIMS.iter().find(|(_, known)| *known == name.value);
            let (_, claim) = known.ok_or_else(|| PolicyError::Claim {
                place: Position::of(&name),
                authority: named.name.to_owned(),
                name: name.value.clone(),
                known: CLAIMS.iter().map(|(_, known)| (*known).to_owned()).collect(),
            })?;
            claims.insert(*claim, named.pattern("claims", &pattern, TextPattern::glob)?);
        }
        let asked = |demand: Option<Demand>, usual| usize::from(demand.unwrap_or(usual) == Demand::Required);
        let demands = Demands {
            logs: usize::from(raw.log != LogDemand::Optional),
            proofs: raw.log == LogDemand::Proven,
            timestamps: asked(raw.timestamp, Demand::Optional),
            scts: asked(raw.sct, Demand::Required),
        };
        let issuer = Some(named.pattern("issuer", &raw.issuer, TextPattern::glob)?);
        let root = (root.id(), root.name().to_owned());
        Ok(IdentityPattern::Certificate(Box::new(CertificatePattern { root, issuer, subject, claims, demands })))
    }

    fn x509(&mut self, named: Named<'_>, raw: &document::X509) -> Result<IdentityPattern, PolicyError> {
        let purpose = match &raw.eku {
            None => Purpose::CODE_SIGNING,
            Some(oid) => oid.value.parse().map_err(|error| named.wrong("eku", oid, &error))?,
        };
        let root = self.root(named, &raw.roots, Some(purpose))?;
        let subject = named.pattern("subject", &raw.subject, TextPattern::glob)?;
        let root = (root.id(), root.name().to_owned());
        let (claims, demands) = (BTreeMap::new(), Demands::NONE);
        Ok(IdentityPattern::Certificate(Box::new(CertificatePattern { root, issuer: None, subject, claims, demands })))
    }

    fn embedded(&mut self, named: Named<'_>, at: &Spanned<String>) -> Result<Arc<TrustedRoot>, PolicyError> {
        self.read(named, Position::of(at), PUBLIC_GOOD, None)
    }

    fn root(
        &mut self,
        named: Named<'_>,
        name: &Spanned<String>,
        purpose: Option<Purpose>,
    ) -> Result<Arc<TrustedRoot>, PolicyError> {
        self.read(named, Position::of(name), &name.value, purpose)
    }

    /// A trusted root, or the roots of a private authority where it is for one purpose.
    fn read(
        &mut self,
        named: Named<'_>,
        place: Position,
        name: &str,
        purpose: Option<Purpose>,
    ) -> Result<Arc<TrustedRoot>, PolicyError> {
        let known = (name.to_owned(), purpose.as_ref().map(ToString::to_string));
        if let Some(root) = self.roots.get(&known) {
            return Ok(Arc::clone(root));
        }
        let bytes = (self.files)(name);
        let root = bytes.and_then(|bytes| decode(name, bytes, purpose).map_err(|error| error.to_string()));
        let root = root.map_err(|why| PolicyError::TrustedRoot {
            place,
            authority: named.name.to_owned(),
            name: name.to_owned(),
            why,
        })?;
        let root = Arc::new(root);
        self.roots.insert(known, Arc::clone(&root));
        Ok(root)
    }
}

fn decode(name: &str, bytes: Option<Vec<u8>>, purpose: Option<Purpose>) -> Result<TrustedRoot, TrustedRootError> {
    match (bytes, purpose) {
        (Some(bytes), None) => TrustedRoot::decode(name, &bytes),
        (Some(bytes), Some(purpose)) => TrustedRoot::from_certificates(name, &String::from_utf8_lossy(&bytes), purpose),
        // A private authority's roots are certificates; no name stands for such.
        (None, Some(purpose)) => TrustedRoot::from_certificates(name, "", purpose),
        (None, None) if name == GITHUB => TrustedRoot::embedded(Instance::GitHub),
        (None, None) => TrustedRoot::embedded(Instance::PublicGood),
    }
}

impl Named<'_> {
    fn pattern(
        self,
        field: &'static str,
        text: &Spanned<String>,
        parse: fn(&str) -> Result<TextPattern, TextPatternError>,
    ) -> Result<TextPattern, PolicyError> {
        parse(&text.value).map_err(|error| self.wrong(field, text, &error))
    }

    fn wrong(self, field: &'static str, at: &Spanned<String>, error: &dyn std::fmt::Display) -> PolicyError {
        let authority = self.name.to_owned();
        PolicyError::Pattern { place: Position::of(at), authority, field, why: error.to_string() }
    }
}
