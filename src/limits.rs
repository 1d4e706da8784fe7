//! Every bound in one place, with its unit and where it comes from.
//!
//! What a caller may want to choose for a verification is in [`Limits`]; the rest are constants.

use std::time::Duration;

/// Bytes of a manifest or index that is read. Source: OCI distribution-spec 1.1, "registries SHOULD accept up to 4 MiB".
pub const MANIFEST_BYTES: u64 = 4 << 20;
/// Bytes of one attachment (bundle, payload, envelope). Source: an SBOM of 50 MB, the largest that is asked for, takes 67 MB
/// as base64 in an envelope; a quarter more.
pub const ATTACHMENT_BYTES: u64 = 80 << 20;
/// Bytes of all attachments of one subject together. Keeps memory flat whatever a registry lists.
pub const ATTACHMENTS_BYTES: u64 = 128 << 20;
/// Bytes of the attachments of all subjects that are verified at once in one process. Source: two of [`ATTACHMENTS_BYTES`], so
/// that the largest holds up only large ones.
pub const ATTACHMENTS_BYTES_AT_ONCE: u32 = 256 << 20;
/// Attachments that are read at one place (the referrers, the `.sig` or the `.att` of one digest). Source: five times the 200 of the largest measured image.
pub const ATTACHMENTS: usize = 1_000;
/// Bytes from which on an attachment's manifest counts as large. Source: cosign's have 900, ours 900.
pub const LARGE_MANIFEST_BYTES: u64 = 64 << 10;
/// Large manifests that are read at once.
pub const LARGE_AT_ONCE: usize = 2;
/// Values in the JSON of a manifest, an index or a list. Source: [`REFERRERS`] entries of ten values.
pub const MANIFEST_VALUES: usize = 100_000;
/// Entries of a referrers list, all pages together. Source: ten times [`ATTACHMENTS`], so that foreign artifacts fit too.
pub const REFERRERS: usize = 10_000;
/// Bytes of one page of a list. Source: a registry pages by count, and copies annotations of up to 4 MiB an entry.
pub const LIST_PAGE_BYTES: u64 = 32 << 20;
/// Pages of one list. Source: [`REFERRERS`] at the 100 a page that registries use.
pub const LIST_PAGES: usize = 100;
/// Bytes of an image layout's `index.json`. Source: [`REFERRERS`] entries of 500 bytes, and as much again.
pub const LAYOUT_INDEX_BYTES: u64 = 10 << 20;
/// Layers of one image or attachment manifest. Source: `.sig` manifests hold a layer a signature.
pub const LAYERS: usize = 2_048;
/// Entries of an image index. Source: official images have about 20, attestation manifests double it.
pub const INDEX_ENTRIES: usize = 1_000;
/// Images of one index that are judged each by itself (`verify --all-platforms`). Source: five times the 20 of official images.
pub const PLATFORMS: usize = 100;
/// Digests that everything is read of at once: images of one index. Source: [`CONCURRENCY`] with the three lists and the
/// attachments of each.
pub const DIGESTS_AT_ONCE: usize = 8;
/// Attestation manifests of one index that are read. Source: BuildKit writes one an image; two for each of [`PLATFORMS`].
pub const ATTESTATION_MANIFESTS: usize = 200;
/// Bytes of one attestation manifest. Source: BuildKit's have 900 with provenance and SBOM; 64 KiB are 200 statements.
pub const ATTESTATION_MANIFEST_BYTES: u64 = 64 << 10;
/// Nesting of JSON. Source: the deepest real predicate seen has 14 levels; serde_json's own bound is 128.
pub const JSON_DEPTH: usize = 64;
/// Values (objects, lists, texts, numbers) of one JSON document. Source: an SPDX document of a large image has 300,000;
/// at 650 bytes of memory each, the worst case, it is 650 MB for the one document under way.
pub const JSON_VALUES: usize = 1_000_000;
/// Bytes of an image's configuration. Source: as [`MANIFEST_BYTES`]; one with 2,000 steps of history has 400 KB.
pub const IMAGE_CONFIG_BYTES: u64 = 4 << 20;
/// Values in the JSON of one SBOM or scan, which is read without a tree. Source: 50 MB at 12 bytes a value, the densest seen.
pub const DOCUMENT_VALUES: usize = 4_000_000;
/// Packages of one SBOM. Source: an image with a whole distribution and its language packages has 30,000; ten times that,
/// and as much again for files that are listed as packages.
pub const SBOM_PACKAGES: usize = 500_000;
/// Findings of one scan, and statements of one VEX document. Source: ten times the 10,000 of the worst image seen.
pub const SCAN_FINDINGS: usize = 100_000;
/// Dependencies of one provenance, and documents that a verification summary rests on. Source: [`SBOM_PACKAGES`] are not
/// listed there; ten times the 1,000 of the largest seen.
pub const PROVENANCE_DEPENDENCIES: usize = 10_000;
/// Levels of images below one that are looked at. Source: distribution, language, framework, application; twice.
pub const CHAIN_DEPTH: usize = 8;
/// Images of one chain. Source: 12 stages and tools on each of four levels; twice, and rounded up.
pub const CHAIN_IMAGES: usize = 128;
/// Images that one provenance may name for them to be looked at. Source: the largest Dockerfiles have 30 stages; twice.
pub const CHAIN_FAN_OUT: usize = 64;
/// Images of one level that are looked at at once. Source: as `verify` does with images that are typed.
pub const CHAIN_AT_ONCE: usize = 16;
/// Signatures in one DSSE envelope. Source: DSSE 1.0 leaves it open; cosign and boltseal write one.
pub const ENVELOPE_SIGNATURES: usize = 16;
/// Log entries that come with one signature. Source: sigstore-go's own bound; clients write one a log.
pub const LOG_ENTRIES: usize = 32;
/// Timestamps that come with one signature. Source: as [`LOG_ENTRIES`].
pub const TIMESTAMPS: usize = 32;
/// Certificates that come with one signature, or with one timestamp. Source: Fulcio's chains have three, GitHub's four;
/// four times that.
pub const CERTIFICATES: usize = 16;
/// Bytes of one certificate. Source: Fulcio's have 2 KB, one with an RSA-8192 key 5 KB.
pub const CERTIFICATE_BYTES: usize = 64 << 10;
/// Signatures on one checkpoint of a log. Source: C2SP's witness networks have about 10; six times that.
pub const CHECKPOINT_SIGNATURES: usize = 64;
/// Subjects of one in-toto statement. Source: GitHub's attestation action allows 1,024.
pub const STATEMENT_SUBJECTS: usize = 1_024;
/// Bytes of a policy file.
pub const POLICY_BYTES: u64 = 1 << 20;
/// Bytes of a pattern for identities. Source: the longest workflow reference of GitHub has about 500.
pub const IDENTITY_PATTERN_BYTES: usize = 2_048;
/// Bytes of a trusted root. Source: the public good instance's has 7 KB after four years.
pub const TRUSTED_ROOT_BYTES: u64 = 1 << 20;
/// Bytes of what is kept of one trusted root. Source: the four files of TUF at their limits, and [`TRUSTED_ROOT_BYTES`] twice.
pub const STORED_ROOT_BYTES: u64 = 16 << 20;
/// Bytes of the name of a trusted root. Source: a DNS label.
pub const ROOT_NAME_BYTES: usize = 63;
/// Scopes of a policy. Source: a fleet of 1,000 images with a scope for each, twice.
pub const POLICY_SCOPES: usize = 2_000;
/// Requirements that one scope becomes in another enforcer's policy. Source: 4 of 7 authorities are 35, 4 of 8 are 56.
pub const EXPORT_CLAUSES: usize = 64;
/// Bytes of another tool's policy that is read. Source: as [`POLICY_BYTES`]; a daemon's or chart's file holds more than its policy.
pub const IMPORT_BYTES: u64 = 4 << 20;
/// Bytes of a key file, encrypted or not. Source: an RSA-8192 key in PEM is 6.4 KB.
pub const KEY_FILE_BYTES: u64 = 64 << 10;
/// Bytes of an `ETag` that is kept and sent back. Source: docker-registry's is a quoted digest, 73 bytes.
pub const ETAG_BYTES: usize = 256;
/// Bytes of a registry's error answer or of a token answer.
pub const ERROR_BODY_BYTES: u64 = 64 << 10;
/// Bytes of another tool's settings file: `hosts.toml`, containerd's `config.toml`. Source: containerd's own default
/// configuration has 10 KB.
pub const SETTINGS_BYTES: u64 = 1 << 20;
/// Bytes of one entry of a decision log. Source: one with 40 reasons and the longest names has 8 KB.
pub const LOG_LINE_BYTES: u64 = 64 << 10;
/// Bytes of a decision log's end in which its last entry is looked for. Source: that entry, and what crashes left behind it.
pub const LOG_TAIL_BYTES: u64 = 4 * LOG_LINE_BYTES;
/// Bytes of an error's text in a decision log.
pub const LOG_ERROR_BYTES: usize = 1_000;
/// Bytes of a file whose images are pinned. Source: rendered charts of a large platform have 2 MB.
pub const PINNED_FILE_BYTES: u64 = 16 << 20;
/// Bytes of a descriptor that a runtime passes. Source: containerd's have 200; annotations may come.
pub const DESCRIPTOR_BYTES: u64 = 64 << 10;
/// Bytes of the one line that a runtime is told. Source: an event of Kubernetes holds 1,024.
pub const REASON_BYTES: usize = 1_000;
/// Bytes of an AdmissionReview. Source: an API server takes objects of 3 MiB, and an update has the old one beside it.
pub const REVIEW_BYTES: u64 = 8 << 20;
/// Values in the JSON of an AdmissionReview. Source: a pod has 150, one with 100 containers 5,000; ten times that for what
/// manages its members, and both objects of an update.
pub const REVIEW_VALUES: usize = 100_000;
/// Bytes of AdmissionReviews that are being received at once. Source: eight of the largest; a buffer that grows may have twice
/// that, within the 512 MiB of `deploy/`.
pub const REVIEWS_BYTES: usize = 64 << 20;
/// Time in which a review has to have arrived. Source: an API server sends at once what it holds already.
pub const REVIEW_TIME: Duration = Duration::from_secs(3);
/// Time that a webhook has where its caller names none. Source: Kubernetes' default for `timeoutSeconds`.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Images of one AdmissionReview. Source: the largest pods seen have about 30.
pub const REVIEW_IMAGES: usize = 256;
/// Bytes of the names and places of these images: what a review keeps while it waits. Source: 256 for each.
pub const REVIEW_IMAGES_BYTES: usize = 64 << 10;
/// Images of one AdmissionReview that are judged at once. Source: a quarter of [`SERVE_VERIFICATIONS`].
pub const REVIEW_AT_ONCE: usize = 8;
/// Bytes of each other name in an AdmissionReview, and of the place of a pod in it. Source: four times Kubernetes' longest.
pub const REVIEW_NAME_BYTES: usize = 1_024;
/// Reasons that one answer tells; the rest is counted.
pub const REASONS_TOLD: usize = 8;
/// Characters of one warning. Source: the API server cuts longer ones, `k8s.io/api/admission/v1`.
pub const WARNING_CHARS: usize = 256;
/// Characters of one audit annotation. Source: an event of the audit log holds 100 KiB by default, with the object beside it.
pub const ANNOTATION_CHARS: usize = 8 << 10;
/// Pull secrets of one pod and its service account that are read. Source: four times what the largest seen has.
pub const PULL_SECRETS: usize = 16;
/// Time for which pull secrets that were read count, and how many pods' are held.
pub const PULL_SECRETS_HELD: (Duration, u64) = (Duration::from_secs(5), 4_096);
/// Time of one request to an API server, and of its connection. Source: a third of [`WEBHOOK_TIMEOUT`].
pub const API_SERVER_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of a credential file or of a credential helper's answer.
pub const CREDENTIALS_BYTES: u64 = 1 << 20;
/// Credentials that a registry is offered one after the other: pull secrets with entries for one image.
pub const CREDENTIALS_TRIED: usize = 8;
/// scrypt's N, r and p that a key file may ask for: twice cosign's N and the same r and p, 128 MiB at most.
pub const SCRYPT: (u64, u32, u32) = (1 << 17, 8, 1);
/// Rounds of PBKDF2 that a key file may ask for. Source: RFC 8018, 4.2, "10,000,000 … for especially critical keys".
pub const PBKDF2_ROUNDS: u32 = 10_000_000;
/// RSA key sizes, in bits. Source: NIST SP 800-131A for the least, aws-lc for the most.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// Bytes of one metadata file of a Notary server. Source: 10,000 tags with both hashes take 2.7 MB; six times that.
pub const NOTARY_FILE_BYTES: u64 = 16 << 20;
/// Bytes of a Notary timestamp. Source: Notary's own `MaxTimestampSize`.
pub const NOTARY_TIMESTAMP_BYTES: u64 = 1 << 20;
/// Bytes of all metadata files of one repository together. Keeps memory flat whatever a server lists.
pub const NOTARY_STATE_BYTES: u64 = 64 << 20;
/// Root versions that a chain may have. Source: two a week for ten years.
pub const NOTARY_ROOTS: u64 = 1_024;
/// Delegated roles of one repository, and files of one snapshot. Source: 128 signers, twice.
pub const NOTARY_DELEGATIONS: usize = 256;
/// Keys of one metadata file. Source: four for each of [`NOTARY_DELEGATIONS`].
pub const NOTARY_KEYS: usize = 1_024;
/// Signatures of one metadata file. Source: Notary writes one a key of the role.
pub const NOTARY_SIGNATURES: usize = 256;
/// Bytes of a saved trust state. Source: [`NOTARY_STATE_BYTES`] in base64, and the summary beside it.
pub const SAVED_STATE_BYTES: u64 = 96 << 20;
/// Seconds a signer's own clock may be ahead of ours before a time it states counts as "in the future".
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The largest version of a TUF file. Source: the largest whole number that every JSON reader keeps (RFC 8259, 6).
pub const TUF_VERSION: u64 = (1 << 53) - 1;
/// Signatures of one TUF file. Source: twice the keys of a role, for a root that changes all of them.
pub const TUF_SIGNATURES: usize = 2 * TUF_ROLE_KEYS;
/// Keys of one TUF role: what each file may cost to verify. Source: ten times the largest public root.
pub const TUF_ROLE_KEYS: usize = 128;
/// Bytes of a TUF root. Source: python-tuf's default.
pub const TUF_ROOT_BYTES: u64 = 512_000;
/// Bytes of a TUF timestamp. Source: python-tuf's default.
pub const TUF_TIMESTAMP_BYTES: u64 = 16_384;
/// Bytes of a TUF snapshot. Source: python-tuf's default.
pub const TUF_SNAPSHOT_BYTES: u64 = 2_000_000;
/// Bytes of one TUF targets role. Source: python-tuf's default; 10,000 tags take 3.1 MB.
pub const TUF_TARGETS_BYTES: u64 = 5_000_000;
/// Bytes of all TUF targets roles of one update together. Keeps memory flat whatever a delegate delegates to.
pub const TUF_ALL_TARGETS_BYTES: u64 = 64 << 20;
/// Roots newer than the trusted one that are read in one update, and root versions searched for a pinned one.
pub const TUF_ROOTS: u64 = 1_024;
/// Delegations followed in one update. Source: half of [`LAYERS`], where each is a layer.
pub const TUF_DELEGATIONS: usize = 1_024;
/// Delegations one below the other. Source: signers of signers are two; four times that.
pub const TUF_DEPTH: usize = 8;
/// Bytes of the name of a role that is delegated to. Source: the longest file name of common file systems.
pub const TUF_ROLE_NAME: usize = 255;
/// Bytes of a `boltseal.lock`. Source: 10,000 repositories of ten roles take 9 MB.
pub const TRUST_LOCK_BYTES: u64 = 16 << 20;
/// Bytes of what is remembered of one repository's trust. Source: [`TUF_ALL_TARGETS_BYTES`], and a quarter for the floors
/// and the other roles.
pub const REMEMBERED_BYTES: u64 = 80 << 20;
/// Bytes of a path below the store, made of a repository's name. Source: a file's name has at most 255 on most systems.
pub const STORE_PATH_BYTES: usize = 200;
/// How far ahead of the clock the version of a timestamp or snapshot may be that counts seconds.
pub const TUF_VERSION_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of a trust manifest up to which files stand inline. Source: 2,000 tags by two signers take 840 KB; registries take
/// 4 MiB, and every reader fetches all of it.
pub const TRUST_INLINE_BYTES: u64 = 1 << 20;
/// Files of a trust state that are blobs and are fetched together, before anybody asked for them. Source: three lists in
/// [`TRUST_BINS`] bins each, all at once as [`CONCURRENCY`] has it.
pub const TRUST_BLOBS_TOGETHER: usize = 64;
/// Tags of one list up to which it is one file; the next one splits it into hashed bins. Source: a tag of an image for two
/// platforms takes 300 bytes, so that [`TUF_TARGETS_BYTES`] hold 16,000; every edit writes all of the file, every reader reads
/// it.
pub const TRUST_BIN_TAGS: usize = 10_000;
/// Hashed bins that a list is split into: one for each first digit of the hash. Source: 160,000 tags are as many a bin as
/// were in the list.
pub const TRUST_BINS: usize = 16;
/// Bytes that one writer may have staged of one role as blobs. Source: four of the largest files, each made from the one
/// before it.
pub const TRUST_STAGED_BYTES: u64 = 4 * TUF_TARGETS_BYTES;
/// Times that a state which looks like an attack is read again before it is called one. Source: an honest race is over
/// within the settle of its writers.
pub const TRUST_RACE_READS: u32 = 4;
/// Time over which these reads are spread.
pub const TRUST_RACE_TIME: Duration = Duration::from_secs(3);
/// Time between two looks at whether somebody has written over what a writer waits to read back.
pub const TRUST_SETTLE_LOOK: Duration = Duration::from_millis(200);
/// Paths that a role's file says it has changed; of more it says nothing. Source: an import of a whole repository would
/// double the file.
pub const TRUST_CHANGED: usize = 64;
/// Bytes of roots that are read ahead of a chain. Source: [`TUF_ROOTS`] of 16 KB.
pub const TRUST_ROOTS_BYTES: u64 = 16 << 20;
/// Bytes of blobs that all staged files of a repository may have together. Keeps memory flat whatever is pushed there.
pub const TRUST_ALL_STAGED_BYTES: u64 = 64 << 20;
/// Staging tags that a writer asks for. Source: 200 signers in the map and in a role each, twice.
pub const TRUST_STAGING_TAGS: usize = 1_024;
/// Files that wait or were overtaken which are kept for one writer of one role beside its latest.
pub const TRUST_KEPT: usize = 16;
/// Trust states of one run that are in memory, a repository each. Source: as [`TOKENS`]; keeps memory flat over many repositories.
pub const TRUST_STATES: usize = 256;
/// Rounds of reading, staging and sealing of one publication.
pub const TRUST_ROUNDS: u32 = 24;

