//! Verifies bytes, without a network, a clock or a file: what `verify` does once everything has been fetched.
//!
//! `cargo run --example verify --no-default-features` needs the pure modules alone: no tokio, no reqwest.

use boltseal::{
    crypto::PublicKey,
    limits::Limits,
    oci::{Digest, Reference},
    policy::{Decision, Policy, evaluate},
    trust::Anchors,
    verify::{Blob, BlobKind, Collected, Place, Subject, Via, verify_all},
};
use jiff::Timestamp;
use std::{error::Error, process::ExitCode};

/// What cosign 3 attached to an image, and the key that it signed with.
const BUNDLE: &[u8] = include_bytes!("../testdata/wire/cosign-bundle.json");
const KEY: &str = include_str!("../testdata/wire/cosign.pub");
/// The image.
const IMAGE: &str = "registry.example.com/app@sha256:a4ae8dba89657ee343d766312957890a960e40c41512ca197ccb7413016c9215";
/// Who has to have signed it. The key is named; its content is handed over below.
const POLICY: &str = "
version: 1
authorities: { release: { key: release.pub } }
images:
  registry.example.com/app: { signatures: { from: [release] } }
";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // 1. What is judged: one digest. Here it was typed; a tag is only ever a registry's word for one.
    let reference: Reference = IMAGE.parse()?;
    let digest: Digest = reference.digest.ok_or("a reference without a digest")?;
    let subject = Subject::new(reference, digest);

    // 2. Who is trusted. The policy asks for each key by the name that it has there.
    let policy = Policy::parse(POLICY, &|_name| PublicKey::from_pem(KEY).map_err(|error| error.to_string()))?;
    let anchors: &Anchors = policy.anchors();

    // 3. What was found for the digest. Anything that is listed and could not be read belongs into `unread`: without
    //    it a gap looks like an absence.
    let place = Place { subject: digest, via: Via::Supplied, manifest: None, layer: 0 };
    let blobs = vec![Blob { place, kind: BlobKind::Bundle, bytes: BUNDLE.to_vec() }];
    let collected = Collected { blobs, unread: Vec::new() };

    let now = Timestamp::now();
    // 4. Bytes to findings, findings to a decision. The time is an argument: the caller knows which one counts.
    let findings = verify_all(&subject, collected, anchors, now, &Limits::default());
    for rejected in findings.rejected() {
        println!("rejected  {}", rejected.rejection);
    }
    match evaluate(&policy, &findings, now).decision {
        // 5. From here on the approved digest is used, never the tag.
        Decision::Allow(approved) => {
            println!("allowed   {}", approved.reference());
            for met in approved.met().iter().flat_map(|met| &met.by) {
                println!("          signed by {}, in a {:?}", met.authority, met.format);
            }
            Ok(ExitCode::SUCCESS)
        }
        Decision::Deny(reasons) => {
            reasons.iter().for_each(|reason| println!("denied    {reason}"));
            Ok(ExitCode::from(1))
        }
        Decision::Undetermined(reasons) => {
            reasons.iter().for_each(|reason| println!("could not tell    {reason}"));
            Ok(ExitCode::from(4))
        }
        Decision::NotJudged => Ok(ExitCode::from(4)),
    }
}
