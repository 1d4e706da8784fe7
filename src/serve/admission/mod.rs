//! The admission webhook of Kubernetes: `POST /mutate` and `/validate`, and the same below them with the name of a policy
//! (`/validate/strict`). A named policy is asked beside the server's own, and never in its stead: a label chooses it, and
//! a label may not loosen anything.

mod body;
mod pull_secrets;

use super::{
    Answer as HttpAnswer, CacheSettings, Caller, Credentials, Decided, Judge, JudgeSettings, Judged, Log, Metrics,
    Ruling, ServeError, ServerSettings, Service, Shell, Undecided, Verdict as Ruled, answer::whole,
};
use crate::{
    admission::{Answer, Effect, Hook, Image, Review, Style, Verdict, answer},
    limits::{REVIEW_AT_ONCE, REVIEWS_BYTES, WEBHOOK_TIMEOUT},
    oci::{Reference, ReferenceError},
};
use futures_util::{StreamExt as _, future::join_all, stream};
use http::{Method, Request, StatusCode, Uri};
use hyper::body::Incoming;
use pull_secrets::PullSecrets;
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

pub use pull_secrets::{PullSecretsError, PullSecretsOf};

/// The webhook's settings, as they are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdmissionSettings {
    /// What is done with a refusal: `enforce`, `warn`, `audit`.
    #[serde(default)]
    pub effect: Effect,
    /// Whose pull secrets registries are read with.
    #[serde(default)]
    pub pull_secrets: PullSecretsOf,
    /// Policies that a webhook's path may name, which are asked beside the judge's own.
    #[serde(default)]
    pub policies: BTreeMap<String, PathBuf>,
    /// Where it listens.
    pub server: ServerSettings,
    /// By what it judges.
    pub judge: JudgeSettings,
    /// How long decisions hold.
    #[serde(default)]
    pub cache: CacheSettings,
}

impl AdmissionSettings {
    /// The same with paths that are relative to a folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        self.policies.values_mut().for_each(|path| *path = folder.join(&*path));
        Self { server: self.server.beside(folder), judge: self.judge.beside(folder), ..self }
    }
}

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// A named policy can't be used.
    #[error("policies: {name}: {source}")]
    Policy {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: ServeError,
    },
    /// Pull secrets can't be read.
    #[error(transparent)]
    PullSecrets(#[from] PullSecretsError),
}

/// The webhook.
pub struct Admission {
    /// Who decides, by the server's own policy.
    own: Arc<Judge>,
    /// Who decides beside it, by the names of their policies.
    named: BTreeMap<String, Arc<Judge>>,
    style: Style,
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    secrets: Option<PullSecrets>,
    receiving: Semaphore,
}

/// What one request is about.
struct Asked<'a> {
    hook: Hook,
    /// The server's own, and the one that the path names.
    judges: Vec<&'a Judge>,
    until: Instant,
    caller: &'a Caller,
}

impl Admission {
    /// A webhook in a shell.
    ///
    /// # Errors
    /// A named policy that can't be used. Pull secrets are to be read, and there is no API server to read them from.
    pub async fn new(
        shell: &mut Shell,
        settings: &AdmissionSettings,
        printable: fn(&str) -> String,
    ) -> Result<Self, AdmissionError> {
        let own = Arc::clone(&shell.judge);
        let mut named = BTreeMap::new();
        for (name, policy) in &settings.policies {
            let judge = shell.judge_by(policy.clone());
            let judge = judge.map_err(|source| AdmissionError::Policy { name: name.clone(), source })?;
            named.insert(name.clone(), judge);
        }
        let secrets = PullSecrets::connect(Arc::clone(&own), settings.pull_secrets.clone()).await?;
        let style = Style { effect: settings.effect, printable };
        let (log, metrics) = (Arc::clone(&shell.log), Arc::clone(&shell.metrics));
        Ok(Self { own, named, style, log, metrics, secrets, receiving: Semaphore::new(REVIEWS_BYTES) })
    }

