//! The filesystem that an image's layers make.

use super::{
    ArchiveFault, DriftError, LayerRead,
    layer::{Unpacked, most, unpack},
    tree::Tree,
};
use crate::{
    format::image_config::ImageConfig,
    limits::{IMAGE_CONFIG_BYTES, LAYERS_AT_ONCE},
    oci::{Descriptor, Digest, ImageManifest},
    ops::OpsError,
    registry::{RegistryError, Repo, Selector},
};
use futures_util::{StreamExt as _, stream};
use std::{io, thread};
use tokio::{
    io::{AsyncReadExt as _, DuplexStream},
    runtime::Handle,
};

/// Bytes of a layer between whoever fetches and whoever unpacks.
const PIPE: usize = 512 << 10;
/// The layers of images, OCI's and Docker's; those that are not distributed lie elsewhere.
const LAYERS: [&str; 2] = ["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"];

/// Reads all layers of an image, some at once, and puts them on top of each other.
pub async fn tree(repo: &Repo, image: Digest) -> Result<(Tree, Vec<LayerRead>), DriftError> {
    let fetched = repo.manifest(&Selector::Digest(image)).await.map_err(OpsError::from)?;
    let manifest = fetched.image().ok_or_else(|| DriftError::NoLayers(image, "it is an index".to_owned()))?;
    let diff_ids = diff_ids(repo, image, manifest).await?;
    let at_once = thread::available_parallelism().map_or(1, usize::from).min(LAYERS_AT_ONCE);
    let work = manifest.layers.iter().zip(&diff_ids).map(|(layer, diff_id)| read(repo, layer, *diff_id));
    let mut work = stream::iter(work).buffered(at_once);
    let (mut tree, mut layers) = (Tree::default(), Vec::new());
    for layer in &manifest.layers {
        let Some(unpacked) = work.next().await else { break };
        let Unpacked { entries, bytes, digest, .. } = unpacked?;
        layers.push(LayerRead { digest: layer.digest, diff_id: digest, bytes });
        let added = tokio::task::spawn_blocking(move || tree.apply(entries).map(|()| tree)).await;
        tree = added
            .map_err(|_| DriftError::Thread)?
            .map_err(|source| DriftError::Tree { digest: layer.digest, source })?;
    }
    Ok((tree, layers))
}

/// What the configuration says that the layers unpack to: one digest a layer.
async fn diff_ids(repo: &Repo, image: Digest, manifest: &ImageManifest) -> Result<Vec<Digest>, DriftError> {
    let no = |why: String| DriftError::NoLayers(image, why);
    let is_layer = |layer: &Descriptor| LAYERS.iter().any(|kind| layer.media_type.starts_with(kind));
    if let Some(other) = manifest.layers.iter().find(|layer| !is_layer(layer)) {
        return Err(no(format!("{} is {:?}", other.digest, other.media_type)));
    }
    let config = repo.blob(&manifest.config, IMAGE_CONFIG_BYTES).await.map_err(OpsError::from)?;
    let config = ImageConfig::decode(&config).map_err(|error| no(format!("its configuration is {error}")))?;
    let parsed = config.diff_ids.iter().map(|text| text.parse()).collect::<Result<Vec<Digest>, _>>();
    let diff_ids = parsed.map_err(|error| no(format!("its configuration: {error}")))?;
    if diff_ids.len() != manifest.layers.len() {
        return Err(no(format!("{} layers, and {} digests of them", manifest.layers.len(), diff_ids.len())));
    }
    Ok(diff_ids)
}

/// Fetches a layer and unpacks it as it comes; both digests are checked before anything of it counts.
async fn read(repo: &Repo, layer: &Descriptor, diff_id: Digest) -> Result<Unpacked, DriftError> {
    let (mut sink, source) = tokio::io::duplex(PIPE);
    let (size, runtime) = (layer.size, Handle::current());
    let unpacking =
        tokio::task::spawn_blocking(move || unpack(Piped { source, runtime }, most(size), diff_id.hasher()));
    let fetching = async move {
        let fetched = repo.blob_to(layer, &mut sink, &|_| {}).await;
        drop(sink);
        fetched
    };
    let (fetched, unpacked) = tokio::join!(fetching, unpacking);
    let unpacked = whose(layer.digest, fetched, unpacked.map_err(|_| DriftError::Thread)?)?;
    if unpacked.digest == diff_id {
        return Ok(unpacked);
    }
    Err(DriftError::DiffId { layer: layer.digest, expected: diff_id, actual: unpacked.digest })
}

/// Of two that failed together, the one that made the other fail.
fn whose(
    digest: Digest,
    fetched: Result<(), RegistryError>,
    unpacked: Result<Unpacked, ArchiveFault>,
) -> Result<Unpacked, DriftError> {
    match (fetched, unpacked) {
        (Ok(()), Ok(unpacked)) => Ok(unpacked),
        (Err(error), Ok(_)) => Err(OpsError::from(error).into()),
        (Err(error), Err(ArchiveFault::Io(cut))) if cut.kind() == io::ErrorKind::UnexpectedEof => {
            Err(OpsError::from(error).into())
        }
        (_, Err(source)) => Err(DriftError::Layer { digest, source }),
    }
}

/// The blocking end of a pipe.
struct Piped {
    source: DuplexStream,
    runtime: Handle,
}

impl io::Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.source.read(buffer))
    }
}
