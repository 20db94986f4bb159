//! The files of `deploy/`, against those that they take the place of, and against the program.
//!
//! **Limits.** Nothing here builds an image or talks to a cluster: the files are read, and the
//! program is run as they would have it run (`container`).

mod container;
mod istio;
mod kong;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gatelog::config::{self, Config};
use serde_json::{Value, json};

/// The Kubernetes file of the Go db-log-collector, as its documentation has it, but for the image and
/// for the value of `MYSQL_DSN`, which is in a Secret here.
const REFERENCE: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: log-collector
  namespace: higress-system
  labels:
    app: log-collector
spec:
  replicas: 1
  selector:
    matchLabels:
      app: log-collector
  template:
    metadata:
      labels:
        app: log-collector
    spec:
      containers:
      - name: collector
        ports:
        - containerPort: 8080
        env:
        - name: MYSQL_DSN
        resources:
          limits:
            cpu: "500m"
            memory: "512Mi"
          requests:
            cpu: "100m"
            memory: "128Mi"
        livenessProbe:
          httpGet:
            path: /health
            port: 8080
          initialDelaySeconds: 10
          periodSeconds: 10
        readinessProbe:
          httpGet:
            path: /health
            port: 8080
          initialDelaySeconds: 5
          periodSeconds: 5
---
apiVersion: v1
kind: Service
metadata:
  name: log-collector
  namespace: higress-system
spec:
  selector:
    app: log-collector
  ports:
  - port: 80
    targetPort: 8080
    protocol: TCP
  type: ClusterIP
"#;

const ONE: &str = "deploy/kubernetes/log-collector.yaml";
const SEVERAL: &str = "deploy/kubernetes/replicas/log-collector.yaml";
const SECRET: &str = "deploy/kubernetes/secret.yaml";
const COMPOSE: &str = "deploy/docker/compose.yaml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The only document of a kind (and of a name, if there are several).
fn document(path: &str, kind: &str) -> Value {
    let mut found = documents(path);
    found.retain(|document| {
        let name = document["metadata"]["name"].as_str();
        document["kind"] == kind && name == Some("log-collector")
    });
    assert_eq!(found.len(), 1, "{path}: {kind}");
    found.remove(0)
}

/// The pods of the deployment, or of the stateful set.
fn pod(path: &str) -> Value {
    let kind = if path == ONE {
        "Deployment"
    } else {
        "StatefulSet"
    };
    document(path, kind)["spec"]["template"]["spec"].take()
}

/// What of `expected` is not, or is otherwise, in `found`. Mappings and lists may have more.
fn missing(expected: &Value, found: &Value, place: &str) -> Vec<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .flat_map(|(key, value)| {
                let there = found.get(key).unwrap_or(&Value::Null);
                missing(value, there, &format!("{place}/{key}"))
            })
            .collect(),
        (Value::Array(expected), Value::Array(found)) => expected
            .iter()
            .enumerate()
            .flat_map(|(index, value)| {
                let there = found.get(index).unwrap_or(&Value::Null);
                missing(value, there, &format!("{place}/{index}"))
            })
            .collect(),
        _ if expected == found => Vec::new(),
        _ => vec![format!("{place}: {expected} is {found}")],
    }
}

/// The instructions of the Dockerfile: name and arguments, lines that are continued in one.
fn dockerfile() -> Vec<(String, String)> {
    text("deploy/docker/Dockerfile")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("\\\n", " ")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, arguments)| (name.to_owned(), arguments.trim().to_owned()))
        .collect()
}

/// The arguments of the last instruction of that name: those of the final image.
fn instruction(name: &str) -> String {
    let mut all = dockerfile();
    all.retain(|(found, _)| found == name);
    all.pop().unwrap_or_else(|| panic!("no {name}")).1
}

/// The environment that the image sets, and the Kubernetes files with their Secret.
fn environment(path: &str) -> Vec<(String, String)> {
    let (name, value) = instruction("ENV")
        .split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .unwrap();
    let mut variables = vec![(name, value)];
    let secret = document(SECRET, "Secret");
    for variable in pod(path)["containers"][0]["env"].as_array().unwrap() {
        let from = &variable["valueFrom"]["secretKeyRef"];
        assert_eq!(from["name"], secret["metadata"]["name"]);
        let value = &secret["stringData"][from["key"].as_str().unwrap()];
        variables.push((
            variable["name"].as_str().unwrap().to_owned(),
            value.as_str().unwrap().to_owned(),
        ));
    }
    variables
}

