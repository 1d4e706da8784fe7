//! What is answered, once the images of a review were judged.

use super::{Image, Operation, Review};
use crate::{
    limits::{ANNOTATION_CHARS, REASON_BYTES, REASONS_TOLD, WARNING_CHARS},
    oci::Digest,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which of the two webhooks is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// May change the object: puts digests to names. It refuses nothing, since other webhooks may still change the images.
    Mutate,
    /// Sees the object as it will be, and refuses.
    Validate,
}

/// What is done with a refusal; the words are those of Kubernetes' Pod Security Admission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The object is refused, and names get their digests.
    #[default]
    Enforce,
    /// The object is let in as it is; whoever sends it is warned.
    Warn,
    /// The object is let in as it is; only the audit log tells.
    Audit,
}

/// What was found of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The policy allows this digest.
    Approved(Digest),
    /// The policy's mode is permissive: it would be denied, for this reason.
    Permitted(String),
    /// The policy's mode is disabled.
    NotJudged,
    /// It is denied, for this reason.
    Denied(String),
    /// Could not tell, for this reason.
    Unknown(String),
}

/// An answer to a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The review's.
    pub uid: String,
    /// Why the object is refused, with the HTTP code that the sender gets.
    pub refusal: Option<(u16, String)>,
    /// Names that get a digest: where they stand, and the new name.
    pub patch: Vec<(String, String)>,
    /// What the sender is told.
    pub warnings: Vec<String>,
    /// What the audit log is told.
    pub annotations: BTreeMap<&'static str, String>,
}

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// What is done with a refusal.
    pub effect: Effect,
    /// Foreign text with nothing in it that a terminal would obey.
    pub printable: fn(&str) -> String,
}

/// The answer as it is sent; what is empty is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
}

/// Answers a review; `judged` has each of [`Review::images`], with what each policy says of it.
#[must_use]
pub fn answer(review: &Review, hook: Hook, style: Style, judged: &[(&Image, Vec<Verdict>)]) -> Answer {
    let mut answer = Answer::leave(review);
    if hook == Hook::Mutate {
        if style.effect == Effect::Enforce {
            answer.patch = judged.iter().filter_map(patch).collect();
        }
        return answer;
    }
    let (mut refused, mut warnings, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    // A denial stands, whatever else could not be told.
    let mut denied = false;
    for (image, verdicts) in judged {
        let told = |why: &str| format!("{}: {}: {why}", image.pointer, image.text);
        for verdict in verdicts {
            match verdict {
                Verdict::Approved(digest)
                    if style.effect == Effect::Enforce && !image.text.ends_with(&format!("@{digest}")) =>
                {
                    denied = true;
                    refused.push(told(&format!(
                        "denied: not named by the digest that is allowed, {digest}; the mutating webhook puts it there"
                    )));
                }
                Verdict::Approved(_) | Verdict::NotJudged => {}
                Verdict::Permitted(why) => {
                    warnings.push(told(&format!("would be denied, the policy is permissive: {why}")));
                }
                Verdict::Denied(why) => {
                    denied = true;
                    refused.push(told(&format!("denied: {why}")));
                }
                Verdict::Unknown(why) => refused.push(told(&format!("could not tell: {why}"))),
            }
            seen.push(format!("{} {}", image.text, verdict.word()));
        }
    }
    if !seen.is_empty() {
        answer.annotations.insert("images", style.line(&seen.join("; "), ANNOTATION_CHARS));
    }
    answer.warnings = warnings.iter().map(|warning| style.line(warning, WARNING_CHARS)).collect();
    answer.refuse(style, if denied { 403 } else { 503 }, &refused);
    answer
}

impl Style {
    /// A text of at most so many characters.
    fn line(self, text: &str, most: usize) -> String {
        let text = (self.printable)(text);
        if text.chars().count() <= most {
            return text;
        }
        text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    }
}

impl Verdict {
    /// What the audit log says.
    fn word(&self) -> String {
        match self {
            Self::Approved(digest) => digest.to_string(),
            Self::Permitted(_) => "permitted".to_owned(),
            Self::NotJudged => "not judged".to_owned(),
            Self::Denied(_) => "denied".to_owned(),
            Self::Unknown(_) => "could not tell".to_owned(),
        }
    }
}

impl Answer {
    /// The object may be written as it is.
    #[must_use]
    pub fn leave(review: &Review) -> Self {
        let (uid, annotations) = (review.uid.clone(), BTreeMap::new());
        Self { uid, refusal: None, patch: Vec::new(), warnings: Vec::new(), annotations }
    }

    /// The object can't be judged. The mutating webhook leaves it to the validating one to say so.
    #[must_use]
    pub fn unusable(review: &Review, hook: Hook, style: Style, why: &str) -> Self {
        let mut answer = Self::leave(review);
        if hook == Hook::Validate {
            answer.refuse(style, 422, &[why.to_owned()]);
        }
        answer
    }

    fn refuse(&mut self, style: Style, code: u16, reasons: &[String]) {
        if reasons.is_empty() {
            return;
        }
        let line = |reason: &String| style.line(reason, REASON_BYTES);
        let mut told: Vec<_> = reasons.iter().take(REASONS_TOLD).map(line).collect();
        if reasons.len() > told.len() {
            told.push(format!("and {} more", reasons.len() - told.len()));
        }
        if style.effect == Effect::Enforce {
            self.refusal = Some((code, format!("boltseal: {}", told.join("; "))));
            return;
        }
        self.annotations.insert("would-refuse", style.line(&told.join("; "), ANNOTATION_CHARS));
        if style.effect == Effect::Warn {
            let warning = |reason: &String| style.line(&format!("boltseal would refuse: {reason}"), WARNING_CHARS);
            self.warnings.extend(told.iter().map(warning));
        }
    }

    /// The answer as the API server reads it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let status = self.refusal.as_ref().map(|(code, message)| {
            let reason = match code {
                403 => "Forbidden",
                503 => "ServiceUnavailable",
                _ => "Invalid",
            };
            json!({ "code": code, "reason": reason, "message": message })
        });
        let replace = |(path, value): &(String, String)| json!({ "op": "replace", "path": path, "value": value });
        let patch: Vec<_> = self.patch.iter().map(replace).collect();
        let patch = (!patch.is_empty()).then(|| STANDARD.encode(Value::from(patch).to_string()));
        let response = Response {
            uid: &self.uid,
            allowed: self.refusal.is_none(),
            status,
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
            warnings: &self.warnings,
            audit_annotations: &self.annotations,
        };
        let review = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
        review.to_string().into_bytes()
    }
}

