use super::*;

fn found(kind: FileKind, text: &str) -> (Vec<String>, Vec<usize>) {
    let names = names(kind, text).unwrap();
    let shown = |named: &Named| {
        assert_eq!(text.get(named.at.clone()), Some(named.text.as_str()));
        format!("{}:{} {}", named.line, named.by, named.text)
    };
    (names.images.iter().map(shown).collect(), names.unpinnable.iter().map(|one| one.line).collect())
}

fn dockerfile(text: &str) -> (Vec<String>, Vec<usize>) {
    found(FileKind::Dockerfile, text)
}

fn manifest(text: &str) -> (Vec<String>, Vec<usize>) {
    found(FileKind::Manifest, text)
}

const DOCKERFILE: &str = r#"# syntax=docker/dockerfile:1.7
# a comment

ARG BASE=registry.example/base:3
ARG VERSION=1.2
FROM --platform=$BUILDPLATFORM golang:1.24 AS Build
RUN --mount=type=cache,target=/root --mount=type=bind,from=registry.example/tools:1,target=/t \
    # FROM hidden:1
    --mount=from=build,target=/b go build
RUN <<EOF
FROM not/this:1
EOF
COPY <<-"ONE" <<TWO /etc/
	FROM nor/this:1
	ONE
COPY --from=nor/this:2 a b
TWO
RUN echo "<<EOF" it\'s '<<EOF'
from build as test
FROM ${BASE}
COPY --from=build --chown=1:1 /a /b
COPY --from=0 /a /b
copy --chown=1:1 --from=docker.io/library/busybox:1.36@sha256:1111111111111111111111111111111111111111111111111111111111111111 /a /b
ONBUILD COPY --from=registry.example/later:1 /a /b
FROM scratch
FROM ${OTHER:-registry.example/other:2}
FROM app:${VERSION}
FROM $NOWHERE
FROM reg\
istry.example/split:1
FROM 	oci:1
"#;

#[test]
fn what_a_dockerfile_pulls_is_found() {
    let digest = "1".repeat(64);
    let busybox = format!("23:COPY --from docker.io/library/busybox:1.36@sha256:{digest}");
    let expected = [
        "1:# syntax docker/dockerfile:1.7",
        "4:ARG registry.example/base:3",
        "6:FROM golang:1.24",
        "7:RUN --mount registry.example/tools:1",
        &busybox,
        "24:COPY --from registry.example/later:1",
        "26:FROM registry.example/other:2",
        "31:FROM oci:1",
    ];
    assert_eq!(dockerfile(DOCKERFILE), (expected.iter().map(ToString::to_string).collect(), vec![27, 28, 29]));
    let crlf = DOCKERFILE.replace('\n', "\r\n");
    assert_eq!(dockerfile(&crlf).0.len(), expected.len());
    let named = &names(FileKind::Dockerfile, "FROM oci:1").unwrap().images[0];
    assert_eq!(named.reference().unwrap().to_string(), "docker.io/library/oci:1");
}

#[test]
fn no_line_of_a_dockerfile_hides_the_next() {
    for (text, images) in [
        ("FROM a:1\nRUN cat <<EOF\nFROM b:1", 1),
        ("# escape=`\nFROM a:1\nRUN dir c:\\\nFROM b:1", 2),
        ("FROM a:1\nRUN x \\\n\n# c\nFROM b:1\nFROM c:1", 2),
        ("FROM a:1\nRUN echo 'it <<EOF'\nFROM b:1", 2),
        ("FROM a:1\nRUN cat <<<EOF\nFROM b:1", 2),
        ("FROM a:1\nENV X=<<EOF\nFROM b:1", 2),
        ("\u{feff}FROM a:1\r\nFROM b:1\r\n", 2),
        ("FROM a:1", 1),
        ("", 0),
    ] {
        assert_eq!(dockerfile(text).0.len(), images, "{text:?}: {:?}", dockerfile(text));
    }
    // A name behind a line's end in the same word is not where it seems to be.
    assert_eq!(dockerfile("FROM scratch\nRUN --mount=type=bind,\\\nfrom=a:1,target=/a x\n"), (vec![], vec![2]));
    // A heredoc without an end is told.
    assert_eq!(dockerfile("FROM a:1\nRUN cat <<EOF\nFROM b:1").1, [2]);
}

