//! Arrows between files point down, and no circle of files exists. An arrow is a use outside tests; a file and the folder of
//! its own name count as one.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{ModulePath, Source};

#[test]
fn no_circle_of_files() {
    let faults: Vec<_> = ORDERED.iter().chain(UNORDERED).flat_map(|folder| circles(folder)).collect();
    let faults: Vec<_> =
        faults.into_iter().filter(|fault| !STILL_CIRCLES.contains(&fault.lines().next().unwrap_or_default())).collect();
    assert!(faults.is_empty(), "files that use each other in a circle:\n{}", faults.join("\n"));
}

const ORDERED: &[&str] = &["core", "shell"];
const UNORDERED: &[&str] =
    &["shell-smol", "shell-std", "shell-tokio", "conformance", "cli", "vectors", "benches", "end-to-end"];

/// The circles of a crate, at each level of its folders.
fn circles(folder: &str) -> Vec<String> {
    let rooms = rooms(folder);
    let mut told = Vec::new();
    for (place, arrows) in &rooms {
        let mut left: BTreeSet<_> = arrows.keys().collect();
        while let Some(first) = left.first().copied() {
            let circle: BTreeSet<_> = reached(arrows, first)
                .into_iter()
                .filter(|other| reached(arrows, other).contains(first.as_str()))
                .collect();
            left.remove(first);
            left.retain(|name| !circle.contains(name.as_str()));
            if !circle.is_empty() {
                let place = [&[folder.to_owned(), "src".to_owned()], &place[..]].concat().join("/");
                let mut fault = format!("{place}: {}", circle.iter().copied().collect::<Vec<_>>().join(", "));
                for (from, to) in arrows.iter().filter(|(from, _)| circle.contains(from.as_str())) {
                    for (to, why) in to.iter().filter(|(to, _)| circle.contains(to.as_str())) {
                        let why = why.iter().cloned().collect::<Vec<_>>().join("; ");
                        fault.push_str(&format!("\n    {from} -> {to}: {why}"));
                    }
                }
                told.push(fault);
            }
        }
    }
    told
}

/// For each folder, which of its children use which, and by which files.
type Rooms = BTreeMap<ModulePath, BTreeMap<String, BTreeMap<String, BTreeSet<String>>>>;

fn rooms(folder: &str) -> Rooms {
    let mut rooms = Rooms::new();
    for (from, to) in Source::of_crate(folder).arrows() {
        let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
        let (Some(one), Some(other)) = (from.get(shared), to.get(shared)) else { continue };
        let why = format!("{} uses {}", from.join("/"), to.join("/"));
        let room = rooms.entry(from[..shared].to_vec()).or_default();
        room.entry(one.clone()).or_default().entry(other.clone()).or_default().insert(why);
    }
    rooms
}

fn reached<'a>(arrows: &'a BTreeMap<String, BTreeMap<String, BTreeSet<String>>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = arrows.get(from).into_iter().flat_map(|to| to.keys()).map(String::as_str).collect();
    while let Some(name) = next.pop() {
        if found.insert(name) {
            next.extend(arrows.get(name).into_iter().flat_map(|to| to.keys()).map(String::as_str));
        }
    }
    found
}

/// Circles that are still to be opened.
const STILL_CIRCLES: &[&str] = &[
    "core/src: batch, dogstatsd, export, influxdb, sampling, segments, sink, verdict",
    "core/src: counts, entry, exceeded, exemplars, gauges, hash, key_words, labels, parts, protobuf, registry, series, status, text",
    "core/src/counts: buckets, cell",
    "core/src/dogstatsd: aggregator, packed",
    "core/src/otlp: export, interval",
    "core/src/storage: aligned, heap",
    "core/src/verdict: grpc, table",
    "cli/src/engine: connection, user",
    "vectors/src: check, golden",
    "benches/src: contests, exposition, floor, peers",
];
