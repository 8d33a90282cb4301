//! `docs/faults.md` has a row for each scenario on real sockets, and for each fault of the simulation, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_scenario_on_real_sockets_has_its_row() {
    let list = text_of("matrix/src/scenario.rs");
    let (_, rows) = list.rsplit_once("scenarios! {").expect("the list of scenarios");
    let names = rows.lines().filter_map(|row| row.trim().split_once("::")?.1.split_once(' '));
    let scenarios: BTreeSet<_> = names.map(|(name, _)| name.to_owned()).collect();
    assert!((1..=20).contains(&scenarios.len()), "at most 20 scenarios: {scenarios:?}");
    assert_eq!(first_column("## On real sockets"), scenarios);
}

#[test]
fn every_fault_of_the_simulation_has_its_row() {
    let weather = text_of("sim/src/weather.rs");
    let (_, fields) = weather.split_once("pub(crate) struct Weather {").expect("the faults");
    let (fields, _) = fields.split_once("\n}").expect("the end of the faults");
    let names = fields.lines().filter_map(|line| line.trim().strip_prefix("pub(crate) ")?.split_once(':'));
    let faults: BTreeSet<_> = names.map(|(name, _)| name.to_owned()).collect();
    assert!(faults.len() > 10, "{faults:?}");
    assert_eq!(first_column("## In the simulation"), faults);
}

/// The names in backticks in the first column of the table below a heading of `docs/faults.md`.
fn first_column(heading: &str) -> BTreeSet<String> {
    let document = text_of("docs/faults.md");
    let section = document.split("\n## ").find(|section| heading.ends_with(section.lines().next().unwrap_or_default()));
    let rows = section.expect(heading).lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    rows.flat_map(|(first, _)| first.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn text_of(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
