//! What source, ref, workflow and parameters are, by build type: the URI that says what a provenance's members mean.

use super::{DOCUMENT, Dependency, Parameter, Provenance, Source, Vouching, split_source, wire::Written};
use crate::format::predicate::PredicateError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// GitHub's own attestations, and the definition that the SLSA project keeps for others who build on GitHub's workflows.
const GITHUB: [&str; 2] = [
    "https://actions.github.io/buildtypes/workflow/v1",
    "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
];
/// slsa-github-generator's, and npm's, which writes the same.
const GENERATORS: [&str; 5] = [
    "https://github.com/slsa-framework/slsa-github-generator/",
    "https://github.com/slsa-framework/slsa-github-generator@",
    "https://github.com/slsa-framework/slsa-github-generator-go@",
    "https://github.com/npm/cli/gha@",
    "https://github.com/npm/cli/gha/",
];
const CONTAINER_BASED: &str = "https://slsa.dev/container-based-build/v0.1?draft";
const BUILDKIT_V02: &str = "https://mobyproject.org/buildkit@v1";
const BUILDKIT_V1: &str = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
/// Tekton Chains', and Google's builder, which runs Tekton.
const TEKTON: [&str; 5] = [
    "https://tekton.dev/chains/v2/slsa",
    "https://tekton.dev/chains/v2/slsa-tekton",
    "https://tekton.dev/attestations/chains",
    "https://tekton.dev/predicate/chains/slsa/v2",
    "https://cloud.google.com/build/gcb-buildtypes/google-builder/v1",
];
const TEKTON_RUNS: &str = "tekton.dev/v1";
const CLOUD_BUILD_V1: &str = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1";
const CLOUD_BUILD_V0: &str = "https://cloudbuild.googleapis.com/";
const GITLAB_V1: &str = "https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1";
const GITLAB_RUNNER: &str = "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/";

/// What a build type's own members say.
#[derive(Default)]
struct Said {
    sources: Vec<Source>,
    workflow: Option<String>,
    /// The parameters that the type defines; with none, whoever defines the build names them.
    defined: Option<&'static [&'static str]>,
}

type Reader = fn(&Written) -> Result<Said, PredicateError>;

fn reader(build_type: &str) -> Option<Reader> {
    let starts = |start: &&str| build_type.starts_with(*start);
    Some(match build_type {
        _ if GITHUB.contains(&build_type) => github,
        _ if GENERATORS.iter().any(starts) => generator,
        CONTAINER_BASED => container_based,
        BUILDKIT_V02 | BUILDKIT_V1 => buildkit,
        _ if TEKTON.contains(&build_type) || starts(&TEKTON_RUNS) => tekton,
        CLOUD_BUILD_V1 => cloud_build,
        _ if starts(&CLOUD_BUILD_V0) => cloud_build_v0,
        _ if starts(&GITLAB_V1) || starts(&GITLAB_RUNNER) => gitlab,
        _ => return None,
    })
}

/// Whether provenance of a build type says what it was built from, in a place that is known.
#[must_use]
pub fn states_source(build_type: &str) -> bool {
    reader(build_type).is_some()
}

/// Whether it says by which workflow, job or pipeline, likewise.
#[must_use]
pub fn states_workflow(build_type: &str) -> bool {
    states_source(build_type) && !lists_images(build_type)
}

pub(super) fn lists_images(build_type: &str) -> bool {
    [BUILDKIT_V02, BUILDKIT_V1].contains(&build_type)
}

pub(super) fn read(written: Written) -> Result<Provenance, PredicateError> {
    let reader = reader(&written.build_type);
    let Said { mut sources, workflow, defined } = match reader {
        Some(reader) => reader(&written)?,
        // Of a build type that is not known, no parameter is.
        None => Said { defined: Some(&[]), ..Said::default() },
    };
    sources.retain(|source| !source.uri.is_empty());
    let parameters = written.external.iter().flat_map(|(name, value)| parameters(name, value, defined)).collect();
    Ok(Provenance {
        is_known: reader.is_some(),
        sources,
        workflow: workflow.filter(|workflow| !workflow.is_empty()),
        parameters,
        builder: written.builder,
        build_type: written.build_type,
        dependencies: written.dependencies,
        started: written.started,
        finished: written.finished,
    })
}

