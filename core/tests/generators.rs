//! Several generators send to one InfluxDB, which overwrites a point by another with the same series and timestamp.
//! Without an identity, as many points are lost as the documents say. With an identity, none is lost.

use std::collections::HashSet;
use std::time::Duration;

use loaddensity_metrics_core::influxdb::{IntervalTimes, LineEncoder, Precision, StatusCode};
use loaddensity_metrics_core::{
    ConstantLabels, Event, EventEncoder, Exporter, Phase, Pump, Recorder, Sample, SampleRate, Sampler, Series, Storage,
    Timestamp,
};

/// Most generators at once.
const GENERATORS: usize = 40;
/// Requests of each generator within a millisecond: 20,000 a second.
const EACH: u64 = 20;
const MILLI: u64 = 1_000_000;

/// A storage with as many recorders as the default storage, so that timestamps have the same step.
type Memory = Storage<2, 12, 64>;
static MEMORIES: [Memory; GENERATORS] = [const { Memory::new() }; GENERATORS];

/// A process with one recorder and a clock of 1 ms.
struct Generator {
    pump: Pump<'static>,
    recorder: Recorder<'static>,
    series: Series,
}

impl Generator {
    fn all() -> Vec<Self> {
        let one = |memory: &'static Memory| {
            let mut pump = memory.registry().pump().expect("the only pump");
            pump.attach(Exporter::Influxdb);
            let mut recorder = memory.registry().recorder();
            let series = recorder.series("GET", "/x");
            Self { pump, recorder, series }
        };
        MEMORIES.iter().map(one).collect()
    }

    /// The requests of the millisecond that begins at `at`. All of them have this time.
    fn events(&mut self, phase: Phase, at: u64) -> Vec<Event> {
        let sample =
            Sample::http(200, Duration::from_micros(50)).response_bytes(1).completed_at(Timestamp::from_unix_nanos(at));
        (0..EACH).for_each(|_| self.recorder.record(self.series, sample));
        self.pump.set_phase(phase);
        self.pump.set_now(Timestamp::from_unix_nanos(at + MILLI));
        let mut events = Vec::new();
        self.pump.drain(|event| events.push(event));
        events
    }
}

/// Random numbers from a seed.
struct Random(Sampler);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Sampler::new(SampleRate::new(0.5).expect("a rate"), seed))
    }

    fn phase(&mut self) -> Phase {
        Phase::drawn((0..64).fold(0, |number, _| number << 1 | u64::from(self.0.keeps())))
    }
}

/// What sets of generators lose that draw their phases with `draw`: the mean share of all points, and the share of the
/// sets that lose any. A process draws its phase once, so one millisecond shows what happens in all others.
fn lost(all: &mut [Generator], sets: u64, start: u64, mut draw: impl FnMut() -> Phase) -> (f64, f64) {
    let (mut lost, mut with_loss) = (0, 0);
    for set in 0..sets {
        let mut stored = HashSet::new();
        let mut sent = 0;
        for generator in &mut *all {
            let events = generator.events(draw(), start + set * 100 * MILLI);
            sent += events.len();
            stored.extend(events.iter().map(|event| event.completed_at.as_unix_nanos()));
        }
        lost += sent - stored.len();
        with_loss += usize::from(sent != stored.len());
    }
    let points = (sets * all.len() as u64 * EACH) as f64;
    (lost as f64 / points, with_loss as f64 / sets as f64)
}

/// The first of the times. Each test uses times that no test before it has used.
const START: u64 = 1_700_000_000_000_000_000;
const HOUR: u64 = 3_600_000 * MILLI;

#[test]
fn the_points_that_generators_with_a_coarse_clock_lose_are_as_documented() {
    let mut all = Generator::all();
    // Without phases, every point of the second generator overwrites one of the first.
    assert_eq!(lost(&mut all[..2], 10, START, || Phase::NONE), (0.5, 1.0));

    let mut random = Random::new(7);
    // About six of these pairs lose anything, and about 100 of the sets of 40. `chance` is how far that may be from the
    // documented share.
    for (generators, sets, start, chance) in [(2, 10_000, HOUR, 3.0), (40, 250, 2 * HOUR, 1.3)] {
        let (said_mean, said_sets) = documented(generators);
        let (mean, with_loss) = lost(&mut all[..generators], sets, START + start, || random.phase());
        assert!(mean < 0.01, "{generators}: {mean}");
        let near = |said: f64, seen: f64| (said / chance..=said * chance).contains(&seen);
        assert!(near(said_mean, mean), "{generators}: {said_mean} in the documents, {mean} seen");
        assert!(near(said_sets, with_loss), "{generators}: {said_sets} in the documents, {with_loss} seen");
        let (exact_mean, exact_sets) = exact(generators as f64);
        assert!((said_mean / exact_mean - 1.0).abs() < 0.05, "{generators}: {said_mean} said, {exact_mean} exact");
        assert!((said_sets / exact_sets - 1.0).abs() < 0.05, "{generators}: {said_sets} said, {exact_sets} exact");
    }
    with_an_identity_nothing_is_lost(&mut all, START + 3 * HOUR);
}

