//! What a server counts, in Prometheus' text format.

use super::Log;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::time::Duration;

/// A counter by one label.
pub type By = Family<[(&'static str, &'static str); 1], Counter>;

/// All that a server counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Decisions that were given, by `decision`; those of the cache too.
    pub decisions: By,
    /// Verifications that were carried out, by `result`.
    pub verifications: By,
    /// How long they took.
    pub verification_seconds: Histogram,
    /// What the cache did, by `result`: `hit`, `miss`, and of the shared one `shared-hit`, `shared-miss`, `shared-error`,
    /// `shared-forged`.
    pub cache: By,
    /// Connections that are open.
    pub connections: Gauge,
    /// Connections that were closed at once or before a request, by `reason`.
    pub refused: By,
    /// Requests that were answered, by `code`: `2xx` to `5xx`.
    pub requests: By,
    /// Reloads of policy and certificates, by `result`.
    pub reloads: By,
    /// 1 while the policy on disk can't be used and an older one stands.
    pub policy_degraded: Gauge,
    /// 1 while the certificate on disk can't be used and an older one stands.
    pub certificate_degraded: Gauge,
    /// Bytes of blobs that were passed on.
    pub blob_bytes: Counter,
    /// Transfers of blobs that were broken off, by `reason`.
    pub broken: By,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("boltseal");
        let by = |registry: &mut Registry, name: &str, help: &str| {
            let family = By::default();
            registry.register(name, help, family.clone());
            family
        };
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let decisions = by(&mut registry, "decisions", "Decisions given");
        let verifications = by(&mut registry, "verifications", "Verifications carried out");
        let cache = by(&mut registry, "cache", "Look-ups in the cache of decisions");
        let refused = by(&mut registry, "connections_refused", "Connections closed before a request");
        let requests = by(&mut registry, "requests", "Requests answered");
        let reloads = by(&mut registry, "reloads", "Reloads of policy and certificates");
        let broken = by(&mut registry, "transfers_broken", "Transfers of blobs broken off");
        let connections = gauge(&mut registry, "connections", "Open connections");
        let policy_degraded = gauge(&mut registry, "policy_degraded", "Whether an older policy stands");
        let certificate_degraded = gauge(&mut registry, "certificate_degraded", "Whether an older certificate stands");
        let verification_seconds =
            Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        registry.register("verification_seconds", "Time of a verification", verification_seconds.clone());
        let blob_bytes = Counter::default();
        registry.register("blob_bytes", "Bytes of blobs passed on", blob_bytes.clone());
        Self {
            registry,
            decisions,
            verifications,
            verification_seconds,
            cache,
            connections,
            refused,
            requests,
            reloads,
            policy_degraded,
            certificate_degraded,
            blob_bytes,
            broken,
        }
    }
}

impl Metrics {
    /// What a server counts that writes this log.
    #[must_use]
    pub fn of(log: &Log) -> Self {
        let mut metrics = Self::default();
        metrics.registry.register("log_lines_lost", "Lines of the log that nobody took in time", log.lost());
        metrics
    }

    /// Counts one more.
    pub fn count(&self, family: &By, label: &'static str, value: &'static str) {
        family.get_or_create(&[(label, value)]).inc();
    }

    /// Takes the time of a verification.
    pub fn took(&self, time: Duration) {
        self.verification_seconds.observe(time.as_secs_f64());
    }

    /// All of it as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
