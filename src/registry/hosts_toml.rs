//! containerd's `hosts.toml`: at which places a registry is really reached (containerd, docs/hosts.md).

use super::{Fault, tls};
use crate::limits::SETTINGS_BYTES;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};
use toml::Spanned;
use url::Url;

/// A place that answers for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Scheme, host and port.
    pub(super) home: Url,
    /// What stands before the repository in its addresses, without slashes around it: `v2`, `v2/mirror`.
    pub(super) base: String,
    /// Whether it may be asked what tags and lists hold (`resolve`).
    pub(super) resolves: bool,
    /// Whether it may be asked for what is named by digest (`pull`).
    pub(super) pulls: bool,
    /// Its TLS material.
    pub(super) tls: HostTls,
    /// What is sent to it alone, also to ask it for a token.
    pub(super) headers: HeaderMap,
}

/// TLS material of one place, beside what holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostTls {
    /// PEM files of certificate authorities.
    pub(super) authorities: Vec<PathBuf>,
    /// PEM files of a client certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Deserialize)]
struct HostsFile {
    server: Option<String>,
    #[serde(default)]
    host: BTreeMap<Spanned<String>, Entry>,
    #[serde(flatten)]
    own: Entry,
}

/// What is said of one place. Members that are not followed are passed over: `dial_timeout`, and `skip_verify`, so that a
/// place whose certificate nobody vouches for fails.
#[derive(Debug, Default, Deserialize)]
struct Entry {
    capabilities: Option<Vec<String>>,
    ca: Option<OneOrMany<PathBuf>>,
    client: Option<Clients>,
    #[serde(default)]
    header: BTreeMap<String, OneOrMany<String>>,
    #[serde(default)]
    override_path: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Clients {
    File(PathBuf),
    Files(Vec<PathBuf>),
    Pairs(Vec<(PathBuf, PathBuf)>),
}

/// The places of a registry in the order in which they are asked; none if no `hosts.toml` speaks of it. As containerd
/// does, the first folder that has one for the host, or a `_default`, is the one that counts.
///
/// # Errors
/// A file that can't be read or decoded, a place that is no http address.
pub(super) fn places(folders: &[PathBuf], host: &str) -> Result<Vec<Place>, Fault> {
    let with_port = host.rsplit_once(':').map(|(name, port)| format!("{name}_{port}_"));
    let names = [with_port.as_deref(), Some(host), Some("_default")];
    let candidates = folders.iter().flat_map(|root| names.into_iter().flatten().map(|name| root.join(name)));
    let Some(folder) = candidates.into_iter().find(|folder| folder.is_dir()) else { return Ok(Vec::new()) };
    let path = folder.join("hosts.toml");
    match read(&path)? {
        Some(text) => decode(&text, &path, host),
        None => Ok(Vec::new()),
    }
}

fn read(path: &Path) -> Result<Option<String>, Fault> {
    let io = |source| Fault::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    let mut text = String::new();
    file.take(SETTINGS_BYTES).read_to_string(&mut text).map_err(io)?;
    Ok(Some(text))
}

fn decode(text: &str, path: &Path, host: &str) -> Result<Vec<Place>, Fault> {
    let unusable = |message: String| Fault::Setting { path: path.display().to_string(), message };
    let file: HostsFile = toml::from_str(text).map_err(|error| unusable(place_of(&error, text)))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut hosts: Vec<_> = file.host.iter().collect();
    // The order of the file is the order of asking.
    hosts.sort_by_key(|(name, _)| name.span().start);
    let mut places = Vec::new();
    for (name, entry) in hosts {
        places.push(entry.place(name.get_ref(), folder).map_err(unusable)?);
    }
    let own = if host == "docker.io" { "registry-1.docker.io" } else { host };
    let server = match &file.server {
        Some(server) => file.own.place(server, folder),
        None => {
            let https = format!("https://{own}");
            let place = file.own.place(&https, folder);
            // On this machine plain http is what is meant, unless there is something to speak TLS with.
            let plain = |place: &Place| tls::is_loopback(&place.home) && place.tls == HostTls::default();
            if place.as_ref().is_ok_and(plain) { file.own.place(&format!("http://{own}"), folder) } else { place }
        }
    };
    places.push(server.map_err(unusable)?);
    Ok(places)
}

/// Where a file can't be read; not what stands there, which may be a header's secret.
fn place_of(error: &toml::de::Error, text: &str) -> String {
    // What is empty, or has several lines, is all of a table: it may stand anywhere in it.
    let span =
        error.span().filter(|span| text.get(span.clone()).is_some_and(|part| !part.is_empty() && !part.contains('\n')));
    let before = span.and_then(|span| text.get(..span.start));
    let line = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1)).unwrap_or_default();
    format!("{line}not as containerd's hosts.toml is written")
}