/// Bytes of one layer, or of a filesystem's archive, once it is decompressed. Source: images with models in them have
/// layers of 20 GB; three times that.
pub const LAYER_BYTES: u64 = 64 << 30;
/// Bytes that a layer may always decompress to, however few it has.
pub const LAYER_BYTES_ALWAYS: u64 = 1 << 30;
/// How many times its size a layer may decompress to beyond that. Source: text compresses by 10; gzip's own most is 1,032.
pub const LAYER_RATIO: u64 = 200;
/// Entries of one layer, and of a whole filesystem. Source: the largest images seen have 300,000; three times that.
pub const LAYER_ENTRIES: usize = 1_000_000;
/// Bytes of all names, link targets and extended attributes (64 more for each) in one layer. Source: [`LAYER_ENTRIES`] of 256
/// bytes.
pub const LAYER_NAME_BYTES: usize = 256 << 20;
/// Bytes of all paths, link targets and extended attributes that an image's layers bring along. Source: two layers full of them.
pub const TREE_NAME_BYTES: usize = 2 * LAYER_NAME_BYTES;
/// Layers that are unpacked at once. Source: each holds up to [`LAYER_NAME_BYTES`], and hashing keeps a core busy.
pub const LAYERS_AT_ONCE: usize = 4;
/// Bytes of the extended headers of one entry. Source: Go's own bound, which all runtimes have.
pub const TAR_EXTENSION_BYTES: u64 = 1 << 20;
/// Bytes of a path in a filesystem, and of a link's target. Source: Linux's `PATH_MAX`.
pub const PATH_BYTES: usize = 4_096;
/// Bytes of a file's name. Source: Linux's `NAME_MAX`.
pub const FILE_NAME_BYTES: usize = 255;
/// Symbolic links that a layer's path is followed through. Source: Linux's own 40.
pub const LINKS_FOLLOWED: usize = 40;
/// Components looked up, in all of an image, for paths that lead through symbolic links. Source: [`LAYER_ENTRIES`] of 20.
pub const LINK_STEPS: usize = 20_000_000;
/// Directories one below the other in a filesystem that is walked. Source: each holds a file descriptor open, of 1,024.
pub const WALK_DEPTH: usize = 256;
/// Files of a filesystem that is walked. Source: ten times [`LAYER_ENTRIES`].
pub const WALK_ENTRIES: usize = 10_000_000;
/// Differences of one standing and kind that are listed; the others are counted. So a flood of one kind hides no other.
/// Source: of the longest paths they take 80 MB.
pub const DIFFERENCES: u64 = 20_000;
/// Bytes of a file that a runtime writes into a container. Source: an /etc/hosts of 1,000 lines.
pub const RUNTIME_FILE_BYTES: u64 = 64 << 10;

