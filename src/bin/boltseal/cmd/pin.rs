use crate::{
    args::{PinArgs, PinKind},
    cmd::verify::{policy_source, refusal, warn},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    render::{one_line, provenance, verification::verdict},
    settings::{self, Judge},
};
use boltseal::{
    limits::{Limits, PINNED_FILE_BYTES},
    oci::{Digest, Reference},
    ops::{
        pin_files::{FileKind, Named, Names, PinFileError, names, rewritten},
        pull::may_be_used,
        source_policy::source_policy,
        verify::{Verification, Verifier},
    },
    policy::{Decision, Outcome},
    store::write_atomic,
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Images that are verified at once.
const AT_ONCE: usize = 16;

pub(super) type Judged = Result<Verification, Failure>;

/// A file and the images that it names.
struct Opened {
    path: PathBuf,
    kind: FileKind,
    text: String,
    names: Names,
}

/// What becomes of one image of a file.
struct Line {
    word: &'static str,
    exit: Exit,
    why: String,
    by: Option<String>,
}

pub async fn run(args: PinArgs, output: &Output) -> Result<Exit, Failure> {
    let judge = settings::judge(&args.judge, "pin", output)?;
    let mut files = args.files.iter().map(|path| open(path, args.kind)).collect::<Result<Vec<_>, _>>()?;
    join(&mut files);
    let session = settings::session(&args.registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let asked = files.iter().flat_map(|file| &file.names.images).map(|named| reference(named, args.update));
    let asked: BTreeMap<String, Reference> =
        asked.filter_map(Result::ok).map(|reference| (reference.to_string(), reference)).collect();
    let judged = judge_all(&judge, &verifier, asked, Duration::from_secs(args.timeout)).await;
    let mut report = Report { args: &args, output, judged, exit: Exit::Done, results: Vec::new(), allowed: Vec::new() };
    for file in &files {
        report.file(file)?;
    }
    report.end(policy_source(&judge))
}

/// Verifies images, many at once, and records what becomes of each.
pub(super) async fn judge_all(
    judge: &Judge,
    verifier: &Verifier<'_>,
    asked: BTreeMap<String, Reference>,
    patience: Duration,
) -> BTreeMap<String, Judged> {
    let one = |(name, reference): (String, Reference)| async move {
        let late = || Failure::new(Exit::Unknown, format!("{reference}: no result within {} s", patience.as_secs()));
        let judged = tokio::time::timeout(patience, verifier.verify(&reference, None)).await;
        let judged = judged
            .map_or_else(|_| Err((None, late())), |done| done.map_err(|error| (refusal(&error), Failure::from(error))));
        let judged = match judged {
            Ok(done) => judge.record(&done).map(|()| done),
            Err((refusal, failure)) => Err(judge.record_unjudged(&reference, refusal.as_ref(), failure)),
        };
        (name, judged)
    };
    stream::iter(asked).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// What became of an image: the word for it, its exit code, and what speaks against it.
pub(super) fn state(judged: &Judged) -> (&'static str, Exit, String) {
    let unusable = |exit, why| (if exit == Exit::Denied { "denied" } else { "unknown" }, exit, why);
    match judged {
        Ok(Verification { outcome: Outcome { decision: Decision::Allow(_), .. }, .. }) => {
            ("allowed", Exit::Done, String::new())
        }
        Ok(verification) if may_be_used(verification) => {
            (verdict(verification).0, Exit::Done, one_line::reasons(verification))
        }
        Ok(verification) => unusable(verdict(verification).1, one_line::reasons(verification)),
        Err(Failure { exit: Exit::Usage, message, .. }) => unusable(Exit::Unknown, message.clone()),
        Err(failure) => unusable(failure.exit, failure.message.clone()),
    }
}

fn open(path: &Path, kind: Option<PinKind>) -> Result<Opened, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::supplied(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(|error| failed(&error))?;
    let kind = match kind {
        Some(PinKind::Dockerfile) => FileKind::Dockerfile,
        Some(PinKind::Manifest) => FileKind::Manifest,
        None => FileKind::of(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?,
    };
    let mut text = String::new();
    file.take(PINNED_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > PINNED_FILE_BYTES {
        return Err(failed(&format!("has more than {PINNED_FILE_BYTES} bytes")));
    }
    let names = names(kind, &text).map_err(|error: PinFileError| failed(&error))?;
    Ok(Opened { path: path.to_owned(), kind, text, names })
}

/// What is in another file is read where that one is among the files.
fn join(files: &mut [Opened]) {
    let opened: Vec<_> = files.iter().filter_map(|file| file.path.canonicalize().ok()).collect();
    for file in files {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let is_read = |other: &str| folder.join(other).canonicalize().is_ok_and(|path| opened.contains(&path));
        file.names.unpinnable.retain(|hidden| !hidden.file.as_deref().is_some_and(is_read));
    }
}

/// What is verified for a name: by its digest, where it has one, unless the tag beside it is to be looked at anew.
fn reference(named: &Named, update: bool) -> Result<Reference, Failure> {
    let reference = named.reference().map_err(|error| Failure::supplied(error.to_string()))?;
    let anew = update && reference.tag.is_some();
    Ok(if anew { Reference { digest: None, ..reference } } else { reference })
}

impl Line {
    fn unusable(judged: &Judged) -> Self {
        let (word, exit, why) = state(judged);
        Self { word, exit, why, by: None }
    }
}

struct Report<'a> {
    args: &'a PinArgs,
    output: &'a Output,
    judged: BTreeMap<String, Judged>,
    exit: Exit,
    results: Vec<Value>,
    allowed: Vec<(Reference, Digest)>,
}

impl Report<'_> {
    fn file(&mut self, file: &Opened) -> Result<(), Failure> {
        let mut exit = Exit::Done;
        let (mut text, mut images, mut edits) = (String::new(), Vec::new(), Vec::new());
        let path = file.path.display();
        for named in &file.names.images {
            let (line, value) = self.image(named);
            exit = exit.worst(line.exit);
            let _ = writeln!(text, "{path}:{}: {:<8} {}", named.line, line.word, printable(&named.text));
            if !line.why.is_empty() {
                let _ = writeln!(text, "  {}", printable(&line.why));
            }
            images.push(json!({
                "line": named.line, "by": named.by, "image": named.text, "state": line.word, "pinned": line.by, "result": value,
            }));
            edits.extend(line.by.map(|by| (named, by)));
        }
        for hidden in &file.names.unpinnable {
            exit = exit.worst(Exit::Supplied);
            let _ = writeln!(text, "{path}:{}: not read {}", hidden.line, printable(&hidden.why));
        }
        let write = exit == Exit::Done && !edits.is_empty() && !self.args.check && self.args.source_policy.is_none();
        if write {
            let new = rewritten(file.kind, &file.text, &edits);
            replace(&file.path, &new.map_err(|error| Failure::new(Exit::Bug, format!("{path}: {error}")))?)?;
        } else if exit != Exit::Done && !self.args.check {
            let _ = writeln!(text, "{path}: left as it is");
        }
        if !self.output.is_json() {
            self.output.raw(&text);
        }
        let hidden = file.names.unpinnable.iter().map(|one| json!({ "line": one.line, "why": one.why }));
        self.results.push(json!({
            "file": path.to_string(), "written": write, "images": images, "unread": hidden.collect::<Vec<_>>(),
            "exit": exit as u8,
        }));
        self.exit = self.exit.worst(exit);
        Ok(())
    }

    fn image(&mut self, named: &Named) -> (Line, Value) {
        let found = reference(named, self.args.update).and_then(|reference| {
            let judged = self.judged.get(&reference.to_string());
            let judged = judged.ok_or_else(|| Failure::new(Exit::Bug, format!("{reference} was not judged")))?;
            Ok((reference, judged))
        });
        let (reference, judged) = match found {
            Ok(found) => found,
            Err(failure) => {
                let value = json!({ "error": failure.message });
                return (Line::unusable(&Err(failure)), value);
            }
        };
        let verification = match judged {
            Ok(verification) => verification,
            Err(failure) => return (Line::unusable(judged), json!({ "error": failure.message })),
        };
        warn(verification, &reference, self.output);
        let line = if may_be_used(verification) { self.line(named, verification) } else { Line::unusable(judged) };
        if line.exit != Exit::Denied && may_be_used(verification) {
            self.allowed.push((reference, verification.findings.subject().digest()));
        }
        (line, provenance::to_json(verification))
    }

    fn line(&self, named: &Named, verification: &Verification) -> Line {
        let by = named.with(&verification.findings.subject().digest());
        let is_pinned = named.text.contains('@');
        let (word, exit) = match (by == named.text, self.args.check) {
            (true, _) => ("already", Exit::Done),
            (false, true) if !is_pinned => ("unpinned", Exit::Denied),
            _ => ("pinned", Exit::Done),
        };
        Line { word, exit, why: String::new(), by: (word == "pinned").then_some(by) }
    }

    fn end(self, policy: Value) -> Result<Exit, Failure> {
        let path = self.args.source_policy.as_deref().filter(|_| self.exit == Exit::Done);
        if let Some(path) = path {
            settings::write_over(path, format!("{:#}\n", source_policy(&self.allowed)).as_bytes())?;
            self.output.note(format_args!("{}: written", path.display()));
        }
        if self.output.is_json() {
            let value = json!({
                "version": JSON_VERSION, "policy": policy, "files": self.results,
                "sourcePolicy": path.map(|path| path.display().to_string()), "exit": self.exit as u8,
            });
            self.output.raw(&format!("{value:#}\n"));
        }
        Ok(self.exit)
    }
}

/// Puts a text into a file's place; a link stays one, and so does the mode.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::supplied(format!("{}: {error}", path.display()));
    let path = path.canonicalize().map_err(failed)?;
    let mode = mode_of(&path).map_err(failed)?;
    write_atomic(&path, text.as_bytes(), mode).map_err(failed)
}

#[cfg(unix)]
fn mode_of(path: &Path) -> std::io::Result<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(path.metadata()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode_of(_: &Path) -> std::io::Result<u32> {
    Ok(0o644)
}
