//! A real API server asks the webhook, and kubectl is told what comes of it.

mod cluster;

use crate::{
    bench::{Case, says},
    common::{
        images::{Expected, Table},
        peers::{self, Kind, Registry},
    },
    webhook::{Webhook, configure},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::serve::admission::PullSecretsOf;
use cluster::Cluster;
use serde_json::{Value, json};
use std::{fs, path::Path};

const NEEDS: [&str; 4] = ["kube-apiserver", "etcd", "kubectl", "docker-registry"];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("kubectl creates what the policy allows, by its digest, and nothing else", &NEEDS, table),
        Case::new("kubectl is refused while boltseal is down or slow, and what runs goes on", &NEEDS, fails_closed),
        Case::new("pull secrets are read from a real API server", &NEEDS, pull_secrets),
        Case::new("updates that change no pod are not asked about, and all others are", &["cel"], conditions),
        Case::new("kustomize and Helm install the same", &["kubectl", "helm"], deployed_alike),
    ]
}

struct World {
    cluster: Cluster,
    webhook: Webhook,
    table: Table,
    _registry: Registry,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(small: bool) -> Self {
        let registry = peers::start(Kind::DockerRegistry);
        let address = registry.address.to_string();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let build = async { if small { Table::small(&address).await } else { Table::build(&address).await } };
        let table = runtime.block_on(build);
        let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
        let cluster = Cluster::start();
        let world = Self { cluster, webhook, table, _registry: registry, runtime };
        world.register(10);
        world
    }

    /// Registers the webhooks as they are installed, but that they are found by an address, and without `matchConditions`: this API
    /// server, 1.20.2, does not know them, and asks about every update. What they say: [`conditions`].
    fn register(&self, seconds: u64) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/base/webhooks.yaml");
        let text = fs::read_to_string(path).expect("the webhooks");
        let mut configurations: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        for configuration in &mut configurations {
            let webhook = &mut configuration["webhooks"][0];
            let path = webhook["clientConfig"]["service"]["path"].as_str().expect("a path").to_owned();
            webhook["clientConfig"] = json!({
                "url": format!("https://{}{path}", self.webhook.address),
                "caBundle": STANDARD.encode(&self.webhook.authority),
            });
            webhook["timeoutSeconds"] = seconds.into();
            assert!(webhook.as_object_mut().expect("a webhook").remove("matchConditions").is_some());
        }
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": configurations });
        self.cluster.apply("webhooks.json", &list.to_string()).expect(0);
        // The API server takes them up within a moment.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let evil = &self.table.find("unsigned").name;
        while self.cluster.kubectl(&["run", "probe", "--dry-run=server", "--image", evil]).code == 0 {
            assert!(std::time::Instant::now() < patience, "the webhooks are not asked");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    fn image_of(&self, pod: &str) -> String {
        self.cluster.kubectl(&["get", "pod", pod, "-o", "jsonpath={.spec.containers[0].image}"]).expect(0).stdout
    }
}

fn table() {
    let world = World::new(false);
    for (at, row) in world.table.rows.iter().enumerate() {
        for (how, name) in [("tag", row.by_tag()), ("digest", row.by_digest())] {
            let pod = format!("p{at}-{how}");
            let ran = world.cluster.kubectl(&["run", &pod, "--image", &name]);
            let expected = match &row.expected {
                Expected::Allowed(_) if name.contains('@') => Expected::Allowed(row.served.clone()),
                Expected::Denied("not-listed" | "rollback") if name.contains('@') => Expected::Denied(""),
                expected => expected.clone(),
            };
            match expected {
                Expected::Allowed(digest) => {
                    ran.expect(0);
                    let bare = name.split('@').next().expect("a name");
                    assert_eq!(world.image_of(&pod), format!("{bare}@{digest}"), "{}", row.what);
                }
                Expected::Denied(id) => {
                    let ran = ran.expect(1);
                    assert!(ran.stderr.contains("denied: ") && ran.stderr.contains(id), "{}: {}", row.what, ran.stderr);
                }
                Expected::Unknown => says(&ran.expect(1), "could not tell"),
            }
        }
    }
    kinds(&world);
}

/// Everything with a pod template, and what comes later to a pod.
fn kinds(world: &World) {
    let (good, evil) = (&world.table.find("signed").name, &world.table.find("unsigned").name);
    let digest = &world.table.find("signed").served;
    let kubectl = |arguments: &[&str]| world.cluster.kubectl(arguments);
    kubectl(&["create", "deployment", "good", "--image", good]).expect(0);
    let image = ["get", "deployment", "good", "-o", "jsonpath={.spec.template.spec.containers[0].image}"];
    assert_eq!(kubectl(&image).expect(0).stdout, format!("{good}@{digest}"));
    for kind in ["deployment", "job"] {
        let ran = kubectl(&["create", kind, "evil", "--image", evil]).expect(1);
        says(&ran, "/spec/template/spec/containers/0/image");
        says(&ran, "denied: unsigned");
    }
    let cron = json!({
        "apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": { "name": "evil" },
        "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": { "template": { "spec": {
            "restartPolicy": "Never", "containers": [{ "name": "a", "image": evil }] } } } } },
    });
    says(
        &world.cluster.apply("cron.json", &cron.to_string()).expect(1),
        "/spec/jobTemplate/spec/template/spec/containers/0/image",
    );
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "init" },
        "spec": { "initContainers": [{ "name": "i", "image": evil }], "containers": [{ "name": "a", "image": good }] },
    });
    says(&world.cluster.apply("init.json", &pod.to_string()).expect(1), "/spec/initContainers/0/image");
    kubectl(&["run", "running", "--image", good]).expect(0);
    let image = format!("*={evil}");
    says(&kubectl(&["set", "image", "pod/running", &image]).expect(1), "denied: unsigned");
    says(&kubectl(&["set", "image", "deployment/good", &image]).expect(1), "denied: unsigned");
    says(&kubectl(&["run", "dry", "--dry-run=server", "--image", evil]).expect(1), "denied: unsigned");
    // From now on the policy allows nothing; what is there already can still be handled.
    fs::write(world.table.policy(), "version: 1\nimages: {}\n").expect("a policy");
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while kubectl(&["run", "later", "--dry-run=server", "--image", good]).code == 0 {
        assert!(std::time::Instant::now() < patience, "the new policy is not taken up");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    for line in [
        &["annotate", "deployment", "good", "a=b"][..],
        &["annotate", "pod", "running", "a=b"],
        &["scale", "deployment", "good", "--replicas=2"],
        &["delete", "deployment", "good", "--wait=false"],
        &["delete", "pod", "running", "--wait=false", "--force"],
    ] {
        kubectl(line).expect(0);
    }
}