/// Bytes of a file that is signed. Source: it is held in memory, once.
pub const BLOB_BYTES: u64 = 1 << 30;
/// Bytes of an identity token. Source: GitHub's have 2 KB; HTTP servers take headers of 8 to 64 KB.
pub const ID_TOKEN_BYTES: u64 = 64 << 10;
/// Bytes of a signing configuration. Source: the public good instance's has 2 KB.
pub const SIGNING_CONFIG_BYTES: u64 = 1 << 20;
/// Services of one kind in a signing configuration. Source: logs are sharded by the year; ten years, twice.
pub const SIGNING_SERVICES: usize = 20;
/// Bytes of what Fulcio, a log or a timestamp authority answers. Source: a log entry of Rekor has 10 KB with its proof.
pub const SERVICE_ANSWER_BYTES: u64 = 1 << 20;
/// Characters of a service's own words in an error.
pub const SERVICE_WORDS: usize = 300;
/// Requests under way at once to Fulcio, logs and timestamp authorities together. Source: the public log admits a few a second.
pub const SERVICE_CONCURRENCY: usize = 8;
/// What has to be left of a certificate's life for it to sign something more. Source: [`OPERATION_TIMEOUT`], within which
/// the log's word or a timestamp has to fall.
pub const CERTIFICATE_LEFT: Duration = OPERATION_TIMEOUT;
/// The longest wait for somebody who logs in. Source: Sigstore's own device codes last five minutes.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(300);
/// Bytes of a signature that waits for its log. Source: [`ATTACHMENT_BYTES`] and what is said of it.
pub const KEPT_BYTES: u64 = ATTACHMENT_BYTES + (1 << 20);
/// Time after which a signature that waits is thrown away. Source: nobody finishes a release that is a month old.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Places of one image that an audit lists; more are counted. Source: a daemon set on 1,000 nodes.
pub const AUDIT_PLACES: usize = 1_000;
/// Bytes of an unusable entry that an audit shows.
pub const AUDIT_ENTRY_SHOWN: usize = 200;
/// Bytes of one line of a list of images. Source: a reference has at most 255 of a name, 128 of a tag, 135 of a digest.
pub const AUDIT_LINE_BYTES: u64 = 16 << 10;
/// Bytes of an input in JSON. Source: 100,000 pods as `kubectl get -o json` writes them take 1 GB.
pub const AUDIT_INPUT_BYTES: u64 = 8 << 30;
/// Bytes of one element of it, which is in memory whole. Source: ten times the 1.5 MiB that etcd takes of an object.
pub const AUDIT_ELEMENT_BYTES: u64 = 16 << 20;
/// Images that an audit judges at once. Source: as [`CONCURRENCY`], which is for one registry: its images keep it busy.
pub const AUDIT_AT_ONCE: usize = 64;
/// Unread and rejected pieces that one image's record names; more are counted.
pub const AUDIT_TOLD: usize = 5;
/// Tags asked for on one page. Source: what distribution's own registry gives at most.
pub const TAGS_PAGE: usize = 1_000;
/// Pages of one list of tags. Source: a million tags at the 100 a page that registries give at least.
pub const TAGS_PAGES: usize = 10_000;
/// Bytes of evidence that are kept on disk between runs, in whole blocks; each process may be writing one piece more. Source: 10,000 images with a bundle and an SBOM of 50 KB take 600 MB.
pub const EVIDENCE_BYTES: u64 = 1 << 30;
/// Bytes that a file takes on disk at the least. Source: the block of common file systems.
pub const EVIDENCE_FILE_BYTES: u64 = 4 << 10;
/// Bytes up to which evidence is read from disk in place, without a thread of its own. Source: a bundle has 1 to 10 KB.
pub const EVIDENCE_INLINE_BYTES: u64 = 64 << 10;
/// Pieces of evidence that wait for the disk. Source: 1,000 images a second leave two each; a disk may be busy for half a second.
pub const EVIDENCE_WAITING: usize = 1_024;
/// Bytes of them together. Source: the largest has room.
pub const EVIDENCE_WAITING_BYTES: u64 = ATTACHMENT_BYTES;
/// Time after which evidence that is used counts as used again, and after which a folder that nobody wrote is cleaned.
pub const EVIDENCE_STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Time after which a half-written file is nobody's. Source: ten times [`OPERATION_TIMEOUT`].
pub const EVIDENCE_LEFTOVER: Duration = Duration::from_secs(600);

