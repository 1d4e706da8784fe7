//! `/healthz`, `/readyz` and `/metrics`: for who runs the server.

use super::{Answer, Caller, Metrics, Service, json, text};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// How a server is.
#[derive(Debug)]
pub(super) struct Health {
    pub metrics: Arc<Metrics>,
    /// Whether it was told to stop.
    pub stopping: AtomicBool,
}

impl Health {
    /// The answer, if the path is one of ours. A server with an older policy or certificate goes on, and says so.
    pub fn answer(&self, path: &str) -> Option<Answer> {
        match path {
            "/healthz" => Some(text(StatusCode::OK, "ok\n")),
            "/readyz" => {
                let stopping = self.stopping.load(Ordering::Relaxed);
                let status = if stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
                let (policy, certificate) =
                    (self.metrics.policy_degraded.get() != 0, self.metrics.certificate_degraded.get() != 0);
                let told = json!({
                    "ready": !stopping, "degraded": policy || certificate,
                    "policy": stands(policy), "certificate": stands(certificate),
                });
                Some(json(status, &told))
            }
            "/metrics" => {
                let content = self.metrics.render().into();
                Some(super::answer::whole(
                    StatusCode::OK,
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                    content,
                ))
            }
            _ => None,
        }
    }
}

fn stands(degraded: bool) -> &'static str {
    if degraded { "an older one stands: the one on disk can't be used" } else { "current" }
}

/// What stands at the address for who runs the server.
pub(super) struct Observed(pub Arc<Health>);

impl Service for Observed {
    async fn answer(&self, request: Request<Incoming>, _: Caller) -> Answer {
        let nothing = || text(StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics\n");
        self.0.answer(request.uri().path()).unwrap_or_else(nothing)
    }
}

/// A service with the same beside it.
pub(super) struct Beside<S> {
    pub health: Arc<Health>,
    pub service: Arc<S>,
}

impl<S: Service> Service for Beside<S> {
    async fn answer(&self, request: Request<Incoming>, caller: Caller) -> Answer {
        match self.health.answer(request.uri().path()) {
            Some(answer) => answer,
            None => self.service.answer(request, caller).await,
        }
    }
}