fn fails_closed() {
    let mut world = World::new(true);
    let good = world.table.find("signed").name.clone();
    world.cluster.kubectl(&["create", "deployment", "before", "--image", &good]).expect(0);
    // The registry takes connections and says nothing: the webhook answers before the API server gives up.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let slow = format!("{}/plain/app:1.0", silent.local_addr().expect("an address"));
    world.register(2);
    let ran = world.cluster.kubectl(&["run", "slow", "--image", &slow]).expect(1);
    says(&ran, "could not tell: no result within the webhook's deadline");
    // Down.
    let _ = world.runtime.block_on(async {
        std::process::Command::new("kill").args(["-9", &world.webhook.process().to_string()]).status()
    });
    let ran = world.cluster.kubectl(&["run", "down", "--image", &good]).expect(1);
    says(&ran, "failed calling webhook");
    world.cluster.kubectl(&["scale", "deployment", "before", "--replicas=2"]).expect(0);
    world.cluster.kubectl(&["delete", "deployment", "before", "--wait=false"]).expect(0);
    // Another one is asked again; nothing was remembered of the time between.
    world.webhook = Webhook::start(&world.table, &configure(&world.table, "", ""), &[]);
    world.register(10);
    world.cluster.kubectl(&["run", "up", "--image", &good]).expect(0);
}

