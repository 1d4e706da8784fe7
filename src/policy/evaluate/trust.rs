//! Content trust: whether a trust state's answer is the one that a scope asks for.

use crate::{
    policy::{ByDigest, ContentTrust, TrustReason},
    trust::tuf::{Asked, Vouched},
    verify::{Subject, TrustFinding},
};
use jiff::Timestamp;

/// The answer that stands behind the subject, if it does.
///
/// Checked: that it covers every digest of the subject, that it was signed for the right repository, that nothing in it
/// has expired for too long, and by whom its tag was signed. Not checked, since [`Vouched`] already stands for it:
/// signatures, rollback, revocations.
pub(super) fn weigh<'s>(rule: &ContentTrust, subject: &'s Subject, now: Timestamp) -> Result<&'s Vouched, TrustReason> {
    let vouched = match subject.trust() {
        TrustFinding::Vouched(vouched) if subject.digests().all(|digest| vouched.covers(&digest)) => vouched,
        TrustFinding::Refused(refusal) => return Err(TrustReason::Refused(refusal.clone())),
        TrustFinding::Vouched(_) | TrustFinding::NotAsked => return Err(TrustReason::Unread),
    };
    let expected = rule.signed_name(&subject.reference().repository);
    if expected.as_ref().is_none_or(|name| name.to_string() != vouched.repository()) {
        return Err(TrustReason::WrongRepository { expected, found: vouched.repository().to_owned() });
    }
    let too_old = |(role, since): &&(_, _)| !rule.lets_pass(role, *since, now);
    if let Some((role, since)) = vouched.overdue().iter().find(too_old) {
        return Err(TrustReason::Expired { role: role.clone(), since: *since });
    }
    match (vouched.asked(), rule.by_digest) {
        (Asked::Digest(_), ByDigest::Deny) => return Err(TrustReason::ByDigestDenied),
        (Asked::Digest(_), ByDigest::Signatures) => {}
        (Asked::Digest(_), ByDigest::Listed) | (Asked::Tag(_), _) => check_signed(rule, vouched)?,
    }
    Ok(vouched)
}

/// All roles that have to agree on the tag do, and enough principals signed them.
fn check_signed(rule: &ContentTrust, vouched: &Vouched) -> Result<(), TrustReason> {
    let not_listed = || TrustReason::NotListed { digest: vouched.digest() };
    let tag = vouched.tag().ok_or_else(not_listed)?.to_owned();
    if let Some(missing) = rule.require_roles.iter().find(|role| !vouched.by().contains_key(role)) {
        let found = vouched.by().keys().cloned().collect();
        return Err(TrustReason::RolesDisagree { tag, missing: missing.clone(), found });
    }
    let (least, found) = (rule.min_signers, vouched.signers(&rule.require_roles));
    if found < least {
        return Err(TrustReason::MinSignersUnmet { tag, roles: rule.require_roles.clone(), least, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
