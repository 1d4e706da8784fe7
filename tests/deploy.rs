//! What is installed in a cluster: that it is what it says, and what must not be lost of it.

use boltseal::{
    policy::Policy,
    serve::admission::{AdmissionSettings, PullSecretsOf},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn base(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/base").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).expect("YAML")
}

fn yaml_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            // Helm's templates are YAML once they are rendered: tests/interop.
            _ if path.is_dir() && path.file_name().is_none_or(|name| name != "templates") => yaml_below(&path, found),
            Some("yaml") => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn all_of_it_is_yaml() {
    let mut found = Vec::new();
    yaml_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"), &mut found);
    assert!(found.len() > 12, "{found:?}");
    for path in found {
        let text = fs::read_to_string(&path).expect("a file");
        let read: Result<Vec<Value>, _> = serde_saphyr::from_multiple(&text);
        assert!(read.is_ok_and(|documents| !documents.is_empty()), "{}", path.display());
    }
}

// [V-334]
#[test]
fn what_is_installed_lets_nothing_in_and_runs_without_rights() {
    let settings: AdmissionSettings = toml::from_str(&base("admission.toml")).expect("settings");
    assert_eq!(settings.effect, boltseal::admission::Effect::Enforce);
    assert!(settings.server.certificate.is_some() && settings.policies.is_empty());
    assert_eq!(settings.pull_secrets, PullSecretsOf::All(false));
    let policy = Policy::parse(&base("policy.yaml"), &|name| Err(format!("no key {name}"))).expect("a policy");
    let image = "registry.example.com/app:1.0".parse().expect("a reference");
    assert!(policy.explain(&image).scope.is_none());
    let configurations = documents(&base("webhooks.yaml"));
    let hooks: Vec<&Value> = configurations.iter().map(|configuration| &configuration["webhooks"][0]).collect();
    for hook in &hooks {
        assert_eq!((&hook["failurePolicy"], &hook["sideEffects"]), (&json!("Fail"), &json!("None")));
        let selector = &hook["namespaceSelector"]["matchExpressions"];
        let named = json!([{
            "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "boltseal-system"],
        }]);
        assert_eq!(selector, &named, "left out are names that nobody can take, and no labels");
    }
    assert_eq!(hooks.len(), 2);
    assert_eq!(hooks[0]["rules"], hooks[1]["rules"], "both webhooks see the same objects");
    // What it says is shown in tests/interop/kubernetes.rs.
    assert_eq!(hooks[0]["matchConditions"], hooks[1]["matchConditions"]);
    assert_eq!(hooks[0]["matchConditions"].as_array().map(Vec::len), Some(1), "only what changes no pod passes by");
    let deployment = &documents(&base("deployment.yaml"))[0]["spec"]["template"]["spec"];
    assert_eq!(deployment["automountServiceAccountToken"], json!(false));
    assert_eq!(deployment["securityContext"]["runAsNonRoot"], json!(true));
    assert_eq!(deployment["securityContext"]["seccompProfile"]["type"], json!("RuntimeDefault"));
    let container = &deployment["containers"][0]["securityContext"];
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
    });
    assert_eq!(container, &expected);
}