fn pull_secrets() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (registry, table, _) = runtime.block_on(crate::webhook::private("alice:s3cret"));
    let cluster = Cluster::start();
    cluster.kubectl(&["create", "namespace", "shop"]).expect(0);
    let server = format!("--docker-server={}", table.address);
    let secret = ["create", "secret", "docker-registry", "regcred", "-n", "shop", &server];
    let words = ["--docker-username=alice", "--docker-password=s3cret"];
    cluster.kubectl(&[&secret[..], &words].concat()).expect(0);
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "builder", "namespace": "shop" },
        "imagePullSecrets": [{ "name": "regcred" }],
    });
    cluster.apply("account.json", &account.to_string()).expect(0);
    let kubeconfig = cluster.kubeconfig().display().to_string();
    let config = configure(&table, "pull-secrets = true", "");
    let webhook = Webhook::start(&table, &config, &[("KUBECONFIG", &kubeconfig)]);
    let image = format!("{}@{}", table.find("signed").name, table.find("signed").served);
    for (namespace, member, value, allowed) in [
        ("shop", "imagePullSecrets", json!([{ "name": "regcred" }]), true),
        ("shop", "serviceAccountName", "builder".into(), true),
        ("shop", "imagePullSecrets", json!([{ "name": "other" }]), false),
        ("default", "imagePullSecrets", json!([{ "name": "regcred" }]), false),
    ] {
        let mut review = crate::webhook::pod(&[&image]);
        review["request"]["namespace"] = namespace.into();
        review["request"]["object"]["spec"][member] = value;
        let answered = runtime.block_on(webhook.ask("/validate", &review));
        assert_eq!(answered.allowed(), allowed, "{namespace} {member}: {answered:?}");
    }
    drop(registry);
}

/// The condition of the webhooks, on objects that Kubernetes sent.
fn conditions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(folder.join("deploy/kustomize/base/webhooks.yaml")).expect("the webhooks");
    let configurations: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let condition = configurations[0]["webhooks"][0]["matchConditions"][0]["expression"].as_str().expect("a text");
    let mut cases = Vec::new();
    for name in ["pod", "deployment", "replicationcontroller", "cronjob", "podtemplate"] {
        let path = folder.join(format!("testdata/kubernetes/{name}.json"));
        let review: Value = serde_json::from_str(&fs::read_to_string(path).expect("a review")).expect("JSON");
        let (kind, old) = (&review["request"]["kind"], &review["request"]["object"]);
        let mut case = |what: &str, operation: &str, kind: &Value, object: &Value, old: &Value, asked: bool| {
            let variables = json!({
                "request": { "operation": operation, "kind": kind }, "object": object, "oldObject": old,
            });
            cases.push((format!("{name}: {what}"), variables, asked));
        };
        case("new", "CREATE", kind, old, &Value::Null, true);
        let mut marked = old.clone();
        marked["metadata"] = json!({ "name": "other", "finalizers": ["a.example/b"] });
        marked["status"] = json!({ "observedGeneration": 2 });
        if old["spec"].get("replicas").is_some() {
            marked["spec"]["replicas"] = json!(9);
        }
        case("what is no pod", "UPDATE", kind, &marked, old, name == "podtemplate");
        let custom = json!({ "group": "x.example", "version": "v1", "kind": "Fleet" });
        case("another group", "UPDATE", &custom, &marked, old, true);
        let image = old.to_string().replace("registry.example.test/app", "registry.example.test/other");
        let image: Value = serde_json::from_str(&image).expect("JSON");
        assert_ne!(&image, old);
        case("an image", "UPDATE", kind, &image, old, true);
        let mut without = old.clone();
        without.as_object_mut().expect("an object").remove("spec");
        case("a description that was not there", "UPDATE", kind, old, &without, true);
        if old["spec"].get("template").is_some() {
            without["spec"] = json!({ "replicas": 1 });
            case("a template that was not there", "UPDATE", kind, old, &without, true);
            case("a template that goes", "UPDATE", kind, &without, old, true);
        }
    }
    let variables: Vec<_> = cases.iter().map(|(_, variables, _)| variables).collect();
    let variables = serde_json::to_string(&variables).expect("JSON");
    let mut command = std::process::Command::new(peers::folder().join("cel"));
    let found = crate::common::Ran::of(command.args([condition, &variables])).expect(0).stdout;
    let found: Vec<bool> = serde_json::from_str(&found).expect("a list");
    assert_eq!(found.len(), cases.len());
    for ((what, _, asked), found) in cases.iter().zip(found) {
        assert_eq!(found, *asked, "{what}");
    }
}

