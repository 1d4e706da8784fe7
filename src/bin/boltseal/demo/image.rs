//! A small real multi-arch image, pushed to a registry.

use boltseal::{
    oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, Platform, media_type},
    registry::{Fault, RegistryError, Repo, Selector},
};
use serde_json::json;
use std::{collections::BTreeMap, path::Path};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Pushes an index of two images under a tag; its digest.
pub async fn push(repo: &Repo, tag: &str, greeting: &str) -> Result<Digest, RegistryError> {
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let layer = layer(&format!("{greeting} ({architecture})\n"))?;
        let config = json!({
            "architecture": architecture, "os": "linux", "config": { "Cmd": ["/bin/cat", "/greeting"] },
            "rootfs": { "type": "layers", "diff_ids": [Digest::sha256(&layer).to_string()] },
        });
        let config = config.to_string().into_bytes();
        repo.push_blob(&layer).await?;
        repo.push_blob(&config).await?;
        let image =
            ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, &config), vec![Descriptor::of(LAYER, &layer)]);
        let manifest = Manifest::Image(Box::new(image));
        let mut entry = Descriptor::of(media_type::IMAGE_MANIFEST, &manifest.encode());
        repo.push_manifest(&Selector::Digest(entry.digest), &manifest).await?;
        entry.platform = Some(Platform {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: None,
            other: BTreeMap::new(),
        });
        entries.push(entry);
    }
    let index = Manifest::Index(Box::new(ImageIndex::new(entries)));
    Ok(repo.push_manifest(&Selector::Tag(tag.to_owned()), &index).await?.0)
}

/// A layer with one file in it.
fn layer(text: &str) -> Result<Vec<u8>, RegistryError> {
    let in_memory = |source| Fault::Io { path: Path::new("greeting").to_owned(), source }.during("making a layer");
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "greeting", text.as_bytes()).map_err(in_memory)?;
    archive.into_inner().map_err(in_memory)
}
