//! The documents' figures of memory are what the types have, and their table of costs is the one that was measured.

use std::fs;
use std::path::{Path, PathBuf};

use loaddensity_metrics_core::{Classic, DefaultStorage, Event, Intervals, Registry, Storage, influxdb, otlp};

/// Long enough for padding to make no difference.
const SPAN: usize = 1_024;

/// Bytes of a series in one shard besides the spill shard, and in two; of an event's place in their rings, likewise.
const SERIES: [usize; 2] = [
    (Storage::<{ SPAN + 2 }, 1, 2>::SIZE - Storage::<2, 1, 2>::SIZE) / SPAN,
    (Storage::<{ SPAN + 2 }, 2, 2>::SIZE - Storage::<2, 2, 2>::SIZE) / SPAN,
];
const EVENTS: [usize; 2] = [
    (Storage::<2, 1, { 2 * SPAN }>::SIZE - Storage::<2, 1, SPAN>::SIZE) / SPAN,
    (Storage::<2, 2, { 2 * SPAN }>::SIZE - Storage::<2, 2, SPAN>::SIZE) / SPAN,
];
/// The same without exponential histograms.
const CLASSIC: [usize; 2] = [
    (Storage::<{ SPAN + 2 }, 1, 2, Classic>::SIZE - Storage::<2, 1, 2, Classic>::SIZE) / SPAN,
    (Storage::<{ SPAN + 2 }, 2, 2, Classic>::SIZE - Storage::<2, 2, 2, Classic>::SIZE) / SPAN,
];
const COUNTERS: usize = SERIES[1] - SERIES[0];
/// Of a series once, its place in the spill shard included.
const ONCE: usize = SERIES[0] - COUNTERS;
const CLASSIC_COUNTERS: usize = CLASSIC[1] - CLASSIC[0];
const CLASSIC_ONCE: usize = CLASSIC[0] - CLASSIC_COUNTERS;
/// Of a series without the spill shard, which has as much of classic buckets as each shard has.
const LABELS: usize = CLASSIC_ONCE - CLASSIC_COUNTERS;
const EVENT: usize = EVENTS[1] - EVENTS[0];
const SHARED_EVENT: usize = EVENTS[0] - EVENT;
/// A recorder's ring in the default storage.
const DEFAULT_RING: usize = EVENT * DefaultStorage::RING_EVENTS;
/// A shard without series and ring.
const HEADER: usize = (Storage::<2, 514, 2>::SIZE - Storage::<2, 2, 2>::SIZE) / 512 - 2 * (COUNTERS + EVENT);
/// What the formula leaves out: at most this, whatever is padded.
const REST: usize = 81_000;
const CLASSIC_REST: usize = 23_000;

/// The worked examples: how it is written, what it holds, the overflow series among its series, its bytes, and bytes without exponential histograms.
const EXAMPLES: [(&str, [usize; 3], usize, usize); 4] = [
    example::<100, 4, 1_024>("`Storage<100, 4, 1_024>`"),
    example::<512, 12, { DefaultStorage::RING_EVENTS }>("`DefaultStorage`"),
    example::<2_001, 32, 16_384>("`HeapStorage::new(2_000, 32, 16_384)`"),
    example::<10_001, 16, 8_192>("`HeapStorage::new(10_000, 16, 8_192)`"),
];

const fn example<const S: usize, const N: usize, const R: usize>(
    name: &'static str,
) -> (&'static str, [usize; 3], usize, usize) {
    (name, [S, N, R], Storage::<S, N, R>::SIZE, Storage::<S, N, R, Classic>::SIZE)
}

#[test]
fn the_formula_of_memory_is_what_the_types_have() {
    let formula = format!(
        "`s × ({} + {} × n) + (n + 1) × {HEADER} + r × ({EVENT} × n + {SHARED_EVENT})`",
        thousands(ONCE),
        thousands(COUNTERS)
    );
    let rest = format!("less than {} more", thousands(REST));
    let classic = format!(
        "{} bytes instead of {}, {CLASSIC_COUNTERS} instead of {}, and less than {} more",
        thousands(CLASSIC_ONCE),
        thousands(ONCE),
        thousands(COUNTERS),
        thousands(CLASSIC_REST)
    );
    for document in ["docs/costs.md", "core/src/registry/storage.rs"] {
        let text = joined(document);
        assert!(text.contains(&formula), "{document} must have {formula}");
        assert!(text.contains(&rest), "{document} must have {rest:?}");
        assert!(text.contains(&classic), "{document} must have {classic:?}");
    }
    for (name, [series, shards, ring], bytes, classic_bytes) in EXAMPLES {
        let rings = (shards + 1) * HEADER + ring * (EVENT * shards + SHARED_EVENT);
        for (once, counters, rest, bytes) in
            [(ONCE, COUNTERS, REST, bytes), (CLASSIC_ONCE, CLASSIC_COUNTERS, CLASSIC_REST, classic_bytes)]
        {
            let computed = series * (once + counters * shards) + rings;
            assert!(
                (computed..computed + rest).contains(&bytes),
                "{name}: {bytes} bytes, and {computed} by the formula"
            );
        }
    }
}

