//! Decisions with the evidence that they were made of, in folders: what was judged once can be judged again, by another policy or
//! at another time. What a report says of its decision is compared with, and believed of nothing.

use super::{
    OpsError, Platform,
    verify::{Verification, Verifier},
};
use crate::{
    limits::REPORT_BYTES,
    oci::{Digest, Reference},
    policy::{Asked, Mode},
    registry::{Access, Layout, Selector},
    store::write_atomic,
    verify::{Subject, Unread},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The report's name in its folder, and that of the layout beside it.
const REPORT: &str = "report.json";
const LAYOUT: &str = "evidence";
/// Decisions of one image that are kept in one second.
const SAME: usize = 1_000;
/// The version of such a report.
const VERSION: u64 = 1;

/// A decision that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The folder.
    pub folder: PathBuf,
    /// The time that was judged by.
    pub time: Timestamp,
    /// What was typed.
    pub reference: Reference,
    /// The digest that was judged.
    pub digest: Digest,
    /// The index that lists it, where a platform was chosen.
    pub index: Option<Digest>,
    /// The word for the decision.
    pub decision: String,
    /// Why it can't be judged again: something was not read then.
    pub incomplete: Option<String>,
}

#[derive(Deserialize)]
struct Report {
    version: u64,
    time: Timestamp,
    result: Judged,
    unkept: Vec<Lost>,
}

#[derive(Deserialize)]
struct Judged {
    reference: String,
    digest: String,
    index: Option<String>,
    decision: String,
    unread: Vec<Lost>,
}

#[derive(Deserialize)]
struct Lost {
    what: String,
}

/// Where decisions are kept: one folder for each.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The folder that they lie in.
    pub dir: PathBuf,
    /// What reports say of the policy.
    pub policy: Value,
}

impl Keeper {
    /// Verifies, and keeps the decision with all that was read; `show` is what a report says of it.
    ///
    /// # Errors
    /// As [`Verifier::verify`]; the folder can't be written. Nothing is kept then.
    pub async fn verify(
        &self,
        verifier: &Verifier<'_>,
        reference: &Reference,
        platform: Option<&Platform>,
        show: fn(&Verification) -> Value,
    ) -> Result<Verification, OpsError> {
        let about = format!("{reference} {}", platform.map_or("", |platform| &platform.0));
        let name: String = Digest::sha256(about.as_bytes()).hex().chars().take(16).collect();
        let name = format!("{}-{name}", verifier.now.strftime("%Y%m%dT%H%M%SZ"));
        let folder =
            new_folder(&self.dir, &name).map_err(|source| OpsError::Io { path: self.dir.join(name), source })?;
        let failed = |source| OpsError::Io { path: folder.clone(), source };
        let kept = async {
            let layout = Layout::open(&folder.join(LAYOUT), Access::PullPush)?;
            let (verification, unkept) = verifier.verify_and_keep(reference, platform, &layout).await?;
            let unkept: Vec<_> =
                unkept.iter().map(|Unread { what, why }| json!({ "what": what, "why": why })).collect();
            let report = json!({
                "version": VERSION, "time": verifier.now, "policy": self.policy, "result": show(&verification), "unkept": unkept,
            });
            write_atomic(&folder.join(REPORT), format!("{report:#}\n").as_bytes(), 0o644).map_err(failed)?;
            Ok(verification)
        };
        let kept: Result<_, OpsError> = kept.await;
        if kept.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        kept
    }
}

