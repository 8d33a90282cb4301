//! TLS with settings from Action-JSON.

use futures_lite::future::block_on;
use loaddensity_metrics_shell::Exporters;
use loaddensity_metrics_shell::actions::{ActionError, ActionOutcome, Document, execute};
use loaddensity_metrics_shell::runtime::Runtime;
use serde_json::{Value, json};

use super::certificates::Authority;
use super::http_server::{self, HttpServer};
use super::load::{assert_all_sent, exporters};
use super::otlp_receiver::{OtlpReply, OtlpTestServer};
use super::tls_page::read_page;

/// All three exporters that speak HTTP. Each has a certificate of its own, because its peer asks for one.
pub fn actions_start_exporters_with_tls<R: Runtime>() {
    let authority = Authority::new();
    let certificate = authority.certify(&["localhost", "127.0.0.1"], false);
    let scraper = authority.certify(&["scraper"], false);
    let files = authority.page(&certificate);
    let (ca, own, key) = (authority.ca_file(), files.certificate, files.key);
    let (exporters, mut engine) = exporters::<R>();

    let tls = authority.server(&certificate, true, b"http/1.1");
    let influxdb = HttpServer::start_with(Some(tls), |_, _| http_server::HttpReply::Status(204));
    let receiver =
        OtlpTestServer::start_with::<R>(Some(authority.server(&certificate, true, b"h2")), |_| OtlpReply::Accept);
    let url = format!("https://localhost:{}", influxdb.address.port());
    let endpoint = format!("https://localhost:{}", receiver.address.port());
    let client = |mut arguments: Value| {
        (arguments["ca_file"], arguments["client_certificate"], arguments["client_key"]) =
            (json!(ca), json!(own), json!(key));
        arguments
    };
    for arguments in
        [json!({"transport": "http", "url": format!("{url}/write")}), json!({"api": "v3", "url": url, "database": "d"})]
    {
        run(&exporters, "LD_start_influxdb_sink", &client(arguments)).expect("a sink");
    }
    run(&exporters, "LD_start_opentelemetry_exporter", &client(json!({"endpoint": endpoint}))).expect("an exporter");
    let page = json!({"port": 0, "path": "/load", "certificate": own, "key": key, "client_ca_file": ca});
    let answer = run(&exporters, "LD_start_prometheus_exporter", &page).expect("a page");
    let ActionOutcome::Started { address: Some(address), page: Some(page), .. } = &answer else { panic!("{answer:?}") };
    assert_eq!(*page, format!("https://{address}/load"));
    assert_eq!(answer.to_string(), format!("prometheus started, {page}"));

    engine.record(100);
    assert!(
        read_page(authority.client(Some(&scraper)), *address, "/load").expect("a page").starts_with("HTTP/1.1 200")
    );
    for account in exporters.stop_all().expect("stops") {
        assert_all_sent(&account, 100);
    }
    assert_eq!(influxdb.posts().iter().map(|post| post.body.lines().count()).sum::<usize>(), 100);
    assert!(influxdb.posts().iter().all(|post| post.line.starts_with("POST /api/v3/write_lp?db=d&")));
    assert_eq!(OtlpTestServer::sums(&receiver.exports()).requests, 100);
}

/// The error names the command, the parameter and the file.
pub fn actions_name_the_file_that_cannot_be_used<R: Runtime>() {
    let authority = Authority::new();
    let (missing, nonsense) = (authority.file("x", "").with_file_name("missing"), authority.file("y", "hunter2"));
    let good = authority.page(&authority.certify(&["localhost"], false));
    let (exporters, _) = exporters::<R>();
    let influxdb = json!({"transport": "http", "url": "https://localhost:1/write"});
    let otlp = json!({"endpoint": "https://localhost:1"});
    for (command, exporter, arguments) in [
        ("LD_start_influxdb_sink", "influxdb", influxdb),
        ("LD_start_opentelemetry_exporter", "opentelemetry", otlp),
        ("LD_start_prometheus_exporter", "prometheus", json!({"port": 0})),
    ] {
        let (ca, certificate, key) = match exporter {
            "prometheus" => ("client_ca_file", "certificate", "key"),
            _ => ("ca_file", "client_certificate", "client_key"),
        };
        for (parameter, file, says) in [
            (ca, &missing, "it cannot be read ("),
            (ca, &nonsense, "it holds no certificate; give a PEM file"),
            (certificate, &missing, "it cannot be read ("),
            (certificate, &nonsense, "it holds no certificate; give a PEM file"),
            (key, &missing, "it cannot be read ("),
            (key, &nonsense, "it holds none; give a PEM file with an unencrypted private key"),
        ] {
            let mut arguments = arguments.clone();
            (arguments[certificate], arguments[key]) = (json!(good.certificate), json!(good.key));
            arguments[ca] = json!(good.certificate);
            arguments[parameter] = json!(file);
            let text = run(&exporters, command, &arguments).expect_err(parameter).to_string();
            let named = format!("actions[0] {command}: {exporter}: `{parameter}` is {file:?}; {says}");
            assert!(text.starts_with(&named) && !text.contains("hunter2"), "{text}");
        }
    }
    assert!(exporters.status().is_empty());
}

fn run<R: Runtime>(exporters: &Exporters<R>, command: &str, arguments: &Value) -> Result<ActionOutcome, ActionError> {
    let mut document = Document::parse(&json!([[command, arguments]]).to_string()).expect("a document");
    block_on(execute(exporters.as_async(), &document.actions.remove(0)?))
}
