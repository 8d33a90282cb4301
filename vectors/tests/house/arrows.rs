//! Arrows between files point down, and no circle of files exists. An arrow is a use outside tests; a file and the folder of
//! its own name count as one.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{ModulePath, Source};

/// No circle but those of the list, and none in the list that is open.
#[test]
fn no_circle_of_files() {
    let circles: Vec<_> = ORDERED.iter().chain(UNORDERED).flat_map(|folder| circles(folder)).collect();
    let (known, new): (Vec<_>, Vec<_>) = circles.iter().partition(|fault| STILL_CIRCLES.contains(&first_line(fault)));
    let new: Vec<_> = new.into_iter().map(String::as_str).collect();
    assert!(new.is_empty(), "files that use each other in a circle:\n{}", new.join("\n"));

    let is_circle = |listed: &str| known.iter().any(|fault| first_line(fault) == listed);
    let stale: Vec<_> = STILL_CIRCLES.iter().copied().filter(|listed| !is_circle(listed)).collect();
    assert!(stale.is_empty(), "no circles any more, so to be deleted from the list:\n{}", stale.join("\n"));
}

/// The files of a circle, without the uses that make it one.
fn first_line(fault: &str) -> &str {
    fault.lines().next().unwrap_or_default()
}

/// Shows the plan: `cargo test -p loaddensity-metrics-vectors --test house plan -- --nocapture`.
#[test]
fn plan() {
    for folder in ORDERED {
        for (from, to) in &rooms(folder)[&Vec::new()] {
            println!("{folder}/src/{from} -> {}", to.keys().cloned().collect::<Vec<_>>().join(" "));
        }
    }
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
const STILL_CIRCLES: &[&str] = &[];
