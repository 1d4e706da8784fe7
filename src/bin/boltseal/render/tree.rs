use crate::output::printable;
use boltseal::{
    ops::inspect::{Attachment, Node, Role},
    verify::BlobKind,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub fn to_json(node: &Node) -> Value {
    json!({
        "role": role(node.role),
        "digest": node.digest.to_string(),
        "mediaType": node.media_type,
        "platform": node.platform,
        "attachments": node.attachments.iter().map(attachment).collect::<Vec<_>>(),
        "unread": node.unread.iter().map(|u| json!({ "what": u.what, "why": u.why })).collect::<Vec<_>>(),
        "images": node.images.iter().map(to_json).collect::<Vec<_>>(),
        "beside": node.beside.iter().map(to_json).collect::<Vec<_>>(),
    })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Index => "index",
        Role::Image => "image",
        Role::AttestationManifest => "attestation-manifest",
        Role::Sbom => "sbom",
        Role::Other => "other",
    }
}

fn attachment(attachment: &Attachment) -> Value {
    json!({
        "verified": false,
        "kind": kind(&attachment.kind),
        "size": attachment.size,
        "place": super::verification::place(&attachment.place),
        "claimedType": attachment.claim.statement_type,
        "claimedSubjects": attachment.claim.subjects,
        "claimedNames": attachment.claim.names,
        "claimedKey": attachment.claim.key_hint,
        "broken": attachment.claim.broken,
    })
}

fn kind(kind: &BlobKind) -> String {
    match kind {
        BlobKind::Bundle => "bundle".to_owned(),
        BlobKind::SimpleSigning { .. } => "simple signature".to_owned(),
        BlobKind::Envelope { .. } => "envelope".to_owned(),
        BlobKind::Statement => "unsigned statement".to_owned(),
        BlobKind::Malformed { .. } => "malformed".to_owned(),
        BlobKind::Foreign { media_type } => format!("foreign: {media_type}"),
    }
}

pub fn to_text(node: &Node) -> String {
    let mut text = String::new();
    write(&mut text, node, 0);
    text
}

fn write(text: &mut String, node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    let what = match node.role {
        Role::AttestationManifest => "attestation manifest, unsigned unless it or the index is signed,",
        Role::Sbom => "SBOM, unsigned unless it is signed itself,",
        other => node.platform.as_deref().unwrap_or(role(other)),
    };
    let _ = writeln!(text, "{indent}{} {}", printable(what), node.digest);
    for attachment in &node.attachments {
        let _ = writeln!(text, "{indent}  UNVERIFIED {}", line(attachment));
    }
    for unread in &node.unread {
        let _ = writeln!(text, "{indent}  unread {}: {}", printable(&unread.what), printable(&unread.why));
    }
    for inner in node.beside.iter().chain(&node.images) {
        write(text, inner, depth + 1);
    }
}

fn line(attachment: &Attachment) -> String {
    let claim = &attachment.claim;
    let mut line = format!("{} ({})", kind(&attachment.kind), attachment.place.via);
    let parts = [
        claim.statement_type.clone(),
        (!claim.names.is_empty()).then(|| format!("for {}", claim.names.join(", "))),
        claim.key_hint.as_ref().map(|hint| format!("by key {hint}")),
        claim.broken.as_ref().map(|why| format!("broken: {why}")),
    ];
    for part in parts.into_iter().flatten() {
        let _ = write!(line, ", {part}");
    }
    printable(&line)
}
