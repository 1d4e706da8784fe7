//! Signatures and attestations, for runtimes that verify for themselves: given out unjudged, where the settings say so, and
//! only what no runtime runs as an image.

use super::{Asked, Proxy, Refusal, answer, manifests::Held};
use crate::{
    format::{dsse::Envelope, image_config::ImageConfig, simple_signing::Payload, trust_manifest::TRUST_TAG},
    limits::{ATTACHMENT_BYTES, IMAGE_CONFIG_BYTES, PROXY_EVIDENCE_BYTES},
    oci::{Descriptor, Digest, ImageManifest, Manifest, RepositoryName, media_type},
    serve::Answer,
};
use http::StatusCode;
use serde_json::json;
use std::collections::BTreeMap;
use tokio::sync::OnceCell;

/// Media types of layers that hold evidence, beside Sigstore's bundles.
const LAYERS: [&str; 9] = [
    media_type::SIMPLE_SIGNING,
    media_type::DSSE,
    media_type::IN_TOTO,
    media_type::TUF_METADATA,
    media_type::TRUST_STATE,
    media_type::TRUST_STAGED,
    media_type::EMPTY,
    // notation's signatures (its specification, "signature-specification.md")
    "application/jose+json",
    "application/cose",
];

/// Media types of configurations that no runtime takes for an image's, beside Sigstore's bundles. It goes by them, not by the
/// layers': podman and CRI-O look into a layer of any type, and unpack what they find there.
const CONFIGS: [&str; 3] =
    [media_type::EMPTY, media_type::COSIGN_SIGNATURE_CONFIG, "application/vnd.cncf.notary.signature"];

/// Media types of images' configurations, which cosign's signatures under tags have too.
const IMAGES: [&str; 2] = [media_type::IMAGE_CONFIG, "application/vnd.docker.container.image.v1+json"];

/// Whether a manifest is evidence and no image.
pub(super) enum Evidence {
    No,
    Yes,
    /// As cosign writes it, or as an image is dressed up: its blobs have to be read.
    OfCosign(Box<ImageManifest>, OnceCell<bool>),
}

impl Evidence {
    /// What can be told from the manifest alone.
    pub fn of(manifest: &Manifest) -> Self {
        let Manifest::Image(image) = manifest else { return Self::No };
        let is_bundle = |kind: &str| kind.starts_with(media_type::BUNDLE_PREFIX);
        let is_known = |layer: &Descriptor| {
            let kind = layer.media_type.as_str();
            (LAYERS.contains(&kind) || is_bundle(kind)) && layer.size <= ATTACHMENT_BYTES
        };
        let config = image.config.media_type.as_str();
        let all = |is: &dyn Fn(&Descriptor) -> bool| !image.layers.is_empty() && image.layers.iter().all(is);
        let is_cosigns =
            |layer: &Descriptor| [media_type::SIMPLE_SIGNING, media_type::DSSE].contains(&&*layer.media_type);
        let bytes = image.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        if !all(&is_known) {
            Self::No
        } else if CONFIGS.contains(&config) || is_bundle(config) {
            Self::Yes
        } else if IMAGES.contains(&config) && all(&is_cosigns) && bytes <= PROXY_EVIDENCE_BYTES {
            Self::OfCosign(image.clone(), OnceCell::new())
        } else {
            Self::No
        }
    }
}

/// Whether bytes are the signature that their media type speaks of, and nothing that can be unpacked.
fn is_signature(kind: &str, bytes: &[u8]) -> bool {
    let decodes =
        if kind == media_type::DSSE { Envelope::decode(bytes).is_ok() } else { Payload::decode(bytes).is_ok() };
    decodes && !is_tar(bytes)
}