/// A parameter, or the members of one of which the type defines members (`workflow.ref`).
fn parameters(name: &str, value: &Value, defined: Option<&'static [&'static str]>) -> Vec<Parameter> {
    let within = format!("{name}.");
    let has_members = defined.is_some_and(|all| all.iter().any(|one| one.starts_with(&within)));
    let is_known = |name: &str| defined.is_none_or(|all| all.contains(&name));
    match value {
        Value::Object(members) if has_members => members
            .keys()
            .map(|member| format!("{within}{member}"))
            .map(|name| Parameter { is_known: is_known(&name), name })
            .collect(),
        _ => vec![Parameter { is_known: is_known(name), name: name.to_owned() }],
    }
}

/// A text in an object's members; another type in its place refuses the document.
fn text<'v>(members: &'v Map<String, Value>, path: &str, name: &str) -> Result<Option<&'v str>, PredicateError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(PredicateError::value(DOCUMENT, format!("{path}.{name}"), "a text", kind(other))),
    }
}

/// An object in an object's members.
fn object<'v>(
    members: &'v Map<String, Value>,
    path: &str,
    name: &str,
) -> Result<Option<&'v Map<String, Value>>, PredicateError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(other) => Err(PredicateError::value(DOCUMENT, format!("{path}.{name}"), "an object", kind(other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn source(uri: &str, reference: Option<&str>, digest: BTreeMap<String, String>) -> Source {
    let (uri, within) = split_source(uri);
    let reference = reference.or(within).map(str::to_owned);
    Source { uri: uri.to_owned(), reference, digest, vouching: Vouching::Builder }
}

/// The digests of the dependency that is this source, if the build fetched it.
fn digest_of(dependencies: &[Dependency], uri: &str, reference: Option<&str>) -> BTreeMap<String, String> {
    let (place, _) = split_source(uri);
    let same = |dependency: &&Dependency| {
        let (other, at) = split_source(&dependency.uri);
        other == place && (at.is_none() || reference.is_none() || at == reference)
    };
    dependencies.iter().find(same).map(|dependency| dependency.digest.clone()).unwrap_or_default()
}

fn digests(members: &Map<String, Value>) -> BTreeMap<String, String> {
    let digest = members.get("digest").and_then(Value::as_object).into_iter().flatten();
    digest.filter_map(|(algorithm, hex)| Some((algorithm.clone(), hex.as_str()?.to_owned()))).collect()
}

const EXTERNAL: &str = "buildDefinition.externalParameters";

/// `externalParameters.workflow`: `{ ref, repository, path }`.
fn github(written: &Written) -> Result<Said, PredicateError> {
    let Some(workflow) = object(&written.external, EXTERNAL, "workflow")? else {
        return Err(PredicateError::value(DOCUMENT, format!("{EXTERNAL}.workflow"), "an object", "nothing"));
    };
    let path = format!("{EXTERNAL}.workflow");
    let of = |name| text(workflow, &path, name);
    let (repository, reference) = (of("repository")?.unwrap_or_default(), of("ref")?);
    let digest = digest_of(&written.dependencies, repository, reference);
    Ok(Said {
        sources: vec![source(repository, reference, digest)],
        workflow: of("path")?.map(str::to_owned),
        defined: Some(&["workflow.ref", "workflow.repository", "workflow.path", "inputs", "vars"]),
    })
}

