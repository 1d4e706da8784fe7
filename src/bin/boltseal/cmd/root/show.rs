use super::{roles_json, roles_text, with};
use crate::{
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    settings,
};
use boltseal::{
    crypto::{Authority, PublicKey},
    ops::trusted_root::{Found, Source},
    trust::{Log, TimestampAuthority, Windowed},
};
use serde_json::{Value, json};

pub fn run(root: Option<&str>, output: &Output) -> Result<Exit, Failure> {
    let roots = settings::roots();
    let names = match root {
        Some(root) => vec![root.to_owned()],
        None => roots.names()?,
    };
    let (mut exit, mut results) = (Exit::Done, Vec::new());
    for name in names {
        let ended = match roots.look(&name) {
            Ok(found) => {
                let ended = if expired(&found).is_some() { Exit::Supplied } else { Exit::Done };
                results.push(to_json(&found, ended));
                if !output.is_json() {
                    output.raw(&to_text(&found));
                }
                ended
            }
            Err(error) => {
                let failure = Failure::from(error);
                output.failure_line(&failure);
                results.push(json!({ "name": name, "error": failure.message, "exit": failure.exit as u8 }));
                failure.exit
            }
        };
        exit = exit.worst(ended);
    }
    let value = json!({ "version": JSON_VERSION, "roots": results, "exit": exit as u8 });
    output.result(&value, String::new);
    Ok(exit)
}

fn expired(found: &Found) -> Option<&str> {
    match &found.source {
        Source::Refreshed(refreshed) => refreshed.expired.as_deref(),
        _ => None,
    }
}

fn to_json(found: &Found, exit: Exit) -> Value {
    let source = match &found.source {
        Source::Embedded => json!({ "kind": "embedded" }),
        Source::File(path) => json!({ "kind": "file", "file": path.display().to_string() }),
        Source::Added { path, written } => {
            json!({ "kind": "added", "file": path.display().to_string(), "written": written })
        }
        Source::Refreshed(refreshed) => json!({
            "kind": "refreshed",
            "file": refreshed.path.display().to_string(),
            "mirror": refreshed.mirror,
            "written": refreshed.written,
            "roles": roles_json(&refreshed.roles),
            "signingConfig": refreshed.signing_config,
            "expired": refreshed.expired,
        }),
    };
    let root = &found.root;
    json!({
        "name": root.name(),
        "id": root.id().to_string(),
        "source": source,
        "authorities": parts_json(root.authorities(), authority_json),
        "logs": parts_json(root.logs(), log_json),
        "ctLogs": parts_json(root.ct_logs(), log_json),
        "timestampAuthorities": parts_json(root.timestamp_authorities(), timestamp_json),
        "unusable": root.unusable(),
        "exit": exit as u8,
    })
}

fn parts_json<T>(parts: &[Windowed<T>], what: fn(&T) -> Value) -> Value {
    let one = |part: &Windowed<T>| {
        let (start, end) = part.window();
        with(with(what(&part.what), "start", json!(start)), "end", json!(end))
    };
    parts.iter().map(one).collect()
}

fn key_json(key: &PublicKey) -> Value {
    json!({ "algorithm": key.algorithm().to_string(), "fingerprint": key.fingerprint().to_string() })
}

fn authority_json(authority: &Authority) -> Value {
    let key = authority.key().ok();
    json!({
        "name": authority.name(),
        "key": key.as_ref().map(key_json),
        "intermediates": authority.intermediates(),
    })
}

fn log_json(log: &Log) -> Value {
    json!({ "url": log.url, "id": hex::encode(&log.id), "key": key_json(&log.key) })
}

fn timestamp_json(authority: &TimestampAuthority) -> Value {
    let signer = authority.signer.as_ref();
    let signer = signer.map(|signer| json!({ "name": signer.subject(), "key": key_json(signer.public_key()) }));
    with(authority_json(&authority.authority), "signer", json!(signer))
}

fn to_text(found: &Found) -> String {
    let root = &found.root;
    let mut text = format!("{}\n", printable(root.name()));
    match &found.source {
        Source::Embedded => text.push_str("  source   comes with this program; nothing was fetched yet\n"),
        Source::File(path) => text.push_str(&format!("  source   file {}\n", path.display())),
        Source::Added { path, written } => {
            text.push_str(&format!("  source   added on {written}, kept in {}\n", path.display()));
        }
        Source::Refreshed(refreshed) => {
            text.push_str(&format!(
                "  source   fetched from {} on {}\n",
                printable(&refreshed.mirror),
                refreshed.written
            ));
            text.push_str(&format!("  file     {}\n", refreshed.path.display()));
            text.push_str(&roles_text(&refreshed.roles));
            if let Some(expired) = &refreshed.expired {
                text.push_str(&format!("  EXPIRED  {expired}: `boltseal root update {}`\n", root.name()));
            }
        }
    }
    text.push_str(&format!("  id       {}\n", root.id()));
    part(&mut text, "certificate authorities", root.authorities(), authority_text);
    part(&mut text, "logs", root.logs(), log_text);
    part(&mut text, "certificate transparency logs", root.ct_logs(), log_text);
    part(&mut text, "timestamp authorities", root.timestamp_authorities(), timestamp_text);
    for what in root.unusable() {
        text.push_str(&format!("  left out: {}\n", printable(what)));
    }
    text
}

fn part<T>(text: &mut String, heading: &str, parts: &[Windowed<T>], what: fn(&T) -> String) {
    if parts.is_empty() {
        text.push_str(&format!("  no {heading}\n"));
        return;
    }
    text.push_str(&format!("  {heading}\n"));
    for one in parts {
        let window = match one.window() {
            (Some(start), Some(end)) => format!("from {start} to {end}"),
            (Some(start), None) => format!("from {start}"),
            (None, Some(end)) => format!("to {end}"),
            (None, None) => "always".to_owned(),
        };
        text.push_str(&format!("    {}\n      {window}\n", what(&one.what)));
    }
}

fn key_text(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint())
}

fn authority_text(authority: &Authority) -> String {
    let key = authority.key().map_or_else(|error| error.to_string(), |key| key_text(&key));
    format!("{}\n      {key}", printable(authority.name()))
}

fn log_text(log: &Log) -> String {
    let named = if log.url.is_empty() { "(no address)".to_owned() } else { printable(&log.url) };
    let own = log.key.fingerprint().bytes().as_slice() == log.id.as_slice();
    let id = if own { String::new() } else { format!("\n      called {}", hex::encode(&log.id)) };
    format!("{named}\n      {}{id}", key_text(&log.key))
}

fn timestamp_text(authority: &TimestampAuthority) -> String {
    let above = printable(authority.authority.name());
    match &authority.signer {
        Some(signer) => format!("{}, by {above}\n      {}", printable(signer.subject()), key_text(signer.public_key())),
        None => authority_text(&authority.authority),
    }
}
