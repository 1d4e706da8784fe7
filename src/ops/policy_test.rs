//! Cases for a policy: evidence that was kept, and what the policy has to say of it.

use super::{
    OpsError,
    evidence::{Kept, bounded, judge},
    verify::{Verification, Verifier},
};
use crate::{
    oci::{Digest, Reference},
    registry::{Access, Layout, Selector},
};
use jiff::Timestamp;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How the names of case files end.
const SUFFIXES: [&str; 3] = [".test.yaml", ".test.yml", ".test.json"];

/// A file of cases.
#[derive(Debug)]
pub struct CaseFile {
    /// The file.
    pub path: PathBuf,
    /// The policy that they are about, if it names one.
    pub policy: Option<PathBuf>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// What is judged, and what the policy has to say of it.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The time to judge by.
    pub time: Timestamp,
    /// What is expected.
    pub expect: Expect,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Kept(Box<Kept>),
    Layout { dir: PathBuf, reference: Reference },
}

/// What is expected of a decision.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The word for the decision.
    pub decision: Word,
    /// Ids of reasons, each of which has to be told.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// The word for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "SPEC.md, section 10")]
pub enum Word {
    Allowed,
    Denied,
    WouldDeny,
    CouldNotTell,
    NotJudged,
}

impl Word {
    /// As reports write it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::WouldDeny => "would-deny",
            Self::CouldNotTell => "could-not-tell",
            Self::NotJudged => "not-judged",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFile {
    version: u64,
    #[serde(default)]
    policy: Option<PathBuf>,
    cases: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawCase {
    name: String,
    evidence: PathBuf,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    time: Option<String>,
    expect: Expect,
}

/// The case files of a folder, in the order of their names; or the one that is named.
///
/// # Errors
/// A file can't be read or used; there is no case at all, which would pass.
pub fn read_cases(dir: &Path) -> Result<Vec<CaseFile>, OpsError> {
    let failed = |source| OpsError::Io { path: dir.to_owned(), source };
    let is_case = |path: &Path| SUFFIXES.iter().any(|end| path.to_string_lossy().ends_with(end));
    let mut paths = vec![dir.to_owned()];
    if !is_case(dir) {
        let entries = fs::read_dir(dir).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        paths = entries.into_iter().map(|entry| entry.path()).filter(|path| is_case(path)).collect();
        paths.sort();
    }
    let files = paths.iter().map(|path| read_file(path)).collect::<Result<Vec<_>, _>>()?;
    if files.iter().all(|file| file.cases.is_empty()) {
        let why = format!("no cases in it; expected files whose names end with {}", SUFFIXES.join(", "));
        return Err(OpsError::Evidence { path: dir.to_owned(), why });
    }
    Ok(files)
}

fn read_file(path: &Path) -> Result<CaseFile, OpsError> {
    let wrong = |why: String| OpsError::Evidence { path: path.to_owned(), why };
    let bytes = bounded(path).map_err(|source| OpsError::Io { path: path.to_owned(), source })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("not UTF-8 text".to_owned()))?;
    let raw: RawFile = serde_saphyr::from_str(text).map_err(|error| wrong(error.without_snippet().to_string()))?;
    if raw.version != 1 {
        return Err(wrong(format!("version {}; expected `version: 1`", raw.version)));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let cases = raw.cases.into_iter().map(|raw| {
        let name = raw.name.clone();
        case(folder, raw).map_err(|why| wrong(format!("case {name:?}: {why}")))
    });
    let cases = cases.collect::<Result<_, _>>()?;
    Ok(CaseFile { path: path.to_owned(), policy: raw.policy.map(|policy| folder.join(policy)), cases })
}

fn case(folder: &Path, raw: RawCase) -> Result<Case, String> {
    let dir = folder.join(&raw.evidence);
    let passes = matches!(raw.expect.decision, Word::Allowed | Word::NotJudged);
    if passes != raw.expect.reasons.is_empty() {
        let why =
            "expected `reasons` for what is not allowed, so that it is denied for the right ones, and none for what is";
        return Err(why.to_owned());
    }
    let named = raw.time.map(|text| text.parse::<Timestamp>().map_err(|error| format!("time {text:?}: {error}")));
    let named = named.transpose()?;
    let (source, time) = match raw.image {
        Some(image) => {
            let reference = image.parse().map_err(|error| format!("image {image:?}: {error}"))?;
            let time = named.ok_or("no `time`; expected such as 2026-11-20T00:00:00Z")?;
            (Source::Layout { dir, reference }, time)
        }
        None => {
            let kept = Kept::read(&dir).map_err(|error| format!("no `image`, and {error}"))?;
            let time = named.unwrap_or(kept.time);
            (Source::Kept(Box::new(kept)), time)
        }
    };
    Ok(Case { name: raw.name, time, expect: raw.expect, source })
}

impl Case {
    /// Verifies the case's evidence, by the verifier's policy and time.
    ///
    /// # Errors
    /// The evidence can't be read.
    pub async fn verify(&self, verifier: &Verifier<'_>) -> Result<Verification, OpsError> {
        let (dir, reference) = match &self.source {
            Source::Kept(kept) => return kept.verify(verifier).await,
            Source::Layout { dir, reference } => (dir, reference),
        };
        let layout = Layout::open(dir, Access::Pull)?;
        let digest: Digest = match reference.digest {
            Some(digest) => digest,
            None => {
                let tag = reference.tag_or_latest().unwrap_or_default().to_owned();
                layout.manifest(&Selector::Tag(tag)).await?.descriptor.digest
            }
        };
        judge(verifier, &layout, reference.clone(), digest, None).await
    }
}