/// Time to open a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time without a byte before a read is given up.
pub const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Time of one request with all its retries, blobs of image layers apart.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Tries of one request, the first included.
pub const TRIES: u32 = 4;
/// Wait before the second try of a request; it doubles with each further one, and half of it is jitter.
pub const BACKOFF: Duration = Duration::from_millis(250);
/// The longest `Retry-After` that is waited for; a longer one ends the request.
pub const RETRY_AFTER: Duration = Duration::from_secs(20);
/// Redirects followed for one request.
pub const REDIRECTS: usize = 5;
/// Requests under way at once to one registry. Source: 200 attachments in under 0.5 s at a round trip of 20 ms.
pub const CONCURRENCY: usize = 64;
/// Least wait before a shared tag is read back. Source: CONTENT-TRUST measurements; 50 to 150 ms lost nothing.
pub const SETTLE: Duration = Duration::from_millis(150);
/// A settle in slowest writes of our own, each with the read before it. Source: that is two requests; cosign makes about
/// ten between its read and its write of a `.sig`.
pub const SLOWEST_WRITES: u32 = 5;
/// Times a settle is longer once others were seen to write the tag too. Source: tests/interop, ten signers at once on two
/// cores; with 1 one of 600 signatures was lost when the machine had six times as much to do as it has cores.
pub const CONTENDED_SETTLES: u32 = 3;
/// Times a lost update of a shared tag is written again.
pub const MERGES: u32 = 24;
/// Time that a result has after its deadline before the process is ended.
pub const GRACE: Duration = Duration::from_millis(500);
/// Time a credential helper may take. Source: some ask the user to unlock a key ring.
pub const HELPER_TIMEOUT: Duration = Duration::from_secs(30);
/// Tokens remembered for one registry, a repository and access each. Keeps memory flat over many repositories.
pub const TOKENS: usize = 256;
/// Age at which a read of a shared tag is too old to write on; it is read again.
pub const MERGE_BASE_AGE: Duration = Duration::from_millis(50);
/// The longest wait for another writer of the same image layout. Source: a writer holds the lock for milliseconds.
pub const LAYOUT_LOCK_WAIT: Duration = Duration::from_secs(30);
/// The longest wait for another writer of the same file of the store. Source: as [`LAYOUT_LOCK_WAIT`].
pub const STORE_LOCK_WAIT: Duration = Duration::from_secs(30);
/// Bytes of content that the embedded registry holds unless told otherwise. Source: `demo` and the tests need a tenth.
pub const EMBEDDED_MEMORY: usize = 256 << 20;
/// Requests that the embedded registry remembers. Source: a run over 1,000 images makes about 5,000.
pub const EMBEDDED_REQUESTS: usize = 20_000;
/// Uploads open at once in the embedded registry. Source: sixteen times [`CONCURRENCY`].
pub const EMBEDDED_UPLOADS: usize = 1_024;