impl Operation {
    /// Kubernetes' word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Other(word) => word,
        }
    }
}

/// The new name of an image that is allowed and has no digest yet.
fn patch((image, verdicts): &(&Image, Vec<Verdict>)) -> Option<(String, String)> {
    let digest = verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Approved(digest) => Some(digest),
        _ => None,
    })?;
    let bare = !image.text.is_empty() && !image.text.contains('@');
    bare.then(|| (image.pointer.clone(), format!("{}@{digest}", image.text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn review(images: &[&str]) -> Review {
        let containers: Vec<_> = images.iter().map(|image| json!({ "name": image, "image": image })).collect();
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": { "uid": "u", "operation": "CREATE", "kind": { "group": "", "version": "v1", "kind": "Pod" },
                "object": { "spec": { "containers": containers } } },
        });
        Review::decode(review.to_string().as_bytes()).unwrap()
    }

    fn style(effect: Effect) -> Style {
        Style { effect, printable: |text| text.replace(char::is_control, "?") }
    }

    fn judged(hook: Hook, effect: Effect, images: &[(&str, Verdict)]) -> Answer {
        let review = review(&images.iter().map(|(image, _)| *image).collect::<Vec<_>>());
        let verdicts = images.iter().map(|(_, verdict)| vec![Verdict::NotJudged, verdict.clone()]);
        let judged: Vec<_> = review.images.as_ref().unwrap().iter().zip(verdicts).collect();
        answer(&review, hook, style(effect), &judged)
    }

    fn approved() -> Verdict {
        Verdict::Approved(ONE.parse().unwrap())
    }

    // [V-323]
    #[test]
    fn a_name_gets_the_digest_that_is_allowed_and_nothing_else_changes() {
        let named = format!("r.example/b@{ONE}");
        let images = [
            ("r.example/a:1", approved()),
            (named.as_str(), approved()),
            ("r.example/c:1", Verdict::Denied("unsigned".to_owned())),
            ("r.example/d:1", Verdict::Unknown("down".to_owned())),
            ("r.example/e:1", Verdict::Permitted("unsigned".to_owned())),
            ("f", approved()),
        ];
        let answer = judged(Hook::Mutate, Effect::Enforce, &images);
        let patch = |at: usize, image: &str| (format!("/spec/containers/{at}/image"), format!("{image}@{ONE}"));
        assert_eq!(answer.patch, [patch(0, "r.example/a:1"), patch(5, "f")]);
        assert_eq!((&answer.refusal, answer.warnings.len()), (&None, 0));
        let sent: Value = serde_json::from_slice(&answer.encode()).unwrap();
        let patch = STANDARD.decode(sent["response"]["patch"].as_str().unwrap()).unwrap();
        let patch: Value = serde_json::from_slice(&patch).unwrap();
        assert_eq!(
            patch[0],
            json!({ "op": "replace", "path": "/spec/containers/0/image", "value": format!("r.example/a:1@{ONE}") })
        );
        assert_eq!((&sent["response"]["allowed"], &sent["response"]["patchType"]), (&json!(true), &json!("JSONPatch")));
        for effect in [Effect::Warn, Effect::Audit] {
            assert!(judged(Hook::Mutate, effect, &images).patch.is_empty());
        }
    }

    // [V-324]
    #[test]
    fn what_has_no_approved_digest_is_refused() {
        let named = format!("r.example/a:1@{ONE}");
        let other = format!("r.example/a@{}", ONE.replace('1', "2"));
        let fine = judged(Hook::Validate, Effect::Enforce, &[(&named, approved()), ("b", Verdict::NotJudged)]);
        assert_eq!(fine.refusal, None);
        for (image, verdict, code, part) in [
            ("r.example/a:1", approved(), 403, "not named by the digest that is allowed, sha256:1111"),
            (other.as_str(), approved(), 403, "not named by the digest"),
            (&named, Verdict::Denied("unsigned: no signature".to_owned()), 403, "denied: unsigned: no signature"),
            (&named, Verdict::Unknown("down".to_owned()), 503, "could not tell: down"),
        ] {
            let answer = judged(Hook::Validate, Effect::Enforce, &[(&named, approved()), (image, verdict)]);
            let (found, message) = answer.refusal.clone().unwrap();
            assert_eq!(found, code, "{message}");
            assert!(message.starts_with("boltseal: /spec/containers/1/image: "), "{message}");
            assert!(message.contains(part), "{message}");
            let sent: Value = serde_json::from_slice(&answer.encode()).unwrap();
            assert_eq!(sent["response"]["allowed"], json!(false));
            assert_eq!(sent["response"]["status"]["message"], json!(message));
        }
        for denied in [Verdict::Denied("x".to_owned()), approved()] {
            let both = [("a", denied), ("b", Verdict::Unknown("y".to_owned()))];
            assert_eq!(judged(Hook::Validate, Effect::Enforce, &both).refusal.unwrap().0, 403, "{both:?}");
        }
    }

    // [V-325]
    #[test]
    fn who_is_only_told_is_let_in() {
        let denied = [("r.example/a:1", approved()), ("r.example/b:1", Verdict::Denied("unsigned".to_owned()))];
        for (effect, warnings) in [(Effect::Warn, 1), (Effect::Audit, 0)] {
            let answer = judged(Hook::Validate, effect, &denied);
            assert_eq!((&answer.refusal, answer.warnings.len()), (&None, warnings));
            assert!(answer.annotations["would-refuse"].contains("/spec/containers/1/image: r.example/b:1: denied"));
        }
        let permitted = [("r.example/b:1", Verdict::Permitted("unsigned".to_owned()))];
        let answer = judged(Hook::Validate, Effect::Enforce, &permitted);
        assert_eq!(answer.refusal, None);
        assert!(answer.warnings[0].contains("would be denied, the policy is permissive: unsigned"));
        let review = review(&["a"]);
        assert!(Answer::unusable(&review, Hook::Validate, style(Effect::Enforce), "odd").refusal.is_some());
        assert!(Answer::unusable(&review, Hook::Validate, style(Effect::Warn), "odd").refusal.is_none());
        assert!(Answer::unusable(&review, Hook::Mutate, style(Effect::Enforce), "odd").refusal.is_none());
    }

    // [V-326]
    #[test]
    fn what_is_told_is_bounded_and_on_one_line() {
        let long = format!("x\n\u{1b}[2K{}", "ü".repeat(2_000));
        let images = vec![("r.example/a:1", Verdict::Denied(long.clone())); 100];
        let (_, message) = judged(Hook::Validate, Effect::Enforce, &images).refusal.unwrap();
        assert!(message.len() < 20 << 10 && message.ends_with("and 92 more"), "{}", message.len());
        assert!(!message.contains(['\n', '\u{1b}']));
        let answer = judged(Hook::Validate, Effect::Warn, &images);
        assert!(answer.warnings.iter().all(|warning| warning.chars().count() <= WARNING_CHARS));
        assert!(answer.annotations.values().all(|value| value.chars().count() <= ANNOTATION_CHARS));
    }
}
