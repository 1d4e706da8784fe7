//! The archive that `docker load` and `podman load` read (docker-archive; Docker image specification v1.2, "Combined
//! Image JSON + Filesystem Changeset Format").

use crate::{
    crypto::hash::Hasher,
    oci::{Descriptor, Digest, ImageManifest, media_type},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};
use tar::{Builder, EntryType, Header};

/// Docker's image configuration: the same document as OCI's.
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Layers that are tar archives, OCI's and Docker's, and how they may be compressed.
const LAYERS: [&str; 2] = ["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"];
const COMPRESSIONS: [&str; 5] = ["", "+gzip", "+zstd", ".gzip", ".zstd"];

/// Why no archive was written. Nothing is then in its place that was not there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The manifest is an artifact, not an image that can be loaded.
    #[error("{part} is {media_type:?}: not an image that Docker can load")]
    NoImage {
        /// The config's or layer's digest.
        part: Digest,
        /// Its media type.
        media_type: String,
    },
    /// A blob of the image was not handed in.
    #[error("{0} of the image is missing")]
    Missing(Digest),
    /// A file is not what the image's manifest says.
    #[error("{path} is not {expected} with {size} bytes", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The digest it should have.
        expected: Digest,
        /// The bytes it should have.
        size: u64,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// One image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    config: String,
    repo_tags: &'a [String],
    layers: Vec<String>,
}

/// Writes `image` to `target`, which is replaced in one step once all is written and on the disk.
///
/// `files` has the image's config and layers, by digest; `tags` are full references with a tag
/// (`registry.example.com/app:v1`), which the loaded image will have. Layers stay compressed as they are; one that occurs
/// twice is stored once. The archive of an image is always the same, byte for byte.
///
/// Checks, as the bytes go in, each file's digest and size. Does not check that the layers unpack to what the config
/// says: Docker does at loading.
///
/// # Errors
/// As [`ArchiveError`] says.
pub async fn write_docker_archive(
    target: &Path,
    image: &ImageManifest,
    files: &BTreeMap<Digest, PathBuf>,
    tags: &[String],
) -> Result<(), ArchiveError> {
    let (path, image, files, tags) = (target.to_owned(), image.clone(), files.clone(), tags.to_vec());
    let written = tokio::task::spawn_blocking(move || write(&path, &image, &files, &tags)).await;
    written.map_err(|e| failed(target, io::Error::other(e)))?
}

fn write(
    target: &Path,
    image: &ImageManifest,
    files: &BTreeMap<Digest, PathBuf>,
    tags: &[String],
) -> Result<(), ArchiveError> {
    let loadable = |part: &Descriptor| {
        let compression = LAYERS.iter().find_map(|layer| part.media_type.strip_prefix(layer));
        compression.is_some_and(|compression| COMPRESSIONS.contains(&compression))
    };
    let config = Some(&image.config).filter(|c| ![media_type::IMAGE_CONFIG, DOCKER_CONFIG].contains(&&*c.media_type));
    if let Some(part) = config.or_else(|| image.layers.iter().find(|layer| !loadable(layer))) {
        return Err(ArchiveError::NoImage { part: part.digest, media_type: part.media_type.clone() });
    }
    let io = |source| failed(target, source);
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = temporary_in(parent).map_err(io)?;
    let mut archive = Builder::new(io::BufWriter::new(temporary.as_file_mut()));
    let layers = image.layers.iter().map(|layer| name_of(&layer.digest)).collect();
    let entry = Entry { config: name_of(&image.config.digest), repo_tags: tags, layers };
    let manifest = serde_json::to_vec(&[entry]).map_err(|e| io(e.into()))?;
    append(&mut archive, "manifest.json", manifest.len() as u64, manifest.as_slice()).map_err(io)?;
    let mut stored = BTreeSet::new();
    for part in std::iter::once(&image.config).chain(&image.layers) {
        if stored.insert(part.digest) {
            let path = files.get(&part.digest).ok_or(ArchiveError::Missing(part.digest))?;
            append_checked(&mut archive, target, part, path)?;
        }
    }
    let buffer = archive.into_inner().map_err(io)?;
    buffer.into_inner().map_err(|e| io(e.into_error()))?.sync_all().map_err(io)?;
    temporary.persist(target).map_err(|e| io(e.error))?;
    #[cfg(unix)]
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)?;
    Ok(())
}

fn append_checked(
    archive: &mut Builder<impl io::Write>,
    target: &Path,
    part: &Descriptor,
    path: &Path,
) -> Result<(), ArchiveError> {
    let wrong = || ArchiveError::Content { path: path.to_owned(), expected: part.digest, size: part.size };
    let file = File::open(path).map_err(|source| failed(path, source))?;
    if file.metadata().map_err(|source| failed(path, source))?.len() != part.size {
        return Err(wrong());
    }
    let mut content = Hashed { inner: file.take(part.size), hasher: part.digest.hasher(), read: 0 };
    append(archive, &name_of(&part.digest), part.size, &mut content).map_err(|source| failed(target, source))?;
    if content.read == part.size && Digest::from(content.hasher.finish()) == part.digest {
        Ok(())
    } else {
        Err(wrong())
    }
}

