use super::{Credential, Secret};
use crate::{
    limits::{CREDENTIALS_BYTES, ERROR_BODY_BYTES, HELPER_TIMEOUT},
    registry::{Fault, message},
};
use serde::Deserialize;
use std::{ffi::OsStr, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStderr, ChildStdin, ChildStdout, Command},
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
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // It has no business with the password of a signing key.
    command.env_remove("BOLTSEAL_PASSWORD").env_remove("COSIGN_PASSWORD");
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut child = command.spawn().map_err(|error| failed(&format!("could not be started: {error}")))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let (output, complaint) = tokio::join!(exchange(stdin, stdout, server), complaint(stderr));
        (output, complaint, child.wait().await)
    };
    let Ok((output, complaint, status)) = tokio::time::timeout(HELPER_TIMEOUT, talk).await else {
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
            said => Err(failed(&format!("failed: {}", message::shown(&format!("{said} {complaint}"))))),
        };
    }
    // The parser's own words could quote the secret.
    let answer: Answer =
        serde_json::from_slice(&output).map_err(|_| failed("gave no JSON with Username and Secret"))?;
    Ok(match answer.username.as_str() {
        // docker's word for "none".
        "" if answer.secret.is_empty() => None,
        TOKEN_USER => Some(Credential::Identity(answer.secret)),
        _ => Some(Credential::Basic { username: answer.username, password: answer.secret }),
    })
}

/// The last line that a helper wrote to its standard error: where many explain themselves.
async fn complaint(stderr: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(mut stderr) = stderr {
        let _ = (&mut stderr).take(ERROR_BODY_BYTES).read_to_end(&mut text).await;
        // Read on, so that a talkative one does not block.
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&text).lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
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
