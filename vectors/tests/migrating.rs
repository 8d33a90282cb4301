//! The names that `docs/migrating.md` says we send are in the golden files, which the encoders are compared with.

use std::fs;
use std::path::{Path, PathBuf};

/// The sections of names, and the golden file that shows each format's.
const SECTIONS: [(&str, &str); 4] = [
    ("### Prometheus", "prometheus.txt"),
    ("### InfluxDB", "influxdb.lp"),
    ("### DogStatsD", "dogstatsd.txt"),
    ("### OpenTelemetry", "otlp.bin"),
];

#[test]
fn the_names_that_migrating_users_are_told_are_those_that_are_sent() {
    let document = fs::read_to_string(root().join("docs/migrating.md")).expect("the document");
    for (heading, golden) in SECTIONS {
        let sent = fs::read(root().join("vectors/golden/outcomes").join(golden)).expect("a golden file");
        let sent = String::from_utf8_lossy(&sent);
        let names = names_after(section(&document, heading));
        assert!(names.len() > 4, "{heading}: {names:?}");
        for name in names {
            assert!(sent.contains(&name), "{heading}: {golden} has no {name:?}");
        }
    }
}

#[test]
fn names_that_stay_are_read_from_the_first_column_and_new_ones_from_the_second() {
    let table = "| before | after |\n|---|---|\n| `old` (`ms`) | `new` (float) |\n| `kept`, `2.0` | the same |\n";
    assert_eq!(names_after(table), ["new", "kept"]);
}

/// What the tables of a section say that is sent now.
fn names_after(section: &str) -> Vec<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    rows.flat_map(|(before, after)| names(if after.starts_with("the same") { before } else { after })).collect()
}

/// The words between backticks that are names: no values, no units.
fn names(cell: &str) -> impl Iterator<Item = String> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.')
    };
    quoted.filter(is_name).map(str::to_owned)
}

/// The text below `heading`, up to the next heading.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, below) = document.split_once(&format!("{heading}\n")).expect("the heading");
    below.split("\n#").next().unwrap_or_default()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
