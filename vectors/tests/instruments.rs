//! The documents name the instruments as the table in the code does.

use std::fs;
use std::path::Path;

use loaddensity_metrics_core::{INSTRUMENTS, Instrument, InstrumentKind};

#[test]
fn the_table_of_instruments_is_the_codes() {
    let rows: String = INSTRUMENTS.into_iter().map(row).collect();
    let text = document("docs/instruments.md");
    assert!(text.contains(&rows), "docs/instruments.md must have these rows:\n{rows}");
}

#[test]
fn each_formats_document_names_every_instrument() {
    for (document_name, name) in [
        ("docs/prometheus.md", (|it| it.prometheus) as fn(&Instrument) -> &'static str),
        ("docs/influxdb.md", |it| it.influxdb),
        ("docs/dogstatsd.md", |it| it.dogstatsd),
        ("docs/opentelemetry.md", |it| it.otlp),
    ] {
        let text = document(document_name);
        for instrument in INSTRUMENTS {
            assert!(text.contains(name(instrument)), "{document_name} lacks {}", name(instrument));
        }
    }
}

fn row(instrument: &Instrument) -> String {
    let Instrument { description, prometheus, influxdb, dogstatsd, dogstatsd_type, otlp, otlp_unit, .. } = instrument;
    let (kind, suffix) = match instrument.kind {
        InstrumentKind::Counter => ("counter", "_total"),
        _ => ("histogram", ""),
    };
    format!(
        "| {description} | {kind} | `{prometheus}{suffix}` | `{influxdb}` | `{dogstatsd}` (`{dogstatsd_type}`) | `{otlp}` (`{otlp_unit}`) |\n"
    )
}

fn document(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
