//! No type name means two things in the workspace.

use std::collections::BTreeMap;

use crate::modules::Source;

#[test]
fn no_type_name_twice() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in CRATES {
        for (name, path) in Source::of_crate(folder).types() {
            homes.entry(name.to_owned()).or_default().push(format!("{folder}/{}", path.join("/")));
        }
    }
    let reasoned = |name: &str| REASONED.iter().any(|(reasoned, _)| *reasoned == name);
    let known = |name: &str| reasoned(name) || STILL_TWICE.split_whitespace().any(|known| known == name);
    let twice: Vec<_> = homes.iter().filter(|(name, homes)| homes.len() > 1 && !known(name)).collect();
    let lines: Vec<_> = twice.iter().map(|(name, homes)| format!("{name}: {}", homes.join(", "))).collect();
    assert!(lines.is_empty(), "{} type names are used twice:\n{}", lines.len(), lines.join("\n"));
}

const CRATES: &[&str] = &[
    "core",
    "shell",
    "shell-smol",
    "shell-std",
    "shell-tokio",
    "conformance",
    "end-to-end",
    "cli",
    "vectors",
    "benches",
];

/// Names that stand for one thing in several places, and why.
const REASONED: &[(&str, &str)] = &[
    ("Acceptor", "a build without TLS has one that cannot be made"),
    ("AsyncExporters", "each runtime's crate has the shell's, for its runtime"),
    ("Compressor", "a build without gzip has one that cannot be made"),
    ("Compressors", "a build without gzip has one that cannot be made"),
    ("Connector", "a build without TLS has one that cannot be made"),
    ("Exporters", "each runtime's crate has the shell's, for its runtime"),
];

/// Names that are still to be changed.
const STILL_TWICE: &str = "
    Action Answer Args Attributes Cell
    Classic Collector Connection Context
    Cost Count Counting Datagrams Dialect Engine Entry
    Exemplar Exemplars Export Exporter Failure Family Fields Flight Gauge
    GaugeEncoder Head Histogram Histograms Input Integer Interval
    Item Kept Kind Labels Latency Lines Load
    Message Messages Metric Metrics Millis Mode Names News Options
    Origin OtlpReceiver Packed Packing Page ParseError Part Phase Piece
    Place Point Points Random Reader Reading Reason Receiver
    Recording Reply Report Request Room Route Row Rows Run
    Sample Scraper Section Series Shown Side Size
    Slot Source Stage Step Sums Target
    Task Text Timestamp Value Verdict Watch Weights
    Work
";