#[test]
fn the_kubernetes_files_have_all_that_the_references_has() {
    let reference: Vec<Value> = serde_saphyr::from_multiple(REFERENCE).unwrap();
    assert_eq!(
        missing(&reference[0], &document(ONE, "Deployment"), ""),
        [""; 0]
    );
    let set = document(SEVERAL, "StatefulSet");
    assert_eq!(
        missing(&reference[0], &set, ""),
        [
            r#"/kind: "Deployment" is "StatefulSet""#,
            "/spec/replicas: 1 is 2"
        ]
    );
    for path in [ONE, SEVERAL] {
        let service = document(path, "Service");
        assert_eq!(missing(&reference[1], &service, ""), [""; 0], "{path}");
        let container = &pod(path)["containers"][0];
        assert_eq!(container["env"].as_array().unwrap().len(), 1, "{path}");
    }
}

#[test]
fn pods_have_no_right_that_gatelog_does_not_need() {
    let expected = json!({
        "enableServiceLinks": false,
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
        }],
    });
    let user = instruction("USER");
    for path in [ONE, SEVERAL] {
        let pod = pod(path);
        assert_eq!(missing(&expected, &pod, ""), [""; 0], "{path}");
        let security = &pod["securityContext"];
        let ids = format!("{}:{}", security["runAsUser"], security["runAsGroup"]);
        assert_eq!(ids, user, "{path}: the user of the image");
        assert_eq!(security["fsGroup"], security["runAsGroup"], "{path}");
    }
    let service = &documents(COMPOSE)[0]["services"]["log-collector"];
    assert_eq!(service["read_only"], true);
    assert_eq!(service["cap_drop"], json!(["ALL"]));
    assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]));
}

#[test]
fn the_journal_is_on_a_volume_with_room_for_all_that_gatelog_may_keep() {
    let data_dir = instruction("VOLUME");
    assert_eq!(instruction("ENV"), format!("GATELOG_DATA_DIR={data_dir}"));
    let one = document(ONE, "Deployment");
    // Two pods on one volume would be two processes on one journal.
    assert_eq!(one["spec"]["strategy"], json!({ "type": "Recreate" }));
    assert_eq!(
        pod(ONE)["volumes"],
        json!([{ "name": "journal", "persistentVolumeClaim": { "claimName": "log-collector" } }])
    );
    let claim = document(ONE, "PersistentVolumeClaim");
    let template = &document(SEVERAL, "StatefulSet")["spec"]["volumeClaimTemplates"][0];
    assert_eq!(template["metadata"]["name"], "journal");
    assert_eq!(template["spec"], claim["spec"]);
    for path in [ONE, SEVERAL] {
        let mounts = &pod(path)["containers"][0]["volumeMounts"];
        let expected = json!([{ "name": "journal", "mountPath": data_dir }]);
        assert_eq!(*mounts, expected, "{path}");
    }
    let compose = &documents(COMPOSE)[0];
    let mounts = &compose["services"]["log-collector"]["volumes"];
    assert_eq!(*mounts, json!([format!("journal:{data_dir}")]));
    assert!(compose["volumes"].get("journal").is_some());

    let defaults = Config::default();
    let kept = defaults.journal.max_bytes + defaults.dead_letter.max_bytes;
    let storage = claim["spec"]["resources"]["requests"]["storage"].as_str();
    let gib: u64 = storage
        .unwrap()
        .strip_suffix("Gi")
        .unwrap()
        .parse()
        .unwrap();
    assert!(gib << 30 >= (kept + defaults.journal.reserve_bytes).as_u64());
}

#[test]
fn every_variable_is_one_that_gatelog_takes() {
    for path in [ONE, SEVERAL] {
        let config = config::load(None, environment(path)).unwrap();
        assert_eq!(config.data_dir, Path::new(&instruction("VOLUME")), "{path}");
        assert_eq!(config.listen.port(), 8080, "{path}");
        assert!(config.store.mysql.is_some(), "{path}");
    }
    let service = &documents(COMPOSE)[0]["services"]["log-collector"];
    let variables = service["environment"].as_object().unwrap();
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["MYSQL_DSN"]);
    let dsn = variables["MYSQL_DSN"].as_str().unwrap();
    let (before, behind) = dsn.split_once("${MARIADB_PASSWORD:?").unwrap();
    let (_, behind) = behind.split_once('}').unwrap();
    let dsn = format!("{before}p@ss{behind}");
    config::load(None, [("MYSQL_DSN", dsn)]).unwrap();
}