// [V-215]
#[test]
fn a_mount_is_found_or_told_however_it_is_written() {
    let found = vec!["2:RUN --mount a:1".to_owned()];
    for (flag, expected) in [
        ("--mount=type=bind,FROM=a:1,target=/y", (found.clone(), vec![])),
        ("--mount=From=a:1,target=/y", (found, vec![])),
        (r#"--mount=type=bind,"from=a:1",target=/y"#, (vec![], vec![2])),
        (r#"--mount="type=bind,from=a:1""#, (vec![], vec![2])),
        (r#"--mount=type=bind,fr"OM"=a:1"#, (vec![], vec![2])),
        (r"--mount=type=bind,\from=a:1", (vec![], vec![2])),
        (r#"--"mount=from=a:1""#, (vec![], vec![2])),
        (r#"--mount=type=bind,from=build,target="/my folder""#, (vec![], vec![])),
    ] {
        assert_eq!(dockerfile(&format!("FROM scratch AS build\nRUN {flag} true\n")), expected, "{flag}");
    }
    assert_eq!(dockerfile("FROM scratch\nCOPY --\"from=a:1\" a b\n"), (vec![], vec![2]));
}

// [V-215]
#[test]
fn a_frontend_is_found_or_told_however_it_is_named() {
    let syntax = vec!["2:# syntax a:1".to_owned()];
    for (text, expected) in [
        ("#!/usr/bin/env x\n# syntax=a:1\nFROM scratch\n", (syntax.clone(), vec![])),
        ("\u{feff}#!x\r\n#Syntax = a:1 more\r\n", (syntax, vec![])),
        ("// syntax=a:1\nother\n", (vec![], vec![1])),
        ("#!x\n// check=skip=all\n//syntax=a:1\n", (vec![], vec![3])),
        ("{\n  \"a\": [\n{\n}], \"syntax\": \"a:1\"}\n", (vec![], vec![1])),
        ("#!x\n\n {\"syntax\": \"a:1\"}", (vec![], vec![3])),
        ("// no directive\nFROM a:1\n", (vec!["2:FROM a:1".to_owned()], vec![])),
        ("#!x\n# escape=`\nFROM a:1\n", (vec!["3:FROM a:1".to_owned()], vec![2])),
    ] {
        assert_eq!(dockerfile(text), expected, "{text:?}");
    }
}

const KUBERNETES: &str = r#"# kept
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{name: a, image: 'registry.example/init:1'}]
      containers:
      - name: grün
        image:   "registry.example/app:1.0"   # kept
      - image: registry.example/side@sha256:1111111111111111111111111111111111111111111111111111111111111111
      - image: >-
          registry.example/folded:1
      volumes:
      - name: v
        image: {reference: registry.example/volume:1}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  spec: {containers: [{image: registry.example/app:1.0}]}
- apiVersion: argoproj.io/v1alpha1
  kind: Rollout
  spec: {template: {spec: {containers: [{image: registry.example/rollout:1}], ephemeralContainers: [{image: "x:{{ tag }}"}]}}}
---
---
image: not/this:1
"#;

#[test]
fn what_manifests_pull_is_found() {
    let digest = "1".repeat(64);
    let side = format!("11:image registry.example/side@sha256:{digest}");
    let expected = [
        "7:image registry.example/init:1",
        "10:image registry.example/app:1.0",
        &side,
        "13:image registry.example/folded:1",
        "16:volume registry.example/volume:1",
        "23:image registry.example/app:1.0",
        "26:image registry.example/rollout:1",
    ];
    assert_eq!(manifest(KUBERNETES), (expected.iter().map(ToString::to_string).collect(), vec![26]));
    let json = r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"registry.example/app:1"}]}}"#;
    assert_eq!(manifest(json).0, ["1:image registry.example/app:1"]);
    for bad in ["a: 1", "- 1", "", "a: [", "services: {a: {image: x}}\n  b"] {
        assert!(names(FileKind::Manifest, bad).is_err(), "{bad:?}");
    }
}

const CONTROLLERS: &str = "apiVersion: tekton.dev/v1
kind: PipelineRun
spec:
  pipelineSpec:
    tasks:
    - taskSpec:
        stepTemplate: { image: registry.example/template:1 }
        steps:
        - image: registry.example/step:1
        - image: $(params.image)
        sidecars: [{ image: registry.example/side:1 }]
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
spec:
  templates:
  - container: { image: registry.example/container:1 }
    initContainers: [{ image: registry.example/init:1 }]
    sidecars: [{ image: registry.example/beside:1 }]
  - script: { image: registry.example/script:1, source: x }
  - containerSet: { containers: [{ image: registry.example/set:1 }] }
---
apiVersion: v1
kind: List
items:
- { apiVersion: tekton.dev/v1beta1, kind: StepAction, spec: { image: registry.example/action:1 } }
- { apiVersion: example.com/v1, kind: Other, spec: { steps: [{ image: not/this }], script: { image: nor/this } } }
";

