//! The machine of periodic exports with a real registry. A reference decoder reads what the receiver got: at the end it
//! has everything that was recorded, whatever it answered meanwhile.

use core::time::Duration;
use loaddensity_metrics_core::export::periodic::{
    Cumulative, Delta, ExportAction, ExportLimits, ExportMachine, ExportSource,
};
use loaddensity_metrics_core::export::{BodyInput, Now, Tick};
use loaddensity_metrics_core::otlp::{DeltaInterval, ExportOptions, Resource};
use loaddensity_metrics_core::verdict::Said;
use loaddensity_metrics_core::{
    Account, DropReason, Exponential, Exporter, ObservedRows, Outcome, Registry, Sample, Storage, Timestamp, Unit,
};
use loaddensity_metrics_vectors::otlp::{self, DecodedValue};
use std::collections::BTreeMap;

type Places = Storage<50, 1, 2>;
/// The same with room for own instruments.
type Observed = Storage<50, 1, 2, Exponential, 2, 1>;

const START: u64 = 1_700_000_000_000_000_000;
/// The receiver's own limit, between one point and all of them.
const LIMIT: usize = 6_000;

fn now(tick: Tick) -> Now {
    Now { tick, wall: Timestamp::from_unix_nanos(START + 1 + tick.as_nanos()) }
}

fn record(registry: Registry<'_>) {
    let mut recorder = registry.recorder();
    for number in 0..40 {
        let series = recorder.series("GET", &format!("/{number}"));
        let outcomes = Outcome::ALL.into_iter().cycle().take(number + 1);
        outcomes.for_each(|outcome| recorder.record(series, Sample::new(outcome, Duration::ZERO)));
    }
}

/// The same with own instruments.
fn observe(registry: Registry<'_>) {
    record(registry);
    let checks = registry.counter("checks", Unit::One, "Checks").expect("room");
    let first_byte = registry.timer("first_byte", "").expect("room");
    let iterations = registry.run_counter("iterations", Unit::One, "").expect("room");
    let mut recorder = registry.recorder();
    for number in 0..40 {
        let series = recorder.series("GET", &format!("/{number}"));
        recorder.add(checks, series, 3);
        (0..number).for_each(|_| recorder.observe(first_byte, series, Duration::from_millis(2)));
    }
    recorder.add_to_run(iterations, 5);
}

/// What a receiver got and accepted.
#[derive(Default)]
struct Taken {
    bodies: Vec<Vec<otlp::DecodedPoint>>,
    asked: usize,
    of_instruments: OfInstruments,
    /// Bodies of own instruments that it was sent and did not take.
    not_taken: Vec<Vec<otlp::DecodedPoint>>,
}

/// What a receiver does with bodies of own instruments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OfInstruments {
    #[default]
    Takes,
    /// Answers, and keeps nothing.
    Says(Said),
    /// Does not answer to the first of them, so often, and takes the rest.
    IsSilent(usize),
}

/// What the points of a body are of, in the order in which bodies of a cycle are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BodyKind {
    Requests,
    Instruments,
    Gauges,
}

fn kind_of(body: &[otlp::DecodedPoint]) -> BodyKind {
    let mut kinds = body.iter().map(|point| match (point.metric.as_str(), &point.value) {
        (_, DecodedValue::Gauge(_)) => BodyKind::Gauges,
        ("loaddensity.checks" | "loaddensity.first_byte" | "loaddensity.iterations", _) => BodyKind::Instruments,
        _ => BodyKind::Requests,
    });
    let first = kinds.next().expect("a point");
    assert!(kinds.all(|kind| kind == first), "a body of two kinds");
    first
}

