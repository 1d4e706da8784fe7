//! Content in memory, counted against one bound for as long as it lives.

use super::Refusal;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The bytes that are held, and how many may be.
#[derive(Clone)]
pub(super) struct Memory {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// Bytes that are counted until they are dropped.
pub(super) struct Content {
    bytes: BytesMut,
    memory: Memory,
}

/// Content that no longer grows; shared by the repositories that hold it.
#[derive(Clone)]
pub(super) struct Stored(Arc<(Bytes, Counted)>);

struct Counted {
    size: usize,
    memory: Memory,
}

impl Memory {
    pub fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// A place for content, empty.
    pub fn content(&self) -> Content {
        Content { bytes: BytesMut::new(), memory: self.clone() }
    }

    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Reads a request's body, of at most `cap` bytes where one is given.
    pub async fn receive(&self, mut body: Incoming, cap: Option<u64>) -> Result<Content, Refusal> {
        let mut content = self.content();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Refusal::broken_body(&e))?;
            let Ok(data) = frame.into_data() else { continue };
            content.append(&data)?;
            if cap.is_some_and(|cap| content.bytes.len() as u64 > cap) {
                return Err(Refusal::too_large());
            }
        }
        Ok(content)
    }
}

impl Content {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn append(&mut self, more: &[u8]) -> Result<(), Refusal> {
        let before = self.memory.used.fetch_add(more.len(), Ordering::Relaxed);
        if before.saturating_add(more.len()) > self.memory.limit {
            self.memory.used.fetch_sub(more.len(), Ordering::Relaxed);
            return Err(Refusal::too_large());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    pub fn store(mut self) -> Stored {
        // Taken out of `self`, whose drop then gives nothing back.
        let bytes = std::mem::take(&mut self.bytes).freeze();
        let counted = Counted { size: bytes.len(), memory: self.memory.clone() };
        Stored(Arc::new((bytes, counted)))
    }
}

impl Stored {
    pub fn bytes(&self) -> Bytes {
        self.0.0.clone()
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.size, Ordering::Relaxed);
    }
}
