//! `attest`: a predicate about an image, signed and attached.

use super::{
    OpsError, Platform,
    attach::{AppendLayer, EmptyConfig, push_bundle, seal_checked},
    collect::attachment_tag,
    pin::{entry_for, selector},
    sign::{Formats, typed_identity},
};
use crate::{
    format::{
        bundle,
        predicate::{self, predicate_type},
        statement::Statement,
    },
    oci::{Descriptor, Digest, Reference, media_type},
    registry::{Access, Session},
    sign::Signer,
    verify::{SignedReference, Via},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::Path;

/// What is attested.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A predicate; the statement around it is ours.
    Predicate {
        /// The predicate's type, a URI.
        predicate_type: String,
        /// The predicate.
        predicate: Value,
    },
    /// A ready statement, whose subject is the image.
    Statement(Box<Statement>, std::path::PathBuf),
}

/// A wish to attest.
pub struct AttestRequest<'a> {
    /// The key.
    pub signer: &'a dyn Signer,
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
}

impl Content {
    /// Reads a predicate's file for a type: JSON for all but `custom`, whose text is wrapped as cosign wraps it.
    ///
    /// # Errors
    /// An unknown type, a type that `sign` writes, or content that is not in the type's shape.
    pub fn predicate(type_name: &str, path: &Path, content: &[u8], now: Timestamp) -> Result<Self, OpsError> {
        let predicate_type = predicate_type(type_name)?;
        let wrong = |message: String| OpsError::Predicate { path: path.to_owned(), message };
        if predicate_type == predicate::IMAGE_SIGNATURE {
            return Err(wrong(format!("{predicate_type} is what `sign` writes, not an attestation's type")));
        }
        let predicate = if predicate_type == predicate::CUSTOM {
            let text = std::str::from_utf8(content).map_err(|e| wrong(format!("not UTF-8 text: {e}")))?;
            json!({ "Data": text, "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() })
        } else {
            crate::json::decode_value(content)
                .map_err(|e| wrong(format!("{e}; a predicate of type {type_name} is a JSON document")))?
        };
        check_shape(&predicate_type, &predicate).map_err(wrong)?;
        Ok(Self::Predicate { predicate_type, predicate })
    }

    /// Reads a ready statement.
    ///
    /// # Errors
    /// It is none.
    pub fn statement(path: &Path, content: &[u8]) -> Result<Self, OpsError> {
        match Statement::decode(content) {
            Ok(statement) => Ok(Self::Statement(Box::new(statement), path.to_owned())),
            Err(source) => Err(OpsError::Statement { path: path.to_owned(), source }),
        }
    }
}

/// What the type asks of its predicate, as far as both verifiers, ours and cosign's, read it.
fn check_shape(predicate_type: &str, predicate: &Value) -> Result<(), String> {
    let required: &[&str] = match predicate_type {
        predicate::SLSA_V1 => &["buildDefinition", "runDetails"],
        predicate::SLSA_V02 => &["builder", "buildType"],
        predicate::VULN => &["scanner", "metadata"],
        predicate::SPDX => &["spdxVersion"],
        predicate::CYCLONEDX => &["bomFormat"],
        predicate::OPENVEX => &["statements"],
        _ => &[],
    };
    if !predicate.is_object() {
        return Err(format!("a predicate of type {predicate_type} is a JSON object"));
    }
    match required.iter().find(|member| predicate.get(member).is_none()) {
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
    let statement = statement(reference, request, &target)?;
    let envelope = seal_checked(&statement, request.signer, &target.digest).await?;
    if request.formats.bundle {
        let bytes = bundle::encode_keyed(&envelope, &request.signer.public_key().hint());
        push_bundle(&repo, &EmptyConfig::default(), &target, &bytes, &statement.predicate_type, request.now).await?;
    }
    if request.formats.simple {
        let content = envelope.encode();
        let layer = Descriptor::of(media_type::DSSE, &content)
            .annotated(media_type::SIGNATURE_ANNOTATION, "")
            .annotated(media_type::ATT_PREDICATE_ANNOTATION, statement.predicate_type.clone());
        let tag = attachment_tag(&target.digest, Via::AttestationTag);
        repo.update_tag(&tag, None, &AppendLayer { layer, content }).await?;
    }
    Ok(Attested { digest: target.digest, predicate_type: statement.predicate_type })
}

fn statement(reference: &Reference, request: &AttestRequest<'_>, target: &Descriptor) -> Result<Statement, OpsError> {
    match &request.content {
        Content::Predicate { predicate_type, predicate } => {
            let name = request.identity.clone().or_else(|| typed_identity(reference)).map(|name| name.to_string());
            Ok(Statement::about(&target.digest, name, predicate_type, predicate.clone()))
        }
        Content::Statement(statement, path) => {
            if statement.subject.iter().any(|subject| subject.is(&target.digest)) {
                return Ok((**statement).clone());
            }
            let digests = statement.subject.iter().flat_map(|subject| &subject.digest);
            let named: Vec<_> = digests.map(|(algorithm, hex)| format!("{algorithm}:{hex}")).collect();
            Err(OpsError::StatementSubject { path: path.clone(), digest: target.digest, named: named.join(", ") })
        }
    }
}
