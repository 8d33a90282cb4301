//! What each choice of features links, read off `cargo tree`. (That every choice builds: `ci/features.sh`.)

use std::process::Command;

const SHELLS: [&str; 2] = ["loaddensity-metrics-smol", "loaddensity-metrics-tokio"];
const EXPORTERS: [&str; 4] = ["prometheus", "influxdb", "statsd", "opentelemetry"];

/// An exporter pays only for what it uses: UDP needs no HTTP, Prometheus and OTLP over HTTP no HTTP/2, and TLS and
/// compression are paid for by those who ask for them.
#[test]
fn an_exporter_links_only_what_it_needs() {
    let no_add_on = ["rustls", "ring", "flate2", "serde_json"];
    let cases: [(&str, &[&str], &[&str]); 10] = [
        ("", &["futures-io"], &["hyper", "h2", "http", "base64"]),
        ("statsd", &["futures-io"], &["hyper", "h2", "http", "base64"]),
        ("prometheus", &["hyper", "base64"], &["h2"]),
        ("influxdb", &["hyper", "base64"], &["h2"]),
        ("opentelemetry-http", &["hyper", "base64"], &["h2"]),
        ("opentelemetry", &["hyper", "h2", "base64"], &[]),
        ("influxdb,tls", &["rustls", "ring"], &["h2", "flate2", "serde_json"]),
        ("influxdb,gzip", &["flate2"], &["h2", "rustls", "serde_json"]),
        ("opentelemetry-http,gzip,tls", &["flate2", "rustls"], &["h2", "serde_json"]),
        ("action-json", &["serde_json"], &["hyper", "h2", "rustls", "flate2"]),
    ];
    for shell in SHELLS {
        for (feature, with, without) in cases {
            let linked = packages(shell, feature);
            for package in with {
                assert!(
                    linked.iter().any(|one| one == package),
                    "{shell} with {feature:?} lacks {package}: {linked:?}"
                );
            }
            let has_add_on = ["tls", "gzip", "action-json"].iter().any(|one| feature.contains(one));
            let add_ons: &[&str] = if has_add_on { &[] } else { &no_add_on };
            for package in without.iter().chain(add_ons) {
                assert!(linked.iter().all(|one| one != package), "{shell} with {feature:?} links {package}");
            }
        }
    }
}

/// Everything on, smol's shell still holds nothing of tokio but what hyper takes from it for itself.
#[test]
fn smol_links_no_tokio_runtime() {
    let all = EXPORTERS.join(",");
    let on = |shell| tokio_features(shell, &all);
    let smol = on(SHELLS[0]);
    assert!(
        smol.iter().any(|feature| feature == "sync"),
        "hyper takes tokio's `sync`; is the tree read rightly? {smol:?}"
    );
    for feature in ["rt", "rt-multi-thread", "net", "time", "process", "signal", "full"] {
        assert!(!smol.iter().any(|one| one == feature), "smol's shell switches tokio's `{feature}` on");
    }
    let tokio = on(SHELLS[1]);
    for feature in ["rt", "net", "time"] {
        assert!(
            tokio.iter().any(|one| one == feature),
            "tokio's shell needs tokio's `{feature}`; is the tree read rightly?"
        );
    }
}

/// The shell on threads links no runtime, whatever is switched on, and by default no HTTP.
#[test]
fn std_links_no_runtime() {
    const SHELL: &str = "loaddensity-metrics-std";
    let defaults = cargo_tree(&["-p", SHELL, "-e", "normal"]);
    assert!(defaults.contains("futures-lite ") && defaults.contains("async-channel "), "is the tree read rightly?");
    assert!(["hyper ", "http ", "h2 ", "serde_json "].iter().all(|package| !defaults.contains(package)), "{defaults}");
    let all = packages(SHELL, "statsd,influxdb,action-json");
    for package in ["tokio", "tokio-util", "smol", "async-io", "async-net", "async-executor", "polling"] {
        let is_linked = all.iter().any(|one| one == package);
        // hyper takes tokio's `sync` for itself, and nothing else of it.
        assert!(!is_linked || package == "tokio", "{SHELL} links {package}");
    }
    for feature in ["rt", "rt-multi-thread", "net", "time"] {
        let switched_on = tokio_features(SHELL, "statsd,influxdb,action-json");
        assert!(!switched_on.iter().any(|one| one == feature), "{SHELL} switches tokio's `{feature}` on");
    }
}

/// Peers and oracles belong to benches and tests; an embedder links none.
#[test]
fn a_shell_links_no_peer_and_no_oracle() {
    let all = EXPORTERS.join(",");
    for shell in SHELLS {
        let linked = packages(shell, &format!("{all},action-json"));
        assert!(linked.iter().any(|one| one == "hyper"), "{shell} lacks hyper; is the tree read rightly? {linked:?}");
        for package in
            ["prometheus", "opentelemetry", "opentelemetry_sdk", "opentelemetry-proto", "prost", "tonic", "cadence"]
        {
            assert!(linked.iter().all(|one| one != package), "{shell} links {package}");
        }
    }
}

/// Names of the packages that `shell` links with `features`.
fn packages(shell: &str, features: &str) -> Vec<String> {
    let tree = cargo_tree(&["-p", shell, "--no-default-features", "--features", features, "-e", "normal"]);
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Features of tokio that `shell` switches on with `features`.
fn tokio_features(shell: &str, features: &str) -> Vec<String> {
    let tree = cargo_tree(&["-p", shell, "--no-default-features", "--features", features, "-e", "normal,features"]);
    let features = tree.lines().filter_map(|line| line.strip_prefix("tokio feature \""));
    features.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

fn cargo_tree(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").expect("run by cargo");
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--offline", "--locked", "--prefix", "none"])
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
