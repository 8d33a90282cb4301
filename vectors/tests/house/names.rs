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
const REASONED: &[(&str, &str)] = &[];

/// Names that are still to be changed.
const STILL_TWICE: &str = "
    Acceptor Answer Answered Args AsyncExporters Attributes Backend Cell
    Classic Client Clock Collector Command Compressor Compressors Connection Connector Context
    Cost Count Counting Counts Datagram Dialect Ending Engine Entry
    Exemplar Exemplars Export Exporter Exporters Failure Family Fields Gauge
    GaugeEncoder Gauges Head Histogram Histograms Integer Interval Intervals
    Item Kept Key Kind Known Labels Latency Lines Listener Load
    Message Messages Metric Metrics Millis Mode Names Options
    Origin OtlpReceiver Packed Packing Page ParseError Part
    Place Point Points Protocol ProxyServer Random Reader Reading Reason Receiver
    Recording Reply Report Request Requests Row Rows Run
    Running Sample Scraper Section Series Server Shared Shown Side
    Slot Source Step Stream Sums Tag Tags Target
    Task Text Timestamp Totals Udp Value Verdict Watch Weights
    Work
";
