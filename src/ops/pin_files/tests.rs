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

#[test]
fn only_names_change() {
    for (kind, text) in
        [(FileKind::Dockerfile, DOCKERFILE), (FileKind::Manifest, KUBERNETES), (FileKind::Manifest, COMPOSE)]
    {
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