    /// What a request asks for. A policy that nobody has configured is none.
    fn asked<'a>(&'a self, uri: &Uri, caller: &'a Caller) -> Option<Asked<'a>> {
        let until = Instant::now() + deadline(uri.query());
        let mut words = uri.path().trim_start_matches('/').split('/');
        let hook = match words.next()? {
            "mutate" => Hook::Mutate,
            "validate" => Hook::Validate,
            _ => return None,
        };
        let named = words.next().map(|name| self.named.get(name).ok_or(())).transpose().ok()?;
        let judges = std::iter::once(&self.own).chain(named).map(AsRef::as_ref).collect();
        words.next().is_none().then_some(Asked { hook, judges, until, caller })
    }

    async fn review(&self, asked: &Asked<'_>, body: Incoming) -> Result<Answer, Refused> {
        let received = body::receive(body, &self.receiving).await?;
        let review = Review::decode(&received.bytes)
            .map_err(|error| Refused(StatusCode::BAD_REQUEST, (self.style.printable)(&error.to_string())))?;
        // The review waits for its judgement, and its object doesn't.
        drop(received);
        if asked.hook == Hook::Mutate && self.style.effect != Effect::Enforce {
            return Ok(Answer::leave(&review));
        }
        let images = match &review.images {
            Ok(images) => images,
            Err(error) => {
                let why = error.to_string();
                self.tell(asked, &review, "", None, &Err(Undecided::Denied(why.clone())));
                return Ok(Answer::unusable(&review, asked.hook, self.style, &why));
            }
        };
        let credentials = match &self.secrets {
            Some(secrets) if !images.is_empty() => match timeout_at(asked.until, secrets.of(&review)).await {
                Ok(read) => read.map_err(|error| error.to_string()),
                Err(_) => Err("the pod's pull secrets were not read in time".to_owned()),
            },
            _ => Ok(None),
        };
        let judging: Vec<_> = images.iter().map(|image| self.image(asked, &review, image, &credentials)).collect();
        let judged: Vec<_> = stream::iter(judging).buffered(REVIEW_AT_ONCE).collect().await;
        Ok(answer(&review, asked.hook, self.style, &judged))
    }

    /// What is said of an image.
    async fn image<'r>(
        &self,
        asked: &Asked<'_>,
        review: &Review,
        image: &'r Image,
        credentials: &Result<Option<Credentials>, String>,
    ) -> (&'r Image, Vec<Verdict>) {
        let undecided = match (parse(&image.text), credentials) {
            (Err(error), _) => Undecided::Denied(error.to_string()),
            (_, Err(why)) => Undecided::Unknown(why.clone()),
            (Ok(reference), Ok(by)) => {
                let ruled = self.judge(asked, review, image, &reference, by.as_ref()).await;
                return (image, ruled.iter().map(verdict).collect());
            }
        };
        let undecided = Err(undecided);
        self.tell(asked, review, &format!("{} {}", image.pointer, image.text), None, &undecided);
        (image, vec![verdict(&undecided)])
    }

    /// What each policy says of an image.
    async fn judge(
        &self,
        asked: &Asked<'_>,
        review: &Review,
        image: &Image,
        reference: &Reference,
        by: Option<&Credentials>,
    ) -> Vec<Result<Arc<Ruled>, Undecided>> {
        join_all(asked.judges.iter().map(async |judge| {
            let started = Instant::now();
            // Once the time is over nothing more is begun.
            let judging =
                async { if started < asked.until { Some(judge.judge_with(reference, by).await) } else { None } };
            let judged = timeout_at(asked.until, judging).await.ok().flatten();
            let late = || Err(Undecided::Unknown("no result within the webhook's deadline".to_owned()));
            let verdict = judged.as_ref().map_or_else(late, |judged| judged.verdict.clone());
            let what = format!("{} {}", image.pointer, image.text);
            self.tell(asked, review, &what, judged.as_ref().map(|judged| (judged, started)), &verdict);
            verdict
        }))
        .await
    }

    /// Logs a decision, and counts it where no judge has: what was not judged, or not in time.
    fn tell(
        &self,
        asked: &Asked<'_>,
        review: &Review,
        what: &str,
        judged: Option<(&Judged, Instant)>,
        verdict: &Result<Arc<Ruled>, Undecided>,
    ) {
        let object =
            format!("{} {} {}/{} {what}", review.operation.as_str(), review.kind.kind, review.namespace, review.name);
        let (decision, reason) = match verdict {
            Ok(ruled) => (ruled.ruling.name(), ruled.reason.clone()),
            Err(undecided) => (undecided.name(), undecided.to_string()),
        };
        if judged.is_none() {
            self.metrics.count(&self.metrics.decisions, "decision", decision);
        }
        self.log.decision(&Decided {
            id: &asked.caller.id,
            client: asked.caller.address.to_string(),
            asked: (self.style.printable)(object.trim_end()),
            digest: verdict.as_ref().ok().and_then(|ruled| Some(ruled.digest?.to_string())),
            decision,
            reason: (self.style.printable)(&reason),
            policy: judged.map(|(judged, _)| judged.law.file.to_string()),
            cached: judged.is_some_and(|(judged, _)| judged.cached),
            ms: judged.map_or(0, |(_, started)| u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)),
        });
    }
}

