//! `--json`: stdout for programs, stderr for people.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use loaddensity_metrics_vectors::closed_port::ClosedPort;
use serde_json::Value;

use crate::process::run;

/// A load that fails, half a second long, with a sink that nobody listens to and a page that nobody scrapes.
fn lossy_document() -> (String, ClosedPort) {
    let closed = ClosedPort::new().expect("a port");
    let address = closed.address().expect("bound");
    let document = format!(
        r#"[["LD_start_prometheus_exporter", {{"port": 0}}], ["LD_start_statsd_sink", ["127.0.0.1", {}]],
            ["LD_start_test", {{"user_detail_dict": {{"user": "fast_http_user"}}, "user_count": 2, "test_time": 0.5,
              "max_rate": 200, "tasks": [{{"method": "get", "request_url": "http://{address}/", "name": "x"}}]}}],
            ["LD_unknown"]]"#,
        address.port()
    );
    (document, closed)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

#[test]
fn a_document_is_one_object_with_the_numbers_of_the_table() {
    let (document, _closed) = lossy_document();
    let ended = run(&["run-str", &document, "--json"]).with_code(1);
    let [object] = &ended.objects()[..] else { panic!("{}", ended.stdout) };
    assert_eq!((object["kind"].as_str(), object["document"].as_str()), (Some("document"), Some("run-str")));
    let errors = object["errors"].as_array().expect("errors");
    assert!(errors.len() == 1 && errors[0].as_str().expect("text").contains("LD_unknown"), "{errors:?}");

    let load = &object["load_tests"][0];
    let requests = number(&load["requests"]);
    assert!(requests > 0 && number(&load["failures"]) == requests, "{load}");
    let reasons = load["failure_reasons"].as_array().expect("reasons");
    assert_eq!(reasons.iter().map(|reason| number(&reason["requests"])).sum::<u64>(), requests, "{load}");
    assert!(number(&load["latency_ns"]["min"]) <= number(&load["latency_ns"]["max"]), "{load}");
    assert!(load["seconds"].as_f64().expect("a number") >= 0.5, "{load}");

    let exporters = object["exporters"].as_array().expect("runs");
    assert_eq!(
        exporters.iter().map(|run| run["exporter"].as_str()).collect::<Vec<_>>(),
        [Some("prometheus"), Some("statsd")]
    );
    for run in exporters {
        let dropped: u64 = run["dropped"].as_object().expect("reasons").values().map(number).sum();
        assert_eq!(number(&run["recorded"]), requests);
        assert_eq!(number(&run["sent"]) + dropped + number(&run["held"]), requests, "{run}");
        assert_eq!(run["delivered"], Value::Bool(false), "{run}");
        let name = run["exporter"].as_str().expect("a name");
        let row = ended.stderr.lines().find(|line| line.starts_with(name) && line.contains(&format!("{requests}")));
        let row = row.unwrap_or_else(|| panic!("no row of {name}: {}", ended.stderr));
        assert!(row.split_whitespace().any(|column| column == dropped.to_string()), "{row}");
    }
    assert_eq!(number(&exporters[0]["dropped"]["unscraped"]), requests);
    assert_eq!(keys(&object["storage"]).len(), 5);
}

#[test]
fn every_document_of_a_folder_has_a_line_and_one_that_cannot_be_read_says_why() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("json_folder");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in [("a.json", "[]"), ("b.json", "{"), ("c.json", r#"[["LD_stop_statsd_sink"]]"#)] {
        fs::write(folder.join(name), text).expect("a file");
    }
    let ended = run(&["run-dir", folder.to_str().expect("UTF-8"), "--json"]).with_code(1);
    let objects = ended.objects();
    let named = |at: usize, name: &str| objects[at]["document"].as_str().expect("a path").ends_with(name);
    assert!(objects.len() == 3 && named(0, "a.json") && named(1, "b.json") && named(2, "c.json"), "{}", ended.stdout);
    let errors = |at: usize| objects[at]["errors"].as_array().expect("errors").len();
    assert_eq!([errors(0), errors(1), errors(2)], [0, 1, 0], "{}", ended.stdout);
    assert_eq!(objects[1]["storage"], Value::Null);
    let shape = keys(&objects[0]);
    assert!(objects.iter().all(|object| keys(object) == shape), "{}", ended.stdout);
}

