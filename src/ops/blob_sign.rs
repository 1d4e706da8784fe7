//! `blob sign`: a file's signature as a bundle, or a ready statement's.

use super::{Logging, OpsError, Signatory, attest::Content};
use crate::{
    format::keyless_bundle::encode_keyed_message,
    limits::{BLOB_BYTES, Limits},
    oci::Digest,
    verify::{Artifact, verify_blob},
};
use jiff::Timestamp;
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// A bundle that was made for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBlob {
    /// What it is about.
    pub digest: Digest,
    /// The bundle's bytes.
    pub bundle: Vec<u8>,
    /// Its witnesses, where it was signed without a key.
    pub logging: Option<Logging>,
}

/// Signs a file: a bundle v0.3 with a bare signature.
///
/// # Errors
/// It can't be read, has more than [`BLOB_BYTES`], or is not signed.
pub async fn sign_blob(by: Signatory<'_>, path: &Path) -> Result<SignedBlob, OpsError> {
    let content = read(path)?;
    let digest = Digest::sha256(&content);
    match by {
        Signatory::Identity(identity) => {
            let (bundle, logging) = identity.sign_message(&content, &digest).await?;
            Ok(SignedBlob { digest, bundle, logging: Some(logging) })
        }
        Signatory::Key(signer) => {
            let signature = signer.sign(&content).await?;
            let key = signer.public_key();
            let hash = key.usual_hash();
            let bundle = encode_keyed_message((hash, &hash.of(&content)), &signature, &key.hint());
            let artifact = Artifact::from_bytes(content);
            verify_blob(&artifact, bundle.clone(), &by.anchors(), Timestamp::now(), &Limits::default())
                .map_err(OpsError::Unverifiable)?;
            Ok(SignedBlob { digest, bundle, logging: None })
        }
    }
}

/// Signs a ready in-toto statement, byte by byte as it is: a bundle v0.3 with an envelope.
///
/// # Errors
/// It is no statement, an image's signature, names nothing by SHA-256, or is not signed.
pub async fn sign_statement(by: Signatory<'_>, path: &Path) -> Result<SignedBlob, OpsError> {
    let Content::Statement { statement, bytes, .. } = Content::statement(path, &read(path)?)? else {
        return Err(OpsError::NoEnvelope);
    };
    let mut digests = statement.subject.iter().filter_map(|subject| subject.digest.get("sha256"));
    let digest = digests.find_map(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
    let digest = digest.ok_or_else(|| OpsError::Predicate {
        path: path.to_owned(),
        message: "none of its subjects has a sha256 digest, by which it could be verified".to_owned(),
    })?;
    let made = by.make(bytes, &digest, "").await?;
    made.pushed(by, Ok(()))?;
    Ok(SignedBlob { digest, bundle: made.bundle, logging: made.logging })
}

fn read(path: &Path) -> Result<Vec<u8>, OpsError> {
    let failed = |source| OpsError::Io { path: path.to_owned(), source };
    let mut content = Vec::new();
    File::open(path).map_err(failed)?.take(BLOB_BYTES + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > BLOB_BYTES {
        let message = format!("more than {BLOB_BYTES} bytes, which are signed at most");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, message)));
    }
    Ok(content)
}
