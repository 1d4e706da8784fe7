//! What a server stands on, from its start to its end.

use super::{
    CacheSettings, Judge, JudgeSettings, Laws, Log, Metrics, ServeError, ServerSettings, Service,
    listener::{Listener, Times},
    observe::{Beside, Health, Observed},
    tls::Certificates,
};
use crate::{
    limits::{SERVE_LOG_END, SERVE_RELOAD, SERVE_SETTLE},
    ops::{trusted_root::Roots, verify::Verification},
    rego::Runner,
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{net::TcpListener, sync::watch};

/// What the program brings along that is above this library.
#[derive(Clone, Copy)]
pub struct Words {
    /// The trusted roots of this machine, at the time of the call.
    pub roots: fn() -> Roots,
    /// Who runs the policies' Rego programs.
    pub rego: fn() -> Arc<dyn Runner>,
    /// Why a decision is what it is, on one line.
    pub reasons: fn(&Verification) -> String,
    /// Foreign text with nothing in it that a terminal would obey.
    pub printable: fn(&str) -> String,
}

/// What all servers share.
pub struct Shell {
    /// Who decides.
    pub judge: Arc<Judge>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is said.
    pub log: Arc<Log>,
    /// All that is read again: the judge's own first.
    laws: Vec<Arc<Laws>>,
    settings: ServerSettings,
    judging: (JudgeSettings, CacheSettings, Words),
    certificates: Option<Arc<Certificates>>,
    tcp: TcpListener,
    observe: Option<TcpListener>,
}

impl Shell {
    /// Loads policy and certificates and binds the addresses; nothing is answered yet.
    ///
    /// # Errors
    /// Anything that can't be used. Nothing is made up for it.
    pub async fn open(
        settings: ServerSettings,
        judge: JudgeSettings,
        cache: &CacheSettings,
        words: Words,
        log: Log,
    ) -> Result<Self, ServeError> {
        let metrics = Arc::new(Metrics::of(&log));
        let laws = Arc::new(Laws::load(judge.clone(), words)?);
        let judging = (judge.clone(), cache.clone(), words);
        let judge = Arc::new(Judge::new(judge, cache, Arc::clone(&laws), Arc::clone(&metrics), words)?);
        let named = settings.certificate.clone().unwrap_or_default();
        let certificates = Certificates::load(&settings);
        let certificates = certificates.map_err(|message| ServeError::Settings { path: named, message })?.map(Arc::new);
        let tcp = listen(settings.listen).await?;
        let observe = match settings.observe {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let laws = vec![laws];
        Ok(Self { judge, metrics, log: Arc::new(log), laws, settings, judging, certificates, tcp, observe })
    }

    /// A judge by another policy, which is otherwise as the shell's own.
    ///
    /// # Errors
    /// The policy or something that it names can't be used.
    pub fn judge_by(&mut self, policy: PathBuf) -> Result<Arc<Judge>, ServeError> {
        let (settings, cache, words) = &self.judging;
        let settings = JudgeSettings { policy, ..settings.clone() };
        let laws = Arc::new(Laws::load(settings.clone(), *words)?);
        self.laws.push(Arc::clone(&laws));
        Ok(Arc::new(Judge::new(settings, cache, laws, Arc::clone(&self.metrics), *words)?))
    }

    /// Where it listens: the port, where the settings left it to the system.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Answers requests until `stop` comes; then requests under way have their time to end.
    pub async fn run<S: Service>(self, service: Arc<S>, stop: impl Future<Output = &'static str>) {
        let Self { metrics, log, laws, settings, certificates, tcp, observe, .. } = self;
        let (stopping, stopped) = watch::channel(false);
        let health = Arc::new(Health { metrics: Arc::clone(&metrics), stopping: AtomicBool::new(false) });
        let listener = |tcp, certificates| Listener {
            tcp,
            certificates,
            connections: settings.connections.get(),
            drain: settings.drain.0,
            times: Times::default(),
            metrics: Arc::clone(&metrics),
        };
        let address = tcp.local_addr().map_or_else(|_| settings.listen.to_string(), |address| address.to_string());
        let policies: Vec<_> = laws.iter().map(|laws| laws.current().file.to_string()).collect();
        let policies = policies.join(", ");
        log.event("info", "started", &format!("listening at {address}, policy {policies}"));
        let reloading = tokio::spawn(reload(laws, certificates.clone(), Arc::clone(&metrics), Arc::clone(&log)));
        let main = listener(tcp, certificates);
        let serving = match observe {
            Some(observe) => {
                tokio::spawn(listener(observe, None).serve(Arc::new(Observed(Arc::clone(&health))), stopped.clone()));
                tokio::spawn(main.serve(service, stopped))
            }
            None => tokio::spawn(main.serve(Arc::new(Beside { health: Arc::clone(&health), service }), stopped)),
        };
        let signal = stop.await;
        log.event("info", "stopping", signal);
        health.stopping.store(true, Ordering::Relaxed);
        let _ = stopping.send(true);
        let _ = serving.await;
        reloading.abort();
        log.event("info", "stopped", "requests under way have ended, or their time has");
        log.written(SERVE_LOG_END).await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Looks again and again whether policy and certificate are as they were. What can't be used stays out, loudly.
async fn reload(laws: Vec<Arc<Laws>>, certificates: Option<Arc<Certificates>>, metrics: Arc<Metrics>, log: Arc<Log>) {
    let (mut last_policy, mut last_certificate) = (None, None);
    loop {
        tokio::time::sleep(SERVE_RELOAD).await;
        let (read, shown) = (laws.clone(), certificates.clone());
        let Ok((policy, certificate)) = tokio::task::spawn_blocking(move || {
            // Each is read, whatever is wrong with another.
            let read: Vec<_> = read.iter().map(|laws| laws.refresh(SERVE_SETTLE)).collect();
            let policy: Result<Vec<_>, _> = read.into_iter().collect();
            let policy = policy.map(|new| new.contains(&true)).map_err(|error| error.to_string());
            (policy, shown.map_or(Ok(false), |shown| shown.refresh()))
        })
        .await
        else {
            continue;
        };
        let told = Told { metrics: &metrics, log: &log };
        told.tell("policy", &policy, &mut last_policy, &metrics.policy_degraded);
        told.tell("certificate", &certificate, &mut last_certificate, &metrics.certificate_degraded);
    }
}

/// Who is told of a reload.
struct Told<'t> {
    metrics: &'t Metrics,
    log: &'t Log,
}

impl Told<'_> {
    /// The same error is told once, and its end.
    fn tell(
        &self,
        what: &'static str,
        result: &Result<bool, String>,
        last: &mut Option<String>,
        degraded: &prometheus_client::metrics::gauge::Gauge,
    ) {
        match result {
            Ok(new) => {
                let recovered = last.take().is_some();
                if *new || recovered {
                    self.metrics.count(&self.metrics.reloads, "result", "new");
                    self.log.event("info", what, "what is on disk counts from now on");
                }
                degraded.set(0);
            }
            Err(error) => {
                degraded.set(1);
                if last.as_ref() != Some(error) {
                    self.metrics.count(&self.metrics.reloads, "result", "refused");
                    self.log.event("error", what, &format!("can't be used, the old one stays: {error}"));
                    *last = Some(error.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [V-308]
    #[test]
    fn an_error_that_comes_back_is_told_again() {
        let (metrics, log) = (Metrics::default(), Log::new(Box::new(std::io::sink())));
        let told = Told { metrics: &metrics, log: &log };
        let (bad, good, same) = (Err("broken".to_owned()), Ok(true), Ok(false));
        let mut last = None;
        for (result, refused, degraded) in
            [(&bad, 1, 1), (&bad, 1, 1), (&good, 1, 0), (&bad, 2, 1), (&same, 2, 0), (&bad, 3, 1)]
        {
            told.tell("policy", result, &mut last, &metrics.policy_degraded);
            let count = metrics.reloads.get_or_create(&[("result", "refused")]).get();
            assert_eq!((count, metrics.policy_degraded.get()), (refused, degraded));
        }
    }
}
