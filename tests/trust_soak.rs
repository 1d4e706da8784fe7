//! Eight publishers, twenty updates each, three in ten of them killed between staging and sealing, on docker-registry: once
//! with a role each, once all in one. Run by `./check all`.

#[path = "common/mod.rs"]
mod common;
#[path = "common/trust_race.rs"]
mod trust_race;
#[path = "common/trust.rs"]
mod world;

use common::peers::{self, Kind};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use trust_race::{Race, race};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One race at a time: its writers have both cores to themselves.
    arguments.test_threads = Some(1);
    let missing = !peers::is_there(Kind::DockerRegistry.tool());
    let trials = [("with a role each", false), ("all in one role", true)].map(|(name, shared)| {
        let trial = Trial::test(format!("eight publish twenty tags at once, {name}"), move || {
            if missing {
                return Err(Failed::from("docker-registry is missing"));
            }
            let registry = peers::start(Kind::DockerRegistry);
            race(&registry.address.to_string(), "soak/app", Race { publishers: 8, updates: 20, shared });
            Ok(())
        });
        trial.with_ignored_flag(missing)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    if missing {
        println!("NOT RUN: the race of publishers: docker-registry is missing");
    }
    conclusion.exit_code()
}
