//! `run docker pull REF`: what DOCKER_CONTENT_TRUST=1 did. Verified, pulled by digest, given its tag.

use crate::{
    args::RunArgs,
    cmd::verify::{refusal, warn},
    exit::{Exit, Failure},
    output::Output,
    render::verification::{to_text, verdict},
    settings,
};
use boltseal::{
    limits::Limits,
    oci::{Reference, Repository},
    ops::{pull::may_be_used, verify::Verifier},
};
use jiff::Timestamp;
use std::{ffi::OsString, path::Path, process::ExitStatus};

/// The tools whose `pull` is known.
const TOOLS: [&str; 3] = ["docker", "podman", "nerdctl"];
/// Flags that have no value. All others are taken with `=`, or stand in [`VALUED`].
const BARE: [&str; 7] = ["-q", "--quiet", "-D", "--debug", "--tls", "--tlsverify", "--remote"];
/// Flags whose value is the next word.
const VALUED: [&str; 29] = [
    "--platform",
    "--arch",
    "--os",
    "--variant",
    "--authfile",
    "--creds",
    "--cert-dir",
    "--retry",
    "--retry-delay",
    "--policy",
    "-H",
    "--host",
    "-c",
    "--context",
    "--config",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "-n",
    "--namespace",
    "--root",
    "--runroot",
    "--tmpdir",
    "--storage-driver",
    "--storage-opt",
    "--connection",
    "--snapshotter",
];

/// A command line of a tool, taken apart.
#[derive(Debug)]
struct Pull {
    tool: OsString,
    globals: Vec<OsString>,
    flags: Vec<OsString>,
    reference: Reference,
}

pub async fn run(args: RunArgs, output: &Output) -> Result<Exit, Failure> {
    let pull = Pull::parse(&args.command)?;
    let judge = settings::judge(&args.judge, "run", output)?;
    let session = settings::session(&args.registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let verification = verifier.verify(&pull.reference, None).await;
    let verification = verification.map_err(|error| {
        let refusal = refusal(&error);
        judge.record_unjudged(&pull.reference, refusal.as_ref(), error.into())
    })?;
    judge.record(&verification)?;
    warn(&verification, &pull.reference, output);
    let (_, exit) = verdict(&verification);
    output.note(to_text(&verification).trim_end());
    if !may_be_used(&verification) {
        return Ok(exit);
    }
    let pinned = pull.reference.at(verification.findings.subject().digest()).to_string();
    let mut words = pull.globals.clone();
    words.push("pull".into());
    words.extend(pull.flags.iter().cloned());
    words.push(pinned.clone().into());
    pull.call(&words).await?;
    if let Some(tag) = pull.reference.tag_or_latest() {
        let mut words = pull.globals.clone();
        let name = format!("{}:{tag}", pull.reference.repository);
        words.extend(["tag".into(), pinned.into(), name.into()]);
        pull.call(&words).await?;
    }
    Ok(exit)
}

impl Pull {
    fn parse(command: &[OsString]) -> Result<Self, Failure> {
        let mut words = command.iter();
        let tool = words.next().cloned().unwrap_or_default();
        if !Path::new(&tool).file_name().is_some_and(|name| TOOLS.iter().any(|known| name == *known)) {
            let tools = TOOLS.join(", ");
            return Err(Failure::usage(format!("{}: expected one of {tools}", tool.display())));
        }
        let (mut before, mut after, mut pull, mut images) = (Vec::new(), Vec::new(), false, Vec::new());
        while let Some(word) = words.next() {
            let text = word.to_str().ok_or_else(|| Failure::usage("the command is no UTF-8 text"))?;
            let flags = if pull { &mut after } else { &mut before };
            match text {
                "-a" | "--all-tags" => return Err(Failure::usage(format!("{text}: one image is verified at a time"))),
                _ if VALUED.contains(&text) => {
                    let value = words.next().ok_or_else(|| Failure::usage(format!("{text} has no value")))?;
                    flags.extend([word.clone(), value.clone()]);
                }
                _ if text.starts_with("--all-tags=") => {
                    return Err(Failure::usage(format!("{text}: one image is verified at a time")));
                }
                _ if BARE.contains(&text) || (text.starts_with("--") && text.contains('=')) => flags.push(word.clone()),
                _ if text.starts_with('-') => {
                    return Err(Failure::usage(format!(
                        "{text}: not known to take a value or none: write it as {text}=VALUE"
                    )));
                }
                "image" if !pull && before.last().is_none_or(|last| last != "image") => {}
                "pull" if !pull => pull = true,
                _ if !pull => return Err(Failure::usage(format!("{text}: only `pull` is run"))),
                _ => images.push(text),
            }
        }
        let [image] = images.as_slice() else {
            return Err(Failure::usage(format!("expected one image, got {}", images.len())));
        };
        let reference: Reference = image.parse().map_err(|error| Failure::usage(format!("{error}")))?;
        if matches!(reference.repository, Repository::Layout(_)) {
            return Err(Failure::usage(format!("{image}: expected an image of a registry")));
        }
        Ok(Self { tool, globals: before, flags: after, reference })
    }

    async fn call(&self, words: &[OsString]) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Unknown, format!("{} {}: {error}", self.tool.display(), shown(words)))
        };
        let status: ExitStatus =
            tokio::process::Command::new(&self.tool).args(words).status().await.map_err(|error| failed(&error))?;
        if status.success() { Ok(()) } else { Err(failed(&status)) }
    }
}

fn shown(words: &[OsString]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<(String, String, String), String> {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        let pull = Pull::parse(&words).map_err(|failure| failure.message)?;
        Ok((shown(&pull.globals), shown(&pull.flags), pull.reference.to_string()))
    }

    #[test]
    fn the_image_is_told_from_the_flags() {
        let good = |globals: &str, flags: &str, reference: &str| {
            Ok((globals.to_owned(), flags.to_owned(), reference.to_owned()))
        };
        assert_eq!(parse("docker pull r.example/a:1"), good("", "", "r.example/a:1"));
        assert_eq!(
            parse("/usr/bin/docker -H unix:///x image pull -q --platform linux/arm64 busybox"),
            good("-H unix:///x", "-q --platform linux/arm64", "docker.io/library/busybox")
        );
        assert_eq!(parse("podman pull --tls-verify=false r.example/a"), good("", "--tls-verify=false", "r.example/a"));
        for (line, part) in [
            ("skopeo copy a b", "docker, podman, nerdctl"),
            ("docker run a", "only `pull`"),
            ("docker pull", "one image, got 0"),
            ("podman pull a b", "one image, got 2"),
            ("docker pull -a a", "at a time"),
            ("docker pull --all-tags=true a", "at a time"),
            ("docker pull --new b a", "--new=VALUE"),
            ("docker pull --platform", "no value"),
            ("docker pull oci:a", "registry"),
            ("docker pull A", "lower-case"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