/// A folder that nobody else has: another run may keep the same image in the same second.
fn new_folder(dir: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let numbered = (2..=SAME).map(|number| format!("{name}-{number}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let folder = dir.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    Err(io::Error::other(format!("{SAME} decisions of the same image and second")))
}

/// The folders of kept decisions that a path stands for: itself, or those in it, oldest first.
///
/// # Errors
/// It can't be read, or there are none.
pub fn folders(path: &Path) -> Result<Vec<PathBuf>, OpsError> {
    let failed = |source| OpsError::Io { path: path.to_owned(), source };
    let folder = if path.ends_with(REPORT) { path.parent().unwrap_or(Path::new("")) } else { path };
    if folder.join(REPORT).exists() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let inner = entry.map_err(failed)?.path();
        if inner.join(REPORT).exists() {
            found.push(inner);
        }
    }
    found.sort();
    if found.is_empty() {
        let why = format!("no {REPORT} in it or one folder below; expected what `verify --save-evidence` writes");
        return Err(OpsError::Evidence { path: path.to_owned(), why });
    }
    Ok(found)
}

impl Kept {
    /// Reads a kept decision.
    ///
    /// # Errors
    /// It can't be read, or is none.
    pub fn read(folder: &Path) -> Result<Self, OpsError> {
        let path = folder.join(REPORT);
        let wrong = |why: String| OpsError::Evidence { path: path.clone(), why };
        let bytes = bounded(&path).map_err(|source| OpsError::Io { path: path.clone(), source })?;
        let report: Report = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if report.version != VERSION {
            return Err(wrong(format!("version {}, expected {VERSION}", report.version)));
        }
        let digest = |text: &str| text.parse::<Digest>().map_err(|error| wrong(format!("{text:?}: {error}")));
        let Judged { reference, digest: judged, index, decision, unread } = report.result;
        let lost = unread.iter().chain(&report.unkept).next();
        let reference: Reference = reference.parse().map_err(|error| wrong(format!("{reference:?}: {error}")))?;
        let (judged, index) = (digest(&judged)?, index.as_deref().map(digest).transpose()?);
        if reference.digest.is_some_and(|named| named != judged && Some(named) != index) {
            return Err(wrong(format!("{reference} is not what was judged: {judged}")));
        }
        Ok(Self {
            folder: folder.to_owned(),
            time: report.time,
            reference,
            digest: judged,
            index,
            decision,
            incomplete: lost.map(|lost| format!("not everything was read then: {}", lost.what)),
        })
    }

    /// Verifies it again, by the verifier's policy and time.
    ///
    /// # Errors
    /// The evidence can't be read, or not all that the policy asks for was kept: that is "could not tell".
    pub async fn verify(&self, verifier: &Verifier<'_>) -> Result<Verification, OpsError> {
        if let Some(why) = &self.incomplete {
            return Err(OpsError::Unkept { reference: self.reference.to_string(), why: why.clone() });
        }
        let layout = Layout::open(&self.folder.join(LAYOUT), Access::Pull)?;
        judge(verifier, &layout, self.reference.clone(), self.digest, self.index).await
    }
}

/// Judges what a layout holds as the image of a reference.
pub(super) async fn judge(
    verifier: &Verifier<'_>,
    layout: &Layout,
    reference: Reference,
    digest: Digest,
    index: Option<Digest>,
) -> Result<Verification, OpsError> {
    let explained = verifier.policy.explain(&reference);
    if let Some(scope) = explained.scope.filter(|_| explained.mode != Mode::Disabled) {
        let asks_for_bases = |asked: &Asked| matches!(asked, Asked::Document(question) if question.base().is_some());
        let unkept = [
            (scope.content_trust.is_some(), "the scope asks for content trust, and trust states are not kept"),
            (
                scope.requirements.iter().any(|one| asks_for_bases(&one.asked)),
                "the scope asks about base images, which are not kept",
            ),
        ];
        if let Some((_, why)) = unkept.into_iter().find(|(is_asked, _)| *is_asked) {
            return Err(OpsError::Unkept { reference: reference.to_string(), why: why.to_owned() });
        }
    }
    let subject = match index {
        None => Subject::new(reference, digest),
        Some(index) => {
            let list = layout.manifest(&Selector::Digest(index)).await?;
            Subject::new(reference, index).image_within(&list.bytes, digest)?
        }
    };
    verifier.judge_kept(layout, &subject).await
}

pub(super) fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(REPORT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > REPORT_BYTES {
        return Err(io::Error::other(format!("more than {REPORT_BYTES} bytes")));
    }
    Ok(bytes)
}
