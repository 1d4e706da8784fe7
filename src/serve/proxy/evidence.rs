//! Signatures and attestations, for runtimes that verify for themselves: given out unjudged, where the settings say so, and
//! only what no runtime unpacks as an image.

use super::{Asked, Proxy, Refusal, answer};
use crate::{
    format::trust_manifest::TRUST_TAG,
    limits::ATTACHMENT_BYTES,
    oci::{Descriptor, Digest, Manifest, RepositoryName, media_type},
    serve::Answer,
};
use http::StatusCode;
use serde_json::json;

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

/// Whether a manifest is evidence and no image: each layer is of a media type that none is unpacked from, and small.
pub(super) fn is_evidence(manifest: &Manifest) -> bool {
    let is_one = |layer: &Descriptor| {
        let known =
            LAYERS.contains(&layer.media_type.as_str()) || layer.media_type.starts_with(media_type::BUNDLE_PREFIX);
        known && layer.size <= ATTACHMENT_BYTES
    };
    matches!(manifest, Manifest::Image(image) if !image.layers.is_empty() && image.layers.iter().all(is_one))
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
    use crate::oci::ImageManifest;

    fn made_of(layers: &[(&str, u64)]) -> Manifest {
        let layer = |(kind, size): &(&str, u64)| Descriptor { size: *size, ..Descriptor::of(kind, b"") };
        Manifest::Image(Box::new(ImageManifest::new(Descriptor::empty(), layers.iter().map(layer).collect())))
    }

    // [V-305]
    #[test]
    fn what_a_runtime_unpacks_is_no_evidence() {
        for good in [
            &[(media_type::BUNDLE_V03, 1)][..],
            &[(media_type::SIMPLE_SIGNING, 1), (media_type::DSSE, 2)],
            &[("application/jose+json", 1)],
        ] {
            assert!(is_evidence(&made_of(good)), "{good:?}");
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
            assert!(!is_evidence(&made_of(bad)), "{bad:?}");
        }
        let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        assert!(!is_evidence(&Manifest::decode(index.as_bytes()).unwrap()));
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