impl Taken {
    /// Accepts or refuses a body. `None` if it does not answer.
    fn answer(&mut self, body: &[u8], is_delta: bool) -> Option<Said> {
        self.asked += 1;
        otlp::canonical(body).expect("canonical");
        let points = if is_delta { otlp::decode_delta(body) } else { otlp::decode(body) }.expect("a message");
        match self.asked {
            _ if body.len() > LIMIT => return Some(Said::TooLarge),
            4 | 9 => return Some(Said::Away { at_least: Duration::ZERO, may_have_arrived: false }),
            6 => return None,
            _ => {}
        }
        match (self.of_instruments, kind_of(&points)) {
            (OfInstruments::Takes, _) | (_, BodyKind::Requests | BodyKind::Gauges) => self.bodies.push(points),
            (OfInstruments::Says(said), _) => {
                self.not_taken.push(points);
                return Some(said);
            }
            (OfInstruments::IsSilent(times), _) if self.not_taken.len() < times => {
                self.not_taken.push(points);
                return None;
            }
            (OfInstruments::IsSilent(_), _) => self.bodies.push(points),
        }
        Some(Said::Stored)
    }

    /// The requests of each series, as the counter shows them.
    fn requests(&self, is_delta: bool) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for point in self.bodies.iter().flatten().filter(|point| point.metric == "loaddensity.requests") {
            if let DecodedValue::Sum(requests) = point.value {
                let sum = sums.entry(format!("{:?}", point.attributes)).or_default();
                *sum = if is_delta { *sum + requests } else { requests };
            }
        }
        sums
    }
}

/// Drives the machine for three intervals, and then stops it.
fn drive<S: ExportSource>(source: S, is_delta: bool, registry: Registry<'_>) -> (Taken, DropReason) {
    drive_with(source, is_delta, || record(registry), Taken::default())
}

/// The same with a receiver like this, where so much is recorded in each interval.
fn drive_with<S: ExportSource>(
    mut source: S,
    is_delta: bool,
    record: impl Fn(),
    mut taken: Taken,
) -> (Taken, DropReason) {
    let (interval, timeout) = (Duration::from_secs(5), Duration::from_secs(1));
    let limits = ExportLimits::new(interval, timeout, 16 << 10).delta(is_delta);
    let mut tick = Tick::from_nanos(0);
    let (mut exports, mut buffer) = (ExportMachine::new(limits, 3, now(tick)), vec![]);
    let (mut body, mut recorded) = (vec![], 0);
    loop {
        let input = match exports.poll(now(tick), &mut source, &mut buffer) {
            ExportAction::Resolve { id } => BodyInput::Resolved { id, addresses: &[([192, 0, 2, 1], 4318).into()] },
            ExportAction::Connect { id, .. } => BodyInput::Connected { id },
            ExportAction::Send { id, range } => {
                body = buffer[range].to_vec();
                match taken.answer(&body, is_delta) {
                    Some(said) => BodyInput::Answer { id, said },
                    None => BodyInput::Failed { id, began: true, kept: false },
                }
            }
            ExportAction::Again { id, .. } => match taken.answer(&body, is_delta) {
                Some(said) => BodyInput::Answer { id, said },
                None => BodyInput::Failed { id, began: true, kept: false },
            },
            ExportAction::GrowBuffer(bytes) => {
                buffer.resize(bytes, 0);
                continue;
            }
            ExportAction::Wait { until } => {
                tick = until;
                if tick.as_nanos() / interval.as_nanos() as u64 > recorded && recorded < 3 {
                    record();
                    recorded += 1;
                }
                if recorded < 3 {
                    continue;
                }
                BodyInput::Stop { deadline: tick.after(interval) }
            }
            ExportAction::Done { cause } => return (taken, cause),
            ExportAction::Cancel { id } => unreachable!("{id:?} was answered"),
        };
        exports.handle(now(tick), input);
    }
}

fn check(taken: &Taken, is_delta: bool, registry: Registry<'_>) {
    let requests = taken.requests(is_delta);
    assert_eq!(requests.values().sum::<i64>(), registry.requests() as i64);
    // Each series but the first has both outcomes.
    assert_eq!((requests.len(), registry.requests()), (79, 3 * (1..=40).sum::<u64>()));
    let account = registry.account(Exporter::OpenTelemetry);
    assert_eq!((account.sent, account.held, account.dropped.total()), (registry.requests(), 0, 0));
    let is_gauge = |point: &otlp::DecodedPoint| matches!(point.value, DecodedValue::Gauge(_));
    assert!(taken.bodies.iter().all(|body| body.iter().all(is_gauge) || !body.iter().any(is_gauge)));
    assert!(taken.bodies.iter().filter(|body| body.iter().all(is_gauge)).count() >= 3, "one in each cycle");
    let all = |metric| taken.bodies.iter().flatten().filter(move |point| point.metric == metric);
    let counts = |metric| -> u64 {
        let mut last = BTreeMap::new();
        for point in all(metric) {
            if let DecodedValue::Histogram { count, .. } = point.value {
                let sum: &mut u64 = last.entry(format!("{:?}", point.attributes)).or_default();
                *sum = if is_delta { *sum + count } else { count };
            }
        }
        last.values().sum()
    };
    let metrics = ["loaddensity.request.latency", "loaddensity.response.size"];
    assert_eq!(metrics.map(counts), [registry.requests(); 2]);
}

