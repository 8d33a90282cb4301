//! The parameters of TLS. `end-to-end/src/tls.rs` tests what a start checks: that the files can be read, and that the
//! URL is https.

use serde_json::json;

use super::{parsed, refused, same};
use crate::actions::Command;
use crate::config::{
    ClientCertificate, ClientTls, InfluxdbConfig, OpenTelemetryConfig, PrometheusConfig, Roots, ServerTls,
};

#[test]
fn clients_take_certificates_to_trust_and_a_certificate_of_their_own() {
    let roots = || Roots::Pem("ca.pem".into());
    let identity = || Some(ClientCertificate { certificate: "own.pem".into(), key: "own.key".into() });
    for (arguments, tls) in [
        (json!({}), ClientTls::default()),
        (json!({"ca_file": null, "client_key": null}), ClientTls::default()),
        (json!({"ca_file": "ca.pem"}), ClientTls { roots: roots(), identity: None }),
        (
            json!({"client_certificate": "own.pem", "client_key": "own.key"}),
            ClientTls { roots: Roots::System, identity: identity() },
        ),
        (
            json!({"ca_file": "ca.pem", "client_certificate": "own.pem", "client_key": "own.key"}),
            ClientTls { roots: roots(), identity: identity() },
        ),
    ] {
        let config = OpenTelemetryConfig { tls: tls.clone(), ..OpenTelemetryConfig::default() };
        same("LD_start_opentelemetry_exporter", [arguments.clone()], &Command::StartOpenTelemetry(config));
        let mut arguments = arguments;
        arguments["transport"] = json!("http");
        let Ok(Command::StartInfluxdb(InfluxdbConfig { tls: read, .. })) = parsed("LD_start_influxdb_sink", &arguments)
        else {
            panic!("not read: {arguments}");
        };
        assert_eq!(read, tls, "{arguments}");
    }
}

#[test]
fn wrong_tls_parameters_of_clients_are_refused() {
    let alone = "has no meaning alone; give client_certificate and client_key";
    for command in ["LD_start_influxdb_sink", "LD_start_opentelemetry_exporter"] {
        let is_influxdb = command == "LD_start_influxdb_sink";
        let with =
            |key: &str, value| if is_influxdb { json!({"transport": "http", key: value}) } else { json!({key: value}) };
        refused(
            command,
            &[
                (with("client_key", json!("own.key")), &format!("client_key: {alone}")),
                (with("client_certificate", json!("own.pem")), &format!("client_certificate: {alone}")),
                (with("ca_file", json!(true)), "ca_file is true; expected a string"),
                (with("client_certificate", json!(["own.pem"])), "client_certificate is a list; expected a string"),
                (with("client_key", json!(7)), "client_key is 7; expected a string"),
            ],
        );
    }
    let udp = "has no meaning over UDP; say \"transport\": \"http\" and give an https:// url with it";
    refused(
        "LD_start_influxdb_sink",
        &[
            (json!({"ca_file": "ca.pem"}), &format!("ca_file: {udp}")),
            (
                json!({"transport": "udp", "client_certificate": "own.pem", "client_key": "own.key"}),
                &format!("client_certificate: {udp}"),
            ),
            (json!({"client_key": "own.key"}), &format!("client_key: {udp}")),
        ],
    );
}

#[test]
fn the_page_takes_its_certificate_and_refuses_wrong_parameters() {
    let served = |client_ca_file: Option<&str>| {
        let client_ca_file = client_ca_file.map(Into::into);
        let tls = Some(ServerTls { certificate: "own.pem".into(), key: "own.key".into(), client_ca_file });
        Command::StartPrometheus(PrometheusConfig { tls, ..PrometheusConfig::default() })
    };
    let form = json!({"certificate": "own.pem", "key": "own.key", "client_ca_file": null});
    same("LD_start_prometheus_exporter", [form], &served(None));
    let form = json!({"certificate": "own.pem", "key": "own.key", "client_ca_file": "ca.pem"});
    same("LD_start_prometheus_exporter", [form], &served(Some("ca.pem")));
    let alone = "has no meaning alone; give both";
    refused(
        "LD_start_prometheus_exporter",
        &[
            (json!({"certificate": "own.pem"}), &format!("certificate: {alone}")),
            (json!({"key": "own.key"}), &format!("key: {alone}")),
            (json!({"key": "own.key", "client_ca_file": "ca.pem"}), &format!("key: {alone}")),
            (
                json!({"client_ca_file": "ca.pem"}),
                "client_ca_file: needs certificate and key, which the page is served with",
            ),
            (json!({"certificate": 7, "key": "own.key"}), "certificate is 7; expected a string"),
            (json!({"certificate": "own.pem", "key": false}), "key is false; expected a string"),
            (
                json!({"certificate": "own.pem", "key": "own.key", "client_ca_file": ["ca.pem"]}),
                "client_ca_file is a list; expected a string",
            ),
        ],
    );
}
