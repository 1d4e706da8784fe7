use super::{
    args::{InitArgs, Preset},
    desk::{Desk, threshold},
    keys::Keys,
    report::Shown,
    view,
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    settings,
};
use boltseal::{
    crypto::PublicKey,
    format::tuf::{Metadata, RoleName, Root},
    limits::TUF_ROOT_BYTES,
    ops::trust::{Init, Lifetimes, Started},
    policy::RootPins,
    trust::tuf::TrustState,
};
use serde_json::json;
use std::{fmt::Write as _, fs::File, io::Read as _, path::Path};

pub async fn run(args: InitArgs, output: &Output) -> Result<Exit, Failure> {
    let lock = settings::lock_path(args.lock.as_deref());
    if let Some(lock) = &lock {
        refuse_known(lock, &args)?;
    }
    let ready = args.root.as_deref().map(ReadyRoot::read).transpose()?;
    let mut keys = Keys::new(&args.password, output);
    let init = wanted(&args, &mut keys, ready.as_ref())?;
    let pins = RootPins {
        keys: init.root.iter().map(PublicKey::fingerprint).collect(),
        threshold: init.root_threshold,
        min_version: None,
    };
    let desk = Desk::starting(&args.registry, pins, keys)?;
    let place = desk.work_on(&args.repository)?;
    let writer = desk.writer(&place);
    match writer.init(&init, ready.as_ref().map(|ready| ready.bytes.as_slice())).await? {
        Started::Root { file, signed, needed } => {
            settings::write_new(&args.out, &file)?;
            Ok(unfinished(&args, signed, needed).show(output))
        }
        Started::Live(state) => {
            if let Some(lock) = &lock {
                writer.pin(lock).await?;
            }
            let shown = started(&args, &state, lock.as_deref());
            what_now(&args, lock.as_deref(), output);
            Ok(shown.show(output))
        }
    }
}

/// A lock that knows the repository says that there were trust data: that they are gone is for people to look into.
fn refuse_known(lock: &Path, args: &InitArgs) -> Result<(), Failure> {
    let known = settings::lock_if_there(lock)?.is_some_and(|lock| lock.get(&args.repository.to_string()).is_some());
    if known {
        return Err(Failure::supplied(format!(
            "{}: {} has trust data by this lock; expected a repository that is new to it",
            lock.display(),
            args.repository
        )));
    }
    Ok(())
}

/// A root that was signed elsewhere.
/// A root's file, signed by some or all who have to.
pub struct ReadyRoot {
    bytes: Vec<u8>,
    pub root: Metadata<Root>,
}

impl ReadyRoot {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::supplied(format!("{}: {why}", path.display()));
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| failed(&error))?;
        file.take(TUF_ROOT_BYTES).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        let root = Metadata::decode(&bytes).map_err(|error| failed(&error))?;
        Ok(Self { root, bytes })
    }

    fn keys(&self, role: &RoleName) -> Vec<PublicKey> {
        let root = self.root.signed();
        let ids = root.role(role).into_iter().flat_map(|keys| &keys.keyids);
        ids.filter_map(|id| Some(root.keys.get(id)?.decode().ok()?.public().clone())).collect()
    }
}