// [V-215]
#[test]
fn what_well_known_controllers_pull_is_found() {
    let expected = [
        "7:image registry.example/template:1",
        "9:image registry.example/step:1",
        "11:image registry.example/side:1",
        "17:image registry.example/container:1",
        "18:image registry.example/init:1",
        "19:image registry.example/beside:1",
        "20:image registry.example/script:1",
        "21:image registry.example/set:1",
        "26:image registry.example/action:1",
    ];
    let (images, hidden) = manifest(CONTROLLERS);
    assert_eq!(images, expected);
    assert_eq!(hidden, [10]);
    let nothing = "apiVersion: v1\nkind: ConfigMap\ndata: { image: not/this }\n";
    assert_eq!(manifest(nothing), (vec![], vec![]));
}

const COMPOSE: &str = r"x-image: &image
  image: registry.example/shared:1
services:
  one: { <<: *image, command: [a] }
  two: { <<: *image }
  three:
    image: registry.example/three:1
    volumes:
      - { type: image, source: registry.example/files:1, target: /f }
      - ./here:/there
  four: { image: registry.example/built:1, build: . }
  five: { image: 'registry.example/five:${TAG:-1}' }
  six:
    build: { context: ., dockerfile_inline: 'FROM a' }
";

#[test]
fn what_compose_pulls_is_found_once() {
    let expected =
        ["2:image registry.example/shared:1", "7:image registry.example/three:1", "9:volume registry.example/files:1"];
    let (images, hidden) = manifest(COMPOSE);
    assert_eq!(images, expected);
    assert_eq!(hidden, [12, 14]);
}

const BUILT: &str = "include:
- other.yaml
- path: [more.yaml, oci://registry.example/stack:1]
services:
  one:
    image: registry.example/one:1
    build:
  two: { image: registry.example/two:1, build: !reset null }
  three: { image: registry.example/three:1, build: ., pull_policy: always }
  four: { image: registry.example/four:1, build: { context: . }, pull_policy: every_12h }
  five: { image: registry.example/five:1, build: ., pull_policy: build }
  six: { image: registry.example/six:1, build: ., pull_policy: never }
  seven: { image: registry.example/seven:1, build: {} }
  eight: { extends: { service: one } }
  nine: { extends: { service: one, file: common.yaml } }
";

// [V-215]
#[test]
fn what_compose_pulls_before_it_builds_is_found_and_other_files_are_told() {
    let (images, hidden) = manifest(BUILT);
    let expected = [
        "6:image registry.example/one:1",
        "8:image registry.example/two:1",
        "9:image registry.example/three:1",
        "10:image registry.example/four:1",
        "13:image registry.example/seven:1",
    ];
    assert_eq!(images, expected);
    assert_eq!(hidden, [2, 3, 3, 15]);
    let told = names(FileKind::Manifest, BUILT).unwrap().unpinnable;
    let files: Vec<_> = told.iter().filter_map(|one| one.file.as_deref()).collect();
    assert_eq!(files, ["other.yaml", "more.yaml", "oci://registry.example/stack:1", "common.yaml"]);
    assert_eq!(manifest("include: other.yaml\n"), (vec![], vec![1]));
}

#[test]
fn only_names_change() {
    for (kind, text) in [
        (FileKind::Dockerfile, DOCKERFILE),
        (FileKind::Manifest, KUBERNETES),
        (FileKind::Manifest, CONTROLLERS),
        (FileKind::Manifest, COMPOSE),
        (FileKind::Manifest, BUILT),
    ] {
        let before = names(kind, text).unwrap();
        let digest: Digest = format!("sha256:{}", "2".repeat(64)).parse().unwrap();
        let edits: Vec<_> = before.images.iter().map(|named| (named, named.with(&digest))).collect();
        let new = rewritten(kind, text, &edits).unwrap();
        let after = names(kind, &new).unwrap();
        assert!(after.images.iter().all(|named| named.text.ends_with(&digest.to_string())), "{new}");
        // Taken out again, the file is what it was.
        let mut back = new.clone();
        for (old, new) in before.images.iter().zip(&after.images).rev() {
            back.replace_range(new.at.clone(), &old.text);
        }
        assert_eq!(back, text);
        assert_eq!(rewritten(kind, text, &[]).unwrap(), text);
    }
}

#[test]
fn a_files_kind_is_its_name() {
    for (name, kind) in [
        ("a/Dockerfile", Some(FileKind::Dockerfile)),
        ("app.Dockerfile", Some(FileKind::Dockerfile)),
        ("Dockerfile.dev", Some(FileKind::Dockerfile)),
        ("Containerfile", Some(FileKind::Dockerfile)),
        ("compose.yaml", Some(FileKind::Manifest)),
        ("dockerfile.yml", Some(FileKind::Manifest)),
        ("pod.json", Some(FileKind::Manifest)),
        ("README.md", None),
        ("mydockerfile", None),
    ] {
        assert_eq!(FileKind::of(Path::new(name)).ok(), kind, "{name}");
    }
}
