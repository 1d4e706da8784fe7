//! Identities of Sigstore's public good instance, as its tools write them.

use super::{Draft, Node, Read, node::Fields};
use serde_json::{Value, json};

/// The public good instance's services, which are what is meant where none is named.
pub(super) const FULCIO: &str = "https://fulcio.sigstore.dev";
pub(super) const REKOR: &str = "https://rekor.sigstore.dev";

/// Takes an address; whether it is left out or this one.
pub(super) fn is_public_good(fields: &mut Fields, name: &str, address: &str, draft: &mut Draft) -> Read<bool> {
    let Some(node) = fields.take(name) else { return Ok(true) };
    if node.text()?.trim_end_matches('/') == address {
        return Ok(true);
    }
    draft.lose(&node, "a private instance is a trusted root in a file here; left out");
    Ok(false)
}

/// One identity: an issuer, and a subject that is written out or matched by a regular expression.
pub(super) fn identity(here: &Node, fields: &mut Fields, draft: &mut Draft) -> Read<Option<Value>> {
    for field in ["issuerRegExp", "issuerRegex"] {
        if let Some(node) = fields.take(field) {
            draft.lose(&node, "issuers are matched by no regular expression here; left out");
            return Ok(None);
        }
    }
    let (issuer, subject) = (fields.take("issuer"), fields.take("subject"));
    let regexp = fields.take_any(&["subjectRegExp", "subjectRegex"]);
    let exact = |node: &Option<Node>| {
        node.as_ref()
            .map(|node| node.text().map(|text| (!text.contains('*') && !text.is_empty()).then(|| text.to_owned())))
            .transpose()
    };
    let (issuer, exactly) = (exact(&issuer)?.flatten(), exact(&subject)?.flatten());
    match (issuer, subject, exactly, regexp) {
        (Some(issuer), Some(_), Some(subject), None) => Ok(Some(json!({ "issuer": issuer, "subject": subject }))),
        (Some(issuer), None, None, Some(regexp)) => {
            let text = regexp.text()?.to_owned();
            if !text.starts_with('^') || !text.ends_with('$') {
                draft.lose(&regexp, "matches anywhere in a subject there, and the whole of it here, as it is written");
            }
            Ok(Some(json!({ "issuer": issuer, "subject-regexp": text })))
        }
        _ => {
            draft.lose(here, "expected an issuer and a subject, written out without `*`; left out");
            Ok(None)
        }
    }
}
