//! Where identity tokens come from: what the CI system or the machine offers, in the order that is documented
//! (docs/keyless-signing.md), or somebody who logs in.

use super::{
    AUDIENCE, IdentityToken, KeylessError, Services,
    http::{Ask, Http},
    login::{self, Login},
    spiffe,
};
use crate::limits::{HELPER_TIMEOUT, ID_TOKEN_BYTES};
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;
use std::{
    env,
    ffi::OsString,
    fmt,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::Stdio,
};
use url::Url;
use zeroize::Zeroizing;

/// Where an operator may have put a token for every process of a machine (cosign's `filesystem` provider).
const WELL_KNOWN: &str = "/var/run/sigstore/cosign/oidc-token";
const PRODUCT_NAME: &str = "/sys/class/dmi/id/product_name";
const METADATA_HOST: &str = "metadata.google.internal";

/// What of the process's environment says that there is an identity. The default is an empty one.
#[derive(Clone, Default)]
pub struct TokenEnvironment {
    /// `SIGSTORE_ID_TOKEN`: a token, as GitLab's `id_tokens` sets it.
    pub token: Option<Zeroizing<String>>,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`: GitHub Actions with `id-token: write`.
    pub github: Option<(String, Zeroizing<String>)>,
    /// The metadata server's host: `GCE_METADATA_HOST`, or its usual one where the hardware says that it is Google's.
    pub google: Option<String>,
    /// `BUILDKITE_AGENT_ACCESS_TOKEN` is set: `buildkite-agent` answers.
    pub buildkite: bool,
    /// `SPIFFE_ENDPOINT_SOCKET`: the workload API's socket.
    pub spiffe: Option<PathBuf>,
    /// The token file at its well-known place, if it is there.
    pub file: Option<PathBuf>,
    /// `PATH`: where `buildkite-agent` is looked for; `None` leaves it to the operating system.
    pub path: Option<OsString>,
}

/// Where a token comes from.
#[derive(Clone)]
pub enum TokenSource {
    /// It was given.
    Given {
        /// How, for errors.
        origin: String,
        /// The token.
        text: Zeroizing<String>,
    },
    /// A file, which may be written anew.
    File(PathBuf),
    /// GitHub Actions' token service: its address and what it asks for.
    GitHub(String, Zeroizing<String>),
    /// Google's metadata server.
    Google(String),
    /// Buildkite's agent, looked for here.
    Buildkite(Option<OsString>),
    /// The SPIFFE workload API's socket.
    Spiffe(PathBuf),
    /// Somebody logs in.
    Login(Login),
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenSource").field(&self.name()).finish()
    }
}

impl TokenEnvironment {
    /// What the process's environment, the hardware's name and the well-known file say.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let product = || read(Path::new(PRODUCT_NAME)).ok();
        // Google's own libraries' word for "don't look".
        let looks = !text("NO_GCE_CHECK").is_some_and(|no| no.eq_ignore_ascii_case("true"));
        let is_google =
            || looks && product().is_some_and(|name| ["Google", "Google Compute Engine"].contains(&name.trim()));
        let google = text("GCE_METADATA_HOST").or_else(|| is_google().then(|| METADATA_HOST.to_owned()));
        let github =
            text("ACTIONS_ID_TOKEN_REQUEST_URL").zip(text("ACTIONS_ID_TOKEN_REQUEST_TOKEN").map(Zeroizing::new));
        let socket = text("SPIFFE_ENDPOINT_SOCKET");
        Self {
            token: text("SIGSTORE_ID_TOKEN").map(Zeroizing::new),
            github,
            google,
            buildkite: text("BUILDKITE_AGENT_ACCESS_TOKEN").is_some(),
            spiffe: socket.map(|socket| PathBuf::from(socket.strip_prefix("unix://").unwrap_or(&socket))),
            file: Some(PathBuf::from(WELL_KNOWN)).filter(|path| path.exists()),
            path: None,
        }
    }
}

impl TokenSource {
    /// What was looked for, for whoever has no identity.
    pub const PLACES: &'static str = "SIGSTORE_ID_TOKEN, GitHub Actions (`id-token: write`), Google's metadata server, a Buildkite agent, SPIFFE_ENDPOINT_SOCKET, /var/run/sigstore/cosign/oidc-token";

    /// The identity of the machine that this runs on, if it has one: the first in the order of [`TokenSource::PLACES`].
    #[must_use]
    pub fn detect(environment: &TokenEnvironment) -> Option<Self> {
        let TokenEnvironment { token, github, google, buildkite, spiffe, file, path } = environment.clone();
        let given = token.map(|text| Self::Given { origin: "SIGSTORE_ID_TOKEN".to_owned(), text });
        given
            .or_else(|| github.map(|(url, token)| Self::GitHub(url, token)))
            .or_else(|| google.map(Self::Google))
            .or_else(|| buildkite.then_some(Self::Buildkite(path)))
            .or_else(|| spiffe.map(Self::Spiffe))
            .or_else(|| file.map(Self::File))
    }

    /// What `--identity-token` names: a token itself, or a file with one.
    #[must_use]
    pub fn named(text: &str) -> Self {
        let is_token = text.starts_with("eyJ") && text.split('.').count() == 3 && !Path::new(text).exists();
        if is_token {
            let text = Zeroizing::new(text.to_owned());
            return Self::Given { origin: "--identity-token".to_owned(), text };
        }
        Self::File(PathBuf::from(text))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Given { origin, .. } => origin,
            Self::File(path) => path.to_str().unwrap_or("a file"),
            Self::GitHub(..) => "GitHub Actions",
            Self::Google(_) => "Google's metadata server",
            Self::Buildkite(_) => "the Buildkite agent",
            Self::Spiffe(_) => "the SPIFFE workload API",
            Self::Login(_) => "the login",
        }
    }

    /// Whom its tokens have to be for: whoever logs in does so for what the identity provider knows this program as.
    pub(super) fn audience(&self) -> &str {
        match self {
            Self::Login(login) => &login.client,
            _ => AUDIENCE,
        }
    }

    /// Has the source give a token for an audience.
    ///
    /// # Errors
    /// It has none, or it is none. One source that fails is not replaced by another: that would be somebody else.
    pub(super) async fn fetch(
        &self,
        http: &Http,
        audience: &str,
        services: &Services,
    ) -> Result<IdentityToken, KeylessError> {
        let text = match self {
            Self::Given { text, .. } => text.clone(),
            Self::File(path) => read(path)?,
            Self::GitHub(url, token) => github(http, url, token, audience).await?,
            Self::Google(host) => google(http, host, audience).await?,
            Self::Buildkite(path) => buildkite(path.as_ref(), audience).await?,
            Self::Spiffe(socket) => spiffe::fetch(socket, audience).await?,
            Self::Login(login) => login::log_in(http, login, services.issuer()?).await?,
        };
        IdentityToken::parse(self.name(), &text)
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeylessError> {
    let io = |source| KeylessError::Io { path: path.to_owned(), source };
    let mut text = Zeroizing::new(String::with_capacity(8 << 10));
    File::open(path).map_err(io)?.take(ID_TOKEN_BYTES + 1).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

/// <https://docs.github.com/en/actions/reference/security/oidc>, "Methods for requesting the OIDC token".
async fn github(http: &Http, url: &str, bearer: &str, audience: &str) -> Result<Zeroizing<String>, KeylessError> {
    const NAME: &str = "GitHub Actions' token service";
    let mut url = Url::parse(url).map_err(|_| provider(NAME, "ACTIONS_ID_TOKEN_REQUEST_URL is no address"))?;
    url.query_pairs_mut().append_pair("audience", audience);
    let mut bearer = HeaderValue::from_str(&format!("bearer {bearer}"))
        .map_err(|_| provider(NAME, "ACTIONS_ID_TOKEN_REQUEST_TOKEN is no token"))?;
    bearer.set_sensitive(true);
    let mut ask = Ask::get(NAME, url.as_str());
    ask.headers.push((header::AUTHORIZATION, bearer));
    let answer = http.ask(&ask).await?;
    let value: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match value.as_ref().and_then(|value| value.get("value")?.as_str()) {
        Some(token) => Ok(Zeroizing::new(token.to_owned())),
        None => Err(provider(NAME, "its answer holds none")),
    }
}

/// <https://cloud.google.com/compute/docs/instances/verifying-instance-identity>.
async fn google(http: &Http, host: &str, audience: &str) -> Result<Zeroizing<String>, KeylessError> {
    const NAME: &str = "Google's metadata server";
    let mut url = Url::parse(&format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/identity"))
        .map_err(|_| provider(NAME, "GCE_METADATA_HOST is no host"))?;
    url.query_pairs_mut().append_pair("audience", audience).append_pair("format", "full");
    let mut ask = Ask::get(NAME, url.as_str());
    ask.headers.push((HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google")));
    let answer = http.ask(&ask).await?;
    text(NAME, &answer.body)
}

/// `buildkite-agent oidc request-token` (<https://buildkite.com/docs/agent/v3/cli-oidc>).
async fn buildkite(path: Option<&OsString>, audience: &str) -> Result<Zeroizing<String>, KeylessError> {
    const NAME: &str = "the Buildkite agent";
    let mut command = tokio::process::Command::new("buildkite-agent");
    command.args(["oidc", "request-token", "--audience", audience]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let run = tokio::time::timeout(HELPER_TIMEOUT, command.output()).await;
    let output = run
        .map_err(|_| provider(NAME, &format!("no answer within {HELPER_TIMEOUT:?}")))?
        .map_err(|error| provider(NAME, &format!("buildkite-agent: {error}")))?;
    let answer = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(provider(NAME, &format!("buildkite-agent ended with {}", output.status)));
    }
    text(NAME, &answer)
}

fn text(name: &'static str, answer: &[u8]) -> Result<Zeroizing<String>, KeylessError> {
    let text = std::str::from_utf8(answer).map_err(|_| provider(name, "its answer is no text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

pub(super) fn provider(provider: &'static str, why: &str) -> KeylessError {
    KeylessError::Provider { provider, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> TokenEnvironment {
        TokenEnvironment {
            token: Some(Zeroizing::new("t".to_owned())),
            github: Some(("http://127.0.0.1/".to_owned(), Zeroizing::new("b".to_owned()))),
            google: Some("127.0.0.1".to_owned()),
            buildkite: true,
            spiffe: Some(PathBuf::from("/run/spire.sock")),
            file: Some(PathBuf::from("/run/token")),
            path: None,
        }
    }

    // [V-144]
    #[test]
    fn of_several_identities_the_first_in_the_documented_order_is_used() {
        type Take = fn(&mut TokenEnvironment);
        let takes: [(&str, Take); 6] = [
            ("SIGSTORE_ID_TOKEN", |all| all.token = None),
            ("GitHub Actions", |all| all.github = None),
            ("Google's metadata server", |all| all.google = None),
            ("the Buildkite agent", |all| all.buildkite = false),
            ("the SPIFFE workload API", |all| all.spiffe = None),
            ("/run/token", |all| all.file = None),
        ];
        let mut left = full();
        for (name, take) in takes {
            assert_eq!(TokenSource::detect(&left).map(|source| source.name().to_owned()).as_deref(), Some(name));
            take(&mut left);
        }
        assert!(TokenSource::detect(&left).is_none());
    }

    #[test]
    fn a_token_on_the_command_line_is_told_from_a_file() {
        assert!(matches!(TokenSource::named("eyJh.eyJp.c2ln"), TokenSource::Given { .. }));
        for file in ["token.jwt", "eyJ.json", "/run/a.b.c"] {
            assert!(matches!(TokenSource::named(file), TokenSource::File(_)), "{file}");
        }
        assert!(!format!("{:?}", TokenSource::named("eyJh.eyJp.c2ln")).contains("eyJ"));
    }
}