/// Connections that a server holds at once. Source: a node's runtimes open about 10, a cluster's through one proxy 1,000.
pub const SERVE_CONNECTIONS: usize = 4_096;
/// Bytes of a request's line and headers, and of what is buffered to be written. Source: nginx takes 32 KiB of headers.
pub const SERVE_BUFFER_BYTES: usize = 64 << 10;
/// Headers of one request. Source: a runtime sends ten, a proxy in front of us as many again.
pub const SERVE_HEADERS: usize = 64;
/// Time in which the headers of a request have to be there, and for which a connection may idle before its next one.
pub const SERVE_HEADER_TIME: Duration = Duration::from_secs(30);
/// Time of a TLS handshake. Source: as [`CONNECT_TIMEOUT`].
pub const SERVE_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Time for which whoever is answered may take nothing. Source: nginx's `send_timeout`.
pub const SERVE_WRITE_STALL: Duration = Duration::from_secs(60);
/// Time that requests under way have to end once a server is told to stop. Source: Kubernetes kills after 30 s.
pub const SERVE_DRAIN: Duration = Duration::from_secs(25);
/// How often a server looks whether its policy and its certificate have changed.
pub const SERVE_RELOAD: Duration = Duration::from_secs(5);
/// Time after which a new policy has to be the same still. Source: an editor writes a file in milliseconds.
pub const SERVE_SETTLE: Duration = Duration::from_secs(1);
/// Lines of a server's log that wait to be written. Source: 16 MB; a disk that stalls for seconds, at 1,000 decisions each.
pub const SERVE_LOG_LINES: usize = 16_384;
/// Time for which a server that ends waits until its log is written.
pub const SERVE_LOG_END: Duration = Duration::from_secs(2);
/// Characters of a request's path that the log has, where it is none of a registry's.
pub const SERVE_LOG_PATH_CHARS: usize = 512;
/// Age at which a server's connections, credentials and what it learned of registries are made anew.
pub const SERVE_SESSION_AGE: Duration = Duration::from_secs(600);
/// Verifications under way at once in a server. Source: half of [`CONCURRENCY`]; what they read is bounded by
/// [`ATTACHMENTS_BYTES_AT_ONCE`].
pub const SERVE_VERIFICATIONS: usize = 32;
/// Of them, those that read one registry. Source: it takes four that hang to hold up the rest.
pub const SERVE_VERIFICATIONS_OF_ONE: usize = 8;
/// Decisions that a server holds at most. Source: 64 MB at 1 KB with its reason.
pub const SERVE_DECISIONS: u64 = 64_000;
/// Time for which a denial is held. Source: long enough for the retries of one pull, short for who has just signed.
pub const SERVE_DENIAL_TTL: Duration = Duration::from_secs(5);
/// Time of one exchange with the cache that servers share. Source: a hundred of its round trips; longer is slower than asking anew.
pub const SHARED_TIMEOUT: Duration = Duration::from_millis(250);
/// Time for which a shared cache that did not answer is left alone.
pub const SHARED_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of one entry of the shared cache. Source: a reference of 400 bytes, and a reason of [`REASON_BYTES`].
pub const SHARED_ENTRY_BYTES: usize = 8 << 10;
/// Bytes of manifests that the proxy holds. Source: an index with its images has 20 KB; 3,000 images.
pub const PROXY_MANIFEST_BYTES: u64 = 64 << 20;
/// Manifests and blobs that the proxy knows to belong to something. Source: an image has 20 in all; 5,000 images, at 500 bytes.
pub const PROXY_MEMBERS: u64 = 100_000;
/// Bytes of layers that the proxy reads to tell whether a manifest as cosign writes it is a signature. Source: a provenance has
/// 20 KB, an SBOM usually less than 5 MB.
pub const PROXY_EVIDENCE_BYTES: u64 = 16 << 20;
/// Time after which the proxy forgets what nobody asks for.
pub const PROXY_IDLE: Duration = Duration::from_secs(3_600);
/// Images of one repository, or names of one image, that the proxy goes back to for what is asked by digest alone.
pub const PROXY_ROOTS: usize = 16;
/// Time within which the images of an index are not read again to look for a blob.
pub const PROXY_EXPANDED: Duration = Duration::from_secs(60);
/// The longest time for which decisions may be held: a revocation takes effect within it.
pub const SERVE_TTL_MOST: Duration = Duration::from_secs(3_600);

