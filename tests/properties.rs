//! What holds for any input: text and bytes never panic, what is written is read back, and nothing is verified that
//! nobody signed.

use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey, keyfile},
    format::{
        bundle::{self, Bundle, Content},
        dsse::{Envelope, EnvelopeSignature},
        simple_signing::Payload,
        statement::{Statement, StatementSubject},
    },
    limits::Limits,
    oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, Reference, Repository, RepositoryName},
    policy::Policy,
    trust::Anchors,
    verify::{Blob, BlobKind, Collected, LegacyMaterial, Place, SignedReference, Subject, Via, verify_all},
};
use jiff::Timestamp;
use proptest::{collection, prelude::*};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock};

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key"));

fn digests() -> impl Strategy<Value = Digest> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(Digest::Sha256),
        collection::vec(any::<u8>(), 64).prop_map(|bytes| Digest::Sha512(bytes.try_into().expect("64 bytes"))),
    ]
}

fn repositories() -> impl Strategy<Value = Repository> {
    let host =
        prop_oneof!["[a-z]{1,8}\\.[a-z]{2,3}(:[1-9][0-9]{1,3})?", "localhost(:[1-9][0-9]{1,3})?", "\\[::1\\]:5000"];
    let path = "[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?(/[a-z0-9]{1,8}){0,3}";
    let registry = (host, path).prop_map(|(host, path)| Repository::Registry(RepositoryName { host, path }));
    prop_oneof![
        4 => registry,
        1 => "[a-z]{1,8}(/[a-z]{1,8}){0,2}".prop_map(|dir| Repository::Layout(PathBuf::from(dir))),
    ]
}

fn references() -> impl Strategy<Value = Reference> {
    let tag = proptest::option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,20}");
    (repositories(), tag, proptest::option::of(digests())).prop_map(|(repository, tag, digest)| Reference {
        repository,
        tag,
        digest,
    })
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map(MEMBERS, inner, 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Names that the formats have, and others.
const MEMBERS: &str = "(mediaType|verificationMaterial|publicKey|certificate|hint|dsseEnvelope|messageSignature|payload|payloadType|signatures|sig|keyid|critical|optional|identity|image|type|layers|manifests|config|subject|schemaVersion|digest|size|version|authorities|images|key|from|[a-z]{1,4})";

/// Bytes of any kind: noise, JSON of no kind, JSON with the formats' names.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        collection::vec(any::<u8>(), 0..200),
        ".{0,100}".prop_map(String::into_bytes),
        json_values().prop_map(|value| value.to_string().into_bytes()),
    ]
}

fn descriptors() -> impl Strategy<Value = Descriptor> {
    (contents(), "[a-z]{1,8}/[a-z.+]{1,12}", collection::btree_map("[a-z.]{1,8}", ".{0,8}", 0..3)).prop_map(
        |(content, media_type, annotations)| Descriptor { annotations, ..Descriptor::of(&media_type, &content) },
    )
}

fn subject() -> Subject {
    let reference: Reference = "registry.example.com/app:v1".parse().expect("a reference");
    Subject::new(reference, Digest::sha256(b"image"))
}

