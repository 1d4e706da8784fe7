//! Names, digests and manifests, as the OCI image and distribution specifications have them.

mod artifact;
mod descriptor;
mod digest;
mod embedded;
mod image;
mod manifest;
pub mod media_type;
mod reference;

pub use artifact::Artifact;
pub use descriptor::{Descriptor, Platform};
pub(crate) use digest::decode_hex;
pub use digest::{Digest, DigestError};
pub use embedded::{Embedded, described};
pub use image::{Image, ImageError, Images};
pub use manifest::{ImageIndex, ImageManifest, Manifest, ManifestError};
pub(crate) use reference::canonical_host;
pub use reference::{Reference, ReferenceError, Repository, RepositoryName};
