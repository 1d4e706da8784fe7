//! Writes trust manifests.

use super::{TrustError, live::Files};
use crate::{
    format::trust_manifest::{TRUST_TAG, TrustArtifact},
    oci::{Digest, Manifest, media_type},
    registry::{Repo, Selector},
};
use bytes::Bytes;
use futures_util::future::try_join_all;

/// Pushes metadata files, and the empty configuration that their manifest names.
pub(super) async fn blobs(repo: &Repo, files: impl Iterator<Item = &Bytes>) -> Result<(), TrustError> {
    let contents = files.map(Bytes::as_ref).chain([media_type::EMPTY_CONTENT]);
    try_join_all(contents.map(|content| repo.push_blob(content))).await?;
    Ok(())
}

/// Points a tag that one writer alone has at a manifest of these files, whose blobs are there.
pub(super) async fn tag(repo: &Repo, tag: &str, kind: TrustArtifact, files: &Files) -> Result<(), TrustError> {
    let manifest = Manifest::Image(Box::new(kind.encode(files)));
    repo.push_manifest(&Selector::Tag(tag.to_owned()), &manifest).await?;
    Ok(())
}

/// Points the tag of the live state at a manifest of these files, whose blobs are there; its digest. It is sent once: a
/// second try could arrive when others have written. Whether it arrived is for the next read to say.
pub(super) async fn live(repo: &Repo, files: &Files) -> Result<Digest, TrustError> {
    let manifest = Manifest::Image(Box::new(TrustArtifact::State.encode(files)));
    repo.write_tag(TRUST_TAG, &manifest).await?;
    Ok(Digest::sha256(&manifest.encode()))
}
