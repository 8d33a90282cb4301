//! `cost`, as its user sees it. What it measures is not judged here, for this is no idle machine.

use crate::process::{Ended, run};

fn cost(arguments: &[&str]) -> Ended {
    run(&[&["cost"], arguments].concat())
}

/// Minimum, median and, where there are, bytes of the table's row that begins with `name`.
fn row(ended: &Ended, name: &str) -> Vec<f64> {
    let columns = ended.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
    let columns = columns.unwrap_or_else(|| panic!("no row {name:?}:\n{}", ended.stdout));
    columns.split_whitespace().map(|column| column.parse().expect("a number")).collect()
}

#[test]
fn every_row_has_its_figures() {
    let ended = cost(&["--seconds", "0.1", "--series", "20", "--threads", "2", "--rate", "1000"]).with_code(0);
    for (name, has_bytes) in [
        ("record, by handle", false),
        ("record, by handle, raw events on (InfluxDB + DogStatsD)", false),
        ("record, by handle, without exponential histograms", false),
        ("record, by strings", false),
        ("add, to a counter of the engine's own", false),
        ("observe, a time in a histogram of the engine's own", false),
        ("a time for completed_at, system_time", false),
        ("a time for completed_at, coarse_time", false),
        ("a registry's first recorder, which writes the tables", false),
        ("a bucket's 32,768th request, into an untouched page", false),
        ("pump, a request into 2 sinks", false),
        ("InfluxDB, a line", true),
        ("DogStatsD, a request (3 messages)", true),
        ("UDP over loopback, a packed datagram", true),
        ("UDP over loopback, a packed datagram, offload", true),
        ("UDP over loopback, a DogStatsD message", true),
        ("UDP over loopback, a DogStatsD message, offload", true),
        ("Prometheus, a line, 1 recorder", true),
        ("Prometheus, a line, 2 recorders", true),
        ("OTLP, a data point, 1 recorder", true),
        ("OTLP, a data point, 2 recorders", true),
    ] {
        let columns = row(&ended, name);
        assert_eq!(columns.len(), if has_bytes { 3 } else { 2 }, "{name}: {columns:?}");
        assert!(columns.iter().all(|figure| *figure > 0.0) && columns[0] <= columns[1], "{name}: {columns:?}");
    }
    for part in [
        "1,000 requests/s, 20 series, 2 threads",
        "a series, in each recorder ",
        "20 series in 2 recorders:\n  addressed ",
        "sent one by one (default): 3,000 datagrams/s",
        "sent one by one, without offload: 3,000 datagrams/s",
        "recording        1,000/s x ",
        "spread over 2 threads",
        "Prometheus       a scrape of ",
        "OpenTelemetry    an export of 120 data points",
        "the default storage holds this: ",
    ] {
        assert!(ended.stdout.contains(part), "{part}\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("warning"), "{}", ended.stdout);
    // Whatever else this machine does.
    let busy = ended.stdout.lines().find_map(|line| line.strip_prefix("how busy it was: ")).expect("a line");
    assert!(cfg!(not(target_os = "linux")) || busy.contains(" % of ") && busy.contains("; load average "), "{busy}");
    // The tables alone take more than 65,536 bytes.
    let bytes = |name| {
        let line = ended.stdout.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.replace(',', "").parse::<u64>().ok())
    };
    let now = bytes("  resident now");
    assert_eq!(now.is_some(), cfg!(target_os = "linux"), "{}", ended.stdout);
    assert!(now.is_none_or(|now| (65_536..bytes("  addressed").expect("a number")).contains(&now)), "{now:?}");
    let warned = ended.stderr.contains("DEBUG BUILD") && ended.stdout.contains("DEBUG BUILD");
    assert_eq!(warned, cfg!(debug_assertions), "{}", ended.stderr);
}

#[test]
fn memory_that_is_touched_between_two_requests_makes_recording_colder() {
    let ended = cost(&["--seconds", "0.1", "--series", "20", "--threads", "1", "--between", "100000"]).with_code(0);
    let (_, table) = ended.stdout.split_once("recording with colder caches (--between)").expect("a table of its own");
    for name in [
        "record, by handle",
        "record, by handle, raw events on (InfluxDB + DogStatsD)",
        "record, by handle, by the recorder of the thread",
        "record, by handle, without exponential histograms",
        "record, by strings",
    ] {
        let figures = table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
        let figures: Vec<_> =
            figures.unwrap_or_else(|| panic!("no row {name:?}:\n{table}")).split_whitespace().collect();
        let [_, _, first, "to", third] = figures[..] else { panic!("{name}: {figures:?}") };
        let [first, third] = [first, third].map(|figure| figure.parse::<f64>().expect("a number"));
        assert!(first <= third, "{name}: {figures:?}");
    }
    let alone = table.lines().find_map(|line| line.strip_prefix("100,000 bytes of other memory, read alone"));
    let alone: f64 = alone.and_then(|alone| alone.trim().parse().ok()).expect("what is taken off");
    // 1,563 lines.
    assert!(alone > 100.0, "{alone}");
    assert!(ended.stdout.contains("  caches colder  250,000/s x "), "{}", ended.stdout);
}

#[test]
fn one_thread_has_no_rows_for_several() {
    let ended = cost(&["--seconds", "0.1", "--series", "1", "--threads", "1"]).with_code(0);
    assert!(ended.stdout.contains("on its one thread"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("1 recorders"), "{}", ended.stdout);
    assert_eq!(ended.stdout.matches("Prometheus, a line").count(), 1, "{}", ended.stdout);
}

#[test]
fn a_load_beyond_the_default_storage_is_told_what_to_use() {
    let ended = cost(&["--seconds", "0.1", "--series", "600", "--threads", "13"]).with_code(0);
    for part in [
        "13 threads are more than the 12",
        "600 series are more than the 511",
        "HeapStorage::new(600, 13, 65_536)",
        // Six of each series, though few requests fail.
        "OpenTelemetry    an export of 3,600 data points",
    ] {
        assert!(ended.stdout.contains(part), "{part}\n{}", ended.stdout);
    }
}

#[test]
fn bad_flags_are_named_with_what_would_be_right() {
    for (arguments, parts) in [
        (["--rate", "0"], ["--rate", "1..=1000000000"]),
        (["--series", "100001"], ["--series", "1..=100000"]),
        (["--threads", "1024"], ["--threads", "1..=1023"]),
        (["--threads", "many"], ["--threads", "many"]),
        (["--between", "0"], ["--between", "1..=1048576"]),
        (["--between", "1048577"], ["--between", "1..=1048576"]),
        (["--between", "64k"], ["--between", "64k"]),
        (["--seconds", "0"], ["--seconds", "0.1 to 3600"]),
        (["--seconds", "soon"], ["--seconds", "0.1 to 3600"]),
    ] {
        let ended = cost(&arguments).with_code(2);
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
    let ended = cost(&["--series", "100000", "--threads", "1000"]).with_code(2);
    assert!(ended.stderr.contains("--series 100000 with --threads 1000 is more than is measured"), "{}", ended.stderr);
}

#[test]
fn signals_end_it() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut running = crate::process::start(&["cost", "--seconds", "600", "--series", "10", "--threads", "1"]);
        running.says("measuring for 600 s");
        running.signal(signal);
        running.says(&format!("interrupted by SIG{signal}: stopping; a second signal"));
        let ended = running.end().with_code(code);
        assert!(ended.stdout.is_empty() || ended.stdout.contains("record, by strings"), "{}", ended.stdout);
    }
}