/// `invocation.configSource`, with the ref once more in `environment.github_ref`; in version 1 as GitHub's own, or
/// `externalParameters.source`.
fn generator(written: &Written) -> Result<Said, PredicateError> {
    if written.external.contains_key("workflow") {
        return github(written);
    }
    if written.external.contains_key("source") {
        return container_based(written);
    }
    let mut found = source(&written.config.uri, None, written.config.digest.clone());
    let again = match text(&written.internal, "invocation.environment", "github_ref")? {
        None => text(&written.internal, "invocation.environment", "GITHUB_REF")?,
        some => some,
    };
    if let (Some(again), Some(reference)) = (again.filter(|again| !again.is_empty()), &found.reference)
        && again != reference
    {
        let expected = "the ref of `invocation.configSource`";
        return Err(PredicateError::value(DOCUMENT, "invocation.environment.github_ref", expected, again));
    }
    found.reference = found.reference.or(again.map(str::to_owned));
    let workflow = Some(written.config.entry_point.clone());
    Ok(Said { sources: vec![found], workflow, defined: Some(&["event_inputs", "inputs", "vars", "version"]) })
}

/// slsa-github-generator's container-based builder: `externalParameters.source`.
fn container_based(written: &Written) -> Result<Said, PredicateError> {
    let found = object(&written.external, EXTERNAL, "source")?;
    let uri = found.map(|source| text(source, &format!("{EXTERNAL}.source"), "uri")).transpose()?.flatten();
    let found = found.map(|members| source(uri.unwrap_or_default(), None, digests(members)));
    Ok(Said {
        sources: found.into_iter().collect(),
        workflow: text(&written.external, EXTERNAL, "configPath")?.map(str::to_owned),
        defined: Some(&["source", "builderImage", "configPath", "buildConfig"]),
    })
}

/// The context that BuildKit fetched; of a local one what the client said in `vcs`, which BuildKit does not check.
fn buildkit(written: &Written) -> Result<Said, PredicateError> {
    let config = object(&written.external, EXTERNAL, "configSource")?;
    let (uri, digest) = match config {
        Some(members) => {
            let uri = text(members, &format!("{EXTERNAL}.configSource"), "uri")?;
            (uri.unwrap_or_default().to_owned(), digests(members))
        }
        None => (written.config.uri.clone(), written.config.digest.clone()),
    };
    let mut found = source(&uri, None, digest);
    if found.uri.is_empty() {
        let revision = written.vcs.get("revision").map(|commit| ("sha1".to_owned(), commit.clone()));
        found = source(written.vcs.get("source").map_or("", String::as_str), None, revision.into_iter().collect());
        found.vouching = Vouching::Client;
    }
    let defined: &[&str] = if written.build_type == BUILDKIT_V1 {
        &["configSource", "request"]
    } else {
        &["frontend", "args", "secrets", "ssh", "locals", "inputs", "root"]
    };
    // A Dockerfile defines the image, not the build that was asked for: it is no workflow.
    Ok(Said { sources: vec![found], workflow: None, defined: Some(defined) })
}

/// The git inputs of the run, apart from where its pipeline and tasks come from. The ref is the parameter `revision`, as
/// Tekton's git tasks have it: whoever started the run said so.
fn tekton(written: &Written) -> Result<Said, PredicateError> {
    let run = object(&written.external, EXTERNAL, "runSpec")?;
    let revision = match run {
        Some(run) => parameter(run, "revision"),
        None => written.external.get("revision").and_then(Value::as_str),
    };
    let config = object(&written.external, EXTERNAL, "buildConfigSource")?;
    let config_path = format!("{EXTERNAL}.buildConfigSource");
    let of_config = |name| config.map(|members| text(members, &config_path, name)).transpose().map(Option::flatten);
    let definition = of_config("repository")?.unwrap_or(&written.config.uri);
    let is_input = |dependency: &&Dependency| match dependency.name.as_deref() {
        Some(name) => name.starts_with("inputs"),
        None if written.tasks.get(&dependency.uri).is_some_and(|at| at.contains(&dependency.digest)) => false,
        None => definition.is_empty() || split_source(&dependency.uri).0 != split_source(definition).0,
    };
    let is_git = |dependency: &&Dependency| {
        let digests = &dependency.digest;
        dependency.uri.starts_with("git+") || digests.contains_key("gitCommit") || dependency.uri.ends_with(".git")
    };
    let mut sources: Vec<Source> = Vec::new();
    for dependency in written.dependencies.iter().filter(is_input).filter(is_git) {
        let mut found = source(&dependency.uri, None, dependency.digest.clone());
        if found.reference.is_none() {
            found.reference = revision.map(str::to_owned);
            found.vouching = Vouching::Client;
        }
        if !sources.contains(&found) {
            sources.push(found);
        }
    }
    let named = run.and_then(|run| run.get("pipelineRef").or_else(|| run.get("taskRef")));
    let named = named.and_then(|reference| reference.get("name")).and_then(Value::as_str).map(str::to_owned);
    let entry = Some(written.config.entry_point.clone()).filter(|entry| !entry.is_empty());
    let workflow = of_config("path")?.map(str::to_owned).or(named).or(entry);
    let defined: Option<&'static [&'static str]> = run.is_some().then_some(&["runSpec", "buildConfigSource"]);
    Ok(Said { sources, workflow, defined })
}

