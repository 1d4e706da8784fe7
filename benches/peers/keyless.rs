//! What keyless verification costs in processor time beyond the mathematics: a thousand bundles of the tests' private
//! Sigstore, by one trusted root, beside the crate `sigstore-verify`.

use crate::{
    keyless_math::Mathematics,
    measure::thread_time,
    report::{median, word},
    sigstore::{Identity, PrivateSigstore, Signing, unb64},
};
use boltseal::{
    crypto::{SigningCertificate, TimestampToken},
    format::{bundle::Bundle, rekor::Body},
    limits::Limits,
    trust::{Anchors, TrustedRoot},
    verify::{Artifact, Demands, verify_blob},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sigstore_verify::{VerificationPolicy, Verifier};
use std::{fmt::Write as _, hint::black_box, sync::Arc, time::Duration};

const BUNDLES: usize = 1_000;
/// Times that all of them are verified.
const PASSES: usize = 9;
/// What a bundle may take beyond the mathematics.
const MOST: Duration = Duration::from_micros(250);

/// A signed file.
struct Signed {
    content: Vec<u8>,
    bundle: String,
    math: Mathematics,
    /// The leaf, the entry's body, the token: what is decoded beside the bundle.
    leaf: Vec<u8>,
    body: Vec<u8>,
    token: Option<Vec<u8>>,
}

/// Everything that a pass needs.
struct Fixture {
    anchors: Anchors,
    demands: Demands,
    theirs: Verifier,
    signed: Vec<Signed>,
    now: Timestamp,
}

impl Fixture {
    fn make(rekor: u32) -> Self {
        let sigstore = PrivateSigstore::new();
        let text = sigstore.trusted_root().to_string();
        let root = TrustedRoot::decode("private", text.as_bytes()).expect("a root");
        let theirs = sigstore_trust_root::TrustedRoot::from_json(&text).expect("a root");
        let now = Timestamp::now();
        let time = Timestamp::from_second((now - SignedDuration::from_mins(5)).as_second()).expect("a time");
        let one = |number: usize| {
            let content = format!("file {number}").into_bytes();
            let signing = Signing::keyless(&sigstore, Identity::email("https://issuer.test", "jane@example.com"), time);
            let signing = if rekor == 2 { signing.rekor2() } else { signing };
            let bundle = signing.blob(&content);
            let material = &bundle["verificationMaterial"];
            let entry = &material["tlogEntries"][0];
            let token = &material["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"];
            Signed {
                math: Mathematics::of(&sigstore, &bundle, &content),
                leaf: bytes(&material["certificate"]["rawBytes"]).expect("a leaf"),
                body: bytes(&entry["canonicalizedBody"]).expect("a body"),
                token: bytes(token),
                bundle: bundle.to_string(),
                content,
            }
        };
        Self {
            anchors: Anchors::default().with_roots([Arc::new(root)]),
            demands: Demands { logs: 1, proofs: true, timestamps: usize::from(rekor == 2), scts: 1 },
            theirs: Verifier::new(&theirs).expect("a verifier"),
            signed: (0..BUNDLES).map(one).collect(),
            now,
        }
    }

    fn ours(&self, signed: &Signed) {
        let artifact = Artifact::from_bytes(signed.content.clone());
        let bundle = signed.bundle.clone().into_bytes();
        let verified = verify_blob(&artifact, bundle, &self.anchors, self.now, &Limits::default()).expect("it holds");
        verified[0].backing().meets(&self.demands).expect("enough stands behind it");
        black_box(verified);
    }

    fn theirs(&self, signed: &Signed) {
        let bundle = sigstore_types::Bundle::from_json(&signed.bundle).expect("a bundle");
        let policy = VerificationPolicy::any_identity();
        black_box(self.theirs.verify(signed.content.as_slice(), &bundle, &policy).expect("it holds"));
    }

    /// Microseconds a bundle of this work, over all of them; the median of all passes.
    fn each(&self, work: &dyn Fn(&Signed)) -> f64 {
        let pass = || {
            let before = thread_time();
            self.signed.iter().for_each(work);
            micros(thread_time() - before)
        };
        median((0..PASSES).map(|_| pass()).collect())
    }

    /// Ours, the mathematics, theirs: in turn, bundle by bundle.
    fn in_turn(&self) -> [f64; 3] {
        let mut passes = [const { Vec::new() }; 3];
        let works: [&dyn Fn(&Signed); 3] =
            [&|signed| self.ours(signed), &|signed| signed.math.all(), &|signed| self.theirs(signed)];
        for _ in 0..PASSES {
            let mut taken = [Duration::ZERO; 3];
            for signed in &self.signed {
                for (work, taken) in works.iter().zip(&mut taken) {
                    let before = thread_time();
                    work(signed);
                    *taken += thread_time() - before;
                }
            }
            passes.iter_mut().zip(taken).for_each(|(samples, taken)| samples.push(micros(taken)));
        }
        passes.map(median)
    }
}

fn bytes(text: &Value) -> Option<Vec<u8>> {
    unb64(text.as_str()?)
}

/// Of one bundle, of what all took.
fn micros(all: Duration) -> f64 {
    all.as_secs_f64() * 1e6 / BUNDLES as f64
}

const HEAD: &str = "\
| bundles | ÷ sigstore-verify | beyond the mathematics | target | boltseal | the mathematics | sigstore-verify |
|---|---|---|---|---|---|---|";

/// Measures all of it.
pub fn table(text: &mut String) {
    let mut rows = format!("\n### Processor time of keyless verification, for each of {BUNDLES} bundles\n\n{HEAD}\n");
    let mut parts = String::new();
    for (rekor, name) in [(1, "Rekor v1, proof and promise"), (2, "Rekor v2, a timestamp")] {
        let fixture = Fixture::make(rekor);
        let [ours, math, theirs] = fixture.in_turn();
        let beyond = ours - math;
        let met = word(beyond <= MOST.as_secs_f64() * 1e6);
        let (ratio, most) = (ours / theirs, MOST.as_micros());
        let row = format!(
            "| {name} | {ratio:.2} | {beyond:.0} µs | ≤ {most} µs: {met} | {ours:.0} µs | {math:.0} µs | {theirs:.0} µs |"
        );
        eprintln!("{row}");
        let _ = writeln!(rows, "{row}");
        let _ = writeln!(parts, "{}\n", breakdown(name, &fixture, beyond));
    }
    text.push_str(&rows);
    let _ = write!(text, "\n{parts}");
}

/// A stage's name, and the stage.
type Stage<'s> = (&'s str, &'s dyn Fn(&Signed));

/// What the mathematics and what is beyond them consist of.
fn breakdown(name: &str, fixture: &Fixture, beyond: f64) -> String {
    let math: Vec<_> = Mathematics::PARTS
        .iter()
        .map(|(name, part)| (*name, fixture.each(&|signed| part(&signed.math))))
        .filter(|(_, taken)| *taken >= 0.5)
        .collect();
    let decode: [Stage<'_>; 4] = [
        ("the bundle's JSON", &|signed| {
            let _ = black_box(Bundle::decode(signed.bundle.as_bytes()).expect("a bundle"));
        }),
        ("the certificate", &|signed| {
            let _ = black_box(SigningCertificate::from_der(&signed.leaf).expect("a certificate"));
        }),
        ("the log entry's body", &|signed| {
            let version = if signed.token.is_some() { "0.0.2" } else { "0.0.1" };
            let _ = black_box(Body::decode(&signed.body, "hashedrekord", version).expect("a body"));
        }),
        ("the timestamp", &|signed| {
            if let Some(token) = &signed.token {
                let _ = black_box(TimestampToken::decode(token).expect("a token"));
            }
        }),
    ];
    let mut decoded: Vec<_> = decode.iter().map(|(name, part)| (*name, fixture.each(part))).collect();
    decoded.retain(|(_, taken)| *taken >= 0.5);
    let rest = beyond - decoded.iter().map(|(_, taken)| taken).sum::<f64>();
    decoded.push(("everything else", rest));
    let list = |parts: &[(&str, f64)]| {
        let parts: Vec<_> = parts.iter().map(|(name, taken)| format!("{name} {taken:.0} µs")).collect();
        parts.join(", ")
    };
    let line = format!("{name}. The mathematics: {}. Decoding and the rest: {}.", list(&math), list(&decoded));
    eprintln!("{line}");
    line
}
