//! The three versions of SLSA's provenance as they are written, brought to one.

use super::{DOCUMENT, Dependency};
use crate::{
    format::predicate::{
        PredicateError,
        reading::{List, kept_as_written, nullable, read, time},
    },
    limits::{JSON_VALUES, PROVENANCE_DEPENDENCIES},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the versions have in common, under one name each.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub builder: String,
    pub build_type: String,
    /// Version 0: what configured the build.
    pub config: Config,
    /// `externalParameters`, or `invocation.parameters`.
    pub external: Map<String, Value>,
    /// `internalParameters`, or `invocation.environment`.
    pub internal: Map<String, Value>,
    pub dependencies: Vec<Dependency>,
    /// Version 0.2 of Tekton's: what the tasks of a pipeline's run come from, URI to digests.
    pub tasks: BTreeMap<String, BTreeSet<BTreeMap<String, String>>>,
    /// What the metadata says beyond the format: BuildKit's `vcs`.
    pub vcs: BTreeMap<String, String>,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Config {
    #[serde(deserialize_with = "nullable")]
    pub uri: String,
    #[serde(deserialize_with = "nullable")]
    pub digest: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub entry_point: String,
}

type Resources = List<Resource, PROVENANCE_DEPENDENCIES>;

/// in-toto's ResourceDescriptor, and SLSA's material before it.
#[derive(Debug, Deserialize)]
struct Resource {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    uri: String,
    #[serde(default, deserialize_with = "nullable")]
    digest: BTreeMap<String, String>,
}

kept_as_written!(Resource);

fn dependencies(resources: Resources) -> Vec<Dependency> {
    let dependency = |Resource { name, uri, digest }| Dependency { name, uri, digest };
    resources.0.into_iter().map(dependency).collect()
}

#[derive(Deserialize)]
struct Builder {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct V1 {
    build_definition: Definition,
    run_details: Run,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    build_type: String,
    #[serde(deserialize_with = "nullable")]
    external_parameters: Map<String, Value>,
    #[serde(default, deserialize_with = "nullable")]
    internal_parameters: Map<String, Value>,
    #[serde(default, deserialize_with = "nullable")]
    resolved_dependencies: Resources,
}

#[derive(Deserialize)]
struct Run {
    builder: Builder,
    #[serde(default, deserialize_with = "nullable")]
    metadata: RunMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RunMetadata {
    #[serde(rename = "startedOn")]
    started_on: Option<String>,
    #[serde(rename = "finishedOn")]
    finished_on: Option<String>,
    #[serde(deserialize_with = "nullable")]
    buildkit_metadata: BuildKit,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BuildKit {
    #[serde(deserialize_with = "nullable")]
    vcs: BTreeMap<String, String>,
}

pub(super) fn v1(predicate: &[u8]) -> Result<Written, PredicateError> {
    let V1 { build_definition, run_details } = read(DOCUMENT, predicate, JSON_VALUES)?;
    let metadata = run_details.metadata;
    Ok(Written {
        builder: run_details.builder.id,
        build_type: build_definition.build_type,
        config: Config::default(),
        external: build_definition.external_parameters,
        internal: build_definition.internal_parameters,
        dependencies: dependencies(build_definition.resolved_dependencies),
        tasks: BTreeMap::new(),
        vcs: metadata.buildkit_metadata.vcs,
        started: time(DOCUMENT, "runDetails.metadata.startedOn", metadata.started_on.as_deref())?,
        finished: time(DOCUMENT, "runDetails.metadata.finishedOn", metadata.finished_on.as_deref())?,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct V02 {
    builder: Builder,
    build_type: String,
    #[serde(default, deserialize_with = "nullable")]
    invocation: Invocation,
    /// Each build type has its own.
    #[serde(default)]
    build_config: Value,
    #[serde(default, deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "nullable")]
    materials: Resources,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Invocation {
    #[serde(deserialize_with = "nullable")]
    config_source: Config,
    #[serde(deserialize_with = "nullable")]
    parameters: Map<String, Value>,
    #[serde(deserialize_with = "nullable")]
    environment: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    build_started_on: Option<String>,
    build_finished_on: Option<String>,
    #[serde(rename = "https://mobyproject.org/buildkit@v1#metadata", deserialize_with = "nullable")]
    buildkit: BuildKit,
}

pub(super) fn v02(predicate: &[u8]) -> Result<Written, PredicateError> {
    let V02 { builder, build_type, invocation, build_config, metadata, materials } =
        read(DOCUMENT, predicate, JSON_VALUES)?;
    Ok(Written {
        builder: builder.id,
        build_type,
        config: invocation.config_source,
        external: invocation.parameters,
        internal: invocation.environment,
        dependencies: dependencies(materials),
        tasks: tasks(&build_config),
        started: time(DOCUMENT, "metadata.buildStartedOn", metadata.build_started_on.as_deref())?,
        finished: time(DOCUMENT, "metadata.buildFinishedOn", metadata.build_finished_on.as_deref())?,
        vcs: metadata.buildkit.vcs,
    })
}

/// `buildConfig.tasks[].invocation.configSource`. What is written otherwise defines no task, and counts as an input.
fn tasks(build_config: &Value) -> BTreeMap<String, BTreeSet<BTreeMap<String, String>>> {
    let mut tasks = BTreeMap::<_, BTreeSet<_>>::new();
    for task in build_config.get("tasks").and_then(Value::as_array).into_iter().flatten() {
        let source = task.get("invocation").and_then(|invocation| invocation.get("configSource"));
        if let Some(Ok(Config { uri, digest, .. })) = source.map(Config::deserialize) {
            tasks.entry(uri).or_default().insert(digest);
        }
    }
    tasks
}

#[derive(Deserialize)]
struct V01 {
    builder: Builder,
    recipe: Recipe,
    #[serde(default, deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "nullable")]
    materials: Resources,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipe {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    defined_in_material: Option<usize>,
    #[serde(default, deserialize_with = "nullable")]
    entry_point: String,
    #[serde(default, deserialize_with = "nullable")]
    arguments: Value,
    #[serde(default, deserialize_with = "nullable")]
    environment: Value,
}

pub(super) fn v01(predicate: &[u8]) -> Result<Written, PredicateError> {
    let V01 { builder, recipe, metadata, materials } = read(DOCUMENT, predicate, JSON_VALUES)?;
    let dependencies = dependencies(materials);
    let Recipe { kind, defined_in_material, entry_point, arguments, environment } = recipe;
    let source = match defined_in_material {
        None => Dependency::default(),
        Some(at) => dependencies.get(at).cloned().ok_or_else(|| {
            PredicateError::value(DOCUMENT, "recipe.definedInMaterial", "the position of a material", at.to_string())
        })?,
    };
    // Google Cloud Build writes its arguments as an object, others as a list or a text.
    let object = |value| if let Value::Object(members) = value { members } else { Map::new() };
    Ok(Written {
        builder: builder.id,
        build_type: kind,
        config: Config { uri: source.uri, digest: source.digest, entry_point },
        external: object(arguments),
        internal: object(environment),
        dependencies,
        tasks: BTreeMap::new(),
        vcs: BTreeMap::new(),
        started: time(DOCUMENT, "metadata.buildStartedOn", metadata.build_started_on.as_deref())?,
        finished: time(DOCUMENT, "metadata.buildFinishedOn", metadata.build_finished_on.as_deref())?,
    })
}
