//! Keyless verification: signatures of a private Sigstore, right and wrong, each judged by us and by the Sigstore project's
//! own verifier; every disagreement is explained. And real signatures of real tools, offline.

#[path = "common/sigstore/mod.rs"]
mod sigstore;

#[path = "keyless/cases.rs"]
mod cases;
#[path = "keyless/files.rs"]
mod files;
#[path = "keyless/images.rs"]
mod images;
#[path = "keyless/judges.rs"]
mod judges;
#[path = "keyless/real.rs"]
mod real;
#[path = "keyless/strict.rs"]
mod strict;
#[path = "keyless/tekton.rs"]
mod tekton;
