//! `policy export` and `policy import`: a policy in other tools' words, and out of them.

use crate::{
    args::{ExportArgs, ExportTarget, ImportArgs, ImportSource},
    cmd::{policy::buildkit, verify::policy_source},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    settings::{self, file_policy},
};
use boltseal::{
    limits::IMPORT_BYTES,
    ops::policy_file,
    policy::{ExportError, Exported, Inexpressible, Lost, Source, Target, export as exported, import as imported},
    store::replace_files,
};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

pub async fn export(args: ExportArgs, output: &Output) -> Result<Exit, Failure> {
    let target = match args.to {
        ExportTarget::Containers => Target::Containers,
        ExportTarget::OpenShift => Target::OpenShift,
        ExportTarget::BuildKit => return buildkit::export(args, output).await,
    };
    if !args.images.is_empty() {
        return Err(Failure::usage("only `--to buildkit` takes images: a policy is exported as a whole"));
    }
    let judge = file_policy(args.policy)?;
    let exported = match exported(&judge.policy, target) {
        Ok(exported) => exported,
        Err(ExportError::Inexpressible(refused)) => {
            let value = json!({
                "version": JSON_VERSION, "policy": policy_source(&judge), "files": [],
                "inexpressible": refused.iter().map(unsaid).collect::<Vec<_>>(), "exit": Exit::Supplied as u8,
            });
            let lines = || refused.iter().map(|one| format!("{}\n", printable(&one.to_string()))).collect();
            output.result(&value, lines);
            output.failure_line(&Failure::supplied("this policy cannot be said there; nothing was written"));
            return Ok(Exit::Supplied);
        }
        Err(other) => return Err(Failure::new(Exit::Bug, other.to_string())),
    };
    let files = write(&args.dir, &exported)?;
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "files": files, "notes": exported.notes, "exit": 0,
    });
    output.result(&value, || files.iter().map(|file| format!("{file}: written\n")).collect());
    exported.notes.iter().for_each(|note| output.note(format_args!("note: {note}")));
    Ok(Exit::Done)
}

fn unsaid(one: &Inexpressible) -> Value {
    json!({ "scope": one.scope, "field": one.field, "why": one.why })
}

fn write(dir: &Path, exported: &Exported) -> Result<Vec<String>, Failure> {
    let failed = |path: &Path, error: &io::Error| Failure::supplied(format!("{}: {error}", path.display()));
    let mut files: Vec<(PathBuf, &[u8])> = Vec::new();
    for (name, bytes) in &exported.files {
        let path = dir.join(name);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        files.push((path, bytes));
    }
    replace_files(&files).map_err(|error| failed(dir, &error))?;
    Ok(files.iter().map(|(path, _)| path.display().to_string()).collect())
}

pub fn import(args: &ImportArgs, output: &Output) -> Result<Exit, Failure> {
    let source = match args.from {
        ImportSource::Containers => Source::Containers,
        ImportSource::Notation => Source::Notation,
        ImportSource::ClusterImagePolicy => Source::ClusterImagePolicy,
        ImportSource::Daemon => Source::Daemon,
        ImportSource::Connaisseur => Source::Connaisseur,
    };
    let refused = |why: String| Failure::supplied(format!("{}: {}", args.source.display(), printable(&why)));
    let mut text = String::new();
    let read = File::open(&args.source).and_then(|file| file.take(IMPORT_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| refused(error.to_string()))?;
    let imported = imported(source, &text).map_err(|error| refused(error.to_string()))?;
    let written = imported.lost.is_empty() || args.partial;
    if written {
        put(&args.file, &args.source, &imported.text)?;
    }
    let exit = if written { Exit::Done } else { Exit::Supplied };
    let file = written.then(|| args.file.display().to_string());
    let value = json!({
        "version": JSON_VERSION, "file": file, "scopes": imported.scopes,
        "lost": imported.lost.iter().map(|lost| json!({ "place": lost.place, "why": lost.why })).collect::<Vec<_>>(),
        "exit": exit as u8,
    });
    output.result(&value, || report(file.as_deref(), imported.scopes, &imported.lost));
    if !written {
        let failure = Failure {
            hint: Some("`--partial` writes what has an equal; what is left out is denied"),
            ..Failure::supplied(format!("{} things have no equal here; nothing was written", imported.lost.len()))
        };
        output.failure_line(&failure);
    }
    Ok(exit)
}

/// Writes it, and reads it as `verify` will: what can't be used is not left behind.
fn put(file: &Path, source: &Path, text: &str) -> Result<(), Failure> {
    let head = format!(
        "# Out of {}. `boltseal policy schema` has all of the language.\n",
        printable(&source.display().to_string())
    );
    settings::write_new(file, format!("{head}{text}").as_bytes())?;
    policy_file::load(file, &settings::roots(), &settings::rego()).map(drop).map_err(|error| {
        let _ = fs::remove_file(file);
        Failure::supplied(error.to_string())
    })
}

fn report(file: Option<&str>, scopes: usize, lost: &[Lost]) -> String {
    let mut text = file.map(|file| format!("{file}: written, {scopes} scopes\n")).unwrap_or_default();
    for lost in lost {
        text.push_str(&printable(&format!("no equal  {lost}")));
        text.push('\n');
    }
    text
}