fn judge(kind: BlobKind, bytes: Vec<u8>) -> (usize, usize) {
    let place = Place { subject: subject().digest(), via: Via::Supplied, manifest: None, layer: 0 };
    let collected = Collected { blobs: vec![Blob { place, kind, bytes }], unread: Vec::new() };
    let anchors = Anchors::new([KEY.public().clone()]);
    let findings = verify_all(&subject(), collected, &anchors, Timestamp::UNIX_EPOCH, &Limits::default());
    (findings.verified().len(), findings.rejected().len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_verified_that_nobody_signed(bytes in contents(), signature in ".{0,40}", why in ".{0,20}") {
        let kinds = [
            BlobKind::Bundle,
            BlobKind::Envelope { material: LegacyMaterial::default() },
            BlobKind::SimpleSigning { signature, material: LegacyMaterial::default() },
            BlobKind::Malformed { why: why.clone() },
            BlobKind::Foreign { media_type: why },
        ];
        for kind in kinds {
            prop_assert_eq!(judge(kind.clone(), bytes.clone()), (0, 1), "{:?}", kind);
        }
    }

    #[test]
    fn a_well_formed_envelope_with_a_random_signature_is_not_verified(
        signature in collection::vec(any::<u8>(), 0..80), hint in any::<bool>()
    ) {
        let statement = Statement::about(&subject().digest(), None, "https://sigstore.dev/cosign/sign/v1", json!({}));
        let payload_type = "application/vnd.in-toto+json".to_owned();
        let signatures = vec![EnvelopeSignature { key_hint: None, signature }];
        let envelope = Envelope { payload_type, payload: statement.encode(), signatures };
        let hint = if hint { KEY.public().hint() } else { String::new() };
        prop_assert_eq!(judge(BlobKind::Bundle, bundle::encode_keyed(&envelope, &hint)), (0, 1));
        prop_assert_eq!(judge(BlobKind::Envelope { material: LegacyMaterial::default() }, envelope.encode()), (0, 1));
    }

    #[test]
    fn references_are_read_back_as_they_were_written(reference in references()) {
        let text = reference.to_string();
        let read: Reference = text.parse().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(read, reference, "{}", text);
    }

    #[test]
    fn any_text_that_is_a_reference_has_one_spelling(text in "(oci:)?[a-zA-Z0-9.:/@_\\[\\]-]{0,60}") {
        if let Ok(reference) = text.parse::<Reference>() {
            let spelt = reference.to_string();
            prop_assert_eq!(spelt.parse::<Reference>().ok(), Some(reference), "{} as {}", text, spelt);
        }
        let _ = SignedReference::parse(&text);
    }

    #[test]
    fn no_text_breaks_the_parsers(text in ".{0,200}") {
        let _ = (text.parse::<Reference>(), text.parse::<Digest>(), SignedReference::parse(&text));
        let _ = (PublicKey::from_pem(&text), Policy::parse(&text, &|_| Err("no key".to_owned())));
    }

    #[test]
    fn digests_are_read_back_as_they_were_written(digest in digests()) {
        prop_assert_eq!(digest.to_string().parse::<Digest>().ok(), Some(digest));
    }

    #[test]
    fn envelopes_and_bundles_are_read_back_as_they_were_written(
        payload_type in ".{0,30}", payload in contents(), hint in ".{0,20}",
        signature in collection::vec(any::<u8>(), 0..80)
    ) {
        let key_hint = Some(hint.clone()).filter(|hint| !hint.is_empty());
        let signatures = vec![EnvelopeSignature { key_hint, signature }];
        let mut envelope = Envelope { payload_type, payload, signatures };
        prop_assert_eq!(&Envelope::decode(&envelope.encode()).expect("ours"), &envelope);
        let hinted = envelope.clone();
        envelope.signatures[0].key_hint = None;
        let read = Bundle::decode(&bundle::encode_keyed(&envelope, &hint)).expect("ours");
        prop_assert_eq!(read.content, Content::Envelope(hinted));
    }

    #[test]
    fn statements_are_read_back_as_they_were_written(
        digest in digests(), name in proptest::option::of(".{0,30}"), kind in ".{0,30}", predicate in json_values(),
        annotations in proptest::option::of(collection::btree_map(".{0,8}", json_values(), 0..3))
    ) {
        let mut statement = Statement::about(&digest, name, &kind, predicate);
        statement.subject[0].annotations = annotations;
        statement.subject.push(StatementSubject::default());
        prop_assert_eq!(Statement::decode(&statement.encode()).expect("ours"), statement);
    }

    #[test]
    fn payloads_are_read_back_as_they_were_written(
        docker_reference in ".{0,40}", digest in digests(),
        optional in collection::btree_map(".{0,12}", ".{0,12}", 0..4)
    ) {
        let payload = Payload { docker_reference, digest, optional };
        prop_assert_eq!(Payload::decode(&payload.encode()).expect("ours"), payload);
    }

    #[test]
    fn manifests_are_read_back_as_they_were_written(
        config in descriptors(), layers in collection::vec(descriptors(), 0..4),
        subject in proptest::option::of(descriptors()), artifact_type in proptest::option::of(".{0,20}"),
        annotations in collection::btree_map(".{0,8}", ".{0,8}", 0..3)
    ) {
        let mut index = ImageIndex::new(layers.clone());
        index.other = BTreeMap::from([("x".to_owned(), json!([1, "two"]))]);
        let mut image = ImageManifest::new(config, layers);
        (image.subject, image.artifact_type, image.annotations) = (subject, artifact_type, annotations);
        let read = Manifest::decode(&serde_json::to_vec(&image).expect("JSON")).expect("ours");
        prop_assert_eq!(read, Manifest::Image(Box::new(image)));
        let read = Manifest::decode(&serde_json::to_vec(&index).expect("JSON")).expect("ours");
        prop_assert_eq!(read, Manifest::Index(Box::new(index)));
    }

    #[test]
    fn no_bytes_break_the_decoders(bytes in contents()) {
        let _ = (Bundle::decode(&bytes), Envelope::decode(&bytes), Payload::decode(&bytes));
        let _ = (Statement::decode(&bytes), Manifest::decode(&bytes), PublicKey::from_pem_bytes(&bytes));
        let _ = keyfile::decode(&bytes, &mut || Err("no password".into()));
    }

    #[test]
    fn no_policy_of_the_right_words_breaks_the_parser(value in json_values(), text in "(version|images|authorities|mode|default|[:\\[\\]{}\n&*!|>'\" -]|[a-z*/]){0,40}") {
        let load = |_: &str| Ok(KEY.public().clone());
        let _ = Policy::parse(&text, &load);
        let _ = Policy::parse(&value.to_string(), &load);
        let members = json!({ "version": 1, "authorities": { "a": { "key": "a" } }, "images": { "**": value } });
        let _ = Policy::parse(&members.to_string(), &load);
    }
}

proptest! {
    /// Lines that look like a Dockerfile or a manifest, in any order: nothing panics, what is found stands where it is said
    /// to, and an edit changes nothing else.
    #[test]
    fn files_that_name_images_are_read_whatever_they_hold(
        lines in collection::vec(prop_oneof![
            Just("FROM a:1 AS b".to_owned()), Just("ARG A=r.example/a:1".to_owned()), Just("FROM ${A}".to_owned()),
            Just("RUN --mount=type=bind,from=c:1 x \\".to_owned()), Just("COPY --from=b <<E 'x \\".to_owned()),
            Just("E".to_owned()), Just("# syntax=d:1".to_owned()), Just("apiVersion: v1".to_owned()),
            Just("containers: [{image: \"e:1\"}]".to_owned()), Just("  - image: grün:1".to_owned()),
            Just("services: {a: {image: 'f:1'}}".to_owned()), Just("---".to_owned()), "\\PC{0,20}",
        ], 0..12),
        end in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        use boltseal::ops::pin_files::{FileKind, names, rewritten};
        let text = lines.join(end);
        for kind in [FileKind::Dockerfile, FileKind::Manifest] {
            let Ok(found) = names(kind, &text) else { continue };
            let digest = Digest::Sha256([7; 32]);
            let edits: Vec<_> = found.images.iter().map(|named| (named, named.with(&digest))).collect();
            for named in &found.images {
                prop_assert_eq!(text.get(named.at.clone()), Some(named.text.as_str()));
            }
            if let Ok(new) = rewritten(kind, &text, &edits) {
                let grown: usize = edits.iter().map(|(named, by)| by.len() - named.text.len()).sum();
                prop_assert_eq!(new.len(), text.len() + grown);
            }
            prop_assert_eq!(rewritten(kind, &text, &[]).ok(), Some(text.clone()));
        }
    }
}
