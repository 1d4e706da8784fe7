use super::*;
use crate::format::predicate::{SLSA_V01, SLSA_V1, SLSA_V02};
use serde_json::Value;

const COMMIT: &str = "5f0c1b7a9d3e4c2b8a6f7e5d4c3b2a1908f7e6d5";

macro_rules! predicate {
    ($name:literal) => {
        &include_bytes!(concat!("../../../../testdata/predicates/", $name))[..]
    };
}

fn one_source(provenance: &Provenance) -> (&str, Option<&str>, Option<&str>) {
    let [source] = provenance.sources.as_slice() else { panic!("one source: {:?}", provenance.sources) };
    (&source.uri, source.reference.as_deref(), source.digest.values().next().map(String::as_str))
}

#[test]
fn each_build_type_has_its_own_reading() {
    const GITHUB: &str = "https://github.com/acme/cart";
    const GITLAB: &str = "https://gitlab.com/acme/cart";
    const REF: Option<&str> = Some("refs/tags/v1.2.0");
    const RELEASE: Option<&str> = Some(".github/workflows/release.yml");
    for (name, kind, bytes, uri, reference, workflow, vouching) in [
        ("github", SLSA_V1, predicate!("github.json"), GITHUB, REF, RELEASE, Vouching::Builder),
        ("generator", SLSA_V02, predicate!("slsa-github-generator.json"), GITHUB, REF, RELEASE, Vouching::Builder),
        ("buildkit min", SLSA_V02, predicate!("buildkit-v0.2-min.json"), GITHUB, REF, None, Vouching::Builder),
        ("buildkit max", SLSA_V1, predicate!("buildkit-v1-max.json"), GITHUB, REF, None, Vouching::Builder),
        ("local", SLSA_V02, predicate!("buildkit-v0.2-max-local.json"), GITHUB, None, None, Vouching::Client),
        (
            "tekton",
            SLSA_V02,
            predicate!("tekton-v0.2.json"),
            GITHUB,
            REF,
            Some("pipelines/build.yaml"),
            Vouching::Client,
        ),
        ("tekton 1", SLSA_V1, predicate!("tekton-v1.json"), GITHUB, REF, Some("build"), Vouching::Client),
        (
            "cloud build",
            SLSA_V1,
            predicate!("cloud-build-v1.json"),
            GITHUB,
            REF,
            Some("cloudbuild.yaml"),
            Vouching::Builder,
        ),
        (
            "cloud build 0.1",
            SLSA_V01,
            predicate!("cloud-build-v0.1.json"),
            GITHUB,
            None,
            Some("cloudbuild.yaml"),
            Vouching::Builder,
        ),
        ("gitlab", SLSA_V1, predicate!("gitlab-v1.json"), GITLAB, REF, Some("build-image"), Vouching::Builder),
        ("gitlab 0.2", SLSA_V02, predicate!("gitlab-v0.2.json"), GITLAB, None, Some("build-image"), Vouching::Builder),
    ] {
        let provenance = Provenance::decode(kind, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(provenance.is_known, "{name}");
        assert_eq!(one_source(&provenance), (uri, reference, Some(COMMIT)), "{name}");
        assert_eq!(provenance.workflow.as_deref(), workflow, "{name}");
        assert_eq!(provenance.sources[0].vouching, vouching, "{name}");
        assert!(
            provenance.parameters.iter().all(|parameter| parameter.is_known),
            "{name}: {:?}",
            provenance.parameters
        );
    }
}

#[test]
fn what_the_build_fetched_is_listed() {
    let provenance = Provenance::decode(SLSA_V1, predicate!("buildkit-v1-max.json")).unwrap();
    let images: Vec<_> = provenance.images().map(|image| image.uri.as_str()).collect();
    assert_eq!(images, ["pkg:docker/alpine@3.20?platform=linux%2Famd64"]);
    assert_eq!(provenance.finished, Some("2026-11-20T10:04:30Z".parse().unwrap()));
    let local = Provenance::decode(SLSA_V02, predicate!("buildkit-v0.2-max-local.json")).unwrap();
    assert_eq!(local.builder, "", "BuildKit without a builder id writes an empty one");
}

fn changed(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut value);
    value.to_string().into_bytes()
}

#[test]
fn parameters_that_a_build_type_does_not_define_are_told() {
    let unknown = |bytes: &[u8]| {
        let provenance = Provenance::decode(SLSA_V1, bytes).unwrap();
        let unknown: Vec<_> =
            provenance.parameters.iter().filter(|one| !one.is_known).map(|one| one.name.clone()).collect();
        unknown
    };
    let external = "/buildDefinition/externalParameters";
    let github = changed(predicate!("github.json"), |value| {
        let external = value.pointer_mut(external).unwrap();
        external["debug"] = true.into();
        external["workflow"]["shell"] = "evil".into();
    });
    assert_eq!(unknown(&github), ["debug", "workflow.shell"]);
    let other = changed(predicate!("github.json"), |value| {
        value["buildDefinition"]["buildType"] = "https://example.com/mine".into();
    });
    assert_eq!(unknown(&other), ["workflow"]);
    assert!(!Provenance::decode(SLSA_V1, &other).unwrap().is_known);
}

#[test]
fn a_document_that_contradicts_itself_is_refused() {
    let other_ref = changed(predicate!("slsa-github-generator.json"), |value| {
        value["invocation"]["environment"]["github_ref"] = "refs/heads/evil".into();
    });
    let error = Provenance::decode(SLSA_V02, &other_ref).unwrap_err().to_string();
    assert!(error.contains("github_ref") && error.contains("refs/heads/evil"), "{error}");
}

// [V-160]
#[test]
fn what_is_wrong_is_told_with_its_document_and_member() {
    for (member, change) in [
        ("runDetails", Box::new(|value: &mut Value| drop(value["runDetails"].take())) as Box<dyn FnOnce(&mut Value)>),
        ("runDetails.builder", Box::new(|value| value["runDetails"]["builder"] = serde_json::json!({}))),
        ("buildDefinition.buildType", Box::new(|value| value["buildDefinition"]["buildType"] = 1.into())),
        (
            "buildDefinition.resolvedDependencies[0].digest",
            Box::new(|value| value["buildDefinition"]["resolvedDependencies"][0]["digest"] = "x".into()),
        ),
        (
            "workflow.ref",
            Box::new(|value| value["buildDefinition"]["externalParameters"]["workflow"]["ref"] = 1.into()),
        ),
        (
            "runDetails.metadata.startedOn",
            Box::new(|value| value["runDetails"]["metadata"]["startedOn"] = "yesterday".into()),
        ),
    ] {
        let error = Provenance::decode(SLSA_V1, &changed(predicate!("github.json"), change)).unwrap_err().to_string();
        assert!(error.starts_with("SLSA provenance") && error.contains(member), "{member}: {error}");
    }
    let twice = String::from_utf8(predicate!("github.json").to_vec())
        .unwrap()
        .replace("\"runDetails\": {", "\"runDetails\": {\"builder\": {\"id\": \"other\"},");
    assert!(Provenance::decode(SLSA_V1, twice.as_bytes()).unwrap_err().to_string().contains("appears twice"));
}

#[test]
fn of_two_git_inputs_both_count() {
    let two = changed(predicate!("tekton-v1.json"), |value| {
        let dependencies = value["buildDefinition"]["resolvedDependencies"].as_array_mut().unwrap();
        let mut other = dependencies[2].clone();
        other["uri"] = "git+https://github.com/evil/cart.git".into();
        dependencies.push(other);
    });
    assert_eq!(Provenance::decode(SLSA_V1, &two).unwrap().sources.len(), 2);
}