/// By kind and name, without where they are and how they are labelled.
fn objects(text: &str) -> Vec<(String, Value)> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    let named = documents.into_iter().filter(|document| document.is_object()).map(|mut document| {
        let metadata = document["metadata"].as_object_mut().expect("metadata");
        metadata.remove("labels");
        metadata.remove("namespace");
        (format!("{} {}", document["kind"], document["metadata"]["name"]), document)
    });
    let mut objects: Vec<_> = named.filter(|(name, _)| !name.starts_with("\"Namespace\"")).collect();
    objects.sort_by(|one, other| one.0.cmp(&other.0));
    objects
}

fn deployed_alike() {
    let deploy = format!("{}/deploy", env!("CARGO_MANIFEST_DIR"));
    let run = |tool: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(peers::folder().join(tool));
        crate::common::Ran::of(command.args(arguments)).expect(0).stdout
    };
    let kustomized = objects(&run("kubectl", &["kustomize", &format!("{deploy}/kustomize/cert-manager")]));
    let chart = format!("{deploy}/helm/boltseal");
    assert_eq!(objects(&run("helm", &[&chart, "boltseal", "boltseal-system"])), kustomized);
    let net = objects(&run("kubectl", &["kustomize", &format!("{deploy}/kustomize/digest-only")]));
    let values = json!({
        "digestOnly": true, "effect": "warn", "policies": { "strict": "strict.yaml" }, "credentialsSecret": "auth",
        "server": { "client-ca": "callers.pem" }, "judge": { "registry-ca": ["ca.pem"], "lock": "boltseal.lock" },
        "cache": { "valkey": "rediss://valkey", "valkey-key": "/etc/boltseal-secrets/valkey/key" }, "secrets": ["valkey"],
        "pullSecrets": { "enabled": true, "namespaces": ["shop"] }, "certificates": { "certManager": false, "caBundle": "PEM" },
    });
    let rich = objects(&run("helm", &[&chart, "boltseal", "boltseal-system", &values.to_string()]));
    let find =
        |name: &str| rich.iter().find(|(found, _)| found == name).map(|(_, object)| object).expect("it is there");
    for (name, object) in &net {
        assert_eq!(find(name), object);
    }
    let settings = find("\"ConfigMap\" \"boltseal\"")["data"]["admission.toml"].as_str().expect("settings").to_owned();
    let settings: boltseal::serve::admission::AdmissionSettings = toml::from_str(&settings).expect("settings");
    assert_eq!(settings.pull_secrets, PullSecretsOf::Namespaces(["shop".to_owned()].into()));
    assert!(settings.policies.contains_key("strict") && settings.judge.auth_file.is_some());
    assert!(
        settings.server.client_ca.is_some() && settings.judge.lock.is_some() && settings.judge.registry_ca.len() == 1
    );
    assert!(settings.cache.valkey.is_some() && settings.cache.valkey_key.is_some());
    for (kind, hook) in [("Mutating", "mutate"), ("Validating", "validate")] {
        let hooks = &find(&format!("\"{kind}WebhookConfiguration\" \"boltseal\""))["webhooks"];
        assert_eq!(hooks[1]["clientConfig"]["service"]["path"], format!("/{hook}/strict"));
        assert_eq!(hooks[1]["namespaceSelector"]["matchLabels"], json!({ "boltseal.dev/policy": "strict" }));
        assert_eq!(hooks[1]["reinvocationPolicy"], hooks[0]["reinvocationPolicy"]);
    }
    assert_eq!(find("\"RoleBinding\" \"boltseal-pull-secrets\"")["subjects"][0]["name"], "boltseal");
    // A second release, for one namespace alone: nothing that is cluster-wide is the first one's, too.
    let values = json!({
        "digestOnly": true, "pullSecrets": { "enabled": true }, "webhooks": { "onlyNamespaces": ["dev"] },
    });
    let second = objects(&run("helm", &[&chart, "dev", "boltseal-dev", &values.to_string()]));
    let cluster: Vec<_> = second
        .iter()
        .filter(|(name, _)| {
            name.contains("WebhookConfiguration") || name.contains("Cluster") || name.contains("AdmissionPolicy")
        })
        .collect();
    assert_eq!(cluster.len(), 6, "{cluster:?}");
    for (name, object) in cluster {
        assert!(object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("dev")), "{name}");
        if name.contains("WebhookConfiguration") {
            let only = json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["dev"] });
            assert_eq!(object["webhooks"][0]["namespaceSelector"]["matchExpressions"][1], only);
        }
    }
}