#[test]
fn cumulative_exports_show_at_last_all_that_was_recorded() {
    static STORAGE: Places = Storage::new();
    let (registry, resource) = (STORAGE.registry(), Resource::new("checkout"));
    registry.gauge("users").expect("room for a gauge").set(7.0);
    let accounts = registry.pump().expect("the only pump").accounts();
    accounts.open(Exporter::OpenTelemetry);
    let start = Timestamp::from_unix_nanos(START);
    let source = Cumulative::new(accounts, &resource, start);
    let (taken, cause) = drive(source, false, registry);
    assert_eq!(cause, DropReason::Deadline);
    check(&taken, false, registry);
}

#[test]
fn deltas_add_up_to_all_that_was_recorded() {
    static STORAGE: Places = Storage::new();
    let (registry, resource) = (STORAGE.registry(), Resource::new("checkout"));
    registry.gauge("users").expect("room for a gauge").set(7.0);
    let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, ExportOptions::default())];
    let start = Timestamp::from_unix_nanos(START);
    let (mut interval, before) =
        DeltaInterval::new(registry, ExportOptions::default(), memory, start).expect("enough memory");
    let accounts = registry.pump().expect("the only pump").accounts();
    accounts.open_after(Exporter::OpenTelemetry, before);
    let source = Delta::new(accounts, &resource, &mut interval);
    let (taken, cause) = drive(source, true, registry);
    assert_eq!(cause, DropReason::Deadline);
    check(&taken, true, registry);
    // Each series' intervals touch, if requests came in each.
    let mut ends = BTreeMap::new();
    for point in taken.bodies.iter().flatten().filter(|point| matches!(point.value, DecodedValue::Sum(_))) {
        let end = ends.insert(format!("{:?}", point.attributes), point.time);
        assert_eq!(point.start, end.unwrap_or(START), "{point:?}");
    }
}

/// An exporter of requests and of own instruments, of whose bodies the receiver does this. Returns what was taken, and the
/// accounts of requests and of observations.
fn with_instruments(storage: &Observed, is_delta: bool, of_instruments: OfInstruments) -> (Taken, [Account; 2]) {
    let (registry, resource) = (storage.registry(), Resource::new("checkout"));
    registry.gauge("users").expect("room for a gauge").set(7.0);
    let accounts = registry.pump().expect("the only pump").accounts();
    let (start, taken) = (Timestamp::from_unix_nanos(START), Taken { of_instruments, ..Taken::default() });
    let (taken, cause) = if is_delta {
        let (rows, before) = ObservedRows::new(registry, vec![0; ObservedRows::<Vec<u64>>::words(registry)]).unwrap();
        let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, ExportOptions::default())];
        let (interval, requests_before) =
            DeltaInterval::new(registry, ExportOptions::default(), memory, start).expect("enough memory");
        let mut interval = interval.with_instruments(rows);
        accounts.open_after(Exporter::OpenTelemetry, requests_before);
        accounts.observations().open_after(Exporter::OpenTelemetry, before);
        drive_with(Delta::new(accounts, &resource, &mut interval), true, || observe(registry), taken)
    } else {
        accounts.open(Exporter::OpenTelemetry);
        accounts.observations().open(Exporter::OpenTelemetry);
        let source = Cumulative::new(accounts, &resource, start).with_instruments();
        drive_with(source, false, || observe(registry), taken)
    };
    if of_instruments != OfInstruments::IsSilent(usize::MAX) {
        // The gauges, which come last, are taken.
        assert_eq!(cause, DropReason::Deadline);
        assert_eq!(registry.observation_account(Exporter::OpenTelemetry).held, 0);
    }
    let requests = accounts.close(Exporter::OpenTelemetry, cause);
    let account = accounts.observations().close(Exporter::OpenTelemetry, cause);
    assert_eq!((requests.recorded, account.recorded), (registry.requests(), registry.observations()));
    assert_eq!(requests.sent + requests.dropped.total(), requests.recorded, "{requests:?}");
    assert_eq!(account.sent + account.dropped.total(), account.recorded, "{account:?}");
    assert_eq!(registry.observation_account(Exporter::Statsd).recorded, 0, "of another exporter");
    (taken, [requests, account])
}

