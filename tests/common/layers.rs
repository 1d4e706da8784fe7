//! An image of three layers with what unpackers get wrong: whiteouts, an opaque directory, hard links, a path through a
//! symbolic link, set-user-id, capabilities, owners.

use boltseal::{
    oci::{Descriptor, Digest, ImageManifest, Manifest, media_type},
    registry::{Access, Layout, Selector},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use std::{io::Write as _, path::Path};
use tar::{Builder, EntryType, Header};

/// CAP_NET_RAW, permitted and effective, as `setcap` writes it.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

struct Layer(Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, mode: u32, owner: u64, size: usize) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_size(size as u64);
        header
    }

    fn file(mut self, path: &str, mode: u32, owner: u64, content: &[u8]) -> Self {
        let mut header = Self::header(EntryType::Regular, mode, owner, content.len());
        self.0.append_data(&mut header, path, content).expect("in memory");
        self
    }

    fn other(mut self, kind: EntryType, path: &str, mode: u32, target: &str) -> Self {
        let mut header = Self::header(kind, mode, 0, 0);
        match kind {
            EntryType::Link | EntryType::Symlink => self.0.append_link(&mut header, path, target),
            _ => self.0.append_data(&mut header, path, &[][..]),
        }
        .expect("in memory");
        self
    }

    fn directory(self, path: &str, mode: u32) -> Self {
        self.other(EntryType::Directory, path, mode, "")
    }

    fn capable(mut self) -> Self {
        let record = [&b"SCHILY.xattr.security.capability="[..], CAPABILITY, b"\n"].concat();
        let length = record.len() + 3;
        let content = [format!("{length} ").as_bytes(), &record].concat();
        let mut header = Self::header(EntryType::XHeader, 0o644, 0, content.len());
        self.0.append_data(&mut header, "pax", &content[..]).expect("in memory");
        self
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().expect("in memory")
    }
}

/// Writes the image into a layout, under a tag; its digest. `zstd`: one layer is compressed so, which not all read.
pub async fn write(dir: &Path, tag: &str, zstd: bool) -> Digest {
    let lowest = Layer::new()
        .directory("etc", 0o755)
        .file("etc/passwd", 0o644, 0, b"root:x:0:0\n")
        .file("etc/old", 0o644, 0, b"gone")
        .file("etc/hosts", 0o644, 0, b"")
        .directory("usr", 0o755)
        .directory("usr/bin", 0o755)
        .file("usr/bin/app", 0o755, 0, &b"program ".repeat(20_000))
        .other(EntryType::Link, "usr/bin/app2", 0o755, "usr/bin/app")
        .file("usr/bin/su", 0o4755, 0, b"#!su")
        .capable()
        .file("usr/bin/ping", 0o755, 0, b"#!ping")
        .directory("usr/lib", 0o755)
        .other(EntryType::Symlink, "lib", 0o777, "usr/lib")
        .directory("opt", 0o755)
        .directory("opt/a", 0o755)
        .file("opt/a/1", 0o640, 1_000, b"1")
        .file("opt/a/2", 0o640, 1_000, b"2")
        .directory("tmp", 0o1777)
        .done();
    let middle = Layer::new()
        .file("etc/.wh.old", 0o644, 0, b"")
        .directory("opt/a", 0o750)
        .file("opt/a/.wh..wh..opq", 0o644, 0, b"")
        .file("opt/a/3", 0o600, 1_000, b"3")
        .file("lib/mod.so", 0o644, 0, b"through the link")
        .done();
    let highest = Layer::new()
        .file("usr/bin/app", 0o755, 0, &b"newer ".repeat(20_000))
        .directory("etc", 0o750)
        .other(EntryType::Symlink, "etc/link", 0o777, "../usr/bin/app")
        .other(EntryType::Fifo, "etc/pipe", 0o600, "")
        .done();
    let layout = Layout::open(dir, Access::PullPush).expect("a layout");
    let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
    for (at, archive) in [lowest, middle, highest].iter().enumerate() {
        let (how, blob) = match at {
            0 => ("+gzip", gzip(archive)),
            1 if zstd => {
                ("+zstd", ruzstd::encoding::compress_to_vec(&archive[..], ruzstd::encoding::CompressionLevel::Fastest))
            }
            _ => ("", archive.clone()),
        };
        layers.push(Descriptor::of(&format!("application/vnd.oci.image.layer.v1.tar{how}"), &blob));
        diff_ids.push(Digest::sha256(archive).to_string());
        layout.push_blob(&blob).await.expect("a blob");
    }
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/usr/bin/app"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string().into_bytes();
    layout.push_blob(&config).await.expect("a blob");
    let manifest = ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, &config), layers);
    let manifest = Manifest::Image(Box::new(manifest));
    layout.push_manifest(&Selector::Tag(tag.to_owned()), &manifest).await.expect("a manifest").0
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}
