use super::*;
use crate::format::predicate::{SLSA_V01, SLSA_V1, SLSA_V02};
use base64::{Engine as _, engine::general_purpose::STANDARD};
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

/// The predicate of a statement that a builder wrote: testdata/tekton, testdata/sigstore.
fn recorded(statement: &[u8]) -> (String, Vec<u8>) {
    let statement: Value = serde_json::from_slice(statement).unwrap();
    (statement["predicateType"].as_str().unwrap().to_owned(), statement["predicate"].to_string().into_bytes())
}

fn signed(envelope: &Value) -> (String, Vec<u8>) {
    recorded(&STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap())
}

#[test]
fn what_slsa_github_generator_wrote_is_read() {
    let bundle: Value =
        serde_json::from_slice(include_bytes!("../../../../testdata/sigstore/slsa-github-generator.sigstore.json"))
            .unwrap();
    let (kind, predicate) = signed(&bundle["dsseEnvelope"]);
    let provenance = Provenance::decode(&kind, &predicate).unwrap();
    assert!(provenance.is_known);
    assert_eq!(
        provenance.builder,
        "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v2.1.0"
    );
    assert_eq!(provenance.build_type, "https://github.com/slsa-framework/slsa-github-generator/generic@v1");
    let commit = Some("4d329c75e7ec1725f7c9ce917a8799d408d06be3");
    let uri = "https://github.com/slsa-framework/example-package";
    assert_eq!(one_source(&provenance), (uri, Some("refs/tags/v14.2"), commit));
    assert_eq!(provenance.sources[0].vouching, Vouching::Builder);
    let workflow = ".github/workflows/verifier-e2e.all.workflow_dispatch.main.all.slsa3.yml";
    assert_eq!(provenance.workflow.as_deref(), Some(workflow));
    assert!(provenance.parameters.is_empty());
}

#[test]
fn what_tekton_chains_wrote_is_read() {
    let envelope = include_bytes!("../../../../testdata/tekton/task-run.dsse.json");
    let (kind, predicate) = signed(&serde_json::from_slice(envelope).unwrap());
    let run = Provenance::decode(&kind, &predicate).unwrap();
    assert_eq!((&*run.builder, &*run.build_type), ("https://tekton.dev/chains/v2", "tekton.dev/v1beta1/TaskRun"));
    assert!(run.is_known && run.sources.is_empty() && run.workflow.is_none(), "no git input was told to Chains");
    let images: Vec<_> = run.images().map(|image| image.uri.as_str()).collect();
    assert_eq!(images, ["oci://gcr.io/kaniko-project/executor", "oci://docker.io/library/alpine"]);

    for (statement, workflow, commit) in [
        (
            &include_bytes!("../../../../testdata/tekton/pipeline-run-v0.2.json")[..],
            None,
            "f3b4439d07a181c21b3527a25cb9c885f49e2781",
        ),
        (
            &include_bytes!("../../../../testdata/tekton/pipeline-run-v1.json")[..],
            Some("simple-build"),
            "24d88836110dca40cce6a3ac16e3e682c2a331b3",
        ),
    ] {
        let (kind, predicate) = recorded(statement);
        let run = Provenance::decode(&kind, &predicate).unwrap();
        assert!(run.is_known && run.builder == "https://tekton.dev/chains/v2", "{kind}");
        // The repository that a task comes from is fetched as well, and is no input.
        assert_eq!(one_source(&run), ("gitspam.spam/spam/spam", None, Some(commit)), "{kind}");
        assert_eq!(run.sources[0].vouching, Vouching::Client);
        assert_eq!(run.workflow.as_deref(), workflow, "{kind}");
    }
}

#[test]
fn a_task_s_repository_at_another_commit_is_an_input() {
    let (kind, predicate) = recorded(include_bytes!("../../../../testdata/tekton/pipeline-run-v0.2.json"));
    for change in [
        (|value: &mut Value| value["materials"][1]["digest"]["sha1"] = "5f".into()) as fn(&mut Value),
        |value| value["materials"][1]["uri"] = "git+https://github.com/lcarva/other.git".into(),
        |value| value["buildConfig"]["tasks"][0]["invocation"]["configSource"]["digest"] = 1.into(),
        |value| value["buildConfig"] = 1.into(),
    ] {
        assert_eq!(Provenance::decode(&kind, &changed(&predicate, change)).unwrap().sources.len(), 2);
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
