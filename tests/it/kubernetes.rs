//! The manifests for Kubernetes, against the program that they run. That they
//! are what Kubernetes understands is for `etc/check-kubernetes`.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::path::Path;
use std::time::Duration;

use budgetd::config::{self, Config, Sources};
use serde_json::{Value, json};

mod probes;

/// What closing may take once nothing is in flight: `CLOSING` of the daemon.
const CLOSING: Duration = Duration::from_secs(10);

fn manifest(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/kubernetes");
    let text = std::fs::read_to_string(path.join(format!("{name}.yaml"))).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The pods that the Deployment makes.
fn pod() -> Value {
    manifest("deployment")["spec"]["template"].clone()
}

fn container() -> Value {
    pod()["spec"]["containers"][0].clone()
}

/// The configuration file that they get.
fn file() -> String {
    let text = &manifest("configuration")["data"]["budgetd.toml"];
    text.as_str().unwrap().to_owned()
}

fn configuration() -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("budgetd.toml");
    std::fs::write(&path, file()).unwrap();
    let sources = Sources {
        files: vec![path],
        ..Sources::default()
    };
    config::load(&sources).unwrap().config
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap())
}

/// The number behind the name of a port.
fn port(name: &Value) -> u64 {
    let ports = container()["ports"].as_array().unwrap().clone();
    let found = ports.iter().find(|port| port["name"] == *name);
    found.unwrap_or_else(|| panic!("no port is called {name}"))["containerPort"]
        .as_u64()
        .unwrap()
}

#[test]
fn what_names_something_names_something_that_exists() {
    let labels = &pod()["metadata"]["labels"];
    let deployment = manifest("deployment");
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &manifest("service")["spec"]["selector"],
        &manifest("disruption-budget")["spec"]["selector"]["matchLabels"],
        &manifest("network-policy")["spec"]["podSelector"]["matchLabels"],
        &pod()["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    let scaled = &manifest("autoscaler")["spec"]["scaleTargetRef"]["name"];
    assert_eq!(scaled, &deployment["metadata"]["name"]);
    let volumes = pod()["spec"]["volumes"].clone();
    let configuration = &manifest("configuration")["metadata"]["name"];
    assert_eq!(&volumes[0]["configMap"]["name"], configuration);
    // budgetd reads this file without being told.
    let mounts = container()["volumeMounts"].clone();
    let read = Path::new(config::DEFAULT_FILE).parent().unwrap();
    assert_eq!(mounts[0]["mountPath"].as_str(), read.to_str());
    assert_eq!(mounts[1]["mountPath"], container()["env"][0]["value"]);

    let service = &manifest("service")["spec"]["ports"][0]["targetPort"];
    assert_eq!(port(service), 8000);
    for rule in manifest("network-policy")["spec"]["ingress"]
        .as_array()
        .unwrap()
    {
        port(&rule["ports"][0]["port"]);
    }
    let listens = config_listens();
    assert_eq!(listens, [port(&json!("http")), port(&json!("admin"))]);
}

/// The ports that the file says.
fn config_listens() -> [u64; 2] {
    let parsed: toml::Table = file().parse().unwrap();
    ["api", "admin"].map(|section| {
        let listen = parsed[section]["listen"].as_str().unwrap();
        let port = listen.strip_prefix("0.0.0.0:").unwrap();
        port.parse().unwrap()
    })
}

#[test]
fn a_pod_has_the_time_that_it_needs_to_leave() {
    let lifecycle = configuration().lifecycle;
    let needs = lifecycle.drain_delay + lifecycle.drain_timeout + CLOSING;
    let has = seconds(&pod()["spec"]["terminationGracePeriodSeconds"]);
    assert!(has > needs, "{has:?} for {needs:?}");
    assert!(container().get("lifecycle").is_none(), "a hook adds to it");
    // What does not hear of its end otherwise sees it by probing.
    let probe = &container()["readinessProbe"];
    let rounds = u32::try_from(probe["failureThreshold"].as_u64().unwrap()).unwrap();
    let notices = (seconds(&probe["periodSeconds"]) + seconds(&probe["timeoutSeconds"])) * rounds;
    assert!(notices < lifecycle.drain_delay, "{notices:?}");
}

/// What `docs/kubernetes.md` counts.
#[test]
fn all_pods_together_have_enough_connections() {
    let autoscaler = &manifest("autoscaler")["spec"];
    let surge = &manifest("deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"];
    let pods = autoscaler["maxReplicas"].as_u64().unwrap() + surge.as_u64().unwrap();
    let each = configuration().database.pool_size as u64 + probes::BESIDE_THE_POOL;
    let migrating = 1;
    let all = pods * each + migrating;
    // Postgres has 100, and keeps 3 for superusers.
    assert!(all <= 97, "{all}: {pods} pods with {each} each");
    let page = std::fs::read_to_string("docs/kubernetes.md").unwrap();
    assert!(page.contains(&format!(" = {all}\n")), "it comes to {all}");
}
