mod buildkit;
mod replay;
mod test;
mod translate;

use crate::{
    args::{IdentityRule, PolicyCommand, PolicyInitArgs},
    cmd::verify::policy_source,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    render::policy as render,
    settings::{self, file_policy, key_source},
};
use boltseal::{
    limits::Limits,
    oci::Reference,
    ops::policy_file,
    policy,
    registry::{Options, Session},
    store::load_public_key,
};
use jiff::Timestamp;
use serde_json::json;
use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

pub async fn run(command: PolicyCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Init(args) => init(args, output),
        PolicyCommand::Check { file } => check(file, output),
        PolicyCommand::Explain { reference, policy } => explain(&reference, policy, output),
        PolicyCommand::Schema => {
            output.raw(&format!("{:#}\n", policy::schema()));
            Ok(Exit::Done)
        }
        PolicyCommand::Export(args) => translate::export(args, output).await,
        PolicyCommand::Import(args) => translate::import(&args, output),
        PolicyCommand::Test(args) => test::run(args, output).await,
        PolicyCommand::Replay(args) => replay::run(args, output).await,
    }
}

/// What kept evidence is judged with: no network is needed.
fn offline() -> Result<(Session, Limits), Failure> {
    Ok((Session::new(Options::default())?, Limits::default()))
}

fn check(file: PathBuf, output: &Output) -> Result<Exit, Failure> {
    let judge = file_policy(Some(file.clone()))?;
    let scopes: Vec<_> = judge.policy.scopes().iter().map(|scope| scope.pattern.to_string()).collect();
    let (keys, locks) = (judge.policy.anchors().keys.len(), judge.policy.locks().collect::<Vec<_>>());
    let sealed = judge.policy.scopes().iter().filter(|scope| scope.content_trust.is_some()).count();
    let now = Timestamp::now();
    let ended = judge.policy.ended_waivers(now).map(|(scope, waiver)| (scope.pattern.to_string(), waiver));
    let ended = ended.map(|(scope, one)| format!("{scope}: the waiver of {} has ended on {}", one.id, one.until));
    let empty = scopes.is_empty().then(|| "it has no scope, and so matches no image".to_owned());
    let warnings: Vec<_> = ended.chain(blind(&judge.policy)).chain(empty).collect();
    warnings.iter().for_each(|warning| output.warn(printable(warning)));
    let rego = judge.policy.rego_files().map(|rule| rule.file.as_str()).collect::<Vec<_>>();
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "scopes": scopes, "contentTrust": sealed,
        "keys": keys, "locks": locks, "rego": rego, "warnings": warnings, "exit": 0,
    });
    output.result(&value, || {
        let sealed = if sealed > 0 { format!(" ({sealed} with content trust)") } else { String::new() };
        format!("{}: good, {} scopes{sealed}, {keys} keys\n", file.display(), scopes.len())
    });
    Ok(Exit::Done)
}

/// Programs that see nothing of what was signed.
fn blind(policy: &policy::Policy) -> impl Iterator<Item = String> {
    let blind = policy.scopes().iter().filter(|scope| scope.requirements.is_empty());
    blind.filter_map(|scope| {
        let (pattern, file) = (&scope.pattern, &scope.rego.as_ref()?.file);
        Some(format!("{pattern}: {file} is shown no signer and no attestation, as the scope asks for none"))
    })
}

fn explain(reference: &Reference, policy: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    let judge = file_policy(policy)?;
    let explanation = judge.policy.explain(reference);
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "explanation": render::to_json(&explanation), "exit": 0,
    });
    output.result(&value, || render::to_text(&explanation));
    Ok(Exit::Done)
}

fn init(args: PolicyInitArgs, output: &Output) -> Result<Exit, Failure> {
    let asking = io::stdin().is_terminal() && io::stderr().is_terminal();
    let scope = match args.scope {
        Some(scope) => scope,
        None if asking => ask("Which images (for example registry.example.com/prod/**)? ")?,
        None => return Err(Failure::usage("which images? say with --scope, for example registry.example.com/prod/**")),
    };
    let mut keys = args.keys;
    while keys.is_empty() && asking {
        let file = ask("A public key whose signatures count (file)? ")?;
        if !file.is_empty() {
            keys.push((name_of(Path::new(&file)), file));
        }
    }
    if keys.is_empty() {
        return Err(Failure::usage("whose signatures count? say with --key NAME=FILE"));
    }
    let threshold = args.threshold.unwrap_or(1);
    let folder = args.file.parent().unwrap_or(Path::new("")).to_owned();
    let text = starter(&scope, &keys, threshold, args.identity, &folder)?;
    settings::write_new(&args.file, text.as_bytes())?;
    // Read as `verify` will: what can't be used is not left behind.
    if let Err(error) = policy_file::load(&args.file, &settings::roots(), &settings::rego()) {
        let _ = std::fs::remove_file(&args.file);
        return Err(Failure::supplied(error.to_string()));
    }
    let value = json!({ "version": JSON_VERSION, "file": args.file.display().to_string(), "exit": 0 });
    output.result(&value, || format!("{}: written\n", args.file.display()));
    output.note(format_args!(
        "next: boltseal verify --policy {} REF, or put it at /etc/boltseal/policy.yaml",
        args.file.display()
    ));
    Ok(Exit::Done)
}

fn starter(
    scope: &str,
    keys: &[(String, String)],
    threshold: usize,
    identity: IdentityRule,
    folder: &Path,
) -> Result<String, Failure> {
    let mut text =
        String::from("# Trust policy. `boltseal policy schema` has all of the language.\nversion: 1\nmode: enforced\n");
    text.push_str("default: deny\nauthorities:\n");
    for (name, file) in keys {
        load_public_key(&key_source(file)?)?;
        // Keys are looked for beside the policy.
        let path = std::path::absolute(file).map_err(|error| Failure::supplied(format!("{file}: {error}")))?;
        let beside =
            std::path::absolute(folder).ok().and_then(|folder| path.strip_prefix(folder).map(Path::to_owned).ok());
        let shown = beside.unwrap_or(path);
        let _ = writeln!(text, "  {}: {{ key: {} }}", quoted(name), quoted(&shown.display().to_string()));
    }
    let names: Vec<_> = keys.iter().map(|(name, _)| quoted(name)).collect();
    let rule = match identity {
        IdentityRule::Any => "any",
        IdentityRule::Repository => "repository",
        IdentityRule::Tag => "tag",
    };
    let _ = writeln!(text, "images:\n  {}:", quoted(scope));
    let _ =
        writeln!(text, "    signatures: {{ threshold: {threshold}, from: [{}], identity: {rule} }}", names.join(", "));
    Ok(text)
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn name_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| "key".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn ask(question: &str) -> Result<String, Failure> {
    let mut answer = String::new();
    let _ = write!(io::stderr(), "{question}");
    let read = io::stdin().read_line(&mut answer);
    match read {
        Ok(count) if count > 0 => Ok(answer.trim().to_owned()),
        _ => Err(Failure::usage("no answer")),
    }
}
