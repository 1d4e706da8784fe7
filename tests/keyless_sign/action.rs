//! `action.yml`: its steps are run by a shell as a runner of GitHub Actions runs them.

use super::World;
use crate::common::Ran;
use serde_json::Value;
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

const ACTION: &str = include_str!("../../action.yml");

struct Runner<'w> {
    world: &'w World,
    inputs: BTreeMap<String, String>,
    action: Value,
}

impl<'w> Runner<'w> {
    fn new(world: &'w World, inputs: &[(&str, &str)]) -> Self {
        let action: Value = serde_saphyr::from_str(ACTION).expect("YAML");
        let mut all = BTreeMap::new();
        for (name, input) in action["inputs"].as_object().expect("inputs") {
            all.insert(name.clone(), input["default"].as_str().unwrap_or_default().to_owned());
        }
        for (name, value) in inputs {
            assert!(all.insert((*name).to_owned(), (*value).to_owned()).is_some(), "no input is called {name}");
        }
        Self { world, inputs: all, action }
    }

    /// Runs the step of this name, if its condition holds.
    fn step(&self, name: &str, path: &str) -> Option<Ran> {
        let steps = self.action["runs"]["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["name"] == name).expect(name);
        if let Some(condition) = step["if"].as_str() {
            let input =
                condition.strip_prefix("inputs.").and_then(|rest| rest.strip_suffix(" != ''")).expect(condition);
            if self.inputs[input].is_empty() {
                return None;
            }
        }
        let script = step["run"].as_str().expect("a script");
        assert!(!script.contains("${{"), "an input in a script is code: {script}");
        let home = self.world.machine.home.path();
        let mut command = Command::new("bash");
        crate::common::isolate(&mut command, home);
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]).env("PATH", path);
        for (variable, value) in step["env"].as_object().into_iter().flatten() {
            let value = value.as_str().expect("a text");
            let named = value.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}")).expect(value);
            let value = match named.strip_prefix("inputs.") {
                Some(input) => self.inputs[input].clone(),
                None if named == "github.action_path" => home.join("action").display().to_string(),
                None => panic!("{named}"),
            };
            command.env(variable, value);
        }
        for file in ["GITHUB_OUTPUT", "GITHUB_PATH"] {
            command.env(file, home.join(file));
        }
        command.env("RUNNER_TEMP", home);
        command.env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/actions?v=1", self.world.sigstore.url));
        command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "a-runner-s-secret");
        Some(tokio::task::block_in_place(|| Ran::of(&mut command)))
    }
}

fn path() -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_boltseal")).parent().expect("a folder");
    format!("{}:/usr/bin:/bin", bin.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_action_signs_as_the_workflow_and_judges() {
    let world = World::new(&["one", "two"]).await;
    let home = world.machine.home.path().to_owned();
    let images = format!("{}\n\n{}\n", world.at("one"), world.at("two"));
    let who = "https://github.com/acme/cart/.github/workflows/release.yml@refs/heads/main";
    let policy = format!(
        "version: 1\nauthorities:\n  ci: {{ keyless: {{ issuer: \"{}\", subject: \"**\", trusted-root: trusted_root.json }} }}\nimages:\n  \"{}/**\": {{ signatures: {{ from: [ci] }} }}\n",
        world.sigstore.url,
        world.registry.address()
    );
    world.file("policy.yaml", &policy);
    let mut inputs = vec![
        ("image", images.as_str()),
        ("signing-config", "signing_config.json"),
        ("trusted-root", "trusted_root.json"),
        ("policy", "policy.yaml"),
    ];
    let runner = Runner::new(&world, &inputs);
    runner.step("Find boltseal", &path()).expect("a step").expect(0);
    assert!(!home.join("GITHUB_PATH").exists(), "it is on PATH already");
    let signed = runner.step("Sign", &path()).expect("a step").expect(0);
    assert!(signed.stderr.contains("Signing as ") && !signed.stderr.contains("secret"), "{}", signed.stderr);
    let output = fs::read_to_string(home.join("GITHUB_OUTPUT")).expect("an output");
    let json = output.strip_prefix("result<<boltseal-end-of-result\n").expect("a result");
    let json: Value = serde_json::from_str(json.trim_end().trim_end_matches("boltseal-end-of-result")).expect("JSON");
    assert_eq!(json["results"].as_array().map(Vec::len), Some(2));
    assert_eq!((&json["identity"]["subject"], &json["identity"]["certificates"]), (&Value::from(who), &Value::from(1)));
    runner.step("Judge", &path()).expect("a step").expect(0);

    inputs[3].1 = "";
    assert!(Runner::new(&world, &inputs).step("Judge", &path()).is_none(), "without a policy nothing is judged");
    inputs.push(("key", "env://KEY"));
    let both = Runner::new(&world, &inputs).step("Sign", &path()).expect("a step").expect(2);
    assert!(both.stdout.contains("::error::key and keyless exclude each other"), "{}", both.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_boltseal_on_path_the_action_s_checkout_is_built() {
    let world = World::new(&[]).await;
    let home = world.machine.home.path();
    let bin = home.join("bin");
    fs::create_dir(&bin).expect("a folder");
    let cargo = bin.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho \"$@\" > \"$HOME/asked\"\n").expect("a file");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("it");
    let runner = Runner::new(&world, &[("image", "x")]);
    runner.step("Find boltseal", &format!("{}:/usr/bin:/bin", bin.display())).expect("a step").expect(0);
    let action = home.join("action").display().to_string();
    let asked = fs::read_to_string(home.join("asked")).expect("it");
    assert_eq!(asked, format!("build --locked --release --manifest-path {action}/Cargo.toml\n"));
    assert_eq!(fs::read_to_string(home.join("GITHUB_PATH")).expect("it"), format!("{action}/target/release\n"));
}
