//! Which registries a runtime asks past the verifying proxy: by containerd's `hosts.toml` (docs/hosts.md), and by the
//! `registries.conf` of podman, CRI-O, skopeo and buildah (containers-registries.conf(5)).

use super::{
    Finding, Level,
    settings::{folded, load, load_folded},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use toml::{Table, Value};
use url::Url;

/// A runtime's settings that should lead to the proxy alone.
#[derive(Clone, Debug)]
pub struct ProxiedRuntime {
    /// Where the proxy listens, as the runtime sees it.
    pub proxy: Url,
    /// The registries behind it, as images name them.
    pub registries: Vec<String>,
    /// Where its settings are: containerd's `certs.d`, or `registries.conf` with `registries.conf.d` beside it.
    pub settings: PathBuf,
}

/// A file as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedFile {
    /// Where.
    pub path: PathBuf,
    /// With what in it.
    pub content: String,
}

/// The folder that counts for registries without one.
const DEFAULT: &str = "_default";

/// How a registry's settings lead past the proxy: which way, what it is, and what would be right.
type Past = (&'static str, Level, String, String);

impl ProxiedRuntime {
    /// Every way past the proxy for the registries, and for those that have no folder of their own, by containerd's `hosts.toml`.
    /// Not looked at: whether containerd is started with this folder (`config_path`), and what it has in its store already.
    #[must_use]
    pub fn containerd(&self) -> Vec<Finding> {
        let names = self.registries.iter().map(String::as_str).chain([DEFAULT]);
        names.flat_map(|name| self.hosts_of(name)).collect()
    }

    /// The files of containerd that lead to the proxy alone.
    #[must_use]
    pub fn containerd_files(&self) -> Vec<WantedFile> {
        let proxy = self.origin();
        let content = format!("server = \"{proxy}\"\n\n[host.\"{proxy}\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
        let names = self.registries.iter().map(|name| folders(name).swap_remove(0)).chain([DEFAULT.to_owned()]);
        let wanted = |name| WantedFile { path: self.settings.join(name).join("hosts.toml"), content: content.clone() };
        names.map(wanted).collect()
    }

    fn hosts_of(&self, name: &str) -> Vec<Finding> {
        let candidates: Vec<_> = folders(name).into_iter().map(|name| self.settings.join(name)).collect();
        // The first folder that is there counts, with or without the file.
        let Some(folder) = candidates.iter().find(|folder| folder.is_dir()) else {
            // Whatever has no folder of its own is asked as `_default` says.
            let message = "is not there: a registry without a folder of its own is asked itself".to_owned();
            let missing = || found(bypass("no-default", message, "write it"), &self.settings.join(name));
            return (name == DEFAULT).then(missing).into_iter().collect();
        };
        let path = folder.join("hosts.toml");
        let past = match load(&path) {
            Err(error) => vec![unread(error)],
            Ok(None) => {
                vec![bypass("no-hosts-file", "is not there: the registry is asked itself".to_owned(), "write it")]
            }
            Ok(Some(hosts)) => self.past_by_hosts(&hosts),
        };
        past.into_iter().map(|past| found(past, &path)).collect()
    }

    /// What leads past the proxy counts in any spelling; what leads to it only as it is documented, since containerd's versions
    /// differ in what else they take.
    fn past_by_hosts(&self, written: &Table) -> Vec<Past> {
        let hosts = match folded(written) {
            Ok(hosts) => hosts,
            Err(error) => return vec![unread(error)],
        };
        let mut past = Vec::new();
        match written.get("server").and_then(Value::as_str) {
            Some(server) if self.is_proxy(server) => {}
            named => {
                let what = named.map_or("is left out".to_owned(), |server| format!("is {server:?}"));
                let message = format!("`server` {what}: what the proxy refuses is pulled from the registry");
                past.push(bypass("server", message, &format!("server = \"{}\"", self.origin())));
            }
        }
        let entries = hosts.get("host").and_then(Value::as_table);
        let places = || entries.into_iter().flatten();
        for (place, _) in places().filter(|(place, _)| !self.is_proxy(place)) {
            let message = format!("{place:?} is asked beside the proxy");
            past.push(bypass("other-host", message, "no [host] but the proxy's"));
        }
        if written.get("host").and_then(Value::as_table).is_none_or(Table::is_empty) {
            let message = "there is no [host]: containerd 1.7 passes over `server` then".to_owned();
            past.push(bypass("no-host", message, &format!("[host.\"{}\"]", self.origin())));
        }
        let skips = |table: &Table| table.get("skip_verify").and_then(Value::as_bool) == Some(true);
        if skips(&hosts) || places().filter_map(|(_, entry)| entry.as_table()).any(skips) {
            let message = "`skip_verify`: anybody on the way can be the proxy".to_owned();
            past.push(bypass("certificate-not-verified", message, "`ca`, with the proxy's authority"));
        }
        past
    }

    /// Every way past the proxy for the registries by `registries.conf` and the files beside it. Not looked at: the file of a
    /// user's own, which counts in its place for that user, and `CONTAINERS_REGISTRIES_CONF`.
    #[must_use]
    pub fn containers(&self) -> Vec<Finding> {
        let (mut findings, mut entries) = (Vec::new(), Vec::new());
        for path in conf_files(&self.settings) {
            match load_folded(&path) {
                Ok(None) => {}
                Ok(Some(content)) => {
                    let registries = content.get("registry").and_then(Value::as_array).into_iter().flatten();
                    entries.extend(registries.filter_map(Value::as_table).cloned().map(|entry| (path.clone(), entry)));
                }
                Err(error) => findings.push(found(unread(error), &path)),
            }
        }
        for registry in &self.registries {
            // Of two entries with one prefix that of the later file counts; of all that fit, that with the longest.
            let of_it =
                entries.iter().filter(|(_, entry)| prefix(entry).is_some_and(|prefix| is_within(prefix, registry)));
            let of_it: Vec<_> = of_it.collect();
            let counts =
                |at: usize, entry: &Table| !of_it.iter().skip(at + 1).any(|(_, later)| prefix(later) == prefix(entry));
            for (_, (path, entry)) in of_it.iter().enumerate().filter(|(at, (_, entry))| counts(*at, entry)) {
                findings.extend(self.past_by_entry(entry).into_iter().map(|past| found(past, path)));
            }
            if !of_it.iter().any(|(_, entry)| prefix(entry) == Some(registry)) {
                let message = format!("no [[registry]] has the prefix {registry:?}: it is asked itself");
                let past = bypass("no-registry", message, &format!("location = \"{}\"", self.location(registry)));
                findings.push(found(past, &self.settings));
            }
        }
        findings
    }

    /// The file of podman, CRI-O, skopeo and buildah that leads to the proxy alone.
    #[must_use]
    pub fn containers_files(&self) -> Vec<WantedFile> {
        let insecure = if self.is_plain() { "insecure = true\n" } else { "" };
        let entry = |name: &String| {
            format!("[[registry]]\nprefix = \"{name}\"\nlocation = \"{}\"\n{insecure}", self.location(name))
        };
        let content = self.registries.iter().map(entry).collect::<Vec<_>>().join("\n");
        vec![WantedFile { path: drop_ins(&self.settings).join("boltseal.conf"), content }]
    }

    fn past_by_entry(&self, entry: &Table) -> Vec<Past> {
        let flag = |name: &str| entry.get(name).and_then(Value::as_bool) == Some(true);
        let prefix = prefix(entry).unwrap_or_default();
        if flag("blocked") {
            let message = format!("`blocked`: nothing of {prefix:?} can be pulled");
            return vec![("blocked", Level::Blocked, message, "leave it out".to_owned())];
        }
        let mut past = Vec::new();
        let (wanted, location) = (self.location(prefix), entry.get("location").and_then(Value::as_str));
        if location.is_none_or(|location| location.trim_end_matches('/') != wanted) {
            let message = format!("{prefix:?} is asked at {:?}", location.unwrap_or(prefix));
            past.push(bypass("location", message, &format!("location = \"{wanted}\"")));
        }
        if entry.get("mirror").and_then(Value::as_array).is_some_and(|mirrors| !mirrors.is_empty()) {
            let message = format!("{prefix:?} has mirrors, which are asked beside the proxy");
            past.push(bypass("mirror", message, "no [[registry.mirror]]"));
        }
        match (flag("insecure"), self.is_plain()) {
            (true, false) => {
                let message = format!("`insecure`: anybody on the way can be the proxy for {prefix:?}");
                past.push(bypass("certificate-not-verified", message, "leave it out"));
            }
            (false, true) => {
                let message = format!("the proxy speaks plain http, and {prefix:?} is asked by https");
                past.push(("not-plain", Level::Blocked, message, "insecure = true, or a certificate".to_owned()));
            }
            _ => {}
        }
        past
    }

    fn is_plain(&self) -> bool {
        self.proxy.scheme() == "http"
    }

    fn origin(&self) -> String {
        self.proxy.origin().ascii_serialization()
    }

    fn is_proxy(&self, address: &str) -> bool {
        let named = Url::parse(address).or_else(|_| Url::parse(&format!("https://{address}")));
        named.is_ok_and(|url| url.origin() == self.proxy.origin() && ["/", "/v2", "/v2/"].contains(&url.path()))
    }

    /// The proxy's host and port, and the registry behind it. One with a port can't stand in a repository's name: it has to be
    /// what the proxy takes for meant where none is named (`default-upstream`, `names`).
    fn location(&self, name: &str) -> String {
        let origin = self.origin();
        let proxy = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
        match name.split_once('/').unwrap_or((name, "")) {
            (host, "") if host.contains(':') => proxy.to_owned(),
            (host, rest) if host.contains(':') => format!("{proxy}/{rest}"),
            _ => format!("{proxy}/{name}"),
        }
    }
}

fn bypass(id: &'static str, message: String, remedy: &str) -> Past {
    (id, Level::Bypass, message, remedy.to_owned())
}

fn unread(error: String) -> Past {
    ("not-read", Level::Unknown, error, "the runtime has to be able to read it, and so has this check".to_owned())
}

fn found((id, level, message, remedy): Past, path: &Path) -> Finding {
    Finding::new(id, level, message, remedy).at(path)
}

/// The folders that speak of a registry, in containerd's order.
fn folders(name: &str) -> Vec<String> {
    let with_port = name.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
    with_port.into_iter().chain([name.to_owned()]).collect()
}

/// What an entry is about.
fn prefix(entry: &Table) -> Option<&str> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("prefix").or_else(|| text("location"))
}

/// Whether it is about a registry or something in it; `*.` stands for any part of a host's name.
fn is_within(prefix: &str, registry: &str) -> bool {
    let host = prefix.split_once('/').map_or(prefix, |(host, _)| host);
    host == registry || host.strip_prefix('*').is_some_and(|end| registry.ends_with(end))
}

fn drop_ins(conf: &Path) -> PathBuf {
    let mut name = conf.as_os_str().to_owned();
    name.push(".d");
    name.into()
}

/// The file, and those that are read after it, in their order.
fn conf_files(conf: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(drop_ins(conf)).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut more: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    more.sort();
    [conf.to_owned()].into_iter().chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "http://127.0.0.1:5720";

    fn runtime(settings: PathBuf) -> ProxiedRuntime {
        let registries = vec!["docker.io".to_owned(), "r.example:5000".to_owned()];
        ProxiedRuntime { proxy: PROXY.parse().unwrap(), registries, settings }
    }

    fn write(files: &[WantedFile]) {
        for file in files {
            fs::create_dir_all(file.path.parent().unwrap()).unwrap();
            fs::write(&file.path, &file.content).unwrap();
        }
    }

    fn ids(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.id).collect()
    }

    // [V-315]
    #[test]
    fn hosts_files_as_they_are_written_here_lead_past_nothing_and_each_change_is_named() {
        let home = tempfile::tempdir().unwrap();
        let runtime = runtime(home.path().to_owned());
        assert_eq!(ids(&runtime.containerd()), ["no-default"]);
        let files = runtime.containerd_files();
        write(&files);
        assert_eq!(runtime.containerd(), []);
        let host = format!("[host.\"{PROXY}\"]");
        for (text, expected) in [
            (format!("{host}\n"), vec!["server"]),
            (format!("server = \"https://registry-1.docker.io\"\n{host}\n"), vec!["server"]),
            (format!("server = \"https://127.0.0.1:5720\"\n{host}\n"), vec!["server"]),
            (format!("server = \"{PROXY}\"\n"), vec!["no-host"]),
            (format!("server = \"{PROXY}\"\n{host}\n[host.\"https://mirror.example\"]\n"), vec!["other-host"]),
            (format!("server = \"{PROXY}\"\n{host}\nskip_verify = true\n"), vec!["certificate-not-verified"]),
            (String::new(), vec!["server", "no-host"]),
            ("server = ".to_owned(), vec!["not-read"]),
            // Not every containerd takes these for what they mean.
            (format!("Server = \"{PROXY}\"\n{host}\n"), vec!["server"]),
            (format!("server = \"{PROXY}\"\n{}\n", host.replace("host", "Host")), vec!["no-host"]),
            (format!("server = \"{PROXY}\"\n{host}\nSkip_Verify = true\n"), vec!["certificate-not-verified"]),
            (format!("server = \"{PROXY}\"\nServer = \"https://registry-1.docker.io\"\n{host}\n"), vec!["not-read"]),
            (format!("server = \"{PROXY}\"\n{host}\n[Host.\"https://mirror.example\"]\n"), vec!["not-read"]),
        ] {
            fs::write(&files[0].path, &text).unwrap();
            assert_eq!(ids(&runtime.containerd()), expected, "{text}");
        }
        fs::remove_file(&files[0].path).unwrap();
        assert_eq!(ids(&runtime.containerd()), ["no-hosts-file"]);
        // Without a folder `_default` counts, which is right.
        fs::remove_dir(files[0].path.parent().unwrap()).unwrap();
        assert_eq!(runtime.containerd(), []);
    }

    // [V-315]
    #[test]
    fn registries_conf_as_it_is_written_here_leads_past_nothing_and_each_change_is_named() {
        let home = tempfile::tempdir().unwrap();
        let runtime = runtime(home.path().join("registries.conf"));
        assert_eq!(ids(&runtime.containers()), ["no-registry"; 2]);
        let files = runtime.containers_files();
        write(&files);
        assert_eq!(runtime.containers(), []);
        let entry = |more: &str| format!("[[registry]]\n{more}\n");
        let right = "location = \"127.0.0.1:5720/docker.io\"\ninsecure = true";
        for (text, expected) in [
            (
                entry("prefix = \"docker.io/library\"\nlocation = \"docker.io/library\"\ninsecure = true"),
                vec!["location"],
            ),
            (entry("prefix = \"docker.io/library\"\nblocked = true"), vec!["blocked"]),
            (entry("location = \"docker.io\"\ninsecure = true"), vec!["location"]),
            (
                entry(&format!("prefix = \"docker.io\"\n{right}\n[[registry.mirror]]\nlocation = \"m.example\"")),
                vec!["mirror"],
            ),
            (entry("prefix = \"docker.io\"\nlocation = \"127.0.0.1:5720/docker.io\""), vec!["not-plain"]),
            (entry("prefix = \"*.io\"\ninsecure = true"), vec!["location"]),
            ("registry = 1\n[".to_owned(), vec!["not-read"]),
            ("[[Registry]]\nLocation = \"docker.io\"\nInsecure = true\n".to_owned(), vec!["location"]),
            (entry(&format!("prefix = \"docker.io\"\nPrefix = \"r.example\"\n{right}")), vec!["not-read"]),
        ] {
            // It is read after ours.
            fs::write(drop_ins(&runtime.settings).join("more.conf"), &text).unwrap();
            assert_eq!(ids(&runtime.containers()), expected, "{text}");
        }
        let encrypted = ProxiedRuntime { proxy: "https://proxy.example".parse().unwrap(), ..runtime };
        assert!(!encrypted.containers_files()[0].content.contains("insecure"));
        assert!(ids(&encrypted.containers()).contains(&"certificate-not-verified"));
    }
}
