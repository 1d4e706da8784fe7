//! A private Sigstore for tests: Fulcio, a certificate transparency log, Rekor v1 and v2, a timestamp authority and an
//! OIDC issuer, each with keys of its own that end with the process.
//!
//! This layer has no network and no clock: what it makes, it makes for the time that it is given. `server` speaks the
//! services' HTTP over it. What a test wants wrong is a field of what is asked for, or an edit of the JSON that came.
//!
//! ```ignore
//! let sigstore = PrivateSigstore::new();
//! let who = Identity::email("https://issuer.test", "jane@example.com");
//! let bundle = Signing::keyless(&sigstore, who, time).rekor2().blob(b"content");
//! let trusted = sigstore.trusted_root();
//! ```
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses its part")]

/// The time in whole seconds, as rcgen takes it.
macro_rules! rcgen_time {
    ($time:expr) => {
        rcgen::date_time_ymd(1970, 1, 1)
            + std::time::Duration::from_secs(u64::try_from($time.as_second()).expect("after 1970"))
    };
}
use rcgen_time;

pub mod bodies;
pub mod bundle;
pub mod ca;
pub mod ct;
pub mod keys;
pub mod merkle;
pub mod note;
pub mod oidc;
pub mod rekor;
pub mod roots;
#[cfg(feature = "net")]
pub mod server;
pub mod signing;
pub mod tsa;

pub use bodies::{Body, Digest, Verifier};
pub use bundle::{Bundle, Content, Material, Version};
pub use ca::{Ca, CaOptions, Identity, Issued, Leaf, San, Scts};
pub use ct::CtLog;
pub use keys::{Hash, Key, Kind, pem};
pub use note::Witness;
pub use oidc::Oidc;
pub use rekor::{Rekor1, Rekor2};
pub use roots::{set_window, trusted_root};
pub use signing::{Logged, Signing};
pub use tsa::{Embedded, Stamp, Tsa, TsaOptions};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use std::sync::Arc;

/// 2020 to 2049: what certificates and trust are good for unless told otherwise.
pub const EVER: (Timestamp, Timestamp) = (Timestamp::constant(1_577_836_800, 0), Timestamp::constant(2_493_072_000, 0));

/// How an instance is made.
#[derive(Clone)]
pub struct Options {
    /// Where every service is.
    pub url: String,
    pub ca: CaOptions,
    pub tsa: TsaOptions,
    /// Rekor v2's key; the public one's is Ed25519.
    pub rekor2: Kind,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "https://sigstore.test".to_owned(),
            ca: CaOptions::default(),
            tsa: TsaOptions::default(),
            rekor2: Kind::Ed25519,
        }
    }
}

pub struct PrivateSigstore {
    pub url: String,
    pub ca: Ca,
    pub ct: Arc<CtLog>,
    pub rekor1: Rekor1,
    pub rekor2: Rekor2,
    pub tsa: Tsa,
    pub oidc: Oidc,
}

impl PrivateSigstore {
    pub fn new() -> Self {
        Self::with(&Options::default())
    }

    pub fn with(options: &Options) -> Self {
        let url = options.url.as_str();
        let host = url.split("//").last().and_then(|rest| rest.split([':', '/']).next()).unwrap_or(url);
        let ct = Arc::new(CtLog::new());
        Self {
            url: url.to_owned(),
            ca: Ca::new(&options.ca, Arc::clone(&ct)),
            ct,
            rekor1: Rekor1::new(host),
            rekor2: Rekor2::new(host, options.rekor2),
            tsa: Tsa::new(&options.tsa),
            oidc: Oidc::new(url),
        }
    }
}

pub fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn unb64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// DSSE's pre-authentication encoding.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}