/// With a tag of its own for each generator nothing is lost, even if all have the same timestamps.
fn with_an_identity_nothing_is_lost(all: &mut [Generator], start: u64) {
    let mut stored = HashSet::new();
    for (worker, generator) in all.iter_mut().enumerate() {
        let worker = worker.to_string();
        let tags = ConstantLabels::new([("worker", worker.as_str())]).expect("a tag");
        let encoder = LineEncoder::new(generator.recorder.registry(), "m").expect("a measurement");
        let encoder = encoder.with_tags(&tags, StatusCode::Field);
        for tick in 0..10 {
            for event in generator.events(Phase::NONE, start + tick * MILLI) {
                let mut line = [0; 512];
                let length = encoder.encode(&event, 0, &mut line).expect("room");
                let line = String::from_utf8(line[..length].to_vec()).expect("UTF-8");
                let (series, _) = line.split_once(' ').expect("tags");
                let (_, time) = line.rsplit_once(' ').expect("a time");
                assert!(stored.insert((series.to_owned(), time.to_owned())), "overwritten: {line}");
            }
        }
    }
    assert_eq!(stored.len() as u64, 10 * EACH * GENERATORS as u64);
}

/// The same shares, computed: `n` runs of [`EACH`] neighbouring places on a circle of all places.
fn exact(n: f64) -> (f64, f64) {
    let (run, places) = (EACH as f64, (MILLI / 16) as f64);
    let mean = 1.0 - places * (1.0 - (1.0 - run / places).powf(n)) / (n * run);
    let apart = (1.0 - n * run / places).powf(n - 1.0);
    (mean, 1.0 - apart)
}

/// The row for this number of generators in docs/generators.md: the mean share of lost points, and the share of sets
/// that lose any.
fn documented(generators: usize) -> (f64, f64) {
    let row = include_str!("../../docs/generators.md")
        .lines()
        .find(|line| line.starts_with(&format!("| {generators} | ")))
        .expect("a row for so many");
    let parts: Vec<f64> = row
        .split('|')
        .filter_map(|cell| cell.trim().strip_suffix(" %"))
        .map(|percent| percent.parse::<f64>().expect(percent) / 100.0)
        .collect();
    <[f64; 2]>::try_from(parts).expect(row).into()
}

/// Processes that are started together also end their intervals at about the same time.
#[test]
fn generators_that_start_together_rarely_have_the_same_time_per_interval() {
    let mut random = Random::new(3);
    let interval = Duration::from_secs(1);
    let mut equal = |precision: Precision| {
        let pairs = (0..10_000).filter(|_| {
            let of = |phase| {
                let mut times = IntervalTimes::new(precision, interval, phase);
                let ends = (1..=3).map(move |end| times.next(Timestamp::from_unix_nanos(START + end * 1_000 * MILLI)));
                ends.map(|time| time.as_unix_nanos() / precision.nanos()).collect::<Vec<_>>()
            };
            of(random.phase()) == of(random.phase())
        });
        pairs.count()
    };
    // Each process has one of a thousand milliseconds. So one pair in a thousand loses half of its points.
    let same = equal(Precision::Millisecond);
    assert!((1..100).contains(&same), "{same}");
    assert_eq!(equal(Precision::Nanosecond), 0);
    // The warning at the start is for this case.
    assert!(equal(Precision::Second) > 9_000);
}

#[test]
fn a_clock_that_is_too_late_does_no_harm() {
    static MEMORY: Memory = Memory::new();
    let registry = MEMORY.registry();
    let mut pump = registry.pump().expect("the only pump");
    pump.attach(Exporter::Influxdb);
    pump.set_phase(Phase::drawn(u64::MAX));
    pump.set_now(Timestamp::from_unix_nanos(u64::MAX / 1_000_000 * 1_000_000));
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/x");
    for completed_at in [0, u64::MAX, 1_000_000] {
        let sample = Sample::ok(Duration::ZERO).completed_at(Timestamp::from_unix_nanos(completed_at));
        recorder.record(series, sample);
    }
    let mut last = 0;
    pump.drain(|event| {
        let nanos = event.completed_at.as_unix_nanos();
        assert!((last + 1..i64::MAX as u64 - 1).contains(&nanos), "{nanos}");
        last = nanos;
    });
}
