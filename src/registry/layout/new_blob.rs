use super::{
    Fault, RegistryError,
    folder::{Folder, joined, place},
};
use crate::{
    oci::{Descriptor, Digest},
    registry::body::{Check, Expected},
};
use std::{
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tempfile::{NamedTempFile, TempPath};
use tokio::{
    fs::File,
    io::{AsyncWrite, AsyncWriteExt as _},
    task::spawn_blocking,
};

/// A blob of a layout on its way in: write its bytes, then [`NewBlob::finish`] it. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct NewBlob {
    folder: Arc<Folder>,
    file: File,
    temporary: TempPath,
    target: PathBuf,
    digest: Digest,
    check: Check,
}

impl NewBlob {
    pub(super) fn new(folder: Arc<Folder>, descriptor: &Descriptor) -> Result<Self, Fault> {
        let (file, temporary) = folder.temporary()?.into_parts();
        let target = folder.blob_path(&descriptor.digest);
        let digest = descriptor.digest;
        let check = Check::begin(Expected::exactly(digest, descriptor.size), None)?;
        Ok(Self { folder, file: File::from_std(file), temporary, target, digest, check })
    }

    /// Gives the blob its place in the layout, on the disk to stay. Checks that what was written has the descriptor's
    /// digest and size.
    ///
    /// # Errors
    /// [`Fault::Digest`], [`Fault::Size`], [`Fault::Io`]; the bytes are then gone.
    pub async fn finish(mut self) -> Result<(), RegistryError> {
        let action = format!("writing {} in oci:{}", self.digest, self.folder.dir().display());
        let placed = async {
            self.file.flush().await.map_err(|source| Fault::Io { path: self.temporary.to_path_buf(), source })?;
            self.check.finish()?;
            let file = NamedTempFile::from_parts(self.file.into_std().await, self.temporary);
            let target = self.target;
            joined(self.folder.dir(), spawn_blocking(move || place(file, &target)).await)
        };
        placed.await.map_err(|fault: Fault| fault.during(action))
    }
}

impl AsyncWrite for NewBlob {
    /// Writes on; bytes beyond the descriptor's size are refused.
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.file).poll_write(context, bytes))?;
        let taken = self.check.take(bytes.get(..written).unwrap_or_default());
        Poll::Ready(taken.map(|()| written).map_err(io::Error::other))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_shutdown(context)
    }
}
