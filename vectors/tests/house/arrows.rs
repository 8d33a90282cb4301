//! Arrows between files point down, and no circle of files exists. An arrow is a use outside tests; a file and the folder of
//! its own name count as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::modules::{ModulePath, Source, root};

#[test]
fn no_circle_of_files() {
    let circles: Vec<_> = ORDERED.iter().chain(UNORDERED).flat_map(|folder| circles(folder)).collect();
    assert!(circles.is_empty(), "files that use each other in a circle:\n{}", circles.join("\n"));
}

#[test]
fn a_circle_is_noticed() {
    let arrows =
        [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")].map(|(from, to)| (vec![from.into()], vec![to.into()]));
    let found = circles_in("x", &rooms_of(arrows.into_iter().collect()));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("x/src: a, b, c\n") && !found[0].contains(" d:"), "{found:?}");
}

/// The layers of ARCHITECTURE.md are all there is, and no file uses one that stands above it. Prints who uses whom:
/// `cargo test -p loaddensity-metrics-vectors --test house layers -- --nocapture`.
#[test]
fn layers_use_what_stands_below_them() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md can be read");
    let mut faults = Vec::new();
    for folder in ORDERED {
        let layers = layers_in(&text, folder);
        let source = Source::of_crate(folder);
        let files: BTreeSet<_> = source.top().collect();
        let named: BTreeSet<_> = layers.keys().map(String::as_str).collect();
        faults.extend(files.difference(&named).map(|file| format!("{folder}/src/{file} has no layer")));
        faults.extend(named.difference(&files).map(|file| format!("{folder}/src/{file} has a layer and no file")));
        for (from, to) in &rooms(folder)[&Vec::new()] {
            println!("{folder}/src/{from} uses {}", to.keys().cloned().collect::<Vec<_>>().join(" "));
            let above = to.iter().filter(|(to, _)| layers.get(*to) < layers.get(from));
            faults.extend(
                above.map(|(to, why)| format!("{folder}/src/{from} uses {to}, which stands above it: {why:?}")),
            );
        }
    }
    assert!(faults.is_empty(), "against the layers of ARCHITECTURE.md:\n{}", faults.join("\n"));
}

#[test]
fn the_layers_of_a_table_are_read_from_top_to_bottom() {
    let text =
        "| `core/src/` | what |\n|---|---|\n| `one` | first |\n| `two`, `three` | second |\n\n| `four` | none |\n";
    let expected = [("one", 0), ("two", 1), ("three", 1)].map(|(name, layer)| (name.to_owned(), layer));
    assert_eq!(layers_in(text, "core"), BTreeMap::from(expected));
}

/// The files of a crate with their layers, from the top: a row of the table below the crate's name each.
fn layers_in(text: &str, folder: &str) -> BTreeMap<String, usize> {
    let heading = format!("| `{folder}/src/` |");
    let table = text.lines().skip_while(|line| !line.starts_with(&heading)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let names = |(layer, row): (usize, &str)| {
        let first = row.split('|').nth(1).unwrap_or_default();
        let names: Vec<_> = first.split('`').skip(1).step_by(2).map(|name| (name.to_owned(), layer)).collect();
        names
    };
    rows.enumerate().flat_map(names).collect()
}

const ORDERED: &[&str] = &["core", "shell"];
const UNORDERED: &[&str] = &[
    "shell-smol",
    "shell-std",
    "shell-tokio",
    "bridge-tower",
    "bridge-metrics",
    "conformance",
    "cost",
    "cli",
    "vectors",
    "benches",
    "end-to-end",
    "sim",
    "matrix",
];

/// The circles of a crate, at each level of its folders.
fn circles(folder: &str) -> Vec<String> {
    circles_in(folder, &rooms(folder))
}

fn circles_in(folder: &str, rooms: &Rooms) -> Vec<String> {
    let mut told = Vec::new();
    for (place, arrows) in rooms {
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
    rooms_of(Source::of_crate(folder).arrows())
}

fn rooms_of(arrows: BTreeSet<(ModulePath, ModulePath)>) -> Rooms {
    let mut rooms = Rooms::new();
    for (from, to) in arrows {
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
