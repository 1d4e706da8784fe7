//! Who signs: out of flags, the environment, and who is at the terminal.

use super::{set, signer, user_folder};
use crate::{
    args::{KeylessArgs, LoginArg, PasswordArgs, SigningKeyArgs},
    exit::Failure,
    output::{Output, printable},
};
use boltseal::{
    ops::{Identity, Signatory},
    sign::{
        LocalSigner,
        keyless::{Announced, Keyless, LogMode, Login, Prompt, Services, TokenEnvironment, TokenSource},
    },
    store::UnfinishedStore,
    trust::TrustedRoot,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    env,
    io::{self, IsTerminal as _},
    path::{MAIN_SEPARATOR, Path},
    process::{Command, Stdio},
    sync::Arc,
};

/// Who signs.
pub enum By {
    Key(Arc<LocalSigner>),
    Identity(Box<Identity>),
}

impl By {
    pub fn signatory(&self) -> Signatory<'_> {
        match self {
            Self::Key(signer) => Signatory::Key(&**signer),
            Self::Identity(identity) => Signatory::Identity(identity),
        }
    }

    /// Tells whoever was shown another name than the certificate has.
    pub fn tell_difference(&self, output: &Output) {
        let Self::Identity(identity) = self else { return };
        let shown = (identity.announced.issuer.as_str(), identity.announced.subject.as_str());
        if let Some((issuer, subject)) = identity.named().filter(|named| *named != shown) {
            let (issuer, subject) = (printable(issuer), printable(subject));
            output.warn(format_args!("the certificate names {subject}, by {issuer}: that is who has signed"));
        }
    }

    /// The members `key` and `identity` of what is written as JSON, of which one is null.
    pub fn to_json(&self) -> (Value, Value) {
        match self {
            Self::Key(signer) => {
                use boltseal::sign::Signer as _;
                (Value::from(signer.public_key().fingerprint().to_string()), Value::Null)
            }
            Self::Identity(identity) => {
                let Announced { issuer, subject, .. } = &identity.announced;
                let (issuer, subject) = identity.named().unwrap_or((issuer, subject));
                let certificates = identity.keyless.certificates();
                (Value::Null, json!({ "issuer": issuer, "subject": subject, "certificates": certificates }))
            }
        }
    }
}

/// Who signs: the key, if one is named; else the identity that is named, or that the machine has, or that logs in.
///
/// Of an identity is shown what becomes public, before anything is sent; it is asked whether that is meant.
pub async fn by(
    key: Option<&str>,
    password: &PasswordArgs,
    keyless: &KeylessArgs,
    output: &Output,
) -> Result<By, Failure> {
    if let Some(key) = key {
        let args = SigningKeyArgs { key: key.to_owned(), password: password.clone() };
        return Ok(By::Key(Arc::new(signer(&args, output)?)));
    }
    let ambient = || TokenSource::detect(&TokenEnvironment::from_process());
    let source = match keyless.identity_token.as_deref().map(TokenSource::named).or_else(ambient) {
        Some(source) => source,
        None if !keyless.keyless => {
            return Err(Failure::usage(
                "no key and no identity: name a key with --key (--vsa-key beside --attest-vsa), or say --keyless (--vsa-keyless) to \
                 sign as yourself",
            ));
        }
        None if io::stdin().is_terminal() => TokenSource::Login(login(keyless)),
        None => {
            return Err(Failure::supplied(format!(
                "no identity: nobody is at a terminal to log in, and there is none in {}",
                TokenSource::PLACES
            )));
        }
    };
    let (services, root) = services(keyless)?;
    let keyless = Keyless::new(services, source, keyless.log.into())?;
    let announced = keyless.announce().await?;
    output.propose(proposal(&announced, keyless.log_mode()));
    if !output.confirm(&format!("Sign as {}?", printable(&announced.subject))).await? {
        return Err(Failure::usage("nothing was signed, and nothing was sent"));
    }
    Ok(By::Identity(Box::new(Identity::new(keyless, announced, Arc::new(root), unfinished()))))
}

/// The services and the trusted root that verifies what they answer. Of an instance with a name (`boltseal root`) both are known;
/// of files both are named.
fn services(args: &KeylessArgs) -> Result<(Services, TrustedRoot), Failure> {
    const PUBLIC: &str = "public-good";
    let is_file = |text: &str| text.contains(['.', MAIN_SEPARATOR]);
    let missing = |what, hint| Failure { hint: Some(hint), ..Failure::supplied(format!("no {what} is named")) };
    let (config, root) = match (args.signing_config.as_deref(), args.trusted_root.as_deref()) {
        (None, None) => (PUBLIC, PUBLIC),
        (Some(config), Some(root)) => (config, root),
        (Some(name), None) | (None, Some(name)) if !is_file(name) => (name, name),
        (Some(_), None) => {
            let hint = "--trusted-root: what the services of the signing configuration answer is verified by it";
            return Err(missing("trusted root", hint));
        }
        (None, Some(_)) => {
            let hint = "--signing-config: the services whose answers the trusted root verifies";
            return Err(missing("signing configuration", hint));
        }
    };
    let (roots, now) = (super::roots(), Timestamp::now());
    let services = if is_file(config) {
        Services::load(Path::new(config), now)?
    } else {
        match roots.signing_config(config)? {
            Some(bytes) => Services::decode(config, &bytes, now)?,
            None if config == PUBLIC => Services::public_good(now)?,
            None => {
                let hint = "--signing-config FILE; `boltseal root update` fetches it where the instance publishes one";
                return Err(missing("signing configuration", hint));
            }
        }
    };
    Ok((services, roots.load(root)?))
}

/// What becomes public.
fn proposal(announced: &Announced, log: LogMode) -> String {
    let mut text = format!("Signing as {}\n", printable(&announced.subject));
    let details = announced.details.iter().map(|(name, value)| (*name, value));
    for (name, value) in [("issuer", &announced.issuer)].into_iter().chain(details) {
        text.push_str(&format!("  {name:<22} {}\n", printable(value)));
    }
    text.push_str("This becomes public for good: it stands in a certificate, which certificate transparency logs");
    text.push_str(match log {
        LogMode::None => " show to everybody.",
        _ => " show to everybody,\nas a transparency log shows that it signed these digests, and when.",
    });
    text
}

fn login(args: &KeylessArgs) -> Login {
    let tell = |prompt: Prompt<'_>| match prompt {
        Prompt::Browser(url) => {
            eprintln!("Log in at:\n  {}", printable(url));
            open(url);
        }
        Prompt::Device(url, code) => {
            eprintln!("Log in at, on any machine:\n  {}\nwith the code {}", printable(url), printable(code));
        }
    };
    Login { device: args.login == LoginArg::Device, client: args.oidc_client_id.clone(), tell: Arc::new(tell) }
}

/// Shows an address in the user's browser, if there is one; it was printed, too.
fn open(url: &str) {
    let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = env::var_os("BROWSER").filter(|program| !program.is_empty()).unwrap_or_else(|| usual.into());
    let _ = Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// Where signatures wait whose witnesses are missing; nowhere where nobody has a home.
fn unfinished() -> Option<UnfinishedStore> {
    // No registry's folder is called like this: `@` is encoded in their names.
    let named = set("BOLTSEAL_STATE").map(|state| state.join("@unfinished"));
    let folder = || Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("boltseal/unfinished"));
    named.or_else(folder).map(UnfinishedStore::at)
}