/// What the bodies of own instruments show of each metric: of counters the sum, of histograms the count.
fn observed(bodies: &[Vec<otlp::DecodedPoint>], is_delta: bool) -> [u64; 3] {
    let mut values = BTreeMap::new();
    for point in bodies.iter().filter(|body| kind_of(body) == BodyKind::Instruments).flatten() {
        let value = match point.value {
            DecodedValue::Sum(sum) => sum as u64,
            DecodedValue::Histogram { count, .. } => count,
            ref other => panic!("{other:?}"),
        };
        let known = values.entry((point.metric.clone(), format!("{:?}", point.attributes))).or_default();
        *known = if is_delta { *known + value } else { value };
    }
    ["checks", "first_byte", "iterations"].map(|wanted| {
        values
            .iter()
            .filter(|((metric, _), _)| *metric == format!("loaddensity.{wanted}"))
            .map(|(_, value)| value)
            .sum()
    })
}

/// In how many calls [`observe`] adds as much: a check is raised by 3, and iterations are by 5, at once.
fn calls([checks, first_byte, iterations]: [u64; 3]) -> u64 {
    checks / 3 + first_byte + iterations / 5
}

/// What [`observe`] adds to each of these in three rounds.
const OBSERVED: [u64; 3] = [3 * 3 * 40, 3 * 39 * 40 / 2, 3 * 5];

#[test]
fn own_instruments_come_between_requests_and_gauges_in_bodies_of_their_own() {
    static STORAGES: [Observed; 2] = [Storage::new(), Storage::new()];
    for (storage, is_delta) in STORAGES.iter().zip([false, true]) {
        let (taken, [requests, observations]) = with_instruments(storage, is_delta, OfInstruments::Takes);
        check(&taken, is_delta, storage.registry());
        assert_eq!((observations.sent, observations.dropped.total()), (storage.registry().observations(), 0));
        assert_eq!(requests.sent, storage.registry().requests());
        let mut steps: Vec<_> = taken.bodies.iter().map(|body| kind_of(body)).collect();
        steps.dedup();
        // Before anything was recorded there is a cycle of gauges alone.
        let cycle = [BodyKind::Requests, BodyKind::Instruments, BodyKind::Gauges];
        let whole: Vec<_> = steps.iter().copied().skip_while(|kind| *kind == BodyKind::Gauges).collect();
        assert!(whole.len() >= 3 * cycle.len() && whole.chunks(3).all(|kinds| kinds == cycle), "{steps:?}");
        assert_eq!(observed(&taken.bodies, is_delta), OBSERVED);
    }
}

#[test]
fn intervals_of_own_instruments_touch_and_are_those_of_requests() {
    static STORAGE: Observed = Storage::new();
    let (taken, _) = with_instruments(&STORAGE, true, OfInstruments::Takes);
    let mut ends = BTreeMap::new();
    let mut of_requests = std::collections::BTreeSet::new();
    for point in taken.bodies.iter().flatten() {
        match point.value {
            DecodedValue::Gauge(_) => continue,
            _ if kind_of(core::slice::from_ref(point)) == BodyKind::Requests => {
                of_requests.insert((point.start, point.time));
            }
            _ => {}
        }
        let end = ends.insert((point.metric.clone(), format!("{:?}", point.attributes)), point.time);
        assert_eq!(point.start, end.unwrap_or(START), "{point:?}");
        assert!(of_requests.contains(&(point.start, point.time)), "{point:?}");
    }
}