fn append(archive: &mut Builder<impl io::Write>, name: &str, size: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    archive.append_data(&mut header, name, content)
}

/// Where a blob lies in the archive: as in an image layout, which newer versions of Docker write too.
fn name_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

fn temporary_in(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".boltseal");
    #[cfg(unix)]
    builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644));
    builder.tempfile_in(dir)
}

fn failed(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Io { path: path.to_owned(), source }
}

/// Hashes what is read through it.
struct Hashed<R> {
    inner: R,
    hasher: Hasher,
    read: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.read += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    struct Image {
        dir: TempDir,
        manifest: ImageManifest,
        files: BTreeMap<Digest, PathBuf>,
    }

    impl Image {
        fn new(config: &str, layer: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let part = |media_type: &str, content: &[u8]| {
                let descriptor = Descriptor::of(media_type, content);
                fs::write(dir.path().join(descriptor.digest.hex()), content).unwrap();
                descriptor
            };
            let (one, two) = (part(layer, &[1; 1_000]), part(layer, &[2; 100_000]));
            let manifest = ImageManifest::new(part(config, b"{\"os\":\"linux\"}"), vec![one.clone(), two, one]);
            let files = std::iter::once(&manifest.config).chain(&manifest.layers);
            let files = files.map(|d| (d.digest, dir.path().join(d.digest.hex()))).collect();
            Self { dir, manifest, files }
        }

        async fn write(&self, tags: &[&str]) -> Result<PathBuf, ArchiveError> {
            let target = self.dir.path().join("out.tar");
            let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
            write_docker_archive(&target, &self.manifest, &self.files, &tags).await?;
            Ok(target)
        }

        fn left(&self) -> usize {
            fs::read_dir(self.dir.path()).unwrap().count()
        }
    }

    #[tokio::test]
    async fn an_image_is_archived_with_each_blob_once_and_its_tags() {
        let image = Image::new(media_type::IMAGE_CONFIG, LAYER);
        let target = image.write(&["example.com/app:v1"]).await.unwrap();
        let first = fs::read(&target).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o600, 0o600);
        let mut names = Vec::new();
        for entry in tar::Archive::new(first.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            if let Some(hex) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(Digest::sha256(&content).hex(), hex);
            } else {
                let name = |at: usize| format!("blobs/sha256/{}", image.manifest.layers[at].digest.hex());
                let expected = serde_json::json!([{
                    "Config": format!("blobs/sha256/{}", image.manifest.config.digest.hex()),
                    "RepoTags": ["example.com/app:v1"],
                    "Layers": [name(0), name(1), name(0)],
                }]);
                assert_eq!(serde_json::from_slice::<serde_json::Value>(&content).unwrap(), expected);
            }
            names.push(name);
        }
        assert_eq!((names.len(), names[0].as_str()), (4, "manifest.json"));
        image.write(&["example.com/app:v1"]).await.unwrap();
        assert_eq!(fs::read(&target).unwrap(), first);
    }

    #[tokio::test]
    async fn an_artifact_a_missing_or_an_altered_file_writes_nothing() {
        for (config, layer) in [(media_type::EMPTY, LAYER), (DOCKER_CONFIG, &format!("{LAYER}+encrypted"))] {
            let refused = Image::new(config, layer).write(&[]).await.unwrap_err();
            assert!(matches!(refused, ArchiveError::NoImage { .. }));
        }
        let mut image = Image::new(DOCKER_CONFIG, "application/vnd.docker.image.rootfs.diff.tar.gzip");
        fs::write(image.dir.path().join("out.tar"), "kept").unwrap();
        let (left, layer) = (image.left(), image.manifest.layers[1].digest);
        for altered in [&[3; 100_000][..], &[2; 99_999], &[2; 100_001]] {
            fs::write(&image.files[&layer], altered).unwrap();
            assert!(matches!(image.write(&[]).await.unwrap_err(), ArchiveError::Content { .. }));
        }
        fs::remove_file(&image.files[&layer]).unwrap();
        assert!(matches!(image.write(&[]).await.unwrap_err(), ArchiveError::Io { .. }));
        image.files.remove(&layer);
        assert!(matches!(image.write(&[]).await.unwrap_err(), ArchiveError::Missing(digest) if digest == layer));
        assert_eq!(fs::read(image.dir.path().join("out.tar")).unwrap(), b"kept");
        assert_eq!(image.left(), left - 1);
    }
}
