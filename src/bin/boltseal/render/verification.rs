use crate::{exit::Exit, output::printable};
use boltseal::{
    ops::verify::Verification,
    policy::{Approved, Decision, Mode, Reason},
    trust::{
        Principal,
        tuf::{Asked, Vouched},
    },
    verify::{Claim, Format, Logged, Place, Rejected, Rejection, Stamped, Verified},
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The word for a decision in its mode, and the exit code that goes with it (SPEC.md, "Exit codes").
pub fn verdict(verification: &Verification) -> (&'static str, Exit) {
    match (&verification.outcome.decision, verification.outcome.mode) {
        (Decision::Allow(_), _) => ("allowed", Exit::Done),
        (Decision::NotJudged, _) => ("not-judged", Exit::Done),
        (Decision::Deny(_), Mode::Permissive) => ("would-deny", Exit::Done),
        (Decision::Deny(_), _) => ("denied", Exit::Denied),
        (Decision::Undetermined(_), _) => ("could-not-tell", Exit::Unknown),
    }
}

fn reasons(verification: &Verification) -> &[Reason] {
    match &verification.outcome.decision {
        Decision::Deny(reasons) | Decision::Undetermined(reasons) => reasons,
        Decision::Allow(_) | Decision::NotJudged => &[],
    }
}

fn approved(verification: &Verification) -> Option<&Approved> {
    match &verification.outcome.decision {
        Decision::Allow(approved) => Some(approved),
        _ => None,
    }
}

pub fn to_json(verification: &Verification) -> Value {
    let findings = &verification.findings;
    let subject = findings.subject();
    let (decision, exit) = verdict(verification);
    json!({
        "reference": subject.reference().to_string(),
        "digest": subject.digest().to_string(),
        "index": subject.within().map(|index| index.to_string()),
        "platform": subject.platform().map(ToString::to_string),
        "decision": decision,
        "mode": verification.outcome.mode.to_string(),
        "scope": verification.outcome.scope,
        "reasons": reasons(verification).iter().map(|r| json!({ "id": r.id(), "message": r.to_string() })).collect::<Vec<_>>(),
        "trust": approved(verification).and_then(Approved::trust).map(trust),
        "met": approved(verification).map(met).unwrap_or_default(),
        "verified": findings.verified().iter().map(verified).collect::<Vec<_>>(),
        "rejected": findings.rejected().iter().map(rejected).collect::<Vec<_>>(),
        "unread": findings.unread().iter().map(|u| json!({ "what": u.what, "why": u.why })).collect::<Vec<_>>(),
        "exit": exit as u8,
    })
}

fn trust(vouched: &Vouched) -> Value {
    let by = vouched.by().iter();
    let roles = by.map(|(role, by)| json!({ "role": role, "signers": by.iter().map(principal).collect::<Vec<_>>() }));
    let overdue = vouched.overdue().iter();
    json!({
        "repository": vouched.repository(),
        "tag": vouched.tag(),
        "digest": vouched.digest().to_string(),
        "roles": roles.collect::<Vec<_>>(),
        "overdue": overdue.map(|(role, since)| json!({ "role": role, "since": since })).collect::<Vec<_>>(),
    })
}

fn met(approved: &Approved) -> Vec<Value> {
    let by = |m: &boltseal::policy::Match| {
        json!({
            "authority": m.authority, "principal": principal(&m.principal),
            "place": place(&m.place), "format": format_name(m.format),
        })
    };
    let one = |met: &boltseal::policy::Met| {
        json!({
            "asked": met.requirement.asked.to_string(),
            "threshold": met.requirement.threshold,
            "identity": met.requirement.identity.to_string(),
            "by": met.by.iter().map(by).collect::<Vec<_>>(),
        })
    };
    approved.met().iter().map(one).collect()
}

fn verified(verified: &Verified) -> Value {
    let mut value = json!({
        "signer": principal(&verified.identity().principal()),
        "digest": verified.digest().to_string(),
        "format": format_name(verified.format()),
        "place": place(verified.place()),
        "backing": backing(verified),
    });
    let claim = match verified.claim() {
        Claim::Signature { references, annotations } => json!({
            "kind": "signature",
            "references": references.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "annotations": annotations,
        }),
        Claim::Attestation { predicate_type, references, .. } => json!({
            "kind": "attestation",
            "predicateType": predicate_type,
            "references": references.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    };
    if let (Value::Object(value), Value::Object(claim)) = (&mut value, claim) {
        value.extend(claim);
    }
    value
}

/// What stands behind a signature: nothing for most keys.
pub fn backing(verified: &Verified) -> Value {
    let backing = verified.backing();
    let Some((id, name)) = backing.root() else { return Value::Null };
    let log = |entry: &Logged| {
        json!({
            "url": entry.url, "log": hex::encode(&entry.log), "index": entry.index, "proven": entry.proven,
            "integrated": entry.integrated,
        })
    };
    let stamp = |stamp: &Stamped| json!({ "authority": stamp.authority, "time": stamp.time });
    json!({
        "trustedRoot": { "name": name, "id": id.to_string() },
        "claims": backing.claims(),
        "logs": backing.logs().iter().map(log).collect::<Vec<_>>(),
        "timestamps": backing.timestamps().iter().map(stamp).collect::<Vec<_>>(),
        "scts": backing.scts(),
        "passedOver": backing.passed_over().iter().map(Rejection::id).collect::<Vec<_>>(),
    })
}

fn rejected(rejected: &Rejected) -> Value {
    json!({
        "id": rejected.rejection.id(),
        "message": rejected.rejection.to_string(),
        "place": place(&rejected.place),
    })
}

pub fn place(place: &Place) -> Value {
    json!({
        "via": place.via.to_string(),
        "subject": place.subject.to_string(),
        "manifest": place.manifest.map(|manifest| manifest.to_string()),
        "layer": place.layer,
    })
}

pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Bundle => "bundle",
        Format::SimpleSigning => "simple",
        Format::Envelope => "envelope",
        Format::Detached => "detached",
        Format::CoveredByIndex => "covered-by-index",
        Format::CoveredByManifest => "covered-by-manifest",
        _ => "other",
    }
}

/// As [`format_name`], and of what nobody has signed itself who vouches for it.
fn in_words(format: Format) -> &'static str {
    match format {
        Format::CoveredByIndex => "unsigned, covered by its signature over the index; not the builder's own word",
        Format::CoveredByManifest => "unsigned, covered by its signature over the attestation manifest",
        signed => format_name(signed),
    }
}