#[test]
fn compose_names_what_the_references_commands_name() {
    let service = &documents(COMPOSE)[0]["services"]["log-collector"];
    assert_eq!(service["container_name"], "log-collector");
    assert_eq!(service["ports"], json!(["8080:8080"]));
    assert_eq!(service["restart"], "unless-stopped");
    let limits = pod(ONE)["containers"][0]["resources"]["limits"].take();
    assert_eq!(limits, json!({ "cpu": "500m", "memory": "512Mi" }));
    assert_eq!(
        (&service["cpus"], &service["mem_limit"]),
        (&json!(0.5), &json!("512m"))
    );
    assert_eq!(
        service["build"],
        json!({ "context": "../..", "dockerfile": "deploy/docker/Dockerfile" })
    );
}

#[test]
fn the_image_is_of_this_version_and_this_compiler() {
    let image = format!("your-registry/gatelog:{}", env!("CARGO_PKG_VERSION"));
    for path in [ONE, SEVERAL] {
        assert_eq!(pod(path)["containers"][0]["image"], *image, "{path}");
    }
    let service = &documents(COMPOSE)[0]["services"]["log-collector"];
    assert_eq!(service["image"], *image);
    assert!(text("deploy/docker/Dockerfile").contains(&format!("-t {image} .")));

    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).unwrap();
    let (builder, last) = (&dockerfile()[0], instruction("FROM"));
    assert_eq!(builder.1, format!("rust:{channel}-bookworm AS build"));
    assert_eq!(last, "debian:bookworm-slim");
    assert_eq!(instruction("EXPOSE"), "8080");
    assert!(instruction("HEALTHCHECK").contains("/health"));
    assert!(instruction("RUN").contains(" wget "));
}

/// The build context leaves out all but a few names; without one of those there is nothing to build.
#[test]
fn the_build_context_has_every_package_of_the_workspace() {
    let ignore = text(".dockerignore");
    let let_in: BTreeSet<&str> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    assert!(ignore.lines().any(|line| line == "*"));
    let manifest = text("Cargo.toml");
    let members = manifest.split_once("members = [").unwrap().1;
    let members = members.split_once(']').unwrap().0;
    for member in members.split(',').map(|word| word.trim().trim_matches('"')) {
        let first = member.split('/').next().unwrap();
        assert!(first.is_empty() || let_in.contains(first), "{member}");
    }
    for needed in ["Cargo.toml", "Cargo.lock", ".cargo"] {
        assert!(let_in.contains(needed), "{needed}");
    }
    assert!(
        !let_in.contains("rust-toolchain.toml"),
        "rustup would act on it"
    );
}

#[test]
fn no_probe_asks_whether_the_database_is_there() {
    for path in [ONE, SEVERAL, COMPOSE, "deploy/docker/Dockerfile"] {
        let without_comments = text(path)
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .collect::<String>();
        assert!(!without_comments.contains("/ready"), "{path}");
    }
}

#[test]
fn the_page_names_every_file() {
    let page = text("deploy/README.md");
    let istio = [istio::FILTER, istio::TELEMETRY, istio::MESH, istio::PAGE];
    let own = [ONE, SEVERAL, SECRET, COMPOSE, "deploy/docker/Dockerfile"];
    // The plugin's; what they say is tested with it.
    let plugin = [
        "deploy/envoy/README.md",
        "deploy/envoy/access-logger.yaml",
        "deploy/envoy/hango-metadata-hub.yaml",
        "deploy/envoy/hango-set-filter-state.yaml",
        "deploy/envoy/http-filter.yaml",
        "deploy/higress/README.md",
        "deploy/higress/wasmplugin-all-routes.yaml",
        "deploy/higress/wasmplugin.yaml",
        "deploy/istio/wasmplugin.yaml",
    ];
    for path in own.into_iter().chain(istio).chain(plugin) {
        let path = path.strip_prefix("deploy/").unwrap();
        assert!(page.contains(&format!("({path})")), "{path}");
    }
}