/// Who signs what. Keys of a root that is ready are its own; those that are named open key files, to sign with.
fn wanted(args: &InitArgs, keys: &mut Keys<'_>, ready: Option<&ReadyRoot>) -> Result<Init, Failure> {
    let root = keys.open_all(&args.root_key)?;
    let targets = keys.open_all(&args.targets_key)?;
    let sealing = keys.open_all(&args.sealing_key)?;
    let mut signers: Vec<(String, Vec<PublicKey>)> = Vec::new();
    for (name, file) in &args.signer {
        let key = keys.open(file)?;
        match signers.iter_mut().find(|(known, _)| known == name) {
            Some((_, keys)) => keys.push(key),
            None => signers.push((name.clone(), vec![key])),
        }
    }
    let all = || unique(signers.iter().flat_map(|(_, keys)| keys.clone()));
    let lifetimes = match args.preset {
        Preset::Default => Lifetimes::default(),
        Preset::Dct => Lifetimes::dct(),
    };
    let (root_threshold, root, targets, sealing) = match ready {
        Some(ready) => {
            let threshold = ready.root.signed().role(&RoleName::Root).map_or(0, |keys| keys.threshold);
            let [root, targets, sealing] =
                [RoleName::Root, RoleName::Targets, RoleName::Timestamp].map(|r| ready.keys(&r));
            (threshold, root, targets, sealing)
        }
        None => {
            let targets = if targets.is_empty() { root.first().cloned().into_iter().collect() } else { targets };
            let sealing = if sealing.is_empty() { all() } else { sealing };
            (threshold(args.root_threshold, root.len())?, root, targets, sealing)
        }
    };
    Ok(Init { root, root_threshold, targets, sealing, signers, revoking: Vec::new(), lifetimes })
}

/// Each key once: one key of two signers is one sealing key.
fn unique(keys: impl Iterator<Item = PublicKey>) -> Vec<PublicKey> {
    keys.fold(Vec::new(), |mut all, key| {
        if !all.iter().any(|known: &PublicKey| known.fingerprint() == key.fingerprint()) {
            all.push(key);
        }
        all
    })
}

fn unfinished(args: &InitArgs, signed: usize, needed: u64) -> Shown {
    let out = args.out.display();
    let value = json!({
        "repository": args.repository.to_string(), "started": false, "rootFile": out.to_string(), "signed": signed,
        "needed": needed,
    });
    let text = format!(
        "not started: {}\n  root     {signed} of {needed} signatures, written to {out}\n  next     `trust cosign root --file {out} \
         --key KEY` where the other keys are, then `trust init --root {out}`\n",
        args.repository
    );
    Shown { exit: Exit::Unknown, value, text }
}

fn started(args: &InitArgs, state: &TrustState, lock: Option<&Path>) -> Shown {
    let strings = |role: &RoleName| view::keys(state, role).iter().map(ToString::to_string).collect::<Vec<_>>();
    let root = strings(&RoleName::Root);
    let threshold = state.root().signed().role(&RoleName::Root).map_or(0, |keys| keys.threshold);
    let signers = view::signers(state);
    let mut text =
        format!("started  {}\n  root     {threshold} of {} keys have to sign\n", args.repository, root.len());
    for (what, role) in [("root", RoleName::Root), ("targets", RoleName::Targets), ("sealing", RoleName::Timestamp)] {
        for key in strings(&role) {
            let _ = writeln!(text, "  {what:8} {key}");
        }
    }
    for signer in &signers {
        for key in &signer.keys {
            let _ = writeln!(text, "  signer   {key} {}", signer.name);
        }
    }
    if let Some(lock) = lock {
        let _ = writeln!(text, "  lock     {}", lock.display());
    }
    let value = json!({
        "repository": args.repository.to_string(), "started": true,
        "root": { "version": state.root().version(), "keys": root, "threshold": threshold },
        "targets": strings(&RoleName::Targets), "sealing": strings(&RoleName::Timestamp),
        "signers": signers.iter().map(|signer| json!({
            "name": signer.name, "keys": signer.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "lock": lock.map(|lock| lock.display().to_string()),
    });
    Shown::done(value, text)
}

fn what_now(args: &InitArgs, lock: Option<&Path>, output: &Output) {
    match lock {
        Some(lock) => output.note(format_args!("commit {} beside what deploys: it is what others start from", lock.display())),
        None => output.note(format_args!(
            "`boltseal trust pin {}` writes boltseal.lock: commit it beside what deploys, or pin the root keys in the policy",
            args.repository
        )),
    }
    output.note("back the root keys up and keep them offline: only they can replace a key that is lost or stolen");
}
