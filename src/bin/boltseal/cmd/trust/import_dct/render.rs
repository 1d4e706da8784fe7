use crate::{
    exit::Exit,
    output::{JSON_VERSION, printable},
};
use boltseal::{
    ops::import_dct::{Compared, DigestThere, Fate, TagNow},
    trust::notary::{NotaryError, NotaryState, RoleKey, SignedTag},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// What a run found.
pub struct Report<'r> {
    pub source: &'r str,
    pub state: &'r NotaryState,
    pub compared: Option<&'r BTreeMap<String, Compared>>,
    pub saved: Option<&'r Path>,
    /// What becomes of each tag, where that was asked.
    pub fates: Option<&'r BTreeMap<String, Fate>>,
    /// What became of those that were to be signed.
    pub publication: Option<Value>,
    pub exit: Exit,
}

impl Report<'_> {
    pub fn to_json(&self) -> Value {
        let tag = |(tag, signed): (&String, &SignedTag)| {
            let mut value = tag_json(tag, signed);
            if let Some(members) = value.as_object_mut() {
                members.insert("registry".to_owned(), self.compared(tag).map_or(Value::Null, compared_json));
            }
            value
        };
        let sealing = self.publication.as_ref().and_then(|publication| publication.get("sealing")?.as_str());
        let mut value = summary(self.state);
        let more = json!({
            "version": JSON_VERSION, "source": self.source, "verified": true,
            "tags": self.state.tags().iter().map(tag).collect::<Vec<_>>(),
            "saved": self.saved.map(|path| path.display().to_string()), "import": self.import_json(),
            "publication": self.publication, "trustWritten": sealing == Some("sealed"), "exit": self.exit as u8,
        });
        if let (Some(members), Value::Object(more)) = (value.as_object_mut(), more) {
            members.extend(more);
        }
        value
    }

    pub fn to_text(&self) -> String {
        let state = self.state;
        let mut text = format!("verified  {}\n  source   {}\n", state.repository(), self.source);
        for role in state.roles() {
            let over = if role.expired { ", expired" } else { "" };
            let _ = writeln!(
                text,
                "  role     {}: version {}, {} of {} keys, until {:.0}{over}",
                role.name,
                role.version,
                role.threshold,
                role.keys.len(),
                role.expires,
            );
        }
        let root = state.roles().iter().find(|role| role.name == "root");
        for key in root.iter().flat_map(|role| &role.keys) {
            let _ = writeln!(text, "  root key {}", key.fingerprint);
        }
        for signer in state.signers() {
            for key in &signer.keys {
                let _ = writeln!(text, "  signer   {} {}", signer.name, key.fingerprint);
            }
        }
        text.push_str(&self.table());
        for (tag, fate) in self.fates.into_iter().flatten() {
            let _ = match fate {
                Fate::Sign => writeln!(text, "  sign     {}", printable(tag)),
                Fate::Leave(why) => writeln!(text, "  leave    {}: {}", printable(tag), one_line(&why.to_string())),
            };
        }
        for warning in state.warnings() {
            let _ = writeln!(text, "  warning  {}", one_line(&warning.to_string()));
        }
        if let Some(path) = self.saved {
            let _ = writeln!(text, "  saved    {}", path.display());
        }
        text
    }

    fn import_json(&self) -> Option<Vec<Value>> {
        let one = |(tag, fate): (&String, &Fate)| {
            let digest = self.state.tags().get(tag).map(|signed| signed.digest.to_string());
            let (would, why) = match fate {
                Fate::Sign => ("sign", None),
                Fate::Leave(why) => ("leave", Some(why.to_string())),
            };
            json!({ "tag": tag, "digest": digest, "would": would, "why": why })
        };
        Some(self.fates?.iter().map(one).collect())
    }

    /// Tags, digests, signers, and what the registry says.
    fn table(&self) -> String {
        let rows: Vec<_> = self.state.tags().iter().collect();
        if rows.is_empty() {
            return "  no signed tags\n".to_owned();
        }
        let signers = |signed: &SignedTag| {
            if signed.signers.is_empty() { "(repository key)".to_owned() } else { signed.signers.join(", ") }
        };
        let tag_width = rows.iter().map(|(tag, _)| tag.len()).chain([3]).max().unwrap_or(3);
        let signer_width = rows.iter().map(|(_, signed)| signers(signed).len()).chain([7]).max().unwrap_or(7);
        let mut text = String::new();
        let mut line = |tag: &str, digest: &str, signers: &str, registry: &str| {
            let row = format!("  {tag:tag_width$}  {digest:71}  {signers:signer_width$}  {registry}");
            text.push_str(row.trim_end());
            text.push('\n');
        };
        line("TAG", "DIGEST", "SIGNERS", if self.compared.is_some() { "REGISTRY" } else { "" });
        for (tag, signed) in rows {
            let registry = self.compared(tag).map(compared_text).unwrap_or_default();
            line(tag, &signed.digest.to_string(), &signers(signed), &registry);
        }
        text
    }

    fn compared(&self, tag: &str) -> Option<&Compared> {
        self.compared?.get(tag)
    }
}

