//! Signatures by a certificate: who holds it, and whether it was good when the signature was made.

use super::{
    Backing, Rejection, Stamped, log, malformed,
    seal::{By, Seal},
};
use crate::{
    crypto::{ChainError, Path, Purpose, SigningCertificate, TimestampToken},
    format::fulcio,
    limits::CLOCK_SKEW,
    trust::{Identity, Naming, TrustedRoot},
};
use jiff::{SignedDuration, Timestamp};

/// What stands behind a signature, by one trusted root: its log entries and timestamps.
///
/// Checked: each entry, as [`log::entry`] says; each timestamp by an authority of the root: its signature, its
/// authority's path and window, that it is over this signature. What strangers say is passed over.
pub(super) fn backing(seal: &Seal<'_>, by: By<'_>, root: &TrustedRoot, now: Timestamp) -> Result<Backing, Rejection> {
    let mut backing = Backing { root: Some((root.id(), root.name().to_owned())), ..Backing::default() };
    for entry in seal.entries {
        match log::entry(entry, seal, by, root, now)? {
            Ok(logged) => backing.logs.push(logged),
            Err(stranger) => backing.passed_over.push(stranger),
        }
    }
    for token in seal.timestamps {
        match stamp(token, seal.signature, root)? {
            Some(stamped) => backing.timestamps.push(stamped),
            None => backing.passed_over.push(Rejection::TimestampUnknown),
        }
    }
    let latest = now + SignedDuration::from_secs(CLOCK_SKEW.as_secs().cast_signed());
    match backing.times().into_iter().find(|time| *time > latest) {
        Some(time) => Err(Rejection::FromFuture { time, now }),
        None => Ok(backing),
    }
}

/// Who holds the certificate, and what stands behind the signature.
///
/// Checked, beside [`backing`]: a path from an authority of the root, at every time that is trusted, or now where there is
/// none; that the leaf was valid then; the signed certificate timestamps by logs of the root; that it names one identity.
pub(super) fn holder(
    seal: &Seal<'_>,
    leaf: &SigningCertificate,
    chain: &[SigningCertificate],
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<(Identity, Backing), Rejection> {
    let mut backing = backing(seal, By::Certificate(leaf), root, now)?;
    let (from, to) = leaf.validity();
    let mut times = backing.times();
    let trusted = !times.is_empty();
    if !trusted {
        times.push(now);
    }
    let mut issued = None;
    for at in times {
        if at < from || at > to {
            // What is told is what is wrong first: a stranger's certificate, then a stranger's clock.
            path(leaf, chain, root, from)?;
            let stranger = backing.passed_over.first().filter(|_| !trusted).cloned();
            return Err(stranger.unwrap_or(Rejection::CertificateExpired { from, to, at, trusted }));
        }
        issued = Some(path(leaf, chain, root, at)?);
    }
    let Some((authority, path)) = issued else { return Err(untrusted(root, "no time to verify it at")) };
    for sct in leaf.scts(&path.issuer_spki).map_err(|error| Rejection::SctInvalid(error.to_string()))? {
        let log = root.ct_logs.iter().find(|log| log.what.id == sct.log && log.covers(sct.time));
        if let Some(log) = log {
            sct.verify(&log.what.key).map_err(|error| Rejection::SctInvalid(error.to_string()))?;
            backing.sct_logs.insert(sct.log.to_vec());
        }
    }
    backing.claims = fulcio::claims(leaf).map_err(malformed)?;
    Ok((identity(leaf, root, authority)?, backing))
}

/// The path to a certificate at one time, and the name of the authority that it starts from.
fn path<'r>(
    leaf: &SigningCertificate,
    chain: &[SigningCertificate],
    root: &'r TrustedRoot,
    at: Timestamp,
) -> Result<(&'r str, Path), Rejection> {
    let mut nearest = None;
    for authority in root.authorities.iter().filter(|authority| authority.covers(at)) {
        match authority.what.verify(leaf, chain, root.purpose(), at) {
            Ok(path) => return Ok((authority.what.name(), path)),
            Err(error @ ChainError::UnknownIssuer { .. }) => nearest = nearest.or(Some(error)),
            Err(error) => nearest = Some(error),
        }
    }
    Err(match nearest {
        Some(error) => untrusted(root, error),
        None => untrusted(root, format!("it names no authority for {at}")),
    })
}

fn untrusted(root: &TrustedRoot, why: impl ToString) -> Rejection {
    Rejection::CertificateUntrusted { root: root.name().to_owned(), why: why.to_string() }
}

fn identity(leaf: &SigningCertificate, root: &TrustedRoot, authority: &str) -> Result<Identity, Rejection> {
    match root.naming() {
        Naming::Fulcio => fulcio::issuer_and_name(leaf)
            .map(|(issuer, san)| Identity::Certificate { issuer, san })
            .map_err(|error| Rejection::IdentityUnclear(error.to_string())),
        Naming::Subject if leaf.subject().is_empty() => {
            Err(Rejection::IdentityUnclear("its subject is empty".to_owned()))
        }
        Naming::Subject => Ok(Identity::Certificate { issuer: authority.to_owned(), san: leaf.subject().to_owned() }),
    }
}

/// What a timestamp proves, if it is by an authority of the root.
fn stamp(token: &[u8], signature: &[u8], root: &TrustedRoot) -> Result<Option<Stamped>, Rejection> {
    let invalid = |error: &dyn std::fmt::Display| Rejection::TimestampInvalid(error.to_string());
    let token = TimestampToken::decode(token).map_err(|error| invalid(&error))?;
    let mut wrong = None;
    for tsa in &root.timestamp_authorities {
        let own = tsa.what.signer.as_slice();
        let signers = if own.is_empty() { token.certificates() } else { own };
        let named = signers.iter().find(|signer| token.names(signer) == Ok(true));
        let Some(signer) = named else { continue };
        let (authority, at) = (&tsa.what.authority, token.time());
        let path = authority.verify(signer, token.certificates(), &Purpose::TIME_STAMPING, at);
        match path {
            // Only its own word says that it is by this authority.
            Err(ChainError::UnknownIssuer { .. }) if own.is_empty() => continue,
            Err(error) => wrong = Some(invalid(&error)),
            Ok(_) if !tsa.covers(at) => {
                wrong = Some(invalid(&format_args!("the trusted root does not name its authority for {at}")));
            }
            Ok(_) => match token.verify(signature, signer.public_key()) {
                Ok(()) => return Ok(Some(Stamped { authority: authority.name().to_owned(), time: at })),
                Err(error) => wrong = Some(invalid(&error)),
            },
        }
    }
    wrong.map_or(Ok(None), Err)
}