fn principal(principal: &Principal) -> Value {
    match principal {
        Principal::Key(key) => json!({ "key": key.to_string() }),
        Principal::Certificate { issuer, san } => json!({ "issuer": issuer, "san": san }),
    }
}

/// Who signed the tag, and what of it is stale.
fn tag(vouched: &Vouched) -> String {
    let roles: Vec<_> = vouched.by().keys().cloned().collect();
    let names: Vec<_> = roles.iter().map(ToString::to_string).collect();
    let count = vouched.signers(&roles);
    let signers = format!("{count} signer{}", if count == 1 { "" } else { "s" });
    let mut text = match (vouched.asked(), vouched.tag()) {
        (Asked::Tag(_), _) => format!("signed by {} ({signers})", names.join(", ")),
        (Asked::Digest(_), Some(tag)) => format!("{tag} stands for it, signed by {} ({signers})", names.join(", ")),
        (Asked::Digest(_), None) => "none stands for it; it is not revoked".to_owned(),
    };
    for (role, since) in vouched.overdue() {
        let _ = write!(text, "; stale: {role} expired on {since}");
    }
    text
}

/// Rejected evidence is shown up to here; the rest is counted. JSON has all of it.
const SHOWN: usize = 5;

pub fn to_text(verification: &Verification) -> String {
    let findings = &verification.findings;
    let subject = findings.subject();
    let (decision, _) = verdict(verification);
    let mut text = String::new();
    let _ = writeln!(text, "{decision}  {}", subject.reference());
    let _ = writeln!(text, "  digest   {}", subject.digest());
    if let Some(index) = subject.within() {
        let platform = subject.platform().map_or_else(|| "no platform".to_owned(), ToString::to_string);
        let _ = writeln!(text, "  index    {index}, {}", printable(&platform));
    }
    let scope = verification.outcome.scope.as_deref().unwrap_or("none matches");
    let _ = writeln!(text, "  scope    {scope} ({})", verification.outcome.mode);
    for reason in reasons(verification) {
        let _ = writeln!(text, "  reason   {}: {}", reason.id(), printable(&reason.to_string()));
    }
    if let Some(approved) = approved(verification) {
        if let Some(vouched) = approved.trust() {
            let _ = writeln!(text, "  tag      {}", printable(&tag(vouched)));
        }
        for met in approved.met() {
            let by: Vec<_> = met.by.iter().map(|m| format!("{} ({})", m.authority, in_words(m.format))).collect();
            let _ = writeln!(
                text,
                "  met      {}, {} of {}: {}",
                met.requirement.asked,
                met.requirement.threshold,
                met.requirement.from.len(),
                printable(&by.join(", "))
            );
        }
    }
    for unread in findings.unread().iter().take(SHOWN) {
        let _ = writeln!(text, "  unread   {}: {}", printable(&unread.what), printable(&unread.why));
    }
    for rejected in findings.rejected().iter().take(SHOWN) {
        let message = printable(&rejected.rejection.to_string());
        let _ = writeln!(text, "  rejected {} ({}): {message}", rejected.rejection.id(), rejected.place.via);
    }
    for (name, count) in [("unread", findings.unread().len()), ("rejected", findings.rejected().len())] {
        if count > SHOWN {
            let _ = writeln!(text, "  {name:8} and {} more", count - SHOWN);
        }
    }
    text
}