/// What verified, without where it came from.
pub fn summary(state: &NotaryState) -> Value {
    json!({
        "repository": state.repository(),
        "rootVersion": state.root_version(),
        "tags": state.tags().iter().map(|(tag, signed)| tag_json(tag, signed)).collect::<Vec<_>>(),
        "signers": state.signers().iter().map(|signer| json!({
            "name": signer.name, "keys": keys_json(&signer.keys), "published": signer.published,
        })).collect::<Vec<_>>(),
        "roles": state.roles().iter().map(|role| json!({
            "name": role.name, "version": role.version, "expires": role.expires, "expired": role.expired,
            "threshold": role.threshold, "keys": keys_json(&role.keys),
        })).collect::<Vec<_>>(),
        "warnings": state.warnings().iter()
            .map(|warning| json!({ "id": warning.id(), "message": warning.to_string() })).collect::<Vec<_>>(),
    })
}

pub fn unverified_json(repository: &str, source: &str, error: &NotaryError) -> Value {
    json!({
        "version": JSON_VERSION, "repository": repository, "source": source, "verified": false,
        "reason": { "id": error.id(), "message": error.to_string() }, "trustWritten": false, "exit": Exit::Denied as u8,
    })
}

pub fn unverified_text(repository: &str, source: &str, error: &NotaryError) -> String {
    format!(
        "not verified  {repository}\n  source   {source}\n  reason   {}: {}\n",
        error.id(),
        one_line(&error.to_string())
    )
}

fn tag_json(tag: &str, signed: &SignedTag) -> Value {
    json!({
        "tag": tag, "digest": signed.digest.to_string(), "length": signed.length, "role": signed.role,
        "signers": signed.signers,
    })
}

fn keys_json(keys: &[RoleKey]) -> Value {
    keys.iter().map(|key| json!({ "fingerprint": key.fingerprint.to_string(), "id": key.id.to_string() })).collect()
}

fn compared_json(compared: &Compared) -> Value {
    let (digest, found_length, digest_error) = match &compared.digest {
        DigestThere::There => ("there", None, None),
        DigestThere::OtherLength(length) => ("other-length", Some(*length), None),
        DigestThere::Absent => ("absent", None, None),
        DigestThere::Unread(why) => ("unread", None, Some(why)),
    };
    let (tag, now, tag_error) = match &compared.tag {
        TagNow::Same => ("same", None, None),
        TagNow::Other(digest) => ("other", Some(digest.to_string()), None),
        TagNow::Absent => ("absent", None, None),
        TagNow::Unread(why) => ("unread", None, Some(why)),
    };
    json!({
        "digest": digest, "length": found_length, "tag": tag, "tagDigest": now, "error": digest_error.or(tag_error),
    })
}

fn compared_text(compared: &Compared) -> String {
    let tag = match &compared.tag {
        TagNow::Same => "the same".to_owned(),
        TagNow::Other(digest) => format!("DIFFERS, there it is {digest}"),
        TagNow::Absent => "no such tag".to_owned(),
        TagNow::Unread(why) => format!("unread: {why}"),
    };
    let digest = match &compared.digest {
        DigestThere::There => String::new(),
        DigestThere::OtherLength(length) => format!(", the digest has {length} bytes there"),
        DigestThere::Absent => ", THE DIGEST IS NOT THERE".to_owned(),
        DigestThere::Unread(why) => format!(", digest unread: {why}"),
    };
    one_line(&format!("{tag}{digest}"))
}

fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}
