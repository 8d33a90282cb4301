//! Prints OpenMetrics pages with every nasty name in every place, exemplars, gauges and creation times, for parsers that
//! are not in Rust; see `ci/oracles.sh`.
//!
//! A series of the name N has as many successes as N has bytes, and one failure. Where N is short enough, the label
//! `hex` says what its bytes are.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::time::Duration;

use loaddensity_metrics_core::prometheus::{MAX_LINE, Page, ScrapeOptions};
use loaddensity_metrics_core::{
    ConstantLabels, Exporter, Label, Outcome, Recorder, Registry, Sample, Series, Storage, Timestamp, TraceContext,
};
use loaddensity_metrics_vectors::names;

const NOW: u64 = 1_700_000_000_000_000_001;
/// The longest name whose hexadecimal digits are a label.
const SHORT: usize = 46;

static STORAGE: Storage<1_024, 1, 2> = Storage::new();

fn main() -> Result<(), Box<dyn Error>> {
    let registry = STORAGE.registry();
    page(registry, ScrapeOptions::default())?;
    let mut recorder = registry.recorder();
    for nasty in names::all() {
        series(&mut recorder, &nasty.name)?;
    }
    for (number, value) in [250.0, -0.5, 1e300, f64::MIN_POSITIVE].into_iter().enumerate() {
        registry.gauge(&format!("gauge_{number}"))?.set(value);
    }
    for exporter in Exporter::ALL {
        registry.pump().expect("the only pump").accounts().open(exporter);
    }
    let constant = ConstantLabels::new([("run", r#"\ "7" = , \"#), ("zone", "a\nb")])?;
    for created in [None, Some(Timestamp::from_unix_nanos(NOW))] {
        let options = ScrapeOptions::default().created(created);
        page(registry, options.clone())?;
        page(registry, options.constant_labels(&constant))?;
    }
    Ok(())
}

/// Requests of `name` in each place.
fn series(recorder: &mut Recorder<'_>, name: &str) -> Result<(), Box<dyn Error>> {
    let hex = name.bytes().try_fold(String::new(), |mut hex, byte| write!(hex, "{byte:02x}").map(|()| hex))?;
    let as_name = match name.len() {
        1..=SHORT => recorder.series_with_labels("GET", name, [Label { key: "hex", value: &hex }])?,
        _ => recorder.series("GET", name),
    };
    let as_method = recorder.series(name, "/x");
    record(recorder, as_name, name.len());
    record(recorder, as_method, name.len());
    // Longer values are no labels.
    if let Ok(as_label) = recorder.series_with_labels("GET", "/x", [Label { key: "scenario", value: name }]) {
        record(recorder, as_label, name.len());
    }
    Ok(())
}

fn record(recorder: &mut Recorder<'_>, series: Series, successes: usize) {
    for number in 0..=successes as u64 {
        let outcome = if number == 0 { Outcome::Failure } else { Outcome::Success };
        let (latency, completed_at) = (Duration::from_micros(number * number * 337), Timestamp::from_unix_nanos(NOW));
        let sample = Sample::new(outcome, latency).response_bytes(number).completed_at(completed_at);
        // Some without a span, and some buckets without a trace.
        let span_id = if number % 2 == 0 { [0; 8] } else { [7; 8] };
        let trace_id = if number % 5 == 4 { [0; 16] } else { (u128::from(number) + 1).to_be_bytes() };
        recorder.record_traced(series, sample, TraceContext { trace_id, span_id });
    }
}

fn page(registry: Registry<'_>, options: ScrapeOptions) -> Result<(), Box<dyn Error>> {
    let mut page = Page::open_metrics(registry).with_options(options);
    let (mut buffer, mut out) = ([0; MAX_LINE], stdout().lock());
    loop {
        match page.fill(&mut buffer)? {
            0 => return Ok(()),
            bytes => out.write_all(&buffer[..bytes])?,
        }
    }
}
