//! Reading an answer's body: bounded, and checked as it arrives.

use super::Fault;
use crate::{crypto::hash::Hasher, limits::ERROR_BODY_BYTES, oci::Digest};
use reqwest::Response;

/// What a body has to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// What it is, for messages.
    pub(super) what: &'static str,
    /// Bytes that are read at most.
    pub(super) cap: u64,
    /// Its exact size in bytes, where that is known.
    pub(super) size: Option<u64>,
    /// Its digest, where that is known.
    pub(super) digest: Option<Digest>,
}

impl Expected {
    /// Content of this digest and size.
    pub(super) fn exactly(digest: Digest, size: u64) -> Self {
        Self { what: "the content", cap: size, size: Some(size), digest: Some(digest) }
    }

    /// Anything of at most `cap` bytes.
    pub(super) fn at_most(what: &'static str, cap: u64) -> Self {
        Self { what, cap, size: None, digest: None }
    }

    fn over(&self) -> Fault {
        Fault::Limit { what: self.what, limit: format!("{} bytes", self.cap) }
    }
}

/// The check of a body under way: as soon as it can't be the expected one, reading stops.
#[derive(Debug)]
pub(super) struct Check {
    expected: Expected,
    hasher: Option<Hasher>,
    read: u64,
}

impl Check {
    /// Checks what the headers announce.
    pub(super) fn begin(expected: Expected, announced: Option<u64>) -> Result<Self, Fault> {
        if let (Some(actual), Some(size)) = (announced, expected.size)
            && actual != size
        {
            return Err(Fault::Size { expected: size, actual });
        }
        if announced.or(expected.size).is_some_and(|size| size > expected.cap) {
            return Err(expected.over());
        }
        let hasher = expected.digest.map(|digest| digest.hasher());
        Ok(Self { expected, hasher, read: 0 })
    }

    /// Takes the next bytes in.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.read = self.read.saturating_add(bytes.len() as u64);
        if let Some(size) = self.expected.size
            && self.read > size
        {
            return Err(Fault::Size { expected: size, actual: self.read });
        }
        if self.read > self.expected.cap {
            return Err(self.expected.over());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Bytes taken in so far.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Checks what can only be checked at the end.
    pub(super) fn finish(self) -> Result<(), Fault> {
        if let Some(size) = self.expected.size
            && self.read != size
        {
            return Err(Fault::Size { expected: size, actual: self.read });
        }
        let (Some(expected), Some(hasher)) = (self.expected.digest, self.hasher) else { return Ok(()) };
        let actual = Digest::from(hasher.finish());
        if actual == expected { Ok(()) } else { Err(Fault::Digest { expected, actual }) }
    }
}

/// Why a body was not read.
pub(super) enum BodyError {
    /// The bytes are wrong: reading them again would not help.
    Wrong(Fault),
    /// The connection broke.
    Broken(reqwest::Error),
}

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault)
    }
}

/// Reads a body.
pub(super) async fn read(mut response: Response, expected: Expected) -> Result<Vec<u8>, BodyError> {
    let announced = response.content_length();
    let mut check = Check::begin(expected, announced)?;
    // What is announced is a claim: no more than 1 MiB is set aside on its word.
    let mut content = Vec::with_capacity(announced.unwrap_or(0).min(1 << 20) as usize);
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        check.take(&chunk)?;
        content.extend_from_slice(&chunk);
    }
    check.finish()?;
    Ok(content)
}

/// Reads what an error answer says: as much as is read of it, whatever happens then.
pub(super) async fn read_error(mut response: Response) -> Vec<u8> {
    let mut content = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        content.extend_from_slice(&chunk);
        if content.len() as u64 >= ERROR_BODY_BYTES {
            break;
        }
    }
    content.truncate(ERROR_BODY_BYTES as usize);
    content
}
