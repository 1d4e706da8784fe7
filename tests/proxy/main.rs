//! `boltseal serve proxy` as a program, in front of a registry in this process: what it gives out, what it refuses, and what
//! becomes of a pull where something is down, slow, broken or hostile.
#![cfg(feature = "serve")]

#[path = "../common/mod.rs"]
mod common;

mod evidence;
mod faults;
mod limits;
mod reload;
mod table;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use common::{
    images::{Row, Table},
    proxy::{Proxy, Settings},
};
use reqwest::{Client, Method, Response};
use serde_json::Value;

/// A registry, a signed and an unsigned image in it, and a proxy in front.
struct World {
    registry: Embedded,
    table: Table,
    proxy: Proxy,
    client: Client,
}

impl World {
    async fn small(options: EmbeddedOptions, change: impl FnOnce(&mut Settings)) -> Self {
        let registry = Embedded::start(options).await.expect("a registry");
        let table = Table::small(&registry.address().to_string()).await;
        Self::with(registry, table, change)
    }

    fn with(registry: Embedded, table: Table, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::of(&registry.address().to_string());
        change(&mut settings);
        let file = settings.write(table.machine.home.path());
        let proxy = tokio::task::block_in_place(|| Proxy::start(&table.machine, &file));
        Self { registry, table, proxy, client: Client::new() }
    }

    fn row(&self, what: &str) -> &Row {
        self.table.find(what)
    }

    /// Asks for a path below `/v2/`.
    async fn ask(&self, method: Method, path: &str) -> Response {
        let url = format!("http://{}/v2/{path}", self.proxy.address);
        self.client.request(method, url).send().await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).await
    }

    /// How often the registry was asked for what has this in its path.
    fn asked(&self, part: &str) -> usize {
        self.registry.requests().iter().filter(|request| request.path_and_query.contains(part)).count()
    }

    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.proxy.address);
        self.client.get(url).send().await.expect("an answer").text().await.expect("a text")
    }
}

async fn json(answer: Response) -> Value {
    let text = answer.text().await.expect("a text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The error of an answer in the distribution specification's JSON: status, code, message.
async fn error(answer: Response) -> (u16, String, String) {
    let (status, id) = (answer.status().as_u16(), answer.headers()["x-request-id"].to_str().expect("an id").to_owned());
    let value: Value = json(answer).await;
    let one = &value["errors"][0];
    let text = |name: &str| one[name].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    assert_eq!(one["detail"]["request"], id.as_str());
    assert!(text("message").contains(&id), "{value}");
    (status, text("code"), text("message"))
}

/// An image of an index, and its layer, as the registry has them.
async fn of_registry(world: &World, place: &str, index: &str) -> (String, String) {
    let at = |path: String| format!("http://{}/v2/{place}/manifests/{path}", world.registry.address());
    let get = async |path: String| -> Value { json(world.client.get(at(path)).send().await.expect("an answer")).await };
    let image = get(index.to_owned()).await["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let layer = get(image.clone()).await["layers"][0]["digest"].as_str().expect("a digest").to_owned();
    world.registry.forget_requests();
    (image, layer)
}
