//! What a run works with, out of flags, environment and files: connections, keys, the policy, what is remembered.

mod certificate;
mod keyless;
mod roots;
mod trust;

pub use certificate::{certificate_pattern, trusted_root};
pub use keyless::{By, by};
pub use roots::{root_variables, roots};
pub use trust::{known, lock_if_there, lock_path, memory, named_lock, trust_reader};

use crate::{
    args::{IdentityRule, JudgeArgs, PasswordArgs, RegistryArgs, SigningKeyArgs},
    exit::Failure,
    output::Output,
};
use boltseal::{
    crypto::{
        KeyAlgorithm, PrivateKey,
        keyfile::{Password, PasswordError},
    },
    oci::{Digest, Reference, Repository},
    ops::{
        audit::record::Record,
        decisions::DecisionLog,
        isolated::Isolated,
        policy_file::{self, PolicyFile, PolicyFileError},
        provenance::{Chain, Verdict},
        verify::Verification,
    },
    policy::{Flags, IdentityRule as Rule, Policy},
    registry::{Environment, EvidenceCache, Options, Session},
    rego::Runner,
    sign::LocalSigner,
    store::{KeySource, LoadedKey, load_private_key, load_public_key, write_atomic},
    trust::tuf::{TrustLock, TrustRefusal},
    verify::SignedReference,
};
use std::{
    collections::BTreeMap,
    env,
    io::{IsTerminal as _, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

pub fn session(args: &RegistryArgs) -> Result<Session, Failure> {
    session_with(args, None)
}

/// A session that keeps evidence between runs, if it is given a place.
pub fn session_with(args: &RegistryArgs, evidence: Option<Arc<EvidenceCache>>) -> Result<Session, Failure> {
    let options = Options {
        evidence,
        insecure_http: args.insecure_http,
        registry_ca: args.registry_ca.clone(),
        client_certificate: args.registry_client_cert.clone().zip(args.registry_client_key.clone()),
        environment: Environment::from_process(),
        ..Options::default()
    };
    Ok(Session::new(options)?)
}

/// Where evidence is kept between runs; nowhere where nobody has a home. A place that can't be used is only told: it would
/// have saved requests, no more.
pub fn evidence(wanted: bool, output: &Output) -> Option<Arc<EvidenceCache>> {
    let folder = || Some(user_folder("XDG_CACHE_HOME", ".cache")?.join("boltseal/evidence"));
    let folder = set("BOLTSEAL_CACHE").or_else(folder).filter(|_| wanted)?;
    let opened = EvidenceCache::open(&folder);
    opened
        .map_err(|error| output.warn(format_args!("no evidence is kept: {}: {error}", folder.display())))
        .ok()
        .map(Arc::new)
}

pub fn signer(args: &SigningKeyArgs, output: &Output) -> Result<LocalSigner, Failure> {
    signer_key(args, output).map(LocalSigner::new)
}

pub fn signer_key(args: &SigningKeyArgs, output: &Output) -> Result<PrivateKey, Failure> {
    private_key(&args.key, &args.password, output)
}

/// Whether cosign, podman and skopeo verify what we sign with this kind of key, with their own defaults. They hash with
/// SHA-256 whatever the curve, so not for P-384; pure Ed25519, which we write, they do read (tests/interop).
pub fn is_read_by_others(algorithm: KeyAlgorithm) -> bool {
    !matches!(algorithm, KeyAlgorithm::EcdsaP384)
}

pub fn private_key(key: &str, args: &PasswordArgs, output: &Output) -> Result<PrivateKey, Failure> {
    let source = key_source(key)?;
    let mut password = || password(args.password_file.as_deref(), &format!("Password for {key}: "));
    Ok(unwarned(load_private_key(&source, &mut password, args.insecure_key_permissions)?, output))
}

/// The key, once its holder was told what there is to tell of its file.
pub fn unwarned(loaded: LoadedKey, output: &Output) -> PrivateKey {
    if let Some(warning) = &loaded.warning {
        output.warn(warning);
    }
    loaded.key
}

pub fn key_source(text: &str) -> Result<KeySource, Failure> {
    text.parse().map_err(|error: boltseal::store::KeySourceError| Failure::usage(error.to_string()))
}

/// Where passwords are looked for before anybody is asked.
const PASSWORD_VARIABLES: [&str; 2] = ["BOLTSEAL_PASSWORD", "COSIGN_PASSWORD"];

/// The password that the first of these variables holds that is set.
pub fn environment_password(variables: &[&str]) -> Option<Password> {
    variables.iter().find_map(|variable| Some(Password::new(env::var(variable).ok()?.into_bytes())))
}

/// Whether the environment names the password of every key.
pub fn has_environment_password() -> bool {
    environment_password(&PASSWORD_VARIABLES).is_some()
}

/// A password: from a file, from the environment, or asked for without echo.
pub fn password(file: Option<&Path>, prompt: &str) -> Result<Password, PasswordError> {
    if let Some(file) = file {
        let mut text = Password::default();
        std::fs::File::open(file)
            .and_then(|open| open.take(4096).read_to_end(&mut text))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let end = text.iter().rposition(|b| *b != b'\n' && *b != b'\r').map_or(0, |at| at + 1);
        text.truncate(end);
        return Ok(text);
    }
    if let Some(password) = environment_password(&PASSWORD_VARIABLES) {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        return Err("no password: set BOLTSEAL_PASSWORD, name a --password-file, or use a terminal".into());
    }
    Ok(Password::new(rpassword::prompt_password(prompt)?.into_bytes()))
}

/// A new key's password; at a prompt it is asked for twice.
pub fn new_password(file: Option<&Path>) -> Result<Password, Failure> {
    let from_prompt = file.is_none() && !has_environment_password();
    let failed = |error: PasswordError| Failure::usage(error.to_string());
    let first = password(file, "Password for the new key: ").map_err(failed)?;
    if from_prompt && password(file, "The same again: ").map_err(failed)? != first {
        return Err(Failure::usage("the two passwords differ; nothing was written"));
    }
    Ok(first)
}

/// The policy that images are judged by, and what reports say of where it came from.
pub struct Judge {
    pub policy: Policy,
    pub file: Option<(PathBuf, Digest)>,
    /// The locks that the policy names.
    pub locks: BTreeMap<String, TrustLock>,
    /// Where decisions are recorded.
    pub log: Option<DecisionLog>,
}

/// What a verb judges by, and where it records what it decides.
pub fn judge(args: &JudgeArgs, by: &'static str, output: &Output) -> Result<Judge, Failure> {
    let mut judge = judge_by(args, output)?;
    let path = args.log.clone().or_else(|| set("BOLTSEAL_LOG"));
    judge.log = path.map(|path| DecisionLog { path, by, policy: judge.file.clone() });
    Ok(judge)
}

impl Judge {
    /// Records a decision, if that is asked for: before it is told or acted upon.
    pub fn record(&self, verification: &Verification) -> Result<(), Failure> {
        match &self.log {
            Some(log) => Ok(log.judged(verification).map(drop)?),
            None => Ok(()),
        }
    }

    /// Records what an audit found of an image, likewise.
    pub fn record_audited(&self, record: &Record) -> Result<(), Failure> {
        match (&self.log, record) {
            (Some(log), Record::Image(image)) => Ok(log.audited(image).map(drop)?),
            _ => Ok(()),
        }
    }

    /// Records what each image's scope says of it that signed provenance leads to, likewise.
    pub fn record_chain(&self, chain: &Chain) -> Result<(), Failure> {
        let Some(log) = &self.log else { return Ok(()) };
        let judged = chain.hops.iter().filter(|hop| hop.proven && hop.judged.verdict != Verdict::NotVisited);
        judged.into_iter().try_for_each(|hop| Ok(log.followed(hop).map(drop)?))
    }

    /// Records that there was nothing to judge; the failure to be told: that one, or that of the recording.
    pub fn record_unjudged(&self, reference: &Reference, refusal: Option<&TrustRefusal>, failure: Failure) -> Failure {
        let Some(log) = &self.log else { return failure };
        let word = if refusal.is_some() { "denied" } else { "could-not-tell" };
        let reasons = refusal.iter().map(|refusal| refusal.id().to_owned()).collect();
        log.unjudged(reference, word, reasons, &failure.message).map_or_else(Failure::from, |_| failure)
    }
}

fn judge_by(args: &JudgeArgs, output: &Output) -> Result<Judge, Failure> {
    let certificates = certificate::holders(&args.certificate, output)?;
    let signers = args.key.len() + usize::from(certificates.is_some());
    if signers == 0 {
        return file_policy(args.policy.clone());
    }
    if signers > 1 && args.threshold.is_none() {
        let message = format!("{signers} signers: say with --threshold how many of them have to have signed");
        return Err(Failure::usage(message));
    }
    let mut keys = Vec::new();
    for key in &args.key {
        keys.push((key.clone(), load_public_key(&key_source(key)?)?));
    }
    let identity = match args.identity {
        None | Some(IdentityRule::Any) => Rule::Any,
        Some(IdentityRule::Repository) => Rule::Repository,
        Some(IdentityRule::Tag) => Rule::Tag,
    };
    let flags = Flags {
        keys,
        certificates,
        threshold: args.threshold,
        signatures: args.predicate_types.is_empty(),
        types: args.predicate_types.clone(),
        identity,
        annotations: args.annotations.iter().cloned().collect(),
    };
    let policy = Policy::from_flags(flags).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Judge { policy, file: None, locks: BTreeMap::new(), log: None })
}

pub fn file_policy(named: Option<PathBuf>) -> Result<Judge, Failure> {
    let path = policy_file::find(named_policy(named), &policy_places()).map_err(unusable)?;
    load_policy(&path)
}

/// The policy, if one is named or found.
pub fn file_policy_if_any(named: Option<PathBuf>) -> Result<Option<Judge>, Failure> {
    match policy_file::find(named_policy(named), &policy_places()) {
        Ok(path) => load_policy(&path).map(Some),
        Err(PolicyFileError::None(_)) => Ok(None),
        Err(error) => Err(unusable(error)),
    }
}

fn named_policy(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| set("BOLTSEAL_POLICY"))
}