impl Entry {
    fn place(&self, address: &str, folder: &Path) -> Result<Place, String> {
        let full = if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
        let url = Url::parse(&full).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| format!("{address:?} is no http or https address"))?;
        let path = url.path().trim_matches('/');
        let base = match path {
            _ if self.override_path => path.to_owned(),
            "" => "v2".to_owned(),
            path if path == "v2" || path.ends_with("/v2") => path.to_owned(),
            path => format!("{path}/v2"),
        };
        let home = url.join("/").map_err(|error| error.to_string())?;
        let may = |capability: &str| {
            self.capabilities.as_ref().is_none_or(|all| all.is_empty() || all.iter().any(|one| one == capability))
        };
        let (tls, headers) = (self.tls(folder), self.headers()?);
        Ok(Place { home, base, resolves: may("resolve"), pulls: may("pull"), tls, headers })
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, values) in &self.header {
            let key: HeaderName = name.parse().map_err(|_| format!("{name:?} is no header's name"))?;
            for value in values.all() {
                let mut value = HeaderValue::from_str(value).map_err(|_| format!("no value of a header: {name}"))?;
                value.set_sensitive(true);
                headers.append(&key, value);
            }
        }
        Ok(headers)
    }

    fn tls(&self, folder: &Path) -> HostTls {
        let authorities = self.ca.iter().flat_map(OneOrMany::all).map(|path| folder.join(path)).collect();
        let together = |path: &PathBuf| (folder.join(path), folder.join(path));
        let identity = match &self.client {
            None => None,
            Some(Clients::File(path)) => Some(together(path)),
            Some(Clients::Files(paths)) => paths.first().map(together),
            Some(Clients::Pairs(pairs)) => {
                pairs.first().map(|(certificate, key)| (folder.join(certificate), folder.join(key)))
            }
        };
        HostTls { authorities, identity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, host: &str) -> Vec<String> {
        let places = decode(text, Path::new("/certs/hosts.toml"), host).unwrap();
        let one = |place: &Place| {
            let may = match (place.resolves, place.pulls) {
                (true, true) => "all",
                (false, true) => "pull",
                _ => "none",
            };
            format!("{}{} {may}", place.home, place.base)
        };
        places.iter().map(one).collect()
    }

    #[test]
    fn places_are_asked_as_containerd_asks_them() {
        let text = r#"
server = "https://upstream.example"
[host."http://z.example:5000"]
  capabilities = ["pull"]
[host."https://a.example/team"]
[host."https://harbor.example/v2/proxy"]
  override_path = true
[host."b.example/v2"]
  skip_verify = true
  dial_timeout = "1s"
  [host."b.example/v2".header]
    x-custom = "1"
"#;
        let expected = [
            "http://z.example:5000/v2 pull",
            "https://a.example/team/v2 all",
            "https://harbor.example/v2/proxy all",
            "https://b.example/v2 all",
            "https://upstream.example/v2 all",
        ];
        assert_eq!(shown(text, "registry.example"), expected);
        assert_eq!(shown("", "docker.io"), ["https://registry-1.docker.io/v2 all"]);
        assert_eq!(shown("", "127.0.0.1:5000"), ["http://127.0.0.1:5000/v2 all"]);
        assert_eq!(shown("ca = \"a.crt\"", "127.0.0.1:5000"), ["https://127.0.0.1:5000/v2 all"]);
    }

    #[test]
    fn headers_are_a_place_s_own() {
        let text = "[host.\"https://a\".header]\nx-one = \"1\"\nx-two = [\"s3cret\", \"3\"]\n[host.\"https://b\"]\n";
        let places = decode(text, Path::new("/certs/hosts.toml"), "registry.example").unwrap();
        let shown = |place: &Place| {
            let one = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
            place.headers.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(shown(&places[0]), ["x-one: 1", "x-two: s3cret", "x-two: 3"]);
        assert!(shown(&places[1]).is_empty() && !format!("{places:?}").contains("s3cret"), "nothing of it is shown");
        // What is wrong is told without what stands there: it may be a secret.
        for (text, line) in [("\nheader = \"s3cret\"\n", ""), ("\na = s3cret", "line 2: ")] {
            let error = decode(text, Path::new("/certs/hosts.toml"), "r.example").unwrap_err().to_string();
            assert!(error.contains(&format!("{line}not as")) && !error.contains("s3cret"), "{error}");
        }
        for bad in ["\"a b\" = \"1\"", "a = \"\\n\"", "a = 1"] {
            assert!(decode(&format!("[header]\n{bad}"), Path::new("/certs/hosts.toml"), "r.example").is_err(), "{bad}");
        }
    }

    #[test]
    fn material_lies_beside_the_file() {
        let text = "[host.\"https://a\"]\nca = [\"a.crt\", \"/b.crt\"]\nclient = [[\"c.cert\", \"c.key\"]]\n";
        let places = decode(text, Path::new("/certs/hosts.toml"), "registry.example").unwrap();
        let authorities = vec![PathBuf::from("/certs/a.crt"), PathBuf::from("/b.crt")];
        let identity = Some((PathBuf::from("/certs/c.cert"), PathBuf::from("/certs/c.key")));
        assert_eq!(places[0].tls, HostTls { authorities, identity });
    }

    #[test]
    fn the_first_folder_that_knows_the_host_counts() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("1"), home.path().join("2"));
        let folders = [first.clone(), second.clone()];
        assert_eq!(places(&folders, "r.example:5000").unwrap(), []);
        let write = |root: &Path, name: &str, server: &str| {
            std::fs::create_dir_all(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("hosts.toml"), format!("server = \"https://{server}\"")).unwrap();
        };
        write(&second, "r.example:5000", "two");
        assert_eq!(places(&folders, "r.example:5000").unwrap()[0].home.host_str(), Some("two"));
        write(&first, "_default", "default");
        write(&first, "r.example_5000_", "underscored");
        assert_eq!(places(&folders, "r.example:5000").unwrap()[0].home.host_str(), Some("underscored"));
        assert_eq!(places(&folders, "other.example").unwrap()[0].home.host_str(), Some("default"));
        std::fs::write(first.join("_default/hosts.toml"), "host = 1").unwrap();
        assert!(places(&folders, "other.example").is_err());
    }
}
