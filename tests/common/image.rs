//! A small real multi-arch image, written as an OCI layout by hand: an index of two images with a layer each.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fs, path::Path};

#[derive(Clone, Debug)]
pub struct Layout {
    pub index: String,
    pub images: Vec<String>,
}

/// Writes the layout to `dir`, the index under `tag`. `seed` makes its digests differ from others'.
pub fn write(dir: &Path, tag: &str, seed: &str) -> Layout {
    fs::create_dir_all(dir.join("blobs/sha256")).expect("a folder");
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("oci-layout");
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let layer = blob(dir, &tar(&format!("hello from {architecture} {seed}\n")));
        let config = json!({
            "architecture": architecture, "os": "linux", "config": { "Cmd": ["/hello"] },
            "rootfs": { "type": "layers", "diff_ids": [layer.0] },
        });
        let config = blob(dir, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        let manifest = blob(dir, manifest.to_string().as_bytes());
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
        entries.push(entry);
    }
    let images = entries.iter().map(|e| e["digest"].as_str().expect("a digest").to_owned()).collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index =
        blob(dir, json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries }).to_string().as_bytes());
    let mut top = descriptor(media_type, &index);
    top["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    let top = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [top] });
    fs::write(dir.join("index.json"), top.to_string()).expect("index.json");
    Layout { index: index.0, images }
}

fn blob(dir: &Path, content: &[u8]) -> (String, usize) {
    let hex = hex::encode(Sha256::digest(content));
    fs::write(dir.join("blobs/sha256").join(&hex), content).expect("a blob");
    (format!("sha256:{hex}"), content.len())
}

fn descriptor(media_type: &str, blob: &(String, usize)) -> Value {
    json!({ "mediaType": media_type, "digest": blob.0, "size": blob.1 })
}

fn tar(text: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "hello", text.as_bytes()).expect("in memory");
    archive.into_inner().expect("in memory")
}

/// Pushes everything of a layout's image into another repository.
pub async fn copy(from: &boltseal::registry::Repo, to: &boltseal::registry::Repo, tag: &str, made: &Layout) {
    use boltseal::registry::Selector;
    for image in &made.images {
        let digest = image.parse().expect("a digest");
        let fetched = from.manifest(&Selector::Digest(digest)).await.expect("an image");
        let manifest = fetched.image().expect("an image");
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            to.push_blob(&from.blob(blob, blob.size).await.expect("a blob")).await.expect("pushed");
        }
        push_as_is(to, &Selector::Digest(digest), &fetched).await.expect("pushed");
    }
    let index = from.manifest(&Selector::Tag(tag.to_owned())).await.expect("the index");
    push_as_is(to, &Selector::Tag(tag.to_owned()), &index).await.expect("pushed");
}

async fn push_as_is(
    to: &boltseal::registry::Repo,
    at: &boltseal::registry::Selector,
    fetched: &boltseal::registry::Fetched,
) -> Result<(), boltseal::registry::RegistryError> {
    to.push_manifest_bytes(at, &fetched.descriptor.media_type, &fetched.bytes).await.map(drop)
}
