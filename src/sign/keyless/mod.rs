//! Signing as somebody instead of with a key: an identity token is turned into a certificate for a key that lives as long
//! as the run, and a log and a timestamp authority witness when it signed.
//!
//! A run asks Fulcio once, however much it signs ([`Keyless::certificate`]); the private key is never written down.

mod ambient;
mod config;
mod error;
mod fulcio;
mod http;
mod login;
mod rekor;
mod spiffe;
mod stamp;
mod token;

pub use ambient::{TokenEnvironment, TokenSource};
pub use config::Services;
pub use error::KeylessError;
pub use http::{ServiceError, ServiceFault};
pub use login::{Login, Prompt, Tell};
pub use token::{Announced, IdentityToken};

use crate::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::dsse::Envelope,
    limits::CERTIFICATE_LEFT,
};
use config::{Choice, Service};
use fulcio::Issued;
use futures_util::future::join;
use http::Http;
use jiff::Timestamp;
use sigstore_types::{DerCertificate, TransparencyLogEntry};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The audience that Fulcio asks of tokens (fulcio, `config.yaml`, `ClientID`).
pub const AUDIENCE: &str = "sigstore";

/// What is done when no transparency log takes a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMode {
    /// It is kept and not pushed.
    Required,
    /// It is pushed without, if a timestamp shows when it was signed.
    BestEffort,
    /// No log is asked.
    None,
}

/// Signs as the subject of an identity token, for one run.
#[derive(Debug)]
pub struct Keyless {
    services: Services,
    source: TokenSource,
    log: LogMode,
    http: Http,
    token: tokio::sync::Mutex<Option<Arc<IdentityToken>>>,
    issued: tokio::sync::Mutex<Option<Arc<Issued>>>,
    certificates: AtomicUsize,
}

/// The key of a run with its certificate.
#[derive(Clone, Debug)]
pub struct Certified(Arc<Issued>);

/// What is witnessed: a signature, and what it is over.
#[derive(Clone, Copy, Debug)]
pub enum Witnessed<'a> {
    /// An envelope with its one signature.
    Envelope(&'a Envelope),
    /// Bytes that are elsewhere.
    Message {
        /// Their SHA-256.
        sha256: [u8; 32],
        /// The signature over them.
        signature: &'a [u8],
    },
}

/// Who has seen a signature, and when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Witnesses {
    /// Log entries.
    pub entries: Vec<TransparencyLogEntry>,
    /// Answers of timestamp authorities (RFC 3161, 2.4.2), in DER.
    pub timestamps: Vec<Vec<u8>>,
}

impl Witnessed<'_> {
    fn signature(&self) -> &[u8] {
        match self {
            Self::Envelope(envelope) => envelope.signatures.first().map_or(&[], |one| &one.signature),
            Self::Message { signature, .. } => signature,
        }
    }
}

impl Witnesses {
    /// Whether something shows when it was signed: without, nobody can tell later that the certificate was valid then.
    #[must_use]
    pub fn show_time(&self) -> bool {
        !self.timestamps.is_empty() || self.entries.iter().any(|entry| entry.integrated_time.is_some())
    }
}

impl Keyless {
    /// Signs with the services of a configuration, as whom `source` says. Nobody is asked yet.
    ///
    /// # Errors
    /// The configuration lists no service of a kind that is needed, or those that it lists are not valid now.
    pub fn new(services: Services, source: TokenSource, log: LogMode) -> Result<Self, KeylessError> {
        services.fulcio()?;
        if log != LogMode::None {
            services.logs()?;
        }
        // A log of the second version shows no time; one that is not asked shows none either.
        if services.has_timestamps() || log == LogMode::None || !services.all_logs_show_time() {
            services.timestamps()?;
        }
        Ok(Self {
            services,
            source,
            log,
            http: Http::default(),
            token: tokio::sync::Mutex::default(),
            issued: tokio::sync::Mutex::default(),
            certificates: AtomicUsize::new(0),
        })
    }

    /// Who the signatures will name, before anything is sent to Sigstore.
    ///
    /// # Errors
    /// There is no token, or none that Fulcio would take.
    pub async fn announce(&self) -> Result<Announced, KeylessError> {
        Ok(self.token().await?.announced().clone())
    }

    /// What is done when no log answers.
    #[must_use]
    pub fn log_mode(&self) -> LogMode {
        self.log
    }

    /// Whether a signature whose certificate may be over can still get the witnesses that it lacks: something shows when it
    /// was made, and a log entry of today would not show another time.
    #[must_use]
    pub fn can_finish_late(&self, have: &Witnesses) -> bool {
        let logged = self.log == LogMode::None || !have.entries.is_empty();
        have.show_time() && (logged || !self.services.some_log_shows_time())
    }

    /// How many certificates Fulcio made in this run.
    #[must_use]
    pub fn certificates(&self) -> usize {
        self.certificates.load(Ordering::Relaxed)
    }

    /// The token; a new one once it has expired, where the source makes them anew.
    async fn token(&self) -> Result<Arc<IdentityToken>, KeylessError> {
        let mut held = self.token.lock().await;
        let (origin, audience) = (self.source.name(), self.source.audience());
        if let Some(token) = &*held
            && token.check(origin, audience, Timestamp::now()).is_ok()
        {
            return Ok(Arc::clone(token));
        }
        let token = self.source.fetch(&self.http, audience, &self.services).await?;
        token.check(origin, audience, Timestamp::now())?;
        if let Some(before) = held.as_ref().filter(|before| before.announced() != token.announced()) {
            let (was, is) = (&before.announced().subject, &token.announced().subject);
            let why = format!("it names {is} now, and {was} was shown");
            return Err(KeylessError::Token { origin: origin.to_owned(), why });
        }
        let token = Arc::new(token);
        *held = Some(Arc::clone(&token));
        Ok(token)
    }

