//! What verifiers and signers are told: trusted roots and signing configurations (protobuf-specs).

use super::{EVER, Key, PrivateSigstore, b64, rekor::Log};
use jiff::Timestamp;
use serde_json::{Value, json};

impl PrivateSigstore {
    /// `trusted_root.json` of this instance alone.
    pub fn trusted_root(&self) -> Value {
        trusted_root(&[self])
    }

    /// `signing_config.json` with these generations of Rekor, each beside the timestamp authority.
    pub fn signing_config(&self, rekor: &[u32]) -> Value {
        let service = |url: &str, version: u32| {
            json!({
                "url": url, "majorApiVersion": version, "validFor": { "start": EVER.0.to_string() }, "operator": "test",
            })
        };
        let logs: Vec<_> = rekor.iter().map(|version| service(&self.url, *version)).collect();
        json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service(&self.url, 1)],
            "oidcUrls": [service(&self.url, 1)],
            "rekorTlogUrls": logs,
            "rekorTlogConfig": { "selector": "ANY" },
            "tsaUrls": [service(&self.timestamp_url(), 1)],
            "tsaConfig": { "selector": "ANY" },
        })
    }

    pub fn timestamp_url(&self) -> String {
        format!("{}/api/v1/timestamp", self.url)
    }
}

/// A trusted root with the services of several instances: authorities one after another, logs as v1, v2 of each.
pub fn trusted_root(instances: &[&PrivateSigstore]) -> Value {
    let all = |of: &dyn Fn(&PrivateSigstore) -> Vec<Value>| -> Vec<Value> {
        instances.iter().flat_map(|instance| of(instance)).collect()
    };
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": all(&|one| vec![tlog(&one.url, &one.rekor1.log), tlog(&one.url, &one.rekor2.log)]),
        "certificateAuthorities": all(&|one| vec![authority(&one.url, "fulcio", &one.ca.chain)]),
        "ctlogs": all(&|one| vec![log(&one.url, &one.ct.key, &one.ct.key.id())]),
        "timestampAuthorities": all(&|one| vec![authority(&one.timestamp_url(), "timestamps", &one.tsa.chain)]),
    })
}

/// Sets what one of a trusted root's services is valid for: `set_window(&mut root, "tlogs", 0, from, Some(to))`.
pub fn set_window(root: &mut Value, service: &str, index: usize, from: Timestamp, to: Option<Timestamp>) {
    let service = &mut root[service][index];
    let holder = if service.get("publicKey").is_some() { &mut service["publicKey"] } else { service };
    holder["validFor"] = json!({ "start": from.to_string() });
    if let Some(to) = to {
        holder["validFor"]["end"] = json!(to.to_string());
    }
}

fn tlog(url: &str, rekor: &Log) -> Value {
    log(url, &rekor.key, &rekor.id())
}

fn log(url: &str, key: &Key, id: &[u8]) -> Value {
    json!({
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(&key.spki()), "keyDetails": key.details(), "validFor": { "start": EVER.0.to_string() },
        },
        "logId": { "keyId": b64(id) },
    })
}

fn authority(uri: &str, name: &str, chain: &[Vec<u8>]) -> Value {
    let certificates: Vec<_> = chain.iter().map(|der| json!({ "rawBytes": b64(der) })).collect();
    json!({
        "subject": { "organization": "sigstore.test", "commonName": name },
        "uri": uri,
        "certChain": { "certificates": certificates },
        "validFor": { "start": EVER.0.to_string() },
    })
}