impl Service for Admission {
    async fn answer(&self, request: Request<Incoming>, caller: Caller) -> HttpAnswer {
        let (head, body) = request.into_parts();
        let answered = match self.asked(&head.uri, &caller) {
            None => Err(Refused(
                StatusCode::NOT_FOUND,
                "expected /mutate or /validate, alone or with the name of a policy of the settings".to_owned(),
            )),
            Some(_) if head.method != Method::POST => {
                Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "expected POST".to_owned()))
            }
            Some(asked) => self.review(&asked, body).await,
        };
        match answered {
            Ok(answer) => whole(StatusCode::OK, "application/json", answer.encode().into()),
            Err(Refused(status, message)) => {
                let code = status.as_u16();
                self.log.event("warning", "refused", &format!("{} {code}: {message}", caller.address));
                let told = json!({
                    "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
                    "message": format!("boltseal: {message}"),
                });
                super::json(status, &told)
            }
        }
    }
}

/// A request that is answered with an error: no review that could be answered.
struct Refused(StatusCode, String);

/// When the caller gives up, less a tenth for the way back: `timeout=10s`, as an API server writes it.
fn deadline(query: Option<&str>) -> Duration {
    let named = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("timeout="));
    let seconds =
        named.and_then(|named| named.strip_suffix('s')?.parse().ok()).filter(|seconds| (1..=30).contains(seconds));
    seconds.map_or(WEBHOOK_TIMEOUT, Duration::from_secs) * 9 / 10
}

/// The image that a runtime would pull by this name. Here `oci:1` is a name like any other, and no folder of this machine.
fn parse(text: &str) -> Result<Reference, ReferenceError> {
    match text.strip_prefix("oci:") {
        Some(_) => format!("docker.io/library/{text}").parse(),
        None => text.parse(),
    }
}

fn verdict(ruled: &Result<Arc<Ruled>, Undecided>) -> Verdict {
    match ruled {
        Ok(ruled) => match ruled.ruling {
            Ruling::Allowed => ruled.digest.map_or_else(|| Verdict::Unknown("no digest".to_owned()), Verdict::Approved),
            Ruling::WouldDeny => Verdict::Permitted(ruled.reason.clone()),
            Ruling::NotJudged => Verdict::NotJudged,
            Ruling::Denied => Verdict::Denied(ruled.reason.clone()),
        },
        Err(Undecided::Denied(why)) => Verdict::Denied(why.clone()),
        Err(Undecided::Absent(why) | Undecided::Unknown(why)) => Verdict::Unknown(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Repository;

    // [V-327]
    #[test]
    fn the_answer_comes_before_the_caller_gives_up() {
        let of = |query| deadline(query).as_millis();
        assert_eq!(of(Some("timeout=10s")), 9_000);
        assert_eq!(of(Some("a=b&timeout=1s")), 900);
        for odd in [None, Some(""), Some("timeout="), Some("timeout=0s"), Some("timeout=99s"), Some("timeout=-1s")] {
            assert_eq!(of(odd), 9_000, "{odd:?}");
        }
    }

    // [V-321]
    #[test]
    fn no_name_is_a_folder_of_this_machine() {
        for name in ["oci:1", "oci:latest"] {
            let reference = parse(name).unwrap();
            assert!(matches!(reference.repository, Repository::Registry(_)), "{name}");
        }
        for name in
            ["", " ", "oci:/etc", "oci:a/b:c", "r.example/a:1 ", "r.example/A", "http://r.example/a", "a@sha256:1"]
        {
            assert!(parse(name).is_err(), "{name}");
        }
    }
}
