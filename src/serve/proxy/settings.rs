//! The proxy's settings, and which registry a request is about.

use crate::{
    oci::RepositoryName,
    serve::{CacheSettings, JudgeSettings, ServerSettings},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The proxy's settings, as they are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProxySettings {
    /// The registries that are pulled from; no other is ever asked.
    pub upstreams: Vec<String>,
    /// The one that is meant where a request names none.
    pub default_upstream: Option<String>,
    /// By which name (the `Host` of requests) which of them is meant.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// Whether signatures and attestations are given out too, to runtimes that verify for themselves. They are not judged.
    #[serde(default)]
    pub pass_evidence: bool,
    /// Where it listens.
    pub server: ServerSettings,
    /// By what it judges.
    pub judge: JudgeSettings,
    /// How long decisions hold.
    #[serde(default)]
    pub cache: CacheSettings,
}

/// Which registries there are behind the proxy, and how requests name them.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    known: BTreeSet<String>,
    default: Option<String>,
    names: BTreeMap<String, String>,
}

impl ProxySettings {
    /// The same with paths that are relative to a folder.
    #[must_use]
    pub fn beside(self, folder: &Path) -> Self {
        Self {
            server: self.server.beside(folder),
            judge: self.judge.beside(folder),
            cache: self.cache.beside(folder),
            ..self
        }
    }

    /// The registries, in their one spelling.
    ///
    /// # Errors
    /// What is no registry, or not among the upstreams.
    pub fn upstreams(&self) -> Result<Upstreams, String> {
        let known = self.upstreams.iter().map(|name| host(name)).collect::<Result<BTreeSet<_>, _>>()?;
        if known.is_empty() {
            return Err("upstreams: expected at least one registry".to_owned());
        }
        let among = |name: &str| {
            let host = host(name)?;
            if known.contains(&host) { Ok(host) } else { Err(format!("{name:?} is not among the upstreams")) }
        };
        let default = self.default_upstream.as_deref().map(among).transpose()?;
        let named = |(name, of): (&String, &String)| Ok::<_, String>((name.to_ascii_lowercase(), among(of)?));
        let names = self.names.iter().map(named).collect::<Result<_, _>>()?;
        Ok(Upstreams { known, default, names })
    }
}

impl Upstreams {
    /// The repository that a request is about: of the registry that containerd names by `ns`, or that the path begins with,
    /// or that is asked by this `Host`, or the default.
    ///
    /// # Errors
    /// No such registry is behind this proxy, or it is no repository's name.
    pub fn find(&self, path: &str, ns: Option<&str>, asked: Option<&str>) -> Result<RepositoryName, String> {
        let first = path.split_once('/').filter(|(first, _)| self.known.contains(&first.to_ascii_lowercase()));
        let (registry, path) = match (ns, first) {
            (Some(ns), _) => (host(ns)?, path),
            (None, Some((first, rest))) => (host(first)?, rest),
            (None, None) => {
                let named = asked.and_then(|asked| self.names.get(&asked.to_ascii_lowercase()));
                let registry = named.or(self.default.as_ref());
                (registry.cloned().ok_or("the request names no registry that is behind this proxy")?, path)
            }
        };
        if !self.known.contains(&registry) {
            return Err(format!("{registry} is not among this proxy's upstreams"));
        }
        format!("{registry}/{path}").parse().map_err(|error: crate::oci::ReferenceError| error.to_string())
    }
}

/// A registry in its one spelling.
fn host(name: &str) -> Result<String, String> {
    let parsed: Result<RepositoryName, _> = format!("{name}/x/y").parse();
    // Without a dot or a port, the text is no host but the first part of a path.
    let parsed = parsed.ok().filter(|parsed| parsed.path == "x/y");
    parsed.map(|parsed| parsed.host).ok_or_else(|| format!("{name:?} is no registry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams() -> Upstreams {
        let text = "upstreams = [\"docker.io\", \"Registry.example.com\", \"127.0.0.1:5000\"]\n\
                    default-upstream = \"registry.example.com\"\n[names]\n\"hub.internal:8080\" = \"docker.io\"\n\
                    [server]\nlisten = \"127.0.0.1:0\"\n[judge]\npolicy = \"p\"\n";
        let settings: ProxySettings = toml::from_str(text).unwrap();
        settings.upstreams().unwrap()
    }

    // [V-300]
    #[test]
    fn a_request_names_its_registry_in_four_ways() {
        let find = |path, ns, host| upstreams().find(path, ns, host).map(|name| name.to_string());
        for (path, ns, host, expected) in [
            ("library/app", Some("docker.io"), None, "docker.io/library/app"),
            ("app", Some("index.docker.io"), None, "docker.io/library/app"),
            ("team/app", Some("127.0.0.1:5000"), None, "127.0.0.1:5000/team/app"),
            ("docker.io/app", None, None, "docker.io/library/app"),
            ("registry.example.com/team/app", None, None, "registry.example.com/team/app"),
            ("team/app", None, Some("HUB.internal:8080"), "docker.io/team/app"),
            ("team/app", None, Some("other"), "registry.example.com/team/app"),
            ("quay.io/app", None, None, "registry.example.com/quay.io/app"),
        ] {
            assert_eq!(find(path, ns, host).unwrap(), expected, "{path} {ns:?} {host:?}");
        }
    }

    // [V-300]
    #[test]
    fn no_other_registry_is_asked() {
        for (path, ns) in [
            ("app", "quay.io"),
            ("app", "169.254.169.254"),
            ("app", "docker.io@evil.example"),
            ("app", "docker.io/../evil"),
            ("app", "docker.io/team"),
            ("app", ""),
            ("app", "registry"),
            ("../app", "docker.io"),
            ("APP", "docker.io"),
        ] {
            assert!(upstreams().find(path, Some(ns), None).is_err(), "{path} {ns}");
        }
        assert!(Upstreams::default().find("app", None, None).is_err());
    }
}