#[test]
fn what_is_said_of_a_series_and_of_waiting_events_is_what_the_types_have() {
    for (document, said) in [
        ("README.md", format!("{} bytes a series and {} more", thousands(ONCE), thousands(COUNTERS))),
        ("docs/costs.md", format!("of the {} bytes per series and recorder", thousands(COUNTERS))),
        ("docs/costs.md", format!("{} MiB each (65,536 waiting events)", (65_536 * size_of::<Event>()) >> 20)),
        ("ARCHITECTURE.md", format!("({} bytes", thousands(LABELS))),
        ("docs/gauges-and-exemplars.md", format!("{} bytes a series for the labels", thousands(LABELS))),
        ("core/src/registry/storage.rs", format!("{} bytes per series and recorder", thousands(COUNTERS))),
        ("core/src/registry/storage.rs", format!("{} bytes per series and recorder", CLASSIC_COUNTERS)),
        ("docs/costs.md", format!("a ring has {} MiB", DEFAULT_RING >> 20)),
        ("docs/costs.md", format!("after {} requests", thousands(DefaultStorage::RING_EVENTS))),
        ("core/src/registry/storage.rs", format!("rings of {} events", thousands(DefaultStorage::RING_EVENTS))),
        ("core/src/registry/storage.rs", format!("after {} requests", thousands(DefaultStorage::RING_EVENTS))),
        ("core/src/registry/storage.rs", format!("all of its {} MiB", DEFAULT_RING >> 20)),
        ("docs/costs.md", format!("{} MiB of address space", DefaultStorage::SIZE >> 20)),
        ("core/src/registry/storage.rs", format!("{} MiB of address space", DefaultStorage::SIZE >> 20)),
    ] {
        assert!(joined(document).contains(&said), "{document} must say {said:?}");
    }
}

#[test]
fn the_worked_examples_of_memory_are_the_sizes_of_storage() {
    let head = "| storage | series | recorders | ring | MiB | `Classic`, MiB |\n|---|--:|--:|--:|--:|--:|\n";
    let row = |&(name, [series, shards, ring], bytes, classic): &(&str, [usize; 3], usize, usize)| {
        let [series, ring, shards] = [series - 1, ring, shards].map(thousands);
        format!("| {name} | {series} | {shards} | {ring} | {} | {} |\n", mebibytes(bytes), mebibytes(classic))
    };
    let table: String = head.to_owned() + &EXAMPLES.iter().map(row).collect::<String>();
    assert!(text("docs/costs.md").contains(&table), "docs/costs.md must have this table:\n{table}");
}

#[test]
fn what_is_said_of_the_memory_of_intervals_is_what_they_ask_for() {
    static ALL: Storage<SPAN, 1, 2> = Storage::new();
    static CLASSIC: Storage<SPAN, 1, 2, Classic> = Storage::new();
    let [all, classic] = [ALL.registry(), CLASSIC.registry()];
    let bytes = |words: usize| thousands(words * 8 / SPAN);
    let of_otlp = |histograms| {
        let options = otlp::ExportOptions { histograms, ..otlp::ExportOptions::default() };
        bytes(otlp::DeltaInterval::<Vec<u64>>::words(all, options))
    };
    let [explicit, exponential] =
        [otlp::HistogramAggregation::Explicit, otlp::HistogramAggregation::Exponential].map(of_otlp);
    let said = format!("{exponential} with exponential histograms, as far as they are used");
    for document in ["docs/opentelemetry.md", "shell/src/config/opentelemetry.rs"] {
        let said = format!("{explicit} bytes of memory for each series that the storage has room for, {said}");
        assert!(joined(document).contains(&said), "{document} must say {said:?}");
    }
    let of_points = |registry| bytes(influxdb::IntervalRows::<Vec<u64>>::words(registry));
    let of_everything = |registry| bytes(Intervals::<Vec<u64>>::words(registry));
    let [points, no_percentiles] = [all, classic].map(of_points);
    let [everything, no_exponentials] = [all, classic].map(of_everything);
    for (document, said) in [
        (
            "core/src/formats/otlp/interval.rs",
            format!("{explicit} bytes for each series of its capacity, {exponential} with"),
        ),
        (
            "docs/influxdb.md",
            format!(
                "{points} bytes of memory for each series that the storage has room for, {no_percentiles} where it keeps"
            ),
        ),
        (
            "core/src/formats/influxdb/rows.rs",
            format!("{points} bytes for each series of its capacity, {no_percentiles} where it keeps no"),
        ),
        (
            "core/src/aggregates/interval.rs",
            format!("{everything} bytes for each series of its capacity, {no_exponentials} where it keeps no"),
        ),
    ] {
        assert!(joined(document).contains(&said), "{document} must say {said:?}");
    }
}