/// Whether an archive begins here: text can be written that is JSON and one as well. By the header's checksum, over the block
/// with blanks in its place (POSIX.1-1988, "ustar"); bytes are signed to some readers.
fn is_tar(bytes: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let (Some(block), Some(field)) = (bytes.get(..512), bytes.get(CHECKSUM)) else { return false };
    let counted = || block.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte });
    let unsigned: i64 = counted().map(i64::from).sum();
    let signed: i64 = counted().map(|byte| i64::from(byte.cast_signed())).sum();
    let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| (b'0'..=b'7').contains(byte));
    let stated = digits.fold(0, |number, digit| number * 8 + i64::from(digit - b'0'));
    // Other readers take a number in binary there.
    stated == unsigned || stated == signed || field.iter().any(|byte| !byte.is_ascii())
}

/// Whether a tag is one that evidence is found by: the fallback of the referrers API, cosign's, the trust data's.
pub(super) fn is_evidence_tag(tag: &str) -> bool {
    let of_a_digest = |prefix: &str, length: usize| {
        let hex = tag.strip_prefix(prefix).and_then(|rest| rest.get(..length));
        hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    of_a_digest("sha256-", 64) || of_a_digest("sha512-", 128) || tag.starts_with(TRUST_TAG)
}

impl Proxy {
    /// Whether a manifest is evidence and no image; what has to be read for it is read once.
    pub(super) async fn is_evidence(&self, repository: &RepositoryName, held: &Held) -> Result<bool, Refusal> {
        match &held.evidence {
            Evidence::No => Ok(false),
            Evidence::Yes => Ok(true),
            Evidence::OfCosign(image, told) => {
                told.get_or_try_init(|| self.holds_signatures(repository, image)).await.copied()
            }
        }
    }

    async fn holds_signatures(&self, repository: &RepositoryName, image: &ImageManifest) -> Result<bool, Refusal> {
        let session = self.judge.session();
        let remote = &self.remote(&session, repository)?;
        let read = async |blob: &Descriptor, most| {
            remote.blob(blob, most).await.map_err(|error| self.failed(&error, "BLOB_UNKNOWN"))
        };
        // containerd passes over layers of these types, and would run an image that is said to have none.
        let config = ImageConfig::decode(&read(&image.config, IMAGE_CONFIG_BYTES).await?);
        if !config.is_ok_and(|config| config.layers == image.layers.len()) {
            return Ok(false);
        }
        // Signatures of one payload are layers of one digest.
        let layers: BTreeMap<_, _> = image.layers.iter().map(|one| ((one.digest, &*one.media_type), one)).collect();
        for layer in layers.values() {
            if !is_signature(&layer.media_type, &read(layer, PROXY_EVIDENCE_BYTES).await?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The referrers of a digest, wherever the registry lists them.
    pub(super) async fn referrers(
        &self,
        asked: &Asked<'_>,
        repository: &RepositoryName,
        subject: Digest,
    ) -> Result<Answer, Refusal> {
        if !self.pass_evidence {
            let why = "signatures and attestations are not given out here (pass-evidence)";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "UNSUPPORTED", why));
        }
        let session = self.judge.session();
        let listing = self.remote(&session, repository)?.referrers(&subject).await;
        if let Some(fault) = &listing.fault {
            return Err(self.failed(fault, "NAME_UNKNOWN"));
        }
        self.log(asked, "evidence", Some(subject), format!("{} referrers, unjudged", listing.entries.len()));
        let list = json!({ "schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": listing.entries });
        Ok(answer::whole(StatusCode::OK, media_type::IMAGE_INDEX, list.to_string().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `no`, `yes` or `read`.
    fn seen(config: &str, layers: &[(&str, u64)]) -> &'static str {
        let layer = |(kind, size): &(&str, u64)| Descriptor { size: *size, ..Descriptor::of(kind, b"") };
        let image = ImageManifest::new(Descriptor::of(config, b""), layers.iter().map(layer).collect());
        match Evidence::of(&Manifest::Image(Box::new(image))) {
            Evidence::No => "no",
            Evidence::Yes => "yes",
            Evidence::OfCosign(..) => "read",
        }
    }

    // [V-305]
    #[test]
    fn what_a_runtime_unpacks_is_no_evidence() {
        for good in [
            &[(media_type::BUNDLE_V03, 1)][..],
            &[(media_type::SIMPLE_SIGNING, 1), (media_type::DSSE, 2)],
            &[("application/jose+json", 1)],
        ] {
            assert_eq!(seen(media_type::EMPTY, good), "yes", "{good:?}");
        }
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        for bad in [
            &[][..],
            &[(layer, 1)],
            &[(media_type::SIMPLE_SIGNING, 1), (layer, 1)],
            &[("application/vnd.docker.image.rootfs.diff.tar.gzip", 1)],
            &[("application/octet-stream", 1)],
            &[("", 1)],
            &[(media_type::DSSE, ATTACHMENT_BYTES + 1)],
        ] {
            for config in CONFIGS.iter().chain(&IMAGES) {
                assert_eq!(seen(config, bad), "no", "{config} {bad:?}");
            }
        }
        let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        assert!(matches!(Evidence::of(&Manifest::decode(index.as_bytes()).unwrap()), Evidence::No));
    }

    // [V-305]
    #[test]
    fn what_has_an_image_s_configuration_is_read() {
        let signed = &[(media_type::SIMPLE_SIGNING, 1), (media_type::DSSE, 1)];
        for config in IMAGES {
            assert_eq!(seen(config, signed), "read");
            assert_eq!(seen(config, &[(media_type::DSSE, PROXY_EVIDENCE_BYTES), (media_type::DSSE, 1)]), "no");
            assert_eq!(seen(config, &[(media_type::BUNDLE_V03, 1)]), "no");
        }
        for config in ["", "application/json", "application/octet-stream", "application/vnd.oci.image.config.v2+json"] {
            assert_eq!(seen(config, signed), "no", "{config}");
        }
    }

    // [V-305]
    #[test]
    fn a_layer_is_what_it_says_and_no_archive() {
        let payload = include_bytes!("../../../testdata/wire/cosign-simple-signing.json");
        assert!(is_signature(media_type::SIMPLE_SIGNING, payload) && !is_signature(media_type::DSSE, payload));
        let envelope =
            Envelope { payload_type: "a".to_owned(), payload: vec![b'b'; 600], signatures: Vec::new() }.encode();
        assert!(is_signature(media_type::DSSE, &envelope) && !is_signature(media_type::SIMPLE_SIGNING, &envelope));
        for other in [&b""[..], b"{}", b"\x1f\x8b\x08", &[0; 1024]] {
            assert!(!is_signature(media_type::DSSE, other) && !is_signature(media_type::SIMPLE_SIGNING, other));
        }
        // An envelope that is an archive as well: its key's name is the most of a header.
        let begin = r#"{"payload":"","payloadType":"","signatures":[{"sig":"","keyid":""#;
        let numbers = "0000755 0000000 0000000 00000000000 00000000000 ";
        let mut both = format!("{begin:.<100}{numbers}        0{:355}\"}}]}}", "").into_bytes();
        let sum: u32 = both[..512].iter().map(|byte| u32::from(*byte)).sum();
        both[148..156].copy_from_slice(format!("{sum:07o} ").as_bytes());
        assert!(tar::Archive::new(&*both).entries().unwrap().next().unwrap().is_ok());
        assert!(Envelope::decode(&both).is_ok() && !is_signature(media_type::DSSE, &both));
    }

    #[test]
    fn evidence_has_its_own_tags() {
        let hex = "ab".repeat(32);
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), "boltseal.trust".to_owned()] {
            assert!(is_evidence_tag(&tag), "{tag}");
        }
        for tag in ["latest".to_owned(), "sha256-ab".to_owned(), format!("sha256-{}", "x".repeat(64))] {
            assert!(!is_evidence_tag(&tag), "{tag}");
        }
    }
}
