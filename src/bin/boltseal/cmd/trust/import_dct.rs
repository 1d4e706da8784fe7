mod render;
mod sign;

use super::{args::ImportDctArgs, report};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    settings,
};
use boltseal::{
    crypto::{Certificate, PublicKey},
    limits::KEY_FILE_BYTES,
    ops::import_dct::{
        Compared, ImportDctError, Imported, Pin, compare, default_server, fetch, pin_from_cache, read_saved, read_tree,
    },
    registry::Session,
    trust::notary::{Files, NotaryError, PinnedKey, RootPin},
};
use jiff::Timestamp;
use render::Report;
use sign::Import;
use std::{collections::BTreeMap, env, io::Read as _};

pub async fn run(args: ImportDctArgs, output: &Output) -> Result<Exit, Failure> {
    let session = settings::session(&args.registry)?;
    let pin = pin(&args)?;
    let source = source(&args);
    let now = Timestamp::now();
    let imported = match read(&session, &args, &source).await.and_then(|files| {
        let verified = Imported::verify(&args.repository, files, pin, now, args.allow_expired);
        verified.map_err(ImportDctError::from)
    }) {
        Ok(imported) => imported,
        Err(ImportDctError::Unverified(error)) => return Ok(unverified(&args, &source, &error, output)),
        Err(error) => return Err(error.into()),
    };
    if let Some(path) = &args.save {
        imported.save(path, &source, now, &render::summary(imported.state()))?;
    }
    let compared = if args.offline { None } else { Some(compare(&session, &args.repository, imported.state()).await?) };
    let unread = compared.iter().flat_map(BTreeMap::values).any(Compared::is_unread);
    let import = match &compared {
        Some(compared) if args.dry_run || !args.key.is_empty() => {
            Some(Import::plan(&args, imported.state(), compared, output).await?)
        }
        _ => None,
    };
    let report = Report {
        source: &source,
        state: imported.state(),
        compared: compared.as_ref(),
        saved: args.save.as_deref(),
        fates: import.as_ref().map(Import::fates),
        publication: None,
        exit: if unread { Exit::Unknown } else { Exit::Done },
    };
    conclude(&args, report, import.as_ref(), output).await
}

/// Shows what was found, and signs what is to be signed.
async fn conclude(
    args: &ImportDctArgs,
    mut report: Report<'_>,
    import: Option<&Import>,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut text = report.to_text();
    match import {
        Some(import) if !args.dry_run && import.has_tags() => {
            // Seen before it is asked for; standard output has one JSON value alone.
            if output.is_json() { output.propose(&text) } else { output.raw(&text) }
            let shown = report::published(&args.repository, &import.sign(output).await?);
            report.exit = report.exit.worst(shown.exit);
            report.publication = Some(shown.value);
            text = shown.text;
        }
        Some(_) if !args.dry_run => output.note("nothing was signed: no tag is left to sign"),
        None if !args.dry_run => output.note(format_args!(
            "no new trust was written: `boltseal trust init {}` starts it; this command with --key KEY then signs these tags",
            args.repository
        )),
        _ => {}
    }
    output.result(&report.to_json(), || text);
    Ok(report.exit)
}

fn unverified(args: &ImportDctArgs, source: &str, error: &NotaryError, output: &Output) -> Exit {
    let repository = args.repository.to_string();
    output.result(&render::unverified_json(&repository, source, error), || {
        render::unverified_text(&repository, source, error)
    });
    Exit::Denied
}

async fn read(session: &Session, args: &ImportDctArgs, source: &str) -> Result<Files, ImportDctError> {
    match &args.from {
        None => fetch(session, &args.repository, source).await,
        Some(path) if path.is_dir() => read_tree(path, &args.repository),
        Some(path) => read_saved(path, &args.repository).map(|saved| saved.files),
    }
}

fn source(args: &ImportDctArgs) -> String {
    if let Some(path) = &args.from {
        return path.display().to_string();
    }
    let environment = || env::var("DOCKER_CONTENT_TRUST_SERVER").ok().filter(|server| !server.is_empty());
    args.server.clone().or_else(environment).unwrap_or_else(|| default_server(&args.repository))
}

fn pin(args: &ImportDctArgs) -> Result<Pin, Failure> {
    if let Some(folder) = &args.trust_cache {
        return Ok(pin_from_cache(folder, &args.repository)?);
    }
    let keys = args.root_key.iter().map(|text| pinned_key(text)).collect::<Result<_, _>>()?;
    Ok(Pin { root: RootPin::Keys(keys), floors: BTreeMap::new() })
}

/// A fingerprint or id, else a file with a certificate or a public key.
fn pinned_key(text: &str) -> Result<PinnedKey, Failure> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::supplied(format!("--root-key {text}: {why}; expected a PEM file or 64 lower-case hex characters"))
    };
    let mut bytes = Vec::new();
    std::fs::File::open(text)
        .and_then(|file| file.take(KEY_FILE_BYTES).read_to_end(&mut bytes))
        .map_err(|error| unusable(&error))?;
    let certificate = String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----");
    let key = if certificate {
        Certificate::from_pem_bytes(&bytes).map_err(|error| unusable(&error))?.public_key().clone()
    } else {
        PublicKey::from_pem_bytes(&bytes).map_err(|error| unusable(&error))?
    };
    Ok(key.fingerprint().into())
}

impl From<ImportDctError> for Failure {
    fn from(error: ImportDctError) -> Self {
        match error {
            ImportDctError::Server(error) => error.into(),
            ImportDctError::NoTrustData { .. } => Self {
                hint: Some("docker signs under the full name, docker.io/acme/web; is it spelled so, and ever signed?"),
                ..Self::new(Exit::Denied, error.to_string())
            },
            ImportDctError::Unverified(_) => Self::new(Exit::Denied, error.to_string()),
            ImportDctError::Limit { .. } => Self::new(Exit::Unknown, error.to_string()),
            _ => Self::supplied(error.to_string()),
        }
    }
}
