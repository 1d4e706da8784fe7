use super::{Environment, EvidenceCache};
use crate::limits;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How registries are reached. The default is the bounds of [`limits`], an empty [`Environment`], and nothing insecure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether plain http may be used with other hosts than this machine. https is still tried first.
    pub insecure_http: bool,
    /// PEM files of certificate authorities that are trusted beside the system's.
    pub registry_ca: Vec<PathBuf>,
    /// PEM files of a client certificate (with its chain) and of its private key, shown to every registry.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Folders of containerd's `hosts.toml` (its `config_path`). Where one speaks of a registry, the places that it names
    /// are asked in that one's stead by whoever only reads; not for layers of images.
    pub hosts: Vec<PathBuf>,
    /// Whether HTTP/2 is left aside: on one connection for many, who reads slowly holds up the others.
    pub http1_only: bool,
    /// Requests under way at once to one registry.
    pub concurrency: usize,
    /// Least wait before a shared tag is read back. A third of it is how old a read may be to be written on, but at
    /// least [`limits::MERGE_BASE_AGE`].
    pub settle: Duration,
    /// Wait before a request's second try.
    pub backoff: Duration,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Time without a byte before a read is given up.
    pub read_timeout: Duration,
    /// Time of one request with all its retries.
    pub operation_timeout: Duration,
    /// Where evidence is kept between runs; none keeps nothing.
    pub evidence: Option<Arc<EvidenceCache>>,
    /// What is taken from the process's environment.
    pub environment: Environment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            insecure_http: false,
            registry_ca: Vec::new(),
            client_certificate: None,
            hosts: Vec::new(),
            http1_only: false,
            concurrency: limits::CONCURRENCY,
            settle: limits::SETTLE,
            backoff: limits::BACKOFF,
            connect_timeout: limits::CONNECT_TIMEOUT,
            read_timeout: limits::READ_TIMEOUT,
            operation_timeout: limits::OPERATION_TIMEOUT,
            evidence: None,
            environment: Environment::default(),
        }
    }
}
