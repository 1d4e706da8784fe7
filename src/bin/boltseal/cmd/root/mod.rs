//! `root`: the trusted roots that certificates, logs and timestamps are verified by.

mod show;

use crate::{
    args::{RootAddArgs, RootCommand, RootCreateArgs, RootUpdateArgs, ServiceFile},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    settings,
};
use boltseal::{
    ops::trusted_root::{self, Begin, Kind, RoleLine, Roots, TrustedRootFileError, Updated},
    registry::Session,
    trust::{Instance, Parts, TrustedRoot},
};
use serde_json::{Value, json};

pub async fn run(command: RootCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        RootCommand::Show(args) => show::run(args.root.as_deref(), output),
        RootCommand::Update(args) => update(args, output).await,
        RootCommand::Add(args) => add(args, output).await,
        RootCommand::Create(args) => create(&args, output),
    }
}

async fn update(args: RootUpdateArgs, output: &Output) -> Result<Exit, Failure> {
    let (roots, session) = (settings::roots(), settings::session(&args.registry)?);
    let root = args.root.as_deref().map(trusted_root::read).transpose()?;
    let begin = Begin { mirror: args.mirror.as_deref().map(mirror).transpose()?, root };
    let names = match args.name {
        Some(name) => vec![name],
        None => refreshed(&roots)?,
    };
    let (mut exit, mut results) = (Exit::Done, Vec::new());
    for name in names {
        let (value, text, ended) = one(&roots, &session, &name, &begin, output).await;
        results.push(value);
        exit = exit.worst(ended);
        if !output.is_json() {
            output.raw(&text);
        }
    }
    let value = json!({ "version": JSON_VERSION, "results": results, "exit": exit as u8 });
    output.result(&value, String::new);
    Ok(exit)
}

/// A mirror as it is kept: a folder by its whole path, since the next update runs elsewhere.
fn mirror(named: &str) -> Result<String, Failure> {
    if named.contains("://") {
        return Ok(named.to_owned());
    }
    let folder = std::path::absolute(named).map_err(|error| Failure::supplied(format!("{named}: {error}")))?;
    folder.into_os_string().into_string().map_err(|folder| Failure::usage(format!("{folder:?} is not UTF-8")))
}

/// The roots that `--all` means: public-good, and those that were fetched before.
fn refreshed(roots: &Roots) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for name in roots.names()? {
        if name == Instance::PublicGood.name() || roots.is_refreshed(&name)? {
            names.push(name);
        }
    }
    Ok(names)
}

async fn one(roots: &Roots, session: &Session, name: &str, begin: &Begin, output: &Output) -> (Value, String, Exit) {
    match roots.update(session, name, begin).await {
        Ok(updated) => {
            tell(name, &updated, output);
            let word = if updated.changed { "refreshed, changed" } else { "refreshed, unchanged" };
            (to_json(name, &updated), to_text(name, word, &updated), Exit::Done)
        }
        Err(error) => {
            let failure = Failure::from(error);
            output.failure_line(&failure);
            let value = json!({ "name": name, "error": failure.message, "exit": failure.exit as u8 });
            (value, String::new(), failure.exit)
        }
    }
}

async fn add(args: RootAddArgs, output: &Output) -> Result<Exit, Failure> {
    let roots = settings::roots();
    let name = &args.name;
    match (&args.file, &args.mirror, &args.root) {
        (Some(file), ..) => {
            let root = roots.add_file(name, trusted_root::read(file)?, args.force)?;
            warn_unusable(name, &root, output);
            let value = json!({ "version": JSON_VERSION, "name": name, "id": root.id().to_string(), "exit": 0 });
            output.result(&value, || format!("{name}  added\n  id       {}\n", root.id()));
        }
        (None, Some(mirror), Some(start)) => {
            let session = settings::session(&args.registry)?;
            let start = trusted_root::read(start)?;
            let updated = roots.add_mirror(&session, name, &self::mirror(mirror)?, start, args.force).await?;
            tell(name, &updated, output);
            let value = with(to_json(name, &updated), "version", json!(JSON_VERSION));
            output.result(&value, || to_text(name, "added", &updated));
        }
        _ => return Err(Failure::usage("expected FILE, or --mirror and --root")),
    }
    Ok(Exit::Done)
}

fn create(args: &RootCreateArgs, output: &Output) -> Result<Exit, Failure> {
    let mut parts = Parts::default();
    for (kind, services) in [
        (Kind::Authority, &args.fulcio),
        (Kind::Log, &args.rekor),
        (Kind::CtLog, &args.ctfe),
        (Kind::TimestampAuthority, &args.tsa),
    ] {
        for ServiceFile { path, service } in services {
            trusted_root::add(&mut parts, kind, path, service)?;
        }
    }
    let used = settings::root_variables().add_to(&mut parts)?;
    if !used.is_empty() {
        output.note(format_args!("read as well: {}", used.join(", ")));
    }
    if args.with_default_services {
        settings::roots().fill(&mut parts)?;
    }
    if parts.counts() == [0; 4] {
        let variables = "SIGSTORE_ROOT_FILE, SIGSTORE_REKOR_PUBLIC_KEY, …";
        return Err(Failure::usage(format!("of what? say with --fulcio, --rekor, --ctfe or --tsa, or by {variables}")));
    }
    let bytes = parts.encode();
    // Read as `verify` will: what can't be used is not written.
    let name = args.out.as_ref().map_or_else(|| "(made)".to_owned(), |path| path.display().to_string());
    let unusable = |source| TrustedRootFileError::Unusable { name: name.clone(), source };
    let root = TrustedRoot::decode(&name, &bytes).map_err(unusable)?;
    warn_unusable(&name, &root, output);
    let Some(path) = &args.out else {
        output.raw(&String::from_utf8_lossy(&bytes));
        return Ok(Exit::Done);
    };
    settings::write_over(path, &bytes)?;
    let value = json!({ "version": JSON_VERSION, "file": name, "id": root.id().to_string(), "exit": 0 });
    output.result(&value, || format!("{name}: written\n"));
    Ok(Exit::Done)
}

fn tell(name: &str, updated: &Updated, output: &Output) {
    if updated.newer_there {
        output.note(format_args!("{name}: another process has fetched a newer state meanwhile, which stays"));
    }
    warn_unusable(name, &updated.root, output);
}

fn warn_unusable(name: &str, root: &TrustedRoot, output: &Output) {
    for what in root.unusable() {
        output.warn(format_args!("{name}: left out: {}", printable(what)));
    }
}

fn to_json(name: &str, updated: &Updated) -> Value {
    json!({
        "name": name,
        "mirror": updated.mirror,
        "id": updated.root.id().to_string(),
        "changed": updated.changed,
        "roles": roles_json(&updated.roles),
        "exit": 0,
    })
}

fn to_text(name: &str, word: &str, updated: &Updated) -> String {
    let mut text = format!("{name}  {word}\n  from     {}\n", printable(&updated.mirror));
    text.push_str(&format!("  id       {}\n", updated.root.id()));
    text.push_str(&roles_text(&updated.roles));
    text
}

/// An object with one member more.
fn with(mut object: Value, name: &str, member: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
    object
}

fn roles_json(roles: &[RoleLine]) -> Value {
    let line = |line: &RoleLine| json!({ "role": line.role, "version": line.version, "expires": line.expires });
    roles.iter().map(line).collect()
}

fn roles_text(roles: &[RoleLine]) -> String {
    roles.iter().map(|line| format!("  {:<9} {}, until {}\n", line.role, line.version, line.expires)).collect()
}
