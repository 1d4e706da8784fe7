//! The admission webhook under load: a process of its own, reviews over TLS as an API server sends them, an embedded registry.
//! `benches/run.sh admission` runs it in a release build. Times depend on what else the machine does, so processor time stands
//! beside them. A target that is missed is said, and fails nothing.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/webhook.rs"]
mod webhook;

use boltseal::{
    limits::Limits,
    ops::{policy_file, trusted_root::Roots, verify::Verifier},
    registry::{
        Options, Session,
        embedded::{Embedded, EmbeddedOptions},
    },
    rego::{InProcess, Runner},
};
use common::images::Table;
use futures_util::future::join_all;
use jiff::Timestamp;
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use webhook::{Webhook, configure, pod};

/// Reviews one after the other.
const ALONE: usize = 2_000;
/// Reviews that are verified anew.
const ANEW: usize = 200;
/// Connections at once, and how long.
const CONNECTIONS: usize = 8;
const UNDER_LOAD: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::small(&registry.address().to_string()).await;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("Load average before: {}\n", load.split_whitespace().next().unwrap_or("unknown"));
    println!("| what | measured | target | |\n|---|---|---|---|");
    held(&table).await;
    anew(&table).await;
}

fn row(what: &str, measured: &str, target: &str, met: bool) {
    println!("| {what} | {measured} | {target} | {} |", if met { "met" } else { "missed" });
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Decisions that are held.
async fn held(table: &Table) {
    let webhook = Webhook::start(table, &configure(table, "", "[cache]\nttl = 3600\ntag-ttl = 3600\n"), &[]);
    let review = pod(&[&table.find("signed").name]);
    let mut times = Vec::new();
    for _ in 0..ALONE {
        let started = Instant::now();
        let answered = webhook.ask("/mutate?timeout=10s", &review).await;
        times.push(started.elapsed());
        assert_eq!(answered.patch().len(), 1);
    }
    // The first ones open the connection and verify.
    let mut times = times.split_off(10);
    times.sort();
    let (middle, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let measured = format!("p50 {:.2} ms, p99 {:.2} ms", millis(middle), millis(late));
    row("a review whose decision is held", &measured, "p99 at most 5 ms", late <= Duration::from_millis(5));
    let (before, started) = (processor(webhook.process()), Instant::now());
    let senders = (0..CONNECTIONS).map(async |_| {
        let mut sent = 0_u32;
        while started.elapsed() < UNDER_LOAD {
            assert!(webhook.ask("/mutate?timeout=10s", &review).await.allowed());
            sent += 1;
        }
        sent
    });
    let sent: u32 = join_all(senders).await.into_iter().sum();
    let (time, used) = (started.elapsed(), processor(webhook.process()) - before);
    let rate = f64::from(sent) / time.as_secs_f64();
    let each = used / f64::from(sent) * 1_000.0;
    let measured = format!("{rate:.0} reviews/s with {CONNECTIONS} connections, their sender on the same cores");
    row("reviews in a second", &measured, "at least 500", rate >= 500.0);
    row(
        "the webhook's processor time for one",
        &format!("{each:.2} ms"),
        "at most 4 ms (500/s on 2 cores)",
        each <= 4.0,
    );
}

/// Each review verified anew, in turn with the library's own verification of the same image.
async fn anew(table: &Table) {
    let webhook = Webhook::start(table, &configure(table, "", "[cache]\nttl = 0\ntag-ttl = 0\n"), &[]);
    let image = &table.find("signed").name;
    let (review, reference) = (pod(&[image]), image.parse().expect("a reference"));
    let roots = Roots::new(None, Timestamp::now());
    let policy = policy_file::load(Path::new(&table.policy()), &roots, &(Arc::new(InProcess) as Arc<dyn Runner>))
        .expect("a policy")
        .policy;
    let (session, limits) = (Session::new(Options::default()).expect("a session"), Limits::default());
    let (mut asked, mut verified) = (Vec::new(), Vec::new());
    for _ in 0..ANEW {
        let started = Instant::now();
        assert_eq!(webhook.ask("/mutate?timeout=10s", &review).await.patch().len(), 1);
        asked.push(started.elapsed());
        let (started, now) = (Instant::now(), Timestamp::now());
        let verifier = Verifier { session: &session, policy: &policy, now, limits: &limits, trust: None };
        let _ = verifier.verify(&reference, None).await.expect("an answer");
        verified.push(started.elapsed());
    }
    let [asked, verified] = [asked, verified].map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let more = millis(asked) - millis(verified);
    let measured = format!("{:.2} ms, the verification alone {:.2} ms", millis(asked), millis(verified));
    row("a review that is verified anew, p50", &measured, "verification + 5 ms", more <= 5.0);
}

/// Seconds of processor time that a process has used.
fn processor(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux");
    let after = stat.rsplit(')').next().expect("fields");
    let ticks: f64 =
        after.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("a number")).sum();
    // Linux shows 100 a second, whatever the kernel counts by.
    ticks / 100.0
}
