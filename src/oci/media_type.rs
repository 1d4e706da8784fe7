//! Media types and annotation keys that boltseal reads or writes, under the names their specifications give them.

/// OCI image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image configuration.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The empty descriptor's type (image-spec 1.1, "Guidance for an Empty Descriptor"); its content is `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Sigstore bundle v0.3.
pub const BUNDLE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What every Sigstore bundle's media type starts with, in all three spellings of the version.
pub const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// A simple-signing payload in cosign's `.sig` manifest.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// A DSSE envelope in cosign's `.att` manifest.
pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// The config type of cosign's `.sig` manifests attached by subject (`--registry-referrers-mode oci-1-1`).
pub const COSIGN_SIGNATURE_CONFIG: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The artifact type of a repository's trust state.
pub const TRUST_STATE: &str = "application/vnd.boltseal.trust.v1";
/// The artifact type of a role's file that waits to be taken into the trust state.
pub const TRUST_STAGED: &str = "application/vnd.boltseal.trust.staged.v1";
/// A TUF metadata file, as docker's TUF mirror has it.
pub const TUF_METADATA: &str = "application/vnd.tuf.metadata+json";
/// DSSE payload type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The content of the empty descriptor.
pub const EMPTY_CONTENT: &[u8] = b"{}";

/// Annotation of a TUF metadata file's layer: the file's name, as docker's TUF mirror has it.
pub const TUF_FILENAME_ANNOTATION: &str = "tuf.io/filename";
/// Annotation of a `.sig` layer that holds its signature, base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Annotation of a `.sig` or `.att` layer that holds its signer's certificate, PEM.
pub const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";
/// Annotation of such a layer: the certificates that lead to it, PEM.
pub const CHAIN_ANNOTATION: &str = "dev.sigstore.cosign/chain";
/// Annotation of such a layer: a log entry with the log's promise, JSON.
pub const LOG_ENTRY_ANNOTATION: &str = "dev.sigstore.cosign/bundle";
/// Annotation of such a layer: a timestamp, JSON.
pub const TIMESTAMP_ANNOTATION: &str = "dev.sigstore.cosign/rfc3161timestamp";
/// Annotation of a bundle's manifest: what its content is.
pub const BUNDLE_CONTENT_ANNOTATION: &str = "dev.sigstore.bundle.content";
/// Annotation of a bundle's manifest: the statement's predicate type (a hint).
pub const BUNDLE_PREDICATE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
/// Annotation of an `.att` layer: the statement's predicate type (a hint).
pub const ATT_PREDICATE_ANNOTATION: &str = "predicateType";
/// When an artifact was made, RFC 3339.
pub const CREATED_ANNOTATION: &str = "org.opencontainers.image.created";
/// Annotation of an index's entry: what it is to another entry (BuildKit, "Image attestation storage").
pub const REFERENCE_TYPE_ANNOTATION: &str = "vnd.docker.reference.type";
/// Annotation of an index's entry: the digest of that other entry.
pub const REFERENCE_DIGEST_ANNOTATION: &str = "vnd.docker.reference.digest";
/// The value of the former for a manifest of attestations.
pub const ATTESTATION_MANIFEST: &str = "attestation-manifest";
/// A manifest's name in an image layout's `index.json`.
pub const REF_NAME_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// The media types accepted when a manifest is asked for.
pub const MANIFESTS: [&str; 4] = [IMAGE_INDEX, IMAGE_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
