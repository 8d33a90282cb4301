//! The documents show the tables of verdicts that the core decides by.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use loaddensity_metrics_core::verdict::{GRPC, INFLUXDB, OTLP_HTTP, Row};

#[test]
fn the_documents_show_the_tables_of_verdicts_as_they_are() {
    for (document, name, table) in [
        ("docs/influxdb.md", "INFLUXDB", INFLUXDB),
        ("docs/opentelemetry.md", "GRPC", GRPC),
        ("docs/opentelemetry.md", "OTLP_HTTP", OTLP_HTTP),
    ] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document)).expect(document);
        let right = in_markdown(table);
        assert!(text.contains(&right), "{document} must show verdict::{name} as it is:\n\n{right}");
    }
}

fn in_markdown(table: &[Row]) -> String {
    let mut text = String::from("| answer | means | look at | source |\n|---|---|---|---|\n");
    for row in table {
        writeln!(text, "{row}").expect("memory takes it");
    }
    // What follows is no row any more.
    text + "\n"
}
