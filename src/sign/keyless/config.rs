//! The signing configuration (sigstore/protobuf-specs, `sigstore_trustroot.proto`, `SigningConfig` v0.2): which services
//! are asked.

use super::KeylessError;
use crate::{
    json,
    limits::{SIGNING_CONFIG_BYTES, SIGNING_SERVICES},
};
use jiff::Timestamp;
use sigstore_trust_root::{
    ServiceConfiguration, ServiceEndpoint, ServiceSelector, SigningConfig,
    signing_config::{SUPPORTED_FULCIO_VERSIONS, SUPPORTED_REKOR_VERSIONS, SUPPORTED_TSA_VERSIONS},
};
use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// The services that are asked, those that are valid now.
#[derive(Debug)]
pub struct Services {
    /// The configuration's file, for errors.
    name: String,
    fulcio: Choice,
    logs: Choice,
    timestamps: Choice,
    issuers: Vec<String>,
    now: Timestamp,
}

/// The services of one kind, in the order that they are asked in.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) all: Vec<Service>,
    /// How many of them have to answer, each by another operator.
    pub(super) needed: usize,
    /// How many operators they have.
    operators: usize,
    /// Whether there are others, whose time is over.
    expired: bool,
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) url: String,
    /// Its API's major version.
    pub(super) version: u32,
    /// Who runs it: two services of one operator count as one.
    pub(super) operator: Option<String>,
    /// Whether it failed to answer in this run: it is asked once then, after all others.
    down: AtomicBool,
}

impl Service {
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }
}

impl Services {
    /// Reads a signing configuration's file.
    ///
    /// # Errors
    /// It can't be read, or is none.
    pub fn load(path: &Path, now: Timestamp) -> Result<Self, KeylessError> {
        let io = |source| KeylessError::Io { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).map_err(io)?.take(SIGNING_CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        Self::decode(&path.display().to_string(), &bytes, now)
    }

    /// The services of the public instance, as they were when this version was made.
    ///
    /// # Errors
    /// None that a test would not have found.
    pub fn public_good(now: Timestamp) -> Result<Self, KeylessError> {
        Self::decode("public-good", sigstore_trust_root::SIGSTORE_PRODUCTION_SIGNING_CONFIG.as_bytes(), now)
    }

    /// Decodes a signing configuration of version 0.2. `name` is what it is called in errors.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(name: &str, bytes: &[u8], now: Timestamp) -> Result<Self, KeylessError> {
        let wrong = |why: String| KeylessError::Config { name: name.to_owned(), why };
        if bytes.len() as u64 > SIGNING_CONFIG_BYTES {
            return Err(wrong(format!("more than {SIGNING_CONFIG_BYTES} bytes")));
        }
        json::decode_value(bytes).map_err(|error| wrong(error.to_string()))?;
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let config = SigningConfig::from_json(text).map_err(|error| wrong(error.to_string()))?;
        let lists = [&config.ca_urls, &config.oidc_urls, &config.rekor_tlog_urls, &config.tsa_urls];
        if lists.iter().any(|list| list.len() > SIGNING_SERVICES) {
            return Err(wrong(format!("more than {SIGNING_SERVICES} services of one kind")));
        }
        let one = ServiceConfiguration::default();
        Ok(Self {
            name: name.to_owned(),
            fulcio: Choice::of(&config.ca_urls, SUPPORTED_FULCIO_VERSIONS, &one, now).map_err(wrong)?,
            logs: Choice::of(&config.rekor_tlog_urls, SUPPORTED_REKOR_VERSIONS, &config.rekor_tlog_config, now)
                .map_err(wrong)?,
            timestamps: Choice::of(&config.tsa_urls, SUPPORTED_TSA_VERSIONS, &config.tsa_config, now).map_err(wrong)?,
            issuers: config
                .oidc_urls
                .iter()
                .filter(|one| one.valid_for.contains(now))
                .map(|one| one.url.clone())
                .collect(),
            now,
        })
    }

    pub(super) fn fulcio(&self) -> Result<&Choice, KeylessError> {
        self.some(&self.fulcio, "Fulcio")
    }

    pub(super) fn logs(&self) -> Result<&Choice, KeylessError> {
        self.some(&self.logs, "transparency log")
    }

    /// The timestamp authorities: none need be listed, unless nothing else shows the time.
    pub(super) fn timestamps(&self) -> Result<&Choice, KeylessError> {
        self.some(&self.timestamps, "timestamp authority")
    }

    /// Whether it lists timestamp authorities at all, valid or not: if it does, one is asked.
    pub(super) fn has_timestamps(&self) -> bool {
        !self.timestamps.all.is_empty() || self.timestamps.expired
    }

    /// Whether entries of all logs show the time that they were made.
    pub(super) fn all_logs_show_time(&self) -> bool {
        self.logs.all.iter().all(|log| log.version == 1)
    }

    /// Whether entries of any of the logs do.
    pub(super) fn some_log_shows_time(&self) -> bool {
        self.logs.all.iter().any(|log| log.version == 1)
    }

    /// The identity provider that people log in at.
    ///
    /// # Errors
    /// None is listed that is valid now.
    pub fn issuer(&self) -> Result<&str, KeylessError> {
        self.issuers.first().map(String::as_str).ok_or_else(|| self.none("identity provider", false))
    }

    fn some<'c>(&self, choice: &'c Choice, service: &'static str) -> Result<&'c Choice, KeylessError> {
        if choice.operators < choice.needed { Err(self.none(service, choice.expired)) } else { Ok(choice) }
    }

