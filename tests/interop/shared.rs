//! Two proxies share a Valkey: what one has decided the other finds; what somebody else wrote there is nothing; without it, or
//! while it goes away under load, each decides for itself.

use crate::{
    bench::Case,
    common::{
        images::Table,
        peers::{self, Kind, Registry, Valkey},
        proxy::{Proxy, Settings},
    },
};
use boltseal::limits::SERVE_DENIAL_TTL;
use redis::Commands as _;
use std::{fs, time::Duration};

pub fn cases() -> Vec<Case> {
    let needs = ["valkey-server", "docker-registry"];
    vec![
        Case::new("two proxies share their decisions, and nobody else's", &needs, shares),
        Case::new("Valkey goes away under load and comes back: no wrong answer, no restart", &needs, goes_away),
    ]
}

struct Pair {
    table: Table,
    proxies: [Proxy; 2],
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    registry: Registry,
}

fn pair(valkey: &str) -> Pair {
    let registry = peers::start(Kind::DockerRegistry);
    let address = registry.address.to_string();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let table = runtime.block_on(Table::small(&address));
    fs::write(table.file("cache.key"), [7; 32]).expect("a key");
    let cache = format!("ttl = 600\ntag-ttl = 600\nvalkey = \"{valkey}\"\nvalkey-key = \"cache.key\"");
    let file = Settings { cache, ..Settings::of(&address) }.write(table.machine.home.path());
    let proxies = [(); 2].map(|()| Proxy::start(&table.machine, &file));
    Pair { table, proxies, runtime, client: reqwest::Client::new(), registry }
}

impl Pair {
    fn status(&self, of: usize, path: &str) -> u16 {
        let url = format!("http://{}/v2/{path}", self.proxies[of].address);
        self.runtime.block_on(async { self.client.get(url).send().await.expect("an answer").status().as_u16() })
    }

    fn metrics(&self, of: usize) -> String {
        let url = format!("http://{}/metrics", self.proxies[of].address);
        self.runtime
            .block_on(async { self.client.get(url).send().await.expect("an answer").text().await.expect("text") })
    }

    fn json(&self, of: usize, path: &str) -> serde_json::Value {
        let url = format!("http://{}/v2/{path}", self.proxies[of].address);
        let text = async { self.client.get(url).send().await.expect("an answer").text().await.expect("text") };
        serde_json::from_str(&self.runtime.block_on(text)).expect("JSON")
    }
}

// [V-313]
fn shares() {
    let valkey = Valkey::start();
    let pair = pair(&valkey.url());
    let index = pair.json(0, "plain/signed/manifests/1.0");
    assert_eq!(pair.status(0, "plain/unsigned/manifests/1.0"), 403);
    // The other one is asked for an image of the index alone, as a load balancer may have it, and verifies nothing.
    let child = format!("plain/signed/manifests/{}", index["manifests"][0]["digest"].as_str().expect("a digest"));
    assert_eq!(pair.status(1, &child), 200);
    let metrics = pair.metrics(1);
    assert!(!metrics.contains("boltseal_verifications_total{"), "{metrics}");
    assert!(metrics.contains("boltseal_cache_total{result=\"shared-hit\"} 2"), "{metrics}");
    // Whoever writes there what he likes, under the names that the proxies look for: an entry of another name, and one without a
    // tag that holds.
    let mut client = redis::Client::open(valkey.url()).expect("an address").get_connection().expect("Valkey");
    let kept: Vec<String> = client.keys("boltseal:1:verdict:*").expect("names");
    let allowed: Vec<u8> = client.get(&kept[0]).expect("an entry");
    let forged = [&[0; 32], &allowed[32..]].concat();
    let _: () = redis::cmd("CONFIG").arg(&["SET", "slowlog-log-slower-than", "0"]).query(&mut client).expect("set");
    std::thread::sleep(SERVE_DENIAL_TTL + Duration::from_secs(1));
    assert_eq!(pair.status(0, "plain/unsigned/manifests/1.0"), 403);
    let log: redis::Value = redis::cmd("SLOWLOG").arg(&["GET", "100"]).query(&mut client).expect("a log");
    let log = format!("{log:?}");
    let looked_for: Vec<_> = log.split("boltseal:1:").skip(1).filter_map(|rest| rest.get(..8 + 64)).collect();
    assert!(!looked_for.is_empty(), "{log}");
    for entry in [allowed, forged] {
        for name in &looked_for {
            let _: () = client.set(format!("boltseal:1:{name}"), &entry).expect("it is written");
        }
        assert_eq!(pair.status(1, "plain/unsigned/manifests/1.0"), 403);
        std::thread::sleep(SERVE_DENIAL_TTL + Duration::from_secs(1));
    }
    let metrics = pair.metrics(1);
    assert!(metrics.contains("boltseal_cache_total{result=\"shared-forged\"} 2"), "{looked_for:?}\n{metrics}");
    drop(pair.registry);
}

fn goes_away() {
    let mut valkey = Valkey::start();
    let pair = pair(&valkey.url());
    let load = |seconds: u64| {
        let until = std::time::Instant::now() + Duration::from_secs(seconds);
        let mut asked = 0;
        while std::time::Instant::now() < until {
            for of in [0, 1] {
                assert_eq!(pair.status(of, "plain/signed/manifests/1.0"), 200);
                assert_eq!(
                    pair.status(of, &format!("plain/signed/manifests/{}", pair.table.find("signed").served)),
                    200
                );
                assert_eq!(pair.status(of, "plain/unsigned/manifests/1.0"), 403);
                asked += 3;
            }
        }
        asked
    };
    assert!(load(1) > 10);
    valkey.kill();
    // Longer than denials are held: each of them is a question to who is not there.
    assert!(load(7) > 10);
    let errors = |of| pair.metrics(of).contains("shared-error");
    assert!(errors(0) && errors(1), "{}", pair.metrics(0));
    valkey.restart();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(pair.status(0, "plain/unsigned/manifests/2.0"), 404);
    load(6);
    let mut client = redis::Client::open(valkey.url()).expect("an address").get_connection().expect("Valkey");
    let asked: String = redis::cmd("INFO").arg("commandstats").query(&mut client).expect("statistics");
    assert!(asked.contains("cmdstat_getrange:calls="), "nobody came back: {asked}");
}
