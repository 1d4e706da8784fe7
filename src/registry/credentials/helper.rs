use super::{Credential, Secret};
use crate::{
    limits::{CREDENTIALS_BYTES, HELPER_TIMEOUT},
    registry::{Fault, message},
};
use serde::Deserialize;
use std::{ffi::OsStr, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, ChildStdout, Command},
};
use zeroize::Zeroizing;

/// What a helper prints when it has nothing, word for word (docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name that marks an identity token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

/// Asks `docker-credential-NAME get` for a server's credential: the server's name on its standard input, JSON on its
/// output. `None` if it has none.
pub(super) async fn ask(name: &str, server: &str, path: Option<&OsStr>) -> Result<Option<Credential>, Fault> {
    let program = format!("docker-credential-{name}");
    let failed = |what: &str| Fault::Credentials(format!("the credential helper {program} {what}"));
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err(failed("has a name that is no program's"));
    }
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut child = command.spawn().map_err(|error| failed(&format!("could not be started: {error}")))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let talk = async {
        let output = exchange(stdin, stdout, server).await;
        (output, child.wait().await)
    };
    let Ok((output, status)) = tokio::time::timeout(HELPER_TIMEOUT, talk).await else {
        return Err(failed(&format!("gave no answer within {} s", HELPER_TIMEOUT.as_secs())));
    };
    let output = output.map_err(|error| failed(&format!("broke off: {error}")))?;
    let status = status.map_err(|error| failed(&format!("broke off: {error}")))?;
    if output.len() as u64 > CREDENTIALS_BYTES {
        return Err(failed("answered more than is read"));
    }
    if !status.success() {
        let said = String::from_utf8_lossy(&output);
        return match said.trim() {
            NOT_FOUND => Ok(None),
            said => Err(failed(&format!("failed: {}", message::shown(said)))),
        };
    }
    // The parser's own words could quote the secret.
    let answer: Answer =
        serde_json::from_slice(&output).map_err(|_| failed("gave no JSON with Username and Secret"))?;
    Ok(Some(match answer.username.as_str() {
        TOKEN_USER => Credential::Identity(answer.secret),
        _ => Credential::Basic { username: answer.username, password: answer.secret },
    }))
}

async fn exchange(
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    server: &str,
) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut output = Zeroizing::new(Vec::new());
    if let Some(mut stdin) = stdin {
        // A helper may answer without having read its input.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    if let Some(stdout) = stdout {
        stdout.take(CREDENTIALS_BYTES + 1).read_to_end(&mut output).await?;
    }
    Ok(output)
}