/// The bounds of one verification, as [`crate::verify::verify_all`] takes them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one attachment.
    pub attachment_bytes: u64,
    /// Attachments judged at one place: by one way, of one digest.
    pub attachments: usize,
    /// Signatures judged in one envelope.
    pub envelope_signatures: usize,
    /// Subjects of one statement.
    pub statement_subjects: usize,
    /// Log entries of one signature.
    pub log_entries: usize,
    /// Timestamps of one signature.
    pub timestamps: usize,
    /// Certificates of one signature.
    pub certificates: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attachment_bytes: ATTACHMENT_BYTES,
            attachments: ATTACHMENTS,
            envelope_signatures: ENVELOPE_SIGNATURES,
            statement_subjects: STATEMENT_SUBJECTS,
            log_entries: LOG_ENTRIES,
            timestamps: TIMESTAMPS,
            certificates: CERTIFICATES,
        }
    }
}

/// The bounds of one update of TUF metadata, as [`crate::trust::tuf::Update`] takes them.
#[derive(Clone, Debug)]
pub struct UpdateLimits {
    /// Bytes of a root.
    pub root_bytes: u64,
    /// Bytes of a timestamp.
    pub timestamp_bytes: u64,
    /// Bytes of a snapshot.
    pub snapshot_bytes: u64,
    /// Bytes of one targets role.
    pub targets_bytes: u64,
    /// Bytes of all targets roles together.
    pub all_targets_bytes: u64,
    /// Roots newer than the trusted one.
    pub roots: u64,
    /// Delegations followed.
    pub delegations: usize,
    /// Delegations one below the other.
    pub depth: usize,
}

