//! What is asked of documents and of the configuration, in plain words and in members.

use boltseal::policy::{ConfigRule, ProvenanceRule, Question, RegoRule, SbomRule, Topic, VsaRule, VulnRule};
use serde_json::{Value, json};

/// The question's parts, each a phrase that follows "asks provenance by 1 of {ci}".
pub fn words(question: &Question) -> Vec<String> {
    let mut words: Vec<String> = match &question.about {
        Topic::Provenance(rule) => provenance(rule),
        Topic::Sbom(rule) => sbom(rule),
        Topic::Vuln(rule) => vuln(rule),
        Topic::Summary(rule) => summary(rule),
        _ => Vec::new(),
    };
    words.extend(question.max_age.map(|age| format!("at most {} hours old", age.as_hours())));
    let whose = if matches!(question.about, Topic::Summary(_)) { "verifier" } else { "authority" };
    words.extend(question.newest.then(|| format!("the newest of its {whose}")));
    words
}

fn provenance(rule: &ProvenanceRule) -> Vec<String> {
    let patterns = [
        ("built by", &rule.builder),
        ("a build of type", &rule.build_type),
        ("built from", &rule.source),
        ("built from the ref", &rule.reference),
        ("built by the workflow", &rule.workflow),
    ];
    let asked = patterns.into_iter().filter_map(|(words, pattern)| Some(format!("{words} {}", pattern.as_ref()?)));
    let level = rule.level.map(|level| format!("built by a builder that is known for SLSA build level {level}"));
    let strict = "with no parameters that the build type does not define";
    asked.chain(level).chain(rule.refuse_unknown.then(|| strict.to_owned())).collect()
}

fn sbom(rule: &SbomRule) -> Vec<String> {
    let formats: Vec<_> = rule.formats.iter().map(ToString::to_string).collect();
    let mut words = Vec::new();
    words.extend((!formats.is_empty()).then(|| format!("written in {}", formats.join(" or "))));
    words.extend(rule.of_image.then(|| "describing the image by its digest".to_owned()));
    for listed in &rule.must_list {
        let digest = listed.digest.map(|digest| format!(" with digest {digest}")).unwrap_or_default();
        words.push(format!("listing {}{digest}", listed.package));
    }
    words.extend(rule.deny_packages.iter().map(|package| format!("listing no {package}")));
    words.extend(rule.deny_licenses.iter().map(|license| format!("with no package that needs the licence {license}")));
    words
}

fn vuln(rule: &VulnRule) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(rule.most.map(|most| format!("finding nothing worse than {most}")));
    words.extend(rule.with_vex.then(|| "but for what VEX documents of the same authorities call harmless".to_owned()));
    words.extend(rule.waivers.iter().map(|one| format!("but for {} before {}: {}", one.id, one.until, one.reason)));
    words
}

fn summary(rule: &VsaRule) -> Vec<String> {
    let mut words = vec![format!("by the verifier {}", rule.verifier)];
    words.extend(rule.policy.map(|policy| format!("by the policy {policy}")));
    words.extend(rule.levels.iter().map(|level| format!("with {level}")));
    words
}

/// What is asked of the image itself.
pub fn config_words(rule: &ConfigRule) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(rule.non_root.then(|| "running as another user than root".to_owned()));
    words.extend(rule.no_secrets.then(|| "without what looks like a secret in history and environment".to_owned()));
    words.extend(rule.max_size.map(|most| format!("of at most {most} bytes of layers, compressed")));
    words.extend(rule.max_layers.map(|most| format!("of at most {most} layers")));
    words.extend(rule.labels.iter().map(|(name, value)| format!("with the label {name}: {value}")));
    words
}

fn texts<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

pub fn question(question: &Question) -> Value {
    let text = |pattern: &Option<_>| pattern.as_ref().map(ToString::to_string);
    let asked = match &question.about {
        Topic::Provenance(rule) => json!({
            "kind": "provenance", "builder": text(&rule.builder), "buildType": text(&rule.build_type),
            "source": text(&rule.source), "ref": text(&rule.reference), "workflow": text(&rule.workflow), "level": rule.level,
            "refuseUnknownParameters": rule.refuse_unknown,
        }),
        Topic::Sbom(rule) => {
            let must_list = rule.must_list.iter().map(|one| {
                json!({ "package": one.package.to_string(), "digest": one.digest.map(|digest| digest.to_string()) })
            });
            json!({
                "kind": "sbom", "formats": texts(&rule.formats),
                "describesImage": rule.of_image, "mustList": must_list.collect::<Vec<_>>(),
                "denyPackages": texts(&rule.deny_packages), "denyLicenses": texts(&rule.deny_licenses),
            })
        }
        Topic::Vuln(rule) => {
            let waivers = rule.waivers.iter();
            let waivers = waivers.map(|one| json!({ "id": one.id, "endsAt": one.until, "reason": one.reason }));
            json!({
                "kind": "vuln", "maxSeverity": rule.most.map(|most| most.to_string()), "ignoreWithVex": rule.with_vex,
                "waivers": waivers.collect::<Vec<_>>(),
            })
        }
        Topic::Summary(rule) => json!({
            "kind": "vsa", "verifier": rule.verifier, "policy": rule.policy.map(|policy| policy.to_string()), "levels": rule.levels,
        }),
        _ => Value::Null,
    };
    json!({ "about": asked, "maxAgeHours": question.max_age.map(|age| age.as_hours()), "newest": question.newest })
}

pub fn config(rule: &ConfigRule) -> Value {
    let labels = rule.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.to_string())));
    json!({
        "nonRoot": rule.non_root, "noSecretsInHistory": rule.no_secrets, "maxSize": rule.max_size,
        "maxLayers": rule.max_layers, "labels": labels.collect::<serde_json::Map<_, _>>(),
    })
}

pub fn rego(rule: &RegoRule) -> Value {
    json!({ "file": rule.file, "digest": rule.digest.to_string() })
}
