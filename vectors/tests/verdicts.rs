//! The documents show the tables of verdicts and faults that the core decides by.

use std::fmt::{Display, Write as _};
use std::fs;
use std::path::Path;

use loaddensity_metrics_core::export::FAULTS;
use loaddensity_metrics_core::verdict::{GRPC, INFLUXDB, OTLP_HTTP};

#[test]
fn the_documents_show_the_tables_of_verdicts_as_they_are() {
    for (document, name, table) in [
        ("docs/influxdb.md", "INFLUXDB", INFLUXDB),
        ("docs/opentelemetry.md", "GRPC", GRPC),
        ("docs/opentelemetry.md", "OTLP_HTTP", OTLP_HTTP),
    ] {
        shows(document, name, &in_markdown("answer | means | look at | source", table));
    }
}

#[test]
fn the_documents_show_the_table_of_faults_as_it_is() {
    let right = in_markdown("error | means | then | source", FAULTS);
    for document in ["docs/influxdb.md", "docs/dogstatsd.md"] {
        shows(document, "FAULTS", &right);
    }
}

fn shows(document: &str, name: &str, right: &str) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document)).expect(document);
    assert!(text.contains(right), "{document} must show {name} as it is:\n\n{right}");
}

fn in_markdown(head: &str, table: &[impl Display]) -> String {
    let mut text = format!("| {head} |\n|{}\n", "---|".repeat(head.split(" | ").count()));
    for row in table {
        writeln!(text, "{row}").expect("memory takes it");
    }
    // What follows is no row any more.
    text + "\n"
}
