//! `demo`: the main job, four attacks, and signed tags, on a registry in this process. It calls what every other verb calls.

mod attacks;
mod image;
mod signed_tags;
mod stage;

use crate::{
    args::DemoArgs,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
};
use boltseal::{
    format::tuf::RoleName,
    limits::Limits,
    oci::Reference,
    ops::{sign::Written, verify::Verification},
    policy::Decision,
};
use serde_json::{Value, json};
use stage::Stage;

/// What the demonstration says, a line a step.
pub struct Show<'o> {
    output: &'o Output,
    steps: Vec<Value>,
}

pub async fn run(args: DemoArgs, output: &Output) -> Result<Exit, Failure> {
    let limits = Limits::default();
    let stage = Stage::build(&limits).await?;
    let mut show = Show { output, steps: Vec::new() };
    let reference = main_job(&stage, &mut show).await?;
    attacks::run(&stage, &reference, &mut show).await?;
    signed_tags::run(&stage, &mut show).await?;
    show.text("\nAll of it as expected.");
    if output.is_json() {
        output.raw(&format!("{:#}\n", json!({ "version": JSON_VERSION, "steps": show.steps, "exit": 0 })));
    }
    if args.keep { keep(stage, &reference, output).await } else { Ok(Exit::Done) }
}

async fn main_job(stage: &Stage<'_>, show: &mut Show<'_>) -> Result<Reference, Failure> {
    show.text(&format!(
        "A registry listens on {}. The policy asks for 2 of 3 signatures and for provenance.",
        stage.address()
    ));
    let reference = stage.reference("shop/cart", "1.0")?;
    let digest = stage.push(&reference, "cart 1.0").await?;
    show.step("push", &format!("{reference}: an index of two images, {digest}"));
    let denied = stage.verify(&reference).await?;
    show.denied("verify, before anybody signed", &denied, "unsigned")?;
    for signer in ["release", "qa"] {
        let signed = stage.sign(&reference, signer).await?;
        let new = signed.iter().filter(|one| one.bundle == Written::New && one.simple == Written::New).count();
        show.step("sign", &format!("by {signer}: {new} digests (index and images), as bundle and .sig"));
    }
    let attested = stage.attest(&reference, "ci").await?;
    show.step("attest", &format!("by ci: {}", attested.predicate_type));
    show.allowed("verify", &stage.verify(&reference).await?)?;
    Ok(reference)
}

async fn keep(stage: Stage<'_>, reference: &Reference, output: &Output) -> Result<Exit, Failure> {
    let folder = stage.save()?;
    let at = folder.path().display();
    output.note(format_args!(
        "\nThe registry stays up until Ctrl-C. Try, in another terminal:\n\
         \x20 boltseal verify --policy {at}/policy.yaml {reference}\n\
         \x20 boltseal inspect {reference}\n\
         \x20 boltseal pull --policy {at}/policy.yaml {reference} --to oci:/tmp/cart:1.0\n\
         \x20 cosign verify --insecure-ignore-tlog=true --allow-http-registry --key {at}/release.pub {reference}\n",
    ));
    tokio::signal::ctrl_c().await.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    Ok(Exit::Done)
}

impl Show<'_> {
    fn text(&self, text: &str) {
        if !self.output.is_json() {
            self.output.raw(&format!("{text}\n"));
        }
    }

    fn step(&mut self, name: &str, what: &str) {
        self.text(&format!("  {name:<34} {what}"));
        self.steps.push(json!({ "step": name, "result": what }));
    }

    fn allowed(&mut self, name: &str, verification: &Verification) -> Result<(), Failure> {
        match &verification.outcome.decision {
            Decision::Allow(approved) => {
                let met = approved.met().iter().flat_map(|met| &met.by).map(|by| by.authority.as_str());
                let roles = approved.trust().into_iter().flat_map(|vouched| vouched.by().keys().map(RoleName::as_str));
                let by: Vec<_> = met.chain(roles).collect();
                self.step(name, &format!("allowed: {}, by {}", approved.digest(), by.join(", ")));
                Ok(())
            }
            other => Err(unexpected(name, other)),
        }
    }

    /// A deny for exactly this reason; anything else ends the demonstration as a bug.
    fn denied(&mut self, name: &str, verification: &Verification, reason: &str) -> Result<(), Failure> {
        match &verification.outcome.decision {
            Decision::Deny(reasons) => match reasons.iter().find(|one| one.id() == reason) {
                Some(found) => {
                    self.step(name, &format!("denied: {}: {found}", found.id()));
                    Ok(())
                }
                None => Err(unexpected(name, &verification.outcome.decision)),
            },
            other => Err(unexpected(name, other)),
        }
    }
}

fn unexpected(name: &str, decision: &Decision) -> Failure {
    Failure::new(Exit::Bug, format!("{name}: unexpected: {decision:?}"))
}
