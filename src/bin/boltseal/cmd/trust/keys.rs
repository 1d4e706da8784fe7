//! The key files that a run names: each is opened once, and its password asked for once.

use crate::{
    args::PasswordArgs,
    exit::Failure,
    output::Output,
    settings::{self, key_source, unwarned},
};
use boltseal::{
    crypto::{Fingerprint, PrivateKey, PublicKey},
    sign::{LocalSigner, Signer},
    store::{KeyFile, load_key_file, load_private_key, load_public_key},
};
use std::collections::BTreeMap;

/// Where docker's users have their passwords.
const DOCKER_PASSWORDS: [&str; 2] =
    ["DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE"];

pub struct Keys<'o> {
    password: &'o PasswordArgs,
    output: &'o Output,
    opened: BTreeMap<String, PublicKey>,
    signers: BTreeMap<Fingerprint, Box<dyn Signer>>,
}

impl<'o> Keys<'o> {
    pub fn new(password: &'o PasswordArgs, output: &'o Output) -> Self {
        Self { password, output, opened: BTreeMap::new(), signers: BTreeMap::new() }
    }

    /// A private key, which signs from now on.
    pub fn open_private(&mut self, name: &str) -> Result<PublicKey, Failure> {
        if let Some(key) = self.opened.get(name) {
            return Ok(key.clone());
        }
        let key = self.load(name)?;
        let public = key.public().clone();
        self.opened.insert(name.to_owned(), public.clone());
        self.signers.insert(public.fingerprint(), Box::new(LocalSigner::new(key)));
        Ok(public)
    }

    /// A key of either kind; a private one signs from now on.
    pub fn open(&mut self, name: &str) -> Result<PublicKey, Failure> {
        match load_key_file(&key_source(name)?)? {
            KeyFile::Public(key) => Ok(key),
            KeyFile::Private(_) | KeyFile::Encrypted => self.open_private(name),
        }
    }

    pub fn open_all<'n>(&mut self, names: impl IntoIterator<Item = &'n String>) -> Result<Vec<PublicKey>, Failure> {
        names.into_iter().map(|name| self.open(name)).collect()
    }

    /// Those that sign.
    pub fn signers(self) -> Vec<Box<dyn Signer>> {
        self.signers.into_values().collect()
    }

    fn load(&self, name: &str) -> Result<PrivateKey, Failure> {
        let own = self.password.password_file.is_some() || settings::has_environment_password();
        for variable in DOCKER_PASSWORDS.iter().filter(|_| !own) {
            let Some(password) = settings::environment_password(&[variable]) else { continue };
            let mut once = || Ok(password.clone());
            // One that does not fit is the other kind of key's.
            let loaded = load_private_key(&key_source(name)?, &mut once, self.password.insecure_key_permissions);
            if let Ok(loaded) = loaded {
                return Ok(unwarned(loaded, self.output));
            }
        }
        settings::private_key(name, self.password, self.output)
    }
}

/// A key by its fingerprint, or by a file with its public half.
pub fn fingerprint(text: &str) -> Result<Fingerprint, Failure> {
    if let Ok(fingerprint) = text.parse() {
        return Ok(fingerprint);
    }
    let source = key_source(text)?;
    match load_key_file(&source)? {
        KeyFile::Public(key) | KeyFile::Private(key) => Ok(key.fingerprint()),
        KeyFile::Encrypted => Ok(load_public_key(&source)?.fingerprint()),
    }
}