#[test]
fn a_receiver_that_refuses_own_instruments_refuses_no_request() {
    static STORAGES: [Observed; 2] = [Storage::new(), Storage::new()];
    for (storage, is_delta) in STORAGES.iter().zip([false, true]) {
        let refuses = OfInstruments::Says(Said::Refused);
        let (taken, [requests, observations]) = with_instruments(storage, is_delta, refuses);
        check(&taken, is_delta, storage.registry());
        assert_eq!((requests.sent, requests.dropped.total()), (storage.registry().requests(), 0));
        let all = storage.registry().observations();
        assert_eq!((observations.sent, observations.dropped.get(DropReason::Refused)), (0, all));
        // What is refused is never sent again.
        if is_delta {
            assert_eq!(observed(&taken.not_taken, true), OBSERVED);
        }
    }
}

#[test]
fn a_body_of_an_interval_that_nobody_answers_to_is_unconfirmed_and_costs_no_request() {
    // Once, and three times the same bytes.
    const TIMES: usize = 4;
    static STORAGE: Observed = Storage::new();
    let (taken, [requests, observations]) = with_instruments(&STORAGE, true, OfInstruments::IsSilent(TIMES));
    assert_eq!((requests.sent, requests.dropped.total()), (STORAGE.registry().requests(), 0));
    assert_eq!(taken.requests(true).values().sum::<i64>() as u64, requests.sent);
    assert!(taken.not_taken.len() == TIMES && taken.not_taken.iter().all(|body| *body == taken.not_taken[0]));
    let [lost, arrived] = [&taken.not_taken[..1], &taken.bodies].map(|bodies| observed(bodies, true));
    assert_eq!([0, 1, 2].map(|metric| lost[metric] + arrived[metric]), OBSERVED);
    let unconfirmed = observations.dropped.get(DropReason::Unconfirmed);
    assert_eq!([observations.sent, unconfirmed, observations.dropped.total()], [arrived, lost, lost].map(calls));
    assert!(unconfirmed != 0);
}

#[test]
fn at_a_stop_own_instruments_that_may_have_arrived_are_unconfirmed_and_the_rest_is_not() {
    static STORAGES: [Observed; 2] = [Storage::new(), Storage::new()];
    for (storage, is_delta) in STORAGES.iter().zip([false, true]) {
        let (taken, [requests, observations]) =
            with_instruments(storage, is_delta, OfInstruments::IsSilent(usize::MAX));
        let unconfirmed = observations.dropped.get(DropReason::Unconfirmed);
        assert!(observations.sent == 0 && unconfirmed != 0, "{observations:?}");
        let never_sent = observations.dropped.get(DropReason::Unreachable);
        assert_eq!(unconfirmed + never_sent, storage.registry().observations(), "{observations:?}");
        // What was sent of them is in these bodies alone; of a delta, those that came again are the same.
        let mut sent = taken.not_taken;
        sent.dedup();
        if is_delta {
            assert_eq!(calls(observed(&sent, true)), unconfirmed);
        }
        assert_eq!(requests.dropped.get(DropReason::Unconfirmed), 0, "requests were answered: {requests:?}");
    }
}

#[test]
fn a_point_that_is_rejected_of_own_instruments_costs_no_request() {
    static STORAGES: [Observed; 2] = [Storage::new(), Storage::new()];
    for (storage, is_delta) in STORAGES.iter().zip([false, true]) {
        let rejects = OfInstruments::Says(Said::Partial { dropped: 1 });
        let (taken, [requests, observations]) = with_instruments(storage, is_delta, rejects);
        check(&taken, is_delta, storage.registry());
        assert_eq!((requests.sent, requests.dropped.total()), (storage.registry().requests(), 0));
        let all = storage.registry().observations();
        let rejected = observations.dropped.get(DropReason::Rejected);
        // The heaviest point of one body at least: of the last one, or of one in each interval.
        assert!(rejected >= if is_delta { 39 } else { 3 * 39 }, "{rejected}");
        assert!(rejected < all && observations.sent + rejected == all, "{observations:?}");
    }
}
