use crate::crypto::Fingerprint;
use std::fmt;

/// Who signed, as a verified signature proves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Identity {
    /// The holder of a key.
    Key(Fingerprint),
    /// The subject of a certificate, as its issuer names it.
    Certificate {
        /// The OIDC issuer or the certification authority; empty where the certificate names none.
        issuer: String,
        /// The subject alternative name.
        san: String,
    },
    /// A holder of a TUF role's key.
    Role {
        /// The role's name.
        name: String,
        /// The key that signed.
        key: Fingerprint,
    },
}

/// Whom a threshold counts: two identities of the same principal are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Principal {
    /// The holder of a key, whatever role it signed in.
    Key(Fingerprint),
    /// A certificate's subject.
    Certificate {
        /// The OIDC issuer or the certification authority.
        issuer: String,
        /// The subject alternative name.
        san: String,
    },
}

impl Identity {
    /// The principal behind this identity.
    #[must_use]
    pub fn principal(&self) -> Principal {
        match self {
            Self::Key(key) | Self::Role { key, .. } => Principal::Key(*key),
            Self::Certificate { issuer, san } => Principal::Certificate { issuer: issuer.clone(), san: san.clone() },
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key {key}"),
            Self::Certificate { issuer, san } if issuer.is_empty() => f.write_str(san),
            Self::Certificate { issuer, san } => write!(f, "{san} (by {issuer})"),
            Self::Role { name, key } => write!(f, "role {name}, key {key}"),
        }
    }
}
