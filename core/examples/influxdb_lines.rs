//! Prints InfluxDB lines in every dialect, with every nasty name in every place, for parsers that are not in Rust; see
//! `ci/oracles.sh`.

use std::error::Error;
use std::io::{Write as _, stdout};
use std::time::Duration;

use loaddensity_metrics_core::influxdb::{
    GaugeLineEncoder, IntervalEncoder, IntervalPoint, LineEncoder, Precision, StatusCode,
};
use loaddensity_metrics_core::{
    ConstantLabels, Event, Exporter, Label, Packer, Registry, Sample, Sink, Storage, Timestamp,
};
use loaddensity_metrics_vectors::names;

const NOW: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);

static STORAGES: [Storage<1_024, 1, 1_024>; 3] = [Storage::new(), Storage::new(), Storage::new()];

fn main() -> Result<(), Box<dyn Error>> {
    let names: Vec<_> = names::all().into_iter().map(|nasty| nasty.name).collect();
    for (storage, status) in STORAGES.iter().zip([StatusCode::Field, StatusCode::Tag, StatusCode::Both]) {
        let registry = storage.registry();
        for (number, name) in names.iter().enumerate() {
            // A constant tag of each kind comes round.
            let constant: String = names[(number * 7 + 1) % names.len()].chars().take(60).collect();
            let tags = ConstantLabels::new([("constant", constant.as_str()), ("zone", "a b")]);
            let tags = tags.map_err(|error| error.to_string())?;
            requests(registry, name, &tags, status)?;
        }
        sums(registry, status)?;
    }
    Ok(())
}

/// A request of `name` in each place, as lines.
fn requests(
    registry: Registry<'_>,
    name: &str,
    tags: &ConstantLabels,
    status: StatusCode,
) -> Result<(), Box<dyn Error>> {
    let mut pump = registry.pump().ok_or("the pump is taken")?;
    let mut sink = Sink::new(vec![Event::default(); 8], pump.attach(Exporter::Influxdb));
    let mut packer = Packer::new(LineEncoder::new(registry, "my load")?.with_tags(tags, status));
    let mut recorder = registry.recorder();
    let sample = Sample::ok(Duration::ZERO).status(404).completed_at(NOW);
    let series = [recorder.series("GET", name), recorder.series(name, "/x")];
    series.into_iter().for_each(|series| recorder.record(series, sample));
    // Longer values are no labels.
    if let Ok(series) = recorder.series_with_labels("GET", "/x", [Label { key: "scenario", value: name }]) {
        recorder.record(series, sample);
    }
    pump.drain(|event| {
        sink.offer(event);
    });
    let mut body = vec![0; 16 << 10];
    let packed = packer.pack(&mut sink, usize::MAX, &mut body);
    packer.confirm(&mut sink, packed);
    pump.detach(Exporter::Influxdb);
    line(&body[..packed.bytes])
}

/// What all of it amounts to, and gauges.
fn sums(registry: Registry<'_>, status: StatusCode) -> Result<(), Box<dyn Error>> {
    let tags = ConstantLabels::new([("constant", r"\,= \"), ("zone", "a b")])?;
    let precision = if status == StatusCode::Field { Precision::Nanosecond } else { Precision::Millisecond };
    let encoder = IntervalEncoder::new(registry, "my load_interval", &tags, precision)?;
    let mut body = vec![0; 16 << 10];
    for series in registry.each_series() {
        let latencies = registry.series_distributions(series).map(|both| both.latency());
        let interval = IntervalPoint::new(&registry.series_totals(series), latencies.as_ref());
        if interval.requests == 0 {
            continue;
        }
        let length = encoder.encode(series, &interval, NOW, &mut body)?;
        line(&body[..length])?;
    }
    registry.gauge("active_users")?.set(250.0);
    registry.gauge("rate")?.set(-1e-300);
    let written =
        GaugeLineEncoder::new(registry, "my load_gauges", &tags, precision)?.encode(0..usize::MAX, NOW, &mut body)?;
    line(&body[..written.bytes])
}

fn line(text: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    out.write_all(text)?;
    out.write_all(b"\n")?;
    Ok(())
}
