//! A layer as it comes: its compressed bytes, what they decompress to, and the archive in that.

use super::archive::{ArchiveFault, Entry, read};
use crate::{
    crypto::hash::Hasher,
    limits::{LAYER_BYTES, LAYER_BYTES_ALWAYS, LAYER_RATIO},
    oci::Digest,
};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use std::io::{self, BufRead, BufReader, Read};

const BUFFER: usize = 128 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Frames of zstd that hold no content (RFC 8878, 3.1.2): the last byte of sixteen numbers, but for its lowest half.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// What an archive decompressed to.
#[derive(Debug)]
pub struct Unpacked {
    /// Its entries.
    pub entries: Vec<Entry>,
    /// Whether a block of zeros marks its end; else it may have been cut off between two entries.
    pub ended: bool,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of them, or of the algorithm that was asked for.
    pub digest: Digest,
}

/// What so many bytes may decompress to.
#[must_use]
pub fn most(compressed: u64) -> u64 {
    compressed.saturating_mul(LAYER_RATIO).saturating_add(LAYER_BYTES_ALWAYS).min(LAYER_BYTES)
}

/// Reads an archive of at most `cap` bytes, in the clear or compressed, to its end.
///
/// # Errors
/// It can't be decompressed, or is not read; see [`ArchiveFault`].
pub fn unpack(mut source: impl Read, cap: u64, hasher: Hasher) -> Result<Unpacked, ArchiveFault> {
    // Its beginning in one piece, however it comes.
    let mut start = Vec::with_capacity(ZSTD.len());
    source.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
    let mut source = BufReader::with_capacity(BUFFER, start.as_slice().chain(source));
    let mut metered = Metered { inner: decompress(&mut source)?, hasher, read: 0, cap };
    let (entries, ended) = read(&mut BufReader::with_capacity(BUFFER, &mut metered))?;
    Ok(Unpacked { entries, ended, bytes: metered.read, digest: metered.hasher.finish().into() })
}

/// By how the bytes begin, as runtimes do it: the media type is a producer's word.
fn decompress<'a>(source: &'a mut (dyn BufRead + 'a)) -> io::Result<Box<dyn Read + 'a>> {
    let start = source.fill_buf()?;
    let skippable = start.get(1..4) == Some(&SKIPPABLE) && start.first().is_some_and(|first| first & 0xf0 == 0x50);
    Ok(if start.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(source))
    } else if start.starts_with(&ZSTD) || skippable {
        Box::new(Frames { source, decoder: Box::new(FrameDecoder::new()), open: false })
    } else {
        Box::new(source)
    })
}

/// The frames of zstd, one after the other.
struct Frames<'a> {
    source: &'a mut (dyn BufRead + 'a),
    decoder: Box<FrameDecoder>,
    open: bool,
}

impl Frames<'_> {
    /// Begins the next frame with content; `false` at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut *self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut *self.source).take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.open && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if !self.open || self.decoder.is_finished() {
                self.open = self.begin()?;
                if !self.open {
                    return Ok(0);
                }
            } else {
                let step = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut *self.source, step).map_err(io::Error::other)?;
            }
        }
    }
}

/// Hashes and counts what is read through it, and ends at its cap.
struct Metered<R> {
    inner: R,
    hasher: Hasher,
    read: u64,
    cap: u64,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        if self.read > self.cap {
            return Err(io::Error::other(format!("it decompresses to more than {} bytes", self.cap)));
        }
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