    fn none(&self, service: &'static str, expired: bool) -> KeylessError {
        KeylessError::NoService { name: self.name.clone(), service, expired, now: self.now }
    }
}

impl Choice {
    /// Those that are valid and of a known version: the highest version first, and of each operator one before its others.
    fn of(
        listed: &[ServiceEndpoint],
        versions: &[u32],
        config: &ServiceConfiguration,
        now: Timestamp,
    ) -> Result<Self, String> {
        let spoken = || listed.iter().filter(|one| versions.contains(&one.major_api_version));
        let mut valid: Vec<_> = spoken().filter(|one| one.valid_for.contains(now)).collect();
        valid.sort_by_key(|one| std::cmp::Reverse(one.major_api_version));
        let mut seen = BTreeSet::new();
        let (first, others): (Vec<_>, Vec<_>) =
            valid.into_iter().partition(|one| one.operator.as_ref().is_none_or(|operator| seen.insert(operator)));
        let operators = first.len();
        let valid: Vec<_> = first.into_iter().chain(others).collect();
        let needed = match (config.selector, config.count) {
            (ServiceSelector::All, _) => operators.max(1),
            (ServiceSelector::Exact, Some(count)) if count > 0 => usize::try_from(count).unwrap_or(usize::MAX),
            (ServiceSelector::Exact, _) => return Err("a selector EXACT without a count".to_owned()),
            _ => 1,
        };
        let service = |one: &&ServiceEndpoint| Service {
            url: one.url.trim_end_matches('/').to_owned(),
            version: one.major_api_version,
            operator: one.operator.clone(),
            down: AtomicBool::new(false),
        };
        let expired = spoken().any(|one| one.valid_for.end.is_some_and(|end| end < now));
        Ok(Self { all: valid.iter().map(service).collect(), needed, operators, expired })
    }

    /// The services in the order to ask them in: those that did not answer before come last, and are tried once.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Service> {
        let up = self.all.iter().filter(|one| !one.is_down());
        let down = self.all.iter().filter(|one| one.is_down());
        up.chain(down).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: &str = "2026-06-01T00:00:00Z";

    fn endpoint(url: &str, version: u32, operator: &str, end: Option<&str>) -> Value {
        json!({ "url": url, "majorApiVersion": version, "operator": operator,
            "validFor": { "start": "2026-01-01T00:00:00Z", "end": end } })
    }

    fn decode(logs: &[Value], selector: Value) -> Result<Services, KeylessError> {
        let config = json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [endpoint("https://f/", 1, "a", None)], "rekorTlogUrls": logs, "rekorTlogConfig": selector,
        });
        Services::decode("config.json", config.to_string().as_bytes(), NOW.parse().unwrap())
    }

    fn urls(services: &Services) -> Vec<&str> {
        services.logs().unwrap().in_order().map(|one| one.url.as_str()).collect()
    }

    #[test]
    fn the_newest_api_is_asked_first_and_each_operator_before_its_other_services() {
        let logs = [
            endpoint("https://one", 1, "a", None),
            endpoint("https://two", 2, "a", None),
            endpoint("https://three", 1, "b", None),
            endpoint("https://gone", 2, "c", Some("2026-02-01T00:00:00Z")),
            endpoint("https://future", 9, "d", None),
        ];
        let services = decode(&logs, json!({ "selector": "ANY" })).unwrap();
        assert_eq!(urls(&services), ["https://two", "https://three", "https://one"]);
        services.logs().unwrap().all[0].set_down(true);
        assert_eq!(urls(&services), ["https://three", "https://one", "https://two"], "what does not answer comes last");
        let needed = |selector| decode(&logs, selector).unwrap().logs().map(|logs| logs.needed);
        assert_eq!(needed(json!({ "selector": "ALL" })).unwrap(), 2);
        assert_eq!(needed(json!({ "selector": "EXACT", "count": 2 })).unwrap(), 2);
        assert!(needed(json!({ "selector": "EXACT", "count": 3 })).is_err(), "two operators make no three");
        assert!(decode(&logs, json!({ "selector": "EXACT" })).is_err());
    }

    // [V-143]
    #[test]
    fn an_expired_configuration_says_so() {
        let logs = [endpoint("https://gone", 1, "a", Some("2026-02-01T00:00:00Z"))];
        let error = decode(&logs, json!({ "selector": "ANY" })).unwrap().logs().unwrap_err().to_string();
        assert_eq!(
            error,
            "config.json: it lists no transparency log that is valid at 2026-06-01T00:00:00Z; those that it lists have expired: get a newer one"
        );
        let none = decode(&[], json!({})).unwrap().logs().unwrap_err().to_string();
        assert!(none.contains("none of a version"), "{none}");
        let error = Services::decode("x", b"{\"mediaType\":\"v0.1\"}", NOW.parse().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("x: no signing configuration: "), "{error}");
    }

    #[test]
    fn the_public_instance_s_configuration_is_read() {
        let text = sigstore_trust_root::SIGSTORE_PRODUCTION_SIGNING_CONFIG;
        let services = Services::decode("public", text.as_bytes(), NOW.parse().unwrap()).unwrap();
        assert!(services.fulcio().unwrap().all[0].url.starts_with("https://fulcio."));
        assert!(services.issuer().unwrap().starts_with("https://oauth2."));
    }
}