#[test]
fn costs_are_one_object_whose_rows_people_find_on_stderr() {
    let flags = ["cost", "--json", "--seconds", "0.1", "--series", "20", "--threads", "2", "--rate", "1000"];
    let ended = run(&[&flags[..], &["--between", "4096"]].concat()).with_code(0);
    let [object] = &ended.objects()[..] else { panic!("{}", ended.stdout) };
    assert_eq!(object["kind"], "cost");
    assert_eq!(number(&object["load"]["requests_per_second"]), 1_000);
    assert_eq!(number(&object["load"]["between_bytes"]), 4_096);
    assert_eq!(object["debug_build"], Value::Bool(cfg!(debug_assertions)));
    let machine = &object["machine"];
    assert!(number(&machine["cores"]) > 0 && machine["is_busy"].is_boolean(), "{machine}");
    let share = machine["off_core_share"].as_f64();
    assert_eq!(share.is_some_and(|share| (0.0..=1.0).contains(&share)), cfg!(target_os = "linux"), "{machine}");
    let rows = object["rows"].as_array().expect("rows");
    for row in rows {
        let [least, median] = ["minimum_ns", "median_ns"].map(|key| row[key].as_f64().expect("a number"));
        assert!(least <= median, "{row}");
        assert!(ended.stderr.contains(row["name"].as_str().expect("a name")), "{row}");
    }
    // What tells rows apart does so.
    let identities: BTreeSet<_> =
        rows.iter().map(|row| format!("{} {} {}", row["row"], row["cold"], row["recorders"])).collect();
    assert_eq!(identities.len(), rows.len(), "{identities:?}");
    for wanted in ["record.by_handle", "record.by_strings", "pump", "influxdb.request", "prometheus.read"] {
        assert!(rows.iter().any(|row| row["row"] == wanted), "{wanted}");
    }
    let by_handle = rows.iter().find(|row| row["row"] == "record.by_handle" && row["cold"] == false).expect("a row");
    let cores = by_handle["median_ns"].as_f64().expect("a number") * 1_000.0 / 1e9;
    assert!((object["recording_cores"].as_f64().expect("a number") / cores - 1.0).abs() < 1e-9, "{object}");
    assert!(object["exporting_cores"].as_f64().is_some_and(|cores| cores > 0.0), "{object}");
    let memory = |key: &str| number(&object["memory"][key]);
    assert!(memory("resident_at_most_bytes") < memory("addressed_bytes"), "{object}");
}

#[test]
#[cfg(feature = "demo")]
fn the_demo_is_one_object_with_the_verdict() {
    let ended = run(&["demo", "--json", "--seconds", "1", "--rate", "300"]).with_code(0);
    let [object] = &ended.objects()[..] else { panic!("{}", ended.stdout) };
    assert_eq!((object["kind"].as_str(), object["runtime"].as_str()), (Some("demo"), Some("tokio")));
    assert_eq!((&object["reconciled"], &object["fault"]), (&Value::Bool(true), &Value::Null));
    let requests = number(&object["recorded"]);
    assert_eq!(number(&object["load_test"]["requests"]), requests);
    let backends = object["backends"].as_array().expect("backends");
    assert_eq!(backends.len(), 4);
    for backend in backends {
        assert_eq!((number(&backend["recorded"]), number(&backend["sent"])), (requests, requests), "{backend}");
        assert_eq!(backend["reconciled"], Value::Bool(true), "{backend}");
        let arrived = ["arrived_successes", "arrived_failures"].map(|key| number(&backend[key]));
        assert_eq!(arrived.iter().sum::<u64>(), number(&backend["arrived"]), "{backend}");
    }
    assert!(ended.stderr.contains("all reconcile"), "{}", ended.stderr);
}