fn load_policy(path: &Path) -> Result<Judge, Failure> {
    let PolicyFile { policy, path, digest, locks, .. } =
        policy_file::load(path, &roots(), &rego()).map_err(unusable)?;
    Ok(Judge { policy, file: Some((path, digest)), locks, log: None })
}

/// Who runs the policies' Rego programs: this program again, for each run.
pub fn rego() -> Arc<dyn Runner> {
    Arc::new(Isolated::this())
}

fn unusable(error: PolicyFileError) -> Failure {
    Failure {
        hint: matches!(error, PolicyFileError::None(_))
            .then_some("`boltseal policy init` writes a first one; `--key` judges by a key alone"),
        ..Failure::supplied(error.to_string())
    }
}

/// A path that a variable names; an empty one names none.
fn set(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// A folder of the user's: of the XDG variable, else below the home folder. A relative path would be the working
/// directory's (XDG Base Directory Specification: ignore it).
fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |variable| set(variable).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

fn policy_places() -> Vec<PathBuf> {
    let config = user_folder("XDG_CONFIG_HOME", ".config");
    let mut places = vec![PathBuf::from("/etc/boltseal/policy.yaml")];
    places.extend(config.map(|config| config.join("boltseal/policy.yaml")));
    places
}

/// The reference that `--identity` names.
pub fn signed_reference(identity: Option<&Reference>) -> Result<Option<SignedReference>, Failure> {
    match identity {
        None => Ok(None),
        Some(Reference { repository: Repository::Registry(name), tag, digest: None }) => {
            Ok(Some(SignedReference { repository: name.clone(), tag: tag.clone() }))
        }
        Some(other) => {
            Err(Failure::usage(format!("--identity {other}: expected registry/repository[:tag], without a digest")))
        }
    }
}

/// Writes a file, in the place of one that is there.
pub fn write_over(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_atomic(path, content, 0o644).map_err(|error| Failure::supplied(format!("{}: {error}", path.display())))
}

/// Writes a file that must not exist yet.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let failed = |error: std::io::Error| Failure::supplied(format!("{}: {error}", path.display()));
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)
}
