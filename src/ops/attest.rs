//! `attest`: a predicate about an image, signed and attached.

use super::{
    Logging, OpsError, Platform, Signatory,
    attach::{AppendLayer, EmptyConfig, push_bundle},
    collect::attachment_tag,
    pin::{entry_for, selector},
    sign::{Formats, typed_identity},
};
use crate::{
    format::{
        predicate::{self, Predicate, most_values, predicate_type},
        statement::Statement,
    },
    limits::STATEMENT_SUBJECTS,
    oci::{Descriptor, Digest, Reference, media_type},
    registry::{Access, Session},
    verify::{SignedReference, Via},
};
use jiff::Timestamp;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What is attested.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A predicate; the statement around it is ours.
    Predicate {
        /// The predicate's type, a URI.
        predicate_type: String,
        /// The predicate.
        predicate: Predicate,
    },
    /// A ready statement, whose subject is the image; its bytes are signed as they are.
    Statement {
        /// What the bytes say.
        statement: Box<Statement<Predicate>>,
        /// The bytes.
        bytes: Vec<u8>,
        /// The file that they came from.
        path: PathBuf,
    },
}

/// A wish to attest.
pub struct AttestRequest<'a> {
    /// Who signs.
    pub signer: Signatory<'a>,
    /// Which formats: bundle, `.att`, or both.
    pub formats: Formats,
    /// The platform image that it is about, if not what the reference leads to.
    pub platform: Option<Platform>,
    /// What is attested.
    pub content: Content,
    /// The reference to sign beside the digest, where it is not the one that was typed.
    pub identity: Option<SignedReference>,
    /// When this is; stands in an unsigned annotation.
    pub now: Timestamp,
}

/// What was attested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The digest that it is about.
    pub digest: Digest,
    /// The predicate's type.
    pub predicate_type: String,
    /// Its witnesses, where it was signed without a key.
    pub logging: Option<Logging>,
}

impl Content {
    /// Reads a predicate's file for a type: JSON for all but `custom`, whose text is wrapped as cosign wraps it. JSON is signed as
    /// it stands in the file.
    ///
    /// # Errors
    /// An unknown type, a type that `sign` writes, or content that is not in the type's shape.
    pub fn predicate(type_name: &str, path: &Path, content: &[u8], now: Timestamp) -> Result<Self, OpsError> {
        let predicate_type = predicate_type(type_name)?;
        let wrong = |message: String| OpsError::Predicate { path: path.to_owned(), message };
        let predicate = if predicate_type == predicate::CUSTOM {
            let text = std::str::from_utf8(content).map_err(|e| wrong(format!("not UTF-8 text: {e}")))?;
            json!({ "Data": text, "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() }).into()
        } else {
            Predicate::read(content, most_values(&predicate_type))
                .map_err(|e| wrong(format!("{e}; a predicate of type {type_name} is a JSON document")))?
        };
        check_shape(&predicate_type, &predicate).map_err(wrong)?;
        Ok(Self::Predicate { predicate_type, predicate })
    }

    /// Reads a ready statement.
    ///
    /// # Errors
    /// It is none, or an image signature: that is what `sign` makes, after looking at the image itself.
    pub fn statement(path: &Path, content: &[u8]) -> Result<Self, OpsError> {
        let path = path.to_owned();
        let statement = match Statement::read(content) {
            Ok(statement) => Box::new(statement),
            Err(source) => return Err(OpsError::Statement { path, source }),
        };
        predicate_type(&statement.predicate_type)?;
        Ok(Self::Statement { statement, bytes: content.to_vec(), path })
    }
}

/// What the type asks of its predicate, as far as both verifiers, ours and cosign's, read it.
fn check_shape(predicate_type: &str, predicate: &Predicate) -> Result<(), String> {
    let required: &[&str] = match predicate_type {
        predicate::SLSA_V1 => &["buildDefinition", "runDetails"],
        predicate::SLSA_V02 => &["builder", "buildType"],
        predicate::VULN => &["scanner", "metadata"],
        predicate::SPDX => &["spdxVersion"],
        predicate::CYCLONEDX => &["bomFormat"],
        predicate::OPENVEX => &["statements"],
        _ => &[],
    };
    let Some(members) = predicate.members() else {
        return Err(format!("a predicate of type {predicate_type} is a JSON object"));
    };
    match required.iter().find(|member| !members.contains(**member)) {
        Some(member) => Err(format!("a predicate of type {predicate_type} has a member `{member}`, this one has none")),
        None => Ok(()),
    }
}

/// Attests one reference.
///
/// # Errors
/// The first failure; a broken statement or predicate is found before anything is pushed.
pub async fn attest(
    session: &Session,
    reference: &Reference,
    request: &AttestRequest<'_>,
) -> Result<Attested, OpsError> {
    let repo = session.open(&reference.repository, Access::PullPush)?;
    let fetched = repo.manifest(&selector(reference)).await?;
    let target = match &request.platform {
        Some(platform) => entry_for(&fetched, reference, platform)?.clone(),
        None => fetched.descriptor.clone(),
    };
    let (payload, predicate_type) = payload(reference, request, &target)?;
    let made = request.signer.make(payload, &target.digest, &reference.repository.to_string()).await?;
    if request.formats.bundle {
        let config = EmptyConfig::default();
        let pushed = push_bundle(&repo, &config, &target, &made.bundle, &predicate_type, request.now).await;
        made.pushed(request.signer, pushed)?;
    }
    if request.formats.simple {
        let content = made.envelope.encode();
        let layer = Descriptor::of(media_type::DSSE, &content)
            .annotated(media_type::SIGNATURE_ANNOTATION, "")
            .annotated(media_type::ATT_PREDICATE_ANNOTATION, predicate_type.clone());
        let tag = attachment_tag(&target.digest, Via::AttestationTag);
        repo.update_tag(&tag, None, &AppendLayer { layer, content }).await?;
    }
    Ok(Attested { digest: target.digest, predicate_type, logging: made.logging })
}

/// The statement's bytes and its predicate type.
fn payload(
    reference: &Reference,
    request: &AttestRequest<'_>,
    target: &Descriptor,
) -> Result<(Vec<u8>, String), OpsError> {
    match &request.content {
        Content::Predicate { predicate_type, predicate } => {
            let name = request.identity.clone().or_else(|| typed_identity(reference)).map(|name| name.to_string());
            let statement = Statement::about(&target.digest, name, predicate_type, predicate.clone());
            let payload = statement.encode();
            // A predicate may be one level too deep for the statement around it.
            Statement::read(&payload)
                .map_err(|source| OpsError::Statement { path: PathBuf::from("the predicate"), source })?;
            Ok((payload, statement.predicate_type))
        }
        Content::Statement { statement, bytes, path } => {
            let digests = statement.subject.iter().flat_map(|subject| &subject.digest);
            let named = || digests.map(|(algorithm, hex)| format!("{algorithm}:{hex}")).collect::<Vec<_>>().join(", ");
            let about_it = statement.subject.iter().any(|subject| subject.is(&target.digest));
            let count = statement.subject.len();
            if count > STATEMENT_SUBJECTS {
                let message = format!("{count} subjects, at most {STATEMENT_SUBJECTS} are verified");
                return Err(OpsError::Predicate { path: path.clone(), message });
            }
            if !about_it {
                let (path, digest, named) = (path.clone(), target.digest, named());
                return Err(OpsError::StatementSubject { path, digest, named });
            }
            Ok((bytes.clone(), statement.predicate_type.clone()))
        }
    }
}
