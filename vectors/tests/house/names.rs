//! No type name means two things in the workspace.

use std::collections::BTreeMap;

use crate::modules::Source;

/// No name but those of the list, and none in the list that is no longer used twice.
#[test]
fn no_type_name_twice() {
    let twice = twice();
    let new: Vec<_> = twice.iter().filter(|(name, homes)| !is_reasoned(name, homes)).collect();
    let lines: Vec<_> = new.iter().map(|(name, homes)| format!("{name}: {}", homes.join(", "))).collect();
    assert!(lines.is_empty(), "{} type names are used twice:\n{}", lines.len(), lines.join("\n"));

    let listed = REASONED.iter().map(|(name, ..)| *name);
    let stale: Vec<_> = listed.filter(|name| !twice.contains_key(*name)).collect();
    assert!(stale.is_empty(), "no longer used twice, so to be deleted from the list: {}", stale.join(" "));
}

/// The names that are defined more than once, with the modules that define them.
fn twice() -> BTreeMap<String, Vec<String>> {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in CRATES {
        for (name, path) in Source::of_crate(folder).types() {
            homes.entry(name.to_owned()).or_default().push(format!("{folder}/{}", path.join("/")));
        }
    }
    homes.retain(|_, homes| homes.len() > 1);
    homes
}

/// Whether a name has a reason that holds for each of its homes.
fn is_reasoned(name: &str, homes: &[String]) -> bool {
    let within = |places: &[&str]| homes.iter().all(|home| places.iter().any(|place| home.starts_with(place)));
    REASONED.iter().any(|(reasoned, places, _)| *reasoned == name && within(places))
}

const CRATES: &[&str] = &[
    "core",
    "shell",
    "shell-smol",
    "shell-std",
    "shell-tokio",
    "bridge-tower",
    "bridge-metrics",
    "conformance",
    "end-to-end",
    "cli",
    "vectors",
    "benches",
    "sim",
    "matrix",
];

/// Names that stand for one thing in several places: the name, where all of its homes are, and why.
const REASONED: &[(&str, &[&str], &str)] = &[
    ("AsyncExporters", &["shell/", "shell-smol/", "shell-std/", "shell-tokio/"], "the shell's type, for one runtime"),
    ("Exporters", &["shell/", "shell-smol/", "shell-std/", "shell-tokio/"], "the shell's type, for one runtime"),
    ("Acceptor", &["shell/tls/"], "TLS, or what stands in for it where the feature is absent"),
    ("Connector", &["shell/tls/"], "TLS, or what stands in for it where the feature is absent"),
    ("Compressor", &["shell/prometheus/"], "gzip, or what stands in for it where the feature is absent"),
    ("Compressors", &["shell/prometheus/"], "gzip, or what stands in for it where the feature is absent"),
];