/// A parameter of a Tekton run: `params: [{ name, value }]`.
fn parameter<'v>(run: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    let params = run.get("params")?.as_array()?;
    let param = params.iter().find(|param| param.get("name").and_then(Value::as_str) == Some(name))?;
    param.get("value")?.as_str()
}

/// `externalParameters.buildConfigSource`: `{ repository, ref, path }`.
fn cloud_build(written: &Written) -> Result<Said, PredicateError> {
    let Some(config) = object(&written.external, EXTERNAL, "buildConfigSource")? else {
        // Started by hand from an upload: no source is stated.
        return Ok(Said { defined: Some(&["buildConfigSource", "substitutions"]), ..Said::default() });
    };
    let path = format!("{EXTERNAL}.buildConfigSource");
    let of = |name| text(config, &path, name);
    let (repository, reference) = (of("repository")?.unwrap_or_default(), of("ref")?);
    let digest = digest_of(&written.dependencies, repository, reference);
    Ok(Said {
        sources: vec![source(repository, reference, digest)],
        workflow: of("path")?.map(str::to_owned),
        defined: Some(&[
            "buildConfigSource.ref",
            "buildConfigSource.repository",
            "buildConfigSource.path",
            "substitutions",
        ]),
    })
}

/// The material that the recipe is defined in: `https://HOST/PATH/commit/HEX`.
fn cloud_build_v0(written: &Written) -> Result<Said, PredicateError> {
    let uri = written.config.uri.split("/commit/").next().unwrap_or_default();
    let found = source(uri, None, written.config.digest.clone());
    Ok(Said { sources: vec![found], workflow: Some(written.config.entry_point.clone()), defined: None })
}

/// `externalParameters.source` and `.entryPoint`, and the ref in the variables where they have values; in version 0.2
/// `invocation.configSource`.
fn gitlab(written: &Written) -> Result<Said, PredicateError> {
    let Some(project) = text(&written.external, EXTERNAL, "source")? else {
        let found = source(&written.config.uri, None, written.config.digest.clone());
        return Ok(Said { sources: vec![found], workflow: Some(written.config.entry_point.clone()), defined: None });
    };
    let variables = object(&written.external, EXTERNAL, "variables")?;
    let variable = |name| variables.and_then(|all| all.get(name)).and_then(Value::as_str).filter(|v| !v.is_empty());
    let tag = variable("CI_COMMIT_TAG").map(|tag| format!("refs/tags/{tag}"));
    let reference = tag.or_else(|| variable("CI_COMMIT_BRANCH").map(|branch| format!("refs/heads/{branch}")));
    let digest = digest_of(&written.dependencies, project, reference.as_deref());
    let workflow = text(&written.external, EXTERNAL, "entryPoint")?.map(str::to_owned);
    let found = source(project, reference.as_deref(), digest);
    Ok(Said { sources: vec![found], workflow, defined: Some(&["source", "entryPoint", "variables"]) })
}
