//! Content trust on real registries: every attack with our outcome, and publishers at once.

use crate::{attacks, bench::Case, common::peers::Kind, trust_race};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, attack) in attacks::all() {
        let sentence = name.replace('_', " ");
        cases.push(Case::on(Kind::DockerRegistry, sentence, &[], move |bench| {
            trust_race::block_on(attack(&bench.address, &bench.repository));
        }));
    }
    cases.extend(Case::on_each("three publish tags at once, some are killed, and nothing is lost", &[], |bench| {
        trust_race::race(
            &bench.address,
            &bench.repository,
            trust_race::Race { publishers: 3, updates: 2, shared: true },
        );
    }));
    cases
}
