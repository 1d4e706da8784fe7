//! The program as a plugin of docker's command line: `docker boltseal …`, and `docker trust …` where docker no longer has it
//! (29 and later).

mod trust;

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, ExitCode},
};

/// What docker asks each plugin first, at every start.
const METADATA: &str = "docker-cli-plugin-metadata";
/// docker's own flags whose value is the next word; they come before the plugin's name.
const GLOBALS: [&str; 10] =
    ["--config", "-c", "--context", "-H", "--host", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey"];

/// As which plugin docker calls us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// `docker-boltseal`.
    Boltseal,
    /// `docker-trust`.
    Trust,
}

/// What becomes of a call.
pub enum Called {
    /// It was answered.
    Answered(ExitCode),
    /// These are boltseal's words.
    Words(Vec<OsString>),
}

impl Plugin {
    /// The plugin that the program's name says.
    pub fn called() -> Option<Self> {
        let name = env::args_os().next().unwrap_or_default();
        match Path::new(&name).file_stem().and_then(OsStr::to_str) {
            Some("docker-boltseal") => Some(Self::Boltseal),
            Some("docker-trust") => Some(Self::Trust),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Boltseal => "boltseal",
            Self::Trust => "trust",
        }
    }

    /// How the command begins that was typed.
    pub fn typed(self) -> &'static str {
        match self {
            Self::Boltseal => "docker boltseal",
            // The verbs of `trust` are boltseal's.
            Self::Trust => "docker",
        }
    }

    /// Answers what docker asks, or tells what was meant.
    pub fn call(self) -> Called {
        let arguments: Vec<_> = env::args_os().skip(1).collect();
        if arguments.first().is_some_and(|first| first == METADATA) {
            use std::io::Write as _;
            let written = writeln!(std::io::stdout(), "{}", self.metadata());
            return Called::Answered(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let (config, words) = own(&arguments, self.name());
        if let Some(config) = config.filter(|config| env::var_os("DOCKER_CONFIG").as_ref() != Some(config)) {
            return Called::Answered(again(&config, &arguments));
        }
        Called::Words(match self {
            Self::Boltseal => words,
            Self::Trust => trust::translated(&words),
        })
    }

    /// docker before 28.4.1 takes no other schema version than this.
    fn metadata(self) -> serde_json::Value {
        let what = match self {
            Self::Boltseal => "Sign and verify container images",
            Self::Trust => "Signed tags (Boltseal)",
        };
        serde_json::json!({
            "SchemaVersion": "0.1.0", "Vendor": "Boltseal", "Version": concat!("v", env!("CARGO_PKG_VERSION")),
            "ShortDescription": what,
        })
    }
}

/// docker's own `--config`, and the words behind the plugin's name. `docker help NAME` comes as `help NAME`.
fn own(arguments: &[OsString], name: &str) -> (Option<OsString>, Vec<OsString>) {
    let mut config = None;
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        if text == name {
            return (config, rest.cloned().collect());
        }
        if text == "help" {
            return (config, std::iter::once("help".into()).chain(rest.skip(1).cloned()).collect());
        }
        if let Some(value) = text.strip_prefix("--config=") {
            config = Some(value.into());
        } else if GLOBALS.contains(&&*text) {
            let value = rest.next().cloned();
            config = if text == "--config" { value } else { config };
        }
    }
    (config, arguments.to_vec())
}

/// The same call with docker's folder in the environment, where credentials are looked for.
fn again(config: &OsStr, arguments: &[OsString]) -> ExitCode {
    let program = env::current_exe().unwrap_or_default();
    let name = env::args_os().next().unwrap_or_default();
    let mut command = Command::new(program);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut command, name);
    match command.args(arguments).env("DOCKER_CONFIG", config).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(5)),
        Err(_) => ExitCode::from(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_flags_come_before_the_name() {
        let own = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
            let (config, rest) = own(&words, "boltseal");
            (
                config.map(|config| config.to_string_lossy().into_owned()),
                rest.join(OsStr::new(" ")).into_string().unwrap(),
            )
        };
        assert_eq!(own("boltseal verify a:1"), (None, "verify a:1".to_owned()));
        assert_eq!(own("--host unix:///x --debug boltseal sign boltseal"), (None, "sign boltseal".to_owned()));
        assert_eq!(own("--config boltseal boltseal verify"), (Some("boltseal".to_owned()), "verify".to_owned()));
        assert_eq!(own("--config=/c boltseal verify"), (Some("/c".to_owned()), "verify".to_owned()));
        assert_eq!(own("help boltseal verify"), (None, "help verify".to_owned()));
        assert_eq!(own("boltseal"), (None, String::new()));
    }
}
