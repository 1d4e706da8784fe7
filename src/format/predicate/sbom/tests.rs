use super::*;
use serde_json::{Value, json};

const DIGEST: &str = "abababababababababababababababababababababababababababababababab";

macro_rules! predicate {
    ($name:literal) => {
        &include_bytes!(concat!("../../../../testdata/predicates/", $name))[..]
    };
}

fn all() -> [(&'static str, Sbom); 3] {
    [
        ("SPDX 2.3", Sbom::decode_spdx(predicate!("spdx-2.3.json")).unwrap()),
        ("SPDX 3", Sbom::decode_spdx(predicate!("spdx-3.json")).unwrap()),
        ("CycloneDX", Sbom::decode_cyclonedx(predicate!("cyclonedx-1.6.json")).unwrap()),
    ]
}

#[test]
fn the_formats_come_out_alike() {
    for (name, sbom) in all() {
        let package = |wanted: &str| sbom.packages.iter().find(|package| &*package.name == wanted);
        let openssl = package("openssl").unwrap_or_else(|| panic!("{name}"));
        assert!(openssl.purl.starts_with("pkg:apk/alpine/openssl@3.3.2-r1"), "{name}: {openssl:?}");
        assert_eq!(openssl.licenses, ["Apache-2.0".into()].into(), "{name}");
        assert_eq!(package("readline").unwrap().licenses, ["GPL-3.0-or-later".into()].into(), "{name}");
        assert_eq!(sbom.created, Some("2026-11-20T10:04:30Z".parse().unwrap()), "{name}");
        let subjects: Vec<_> = sbom.packages.iter().filter(|package| package.is_subject).collect();
        let [subject] = subjects.as_slice() else { panic!("{name}: {subjects:?}") };
        let by_digest = subject.digests.iter().any(|(algorithm, hex)| &**algorithm == "sha256" && &**hex == DIGEST);
        assert!(by_digest || subject.purl.contains(DIGEST), "{name}: {subject:?}");
    }
    let versions = all().map(|(_, sbom)| (sbom.format, sbom.version));
    let expected = [(SbomFormat::Spdx, "2.3"), (SbomFormat::Spdx, "3.0.1"), (SbomFormat::CycloneDx, "1.6")];
    assert_eq!(versions, expected.map(|(format, version)| (format, version.to_owned())));
}

#[test]
fn components_within_components_are_packages_too() {
    let [.., (_, sbom)] = all();
    let either = sbom.packages.iter().find(|package| &*package.name == "@acme/either").unwrap();
    assert_eq!(either.licenses, ["MIT OR GPL-2.0-only".into()].into());
    assert_eq!(&*either.digests[0].0, "sha256");
}

#[test]
fn other_versions_and_shapes_are_refused_by_name() {
    let spdx: Value = serde_json::from_slice(predicate!("spdx-2.3.json")).unwrap();
    let bom: Value = serde_json::from_slice(predicate!("cyclonedx-1.6.json")).unwrap();
    let with = |value: &Value, pointer: &str, new: Value| {
        let mut value = value.clone();
        *value.pointer_mut(pointer).unwrap() = new;
        value.to_string()
    };
    for (text, member) in [
        (with(&spdx, "/spdxVersion", json!("SPDX-9.9")), "spdxVersion"),
        (with(&spdx, "/packages/1/name", json!(7)), "packages[1].name"),
        (with(&spdx, "/creationInfo/created", json!("now")), "creationInfo.created"),
        (with(&spdx, "/packages", json!({})), "packages"),
        (json!({"@context": "https://example.com", "@graph": []}).to_string(), "@context"),
    ] {
        let error = Sbom::decode_spdx(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(member), "{member}: {error}");
    }
    for (text, member) in [
        (with(&bom, "/bomFormat", json!("cyclonedx")), "bomFormat"),
        (with(&bom, "/specVersion", json!("2.0")), "specVersion"),
        (with(&bom, "/components/2/components/0/name", json!(null)), "components[2].components[0].name"),
    ] {
        let error = Sbom::decode_cyclonedx(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(member), "{member}: {error}");
    }
}

// [V-173]
#[test]
fn packages_are_bounded_while_they_are_read() {
    let one = r#"{"name":"a"}"#;
    let bom = |n: usize| {
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{}]}}"#, vec![one; n].join(","))
    };
    assert_eq!(Sbom::decode_cyclonedx(bom(1_000).as_bytes()).unwrap().packages.len(), 1_000);
    let error = Sbom::decode_cyclonedx(bom(crate::limits::SBOM_PACKAGES + 1).as_bytes()).unwrap_err().to_string();
    assert!(error.contains("500000"), "{error}");
}