    /// The run's certificate: one for any number of signatures. Another is asked for only when it is about to expire.
    ///
    /// # Errors
    /// No token, or Fulcio gives no certificate for it.
    pub async fn certificate(&self) -> Result<Certified, KeylessError> {
        let mut held = self.issued.lock().await;
        if let Some(issued) = held.as_ref().filter(|issued| lasts(issued.not_after)) {
            return Ok(Certified(Arc::clone(issued)));
        }
        let token = self.token().await?;
        let mut failed = None;
        for service in self.services.fulcio()?.in_order() {
            let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
            match fulcio::certify(&self.http, service, &token, key).await {
                Ok(issued) => {
                    self.certificates.fetch_add(1, Ordering::Relaxed);
                    let issued = Arc::new(issued);
                    *held = Some(Arc::clone(&issued));
                    return Ok(Certified(issued));
                }
                Err(error) if error.is_unreachable() => {
                    service.set_down(true);
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(failed.unwrap_or_else(|| KeylessError::Certificate("nobody was asked".to_owned())))
    }

    /// Has logs and timestamp authorities witness a signature, as far as `have` has not enough of them; with what is there
    /// then, and with what failed.
    pub async fn witness(
        &self,
        leaf: &DerCertificate,
        what: &Witnessed<'_>,
        have: Witnesses,
    ) -> (Witnesses, Vec<KeylessError>) {
        let Witnesses { entries, timestamps } = have;
        let log = async {
            if self.log == LogMode::None {
                return (entries, None);
            }
            let ask = |service| rekor::log(&self.http, service, what, leaf);
            gather(self.services.logs(), entries, ask).await
        };
        let stamp = async {
            if !self.services.has_timestamps() {
                return (timestamps, None);
            }
            let ask = |service| stamp::stamp(&self.http, service, what.signature());
            gather(self.services.timestamps(), timestamps, ask).await
        };
        let ((entries, no_entry), (timestamps, no_stamp)) = join(log, stamp).await;
        (Witnesses { entries, timestamps }, [no_entry, no_stamp].into_iter().flatten().collect())
    }
}

impl Certified {
    /// Signs bytes with the run's key.
    ///
    /// # Errors
    /// The key did not sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeylessError> {
        Ok(self.0.key.sign(message)?)
    }

    /// When its certificate ends.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// The certificate.
    #[must_use]
    pub fn leaf(&self) -> &DerCertificate {
        &self.0.leaf
    }
}

/// Whether a certificate that ends then can sign something more now.
#[must_use]
pub fn lasts(not_after: Timestamp) -> bool {
    Timestamp::now().duration_until(not_after) > jiff::SignedDuration::try_from(CERTIFICATE_LEFT).unwrap_or_default()
}

/// Asks services in turn until as many have answered as are needed; what there is then, and the last failure if that is
/// not enough.
async fn gather<'s, T, F>(
    choice: Result<&'s Choice, KeylessError>,
    mut have: Vec<T>,
    ask: impl Fn(&'s Service) -> F,
) -> (Vec<T>, Option<KeylessError>)
where
    F: Future<Output = Result<T, ServiceError>>,
{
    let choice = match choice {
        Ok(choice) => choice,
        Err(error) => return (have, Some(error)),
    };
    let (mut failed, mut operators) = (None, BTreeSet::new());
    for service in choice.in_order() {
        if have.len() >= choice.needed {
            break;
        }
        if service.operator.as_ref().is_some_and(|operator| operators.contains(operator)) {
            continue;
        }
        match ask(service).await {
            Ok(answer) => {
                service.set_down(false);
                operators.extend(&service.operator);
                have.push(answer);
            }
            Err(error) => {
                service.set_down(true);
                failed = Some(error.into());
            }
        }
    }
    let failed = failed.filter(|_| have.len() < choice.needed);
    (have, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    // [V-145]
    #[test]
    fn a_certificate_that_is_about_to_expire_signs_nothing_more() {
        let at = |seconds| Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        assert!(lasts(at(600)) && lasts(at(70)));
        assert!(!lasts(at(50)) && !lasts(at(-1)));
    }

    #[test]
    fn what_shows_no_time_is_finished_in_time_or_never() {
        let log = |version| {
            format!(
                "{{\"url\":\"https://x\",\"majorApiVersion\":{version},\"validFor\":{{\"start\":\"2020-01-01T00:00:00Z\"}}}}"
            )
        };
        let keyless = |version| {
            let config = format!(
                "{{\"mediaType\":\"application/vnd.dev.sigstore.signingconfig.v0.2+json\",\"caUrls\":[{0}],\"tsaUrls\":[{0}],\"rekorTlogUrls\":[{1}]}}",
                log(1),
                log(version)
            );
            let services = Services::decode("config", config.as_bytes(), Timestamp::now()).unwrap();
            Keyless::new(services, TokenSource::File("token".into()), LogMode::Required).unwrap()
        };
        let stamped = Witnesses { timestamps: vec![vec![0x30]], ..Witnesses::default() };
        assert!(keyless(2).can_finish_late(&stamped), "an entry of the second version shows no time");
        assert!(!keyless(1).can_finish_late(&stamped), "one of the first shows that it came too late");
        assert!(!keyless(2).can_finish_late(&Witnesses::default()));
    }
}