impl Default for UpdateLimits {
    fn default() -> Self {
        Self {
            root_bytes: TUF_ROOT_BYTES,
            timestamp_bytes: TUF_TIMESTAMP_BYTES,
            snapshot_bytes: TUF_SNAPSHOT_BYTES,
            targets_bytes: TUF_TARGETS_BYTES,
            all_targets_bytes: TUF_ALL_TARGETS_BYTES,
            roots: TUF_ROOTS,
            delegations: TUF_DELEGATIONS,
            depth: TUF_DEPTH,
        }
    }
}

/// A Rego program, in bytes; ours.
pub const REGO_BYTES: usize = 256 << 10;
/// What a Rego program is shown of an image, in bytes of JSON, of at most [`JSON_VALUES`] values; ours.
pub const REGO_INPUT_BYTES: usize = 16 << 20;
/// How long one run of a Rego program may take by the engine's own clock; ours. It is looked at between steps, so a single
/// call can outlast it, and functions do without it.
pub const REGO_TIME: Duration = Duration::from_secs(1);
/// Steps of a Rego program between two looks at the clock; ours.
pub const REGO_STEPS: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(99);
/// How long the process of one run may take: [`REGO_TIME`], its start, and what that clock does not see; ours.
pub const REGO_RUN_TIME: Duration = Duration::from_secs(3);
/// As [`REGO_RUN_TIME`], of the first run, when the policy is read; and processor time of any, should nobody wait for it; ours.
pub const REGO_LOAD_TIME: Duration = Duration::from_secs(5);
/// Bytes of address space of a process that runs a Rego program; ours. The most values in an input take 120 MB (measured).
pub const REGO_MEMORY: u64 = 512 << 20;
/// Bytes that such a process is told: the program and the input; ours.
pub const REGO_REQUEST_BYTES: u64 = 32 << 20;
/// Bytes that are read of its answer: [`REGO_MESSAGES`] of [`REGO_MESSAGE`] characters, each escaped, are less; ours.
pub const REGO_ANSWER_BYTES: u64 = 1 << 20;
/// Messages of a Rego program that are told of one image; ours.
pub const REGO_MESSAGES: usize = 100;
/// Characters of such a message; ours.
pub const REGO_MESSAGE: usize = 1_000;
/// Bytes of a report or a case file that is read; ours.
pub const REPORT_BYTES: u64 = 16 << 20;
