//! Both ways with the real tools: what they write boltseal reads, what boltseal writes they read, against real registries.
//!
//! `cargo test --test interop [PART OF A NAME]`. A case whose tools are missing is not run, and says so at the end.

#[path = "../common/attacks.rs"]
mod attacks;
#[path = "../common/chain.rs"]
mod chain;
#[path = "../common/mod.rs"]
mod common;
#[path = "../roots/instance.rs"]
mod instance;
#[path = "../common/sigstore/mod.rs"]
mod sigstore;
#[path = "../common/trust_race.rs"]
mod trust_race;
#[path = "../common/webhook.rs"]
mod webhook;
#[path = "../common/trust.rs"]
mod world;

mod access;
mod attestations;
mod audit;
mod bench;
mod buildkit;
mod chains;
mod containerd;
mod content_trust;
mod cosign_reads;
mod cosign_writes;
mod docker;
mod drift;
mod enforcers;
mod junk;
mod keyless;
mod keyless_reads;
mod keyless_signs;
mod kubernetes;
mod layouts;
mod mixed;
mod notary;
mod predicates;
mod proxy;
mod pulls;
mod races;
mod report;
mod shared;
mod sigstore_clients;
mod skopeo;
mod tls;
mod token_registry;
mod trusted_roots;

use bench::Registries;
use libtest_mimic::Arguments;
use std::{process::ExitCode, sync::Arc};

/// Cases at once, unless told otherwise: half of each is waiting, for registries to settle and for other processes.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let mut groups = [
        cosign_writes::cases(),
        cosign_reads::cases(),
        attestations::cases(),
        skopeo::cases(),
        enforcers::cases(),
        mixed::cases(),
        races::cases(),
        access::cases(),
        tls::cases(),
        token_registry::cases(),
        layouts::cases(),
        pulls::cases(),
        content_trust::cases(),
        notary::cases(),
        keyless::cases(),
        keyless_signs::cases(),
        keyless_reads::cases(),
        sigstore_clients::cases(),
        trusted_roots::cases(),
        containerd::cases(),
        docker::cases(),
        kubernetes::cases(),
        proxy::cases(),
        chains::cases(),
        buildkit::cases(),
        audit::cases(),
        drift::cases(),
        report::cases(),
        shared::cases(),
    ]
    .map(Vec::into_iter);
    // In turn, so that those of one kind do not wait for each other.
    let mut cases = Vec::new();
    while groups.iter().any(|group| group.len() > 0) {
        cases.extend(groups.iter_mut().filter_map(Iterator::next));
    }
    let not_run: Vec<_> = cases.iter().filter_map(|case| Some((case.name.clone(), case.missing()?))).collect();
    let registries = Arc::new(if arguments.list { Registries::none() } else { Registries::start() });
    let trials = cases.into_iter().map(|case| case.trial(&registries)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    for (name, missing) in &not_run {
        println!("NOT RUN: {name}: {missing} is missing");
    }
    conclusion.exit_code()
}