#[test]
fn what_is_said_of_the_memory_of_failures_by_kind_is_what_is_asked_for() {
    static WITHOUT: Storage<SPAN, 1, 2> = Storage::new();
    static WITH: Storage<SPAN, 1, 2> = Storage::new();
    WITH.registry().set_error_label().expect("nobody has counted yet");
    let more = |words: &dyn Fn(Registry<'_>) -> usize| {
        let [without, with] = [WITHOUT.registry(), WITH.registry()].map(words);
        (with - without) * 8 / SPAN
    };
    let options = otlp::ExportOptions::default();
    let of_otlp = more(&|registry| otlp::DeltaInterval::<Vec<u64>>::words(registry, options));
    let of_influxdb = more(&|registry| influxdb::IntervalRows::<Vec<u64>>::words(registry));
    let said =
        format!("Intervals of OTLP take {of_otlp} bytes a series more while it is on, those of InfluxDB {of_influxdb}");
    assert!(joined("docs/failures.md").contains(&said), "docs/failures.md must say {said:?}");
}

#[test]
fn the_table_of_costs_is_the_one_that_was_measured() {
    let measured = text("benches/recording-costs.tsv");
    let mut rows = measured.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
    let processors: Vec<_> = rows.next().expect("a head").collect();
    let head = format!("| {} |\n|---|{}\n", processors.join(" | "), "--:|".repeat(processors.len() - 1));
    let row = |cells: std::str::Split<'_, char>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let rows: Vec<_> = rows.collect();
    let labels: Vec<_> = rows.iter().filter_map(|row| row.clone().next()).collect();
    assert!(labels.first().is_some_and(|label| label.contains("the default")), "the first row is the default's");
    for label in ["measured", "rustc", "command"] {
        let row = labels.iter().position(|other| *other == label).unwrap_or_else(|| panic!("no row {label:?}"));
        assert!(rows[row].clone().all(|cell| cell != "-"), "{label:?} of a processor is missing");
    }
    let table = head + &rows.into_iter().map(row).collect::<String>();
    assert!(text("README.md").contains(&table), "README.md must have this table:\n{table}");
}

/// `benches/instructions.sh --check` compares the table with what is counted; nothing compares a copy.
#[test]
fn no_document_has_a_copy_of_the_table_of_instructions() {
    let counted = text("benches/instructions.tsv");
    let operations: Vec<_> =
        counted.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split('\t').next()).collect();
    assert!(operations.contains(&"record by handle, exponential"), "{operations:?}");
    let folders = ["", "docs", "benches", "core", "shell"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder of documents"));
    let documents =
        files.map(|file| file.expect("a file").path()).filter(|path| path.extension().is_some_and(|ext| ext == "md"));
    for document in documents {
        let text = fs::read_to_string(&document).expect("text");
        // Times have a unit.
        let is_copied = |line: &str| {
            let mut cells = line.split('|').skip(1).map(str::trim);
            cells.next().is_some_and(|name| operations.contains(&name))
                && cells.next().is_some_and(|is| is.parse::<f64>().is_ok())
        };
        let copy = text.lines().find(|line| is_copied(line));
        assert_eq!(copy, None, "{} copies a row of benches/instructions.tsv", document.display());
    }
}

/// With a comma after each three digits.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// The text without the marks of comments, in one line: sentences are broken anywhere.
fn joined(file: &str) -> String {
    let lines = text(file)
        .lines()
        .map(|line| line.trim().trim_start_matches("//!").trim_start_matches("///").trim().to_owned())
        .collect::<Vec<_>>();
    lines.join(" ")
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
