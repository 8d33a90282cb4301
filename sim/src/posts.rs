//! Points that are posted to a modelled InfluxDB, by the machine that the shell drives.

use std::time::Duration;

use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::export::posts::{
    EventPoints, InstrumentPoints, IntervalPoints, PostAction, PostLimits, PostMachine, Schedule,
};
use loaddensity_metrics_core::export::{BodyInput, Tick};
use loaddensity_metrics_core::influxdb::{
    InstrumentEncoder, InstrumentRows, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder, ObservationEncoder,
    Precision,
};
use loaddensity_metrics_core::{
    AccountKind, ConstantLabels, DropReason, Exporter, Observation, ObservedRows, Packer, Phase,
};

use crate::call::Calls;
use crate::influxdb::InfluxdbStore;
use crate::shared::{Queue, Shared, of, waiting};

/// The most bytes of a body.
const BODY: usize = 4_000;

/// The exporter, and the server on the other side.
pub(crate) struct Posts<'a> {
    machine: PostMachine,
    points: PostedPoints<'a>,
    calls: Calls,
    store: InfluxdbStore,
    out: Vec<u8>,
    /// When it is polled next, or as soon as so many items wait.
    wait: (Tick, usize),
    done: Option<DropReason>,
}

/// What is posted.
enum PostedPoints<'a> {
    /// Each request, from a queue of the pump's; after the stop the queue is here.
    Requests { packer: Box<Packer<LineEncoder<'a>>>, stopped: Option<Queue<'a>> },
    /// Each observation, likewise.
    Observations { packer: Box<Packer<ObservationEncoder<'a>>>, stopped: Option<Queue<'a, Observation>> },
    /// What came in an interval.
    Intervals(Box<IntervalPoints<'a, Vec<u64>>>),
    /// What own instruments counted in an interval.
    Instruments(Box<InstrumentPoints<'a, Vec<u64>>>),
}

impl<'a> Posts<'a> {
    /// Starts with a point for each request.
    pub(crate) fn requests(shared: &mut Shared<'a>) -> Result<Self, String> {
        let capacity = shared.choices.one_of(&[200, 16, 1_000]);
        shared.attach(Exporter::Influxdb, capacity);
        let encoder = LineEncoder::new(shared.registry, "load").map_err(|error| error.to_string())?;
        let age = shared.choices.one_of(&[100, 1_000, 5_000].map(Duration::from_millis));
        let points = PostedPoints::Requests { packer: Box::new(Packer::new(encoder)), stopped: None };
        Ok(Self::new(points, Schedule::Batches { age, capacity }, shared))
    }

    /// Starts with a point for each series and interval.
    pub(crate) fn intervals(shared: &mut Shared<'a>) -> Result<Self, String> {
        let every = shared.choices.one_of(&[1, 10].map(Duration::from_secs));
        let labels = ConstantLabels::default();
        let encoder = IntervalEncoder::new(shared.registry, "load", &labels, Precision::Nanosecond);
        let mut rows = IntervalRows::on_heap(shared.registry);
        rows.freeze_some(shared.registry, usize::MAX);
        let ledger = shared.pump.accounts().open_after(Exporter::Influxdb, rows.before());
        let times = IntervalTimes::new(Precision::Nanosecond, every, Phase::NONE);
        let encoder = encoder.map_err(|error| error.to_string())?;
        let points = IntervalPoints::new(shared.registry, (rows, ledger), (encoder, times));
        let schedule = Schedule::Intervals { every, always_anew: false };
        Ok(Self::new(PostedPoints::Intervals(Box::new(points)), schedule, shared))
    }

    /// Starts with a point for each observation, over a connection of its own.
    pub(crate) fn observations(shared: &mut Shared<'a>) -> Result<Self, String> {
        let capacity = shared.choices.one_of(&[200, 16, 1_000]);
        shared.attach_observations(Exporter::Influxdb, capacity);
        let age = shared.choices.one_of(&[100, 1_000, 5_000].map(Duration::from_millis));
        let packer = Box::new(Packer::new(observation_encoder(shared)?));
        let points = PostedPoints::Observations { packer, stopped: None };
        Ok(Self::new(points, Schedule::Batches { age, capacity }, shared))
    }

    /// Starts with what own instruments count, over a connection of its own.
    pub(crate) fn instruments(shared: &mut Shared<'a>) -> Result<Self, String> {
        let (points, every) = instrument_points(shared)?;
        let schedule = Schedule::Intervals { every, always_anew: false };
        Ok(Self::new(PostedPoints::Instruments(Box::new(points)), schedule, shared))
    }

    fn new(points: PostedPoints<'a>, schedule: Schedule, shared: &mut Shared<'a>) -> Self {
        let timeout = shared.choices.one_of(&[2_000, 300, 10_000].map(Duration::from_millis));
        let limits = PostLimits::new(timeout, BODY, schedule).points(shared.choices.one_of(&[1_000, 5, 50]));
        Self {
            machine: PostMachine::new(&limits, shared.choices.below(1 << 16) as u64),
            store: InfluxdbStore::new(points.kind(), shared),
            points,
            calls: Calls::default(),
            out: vec![0; BODY],
            wait: (Tick::default(), 0),
            done: None,
        }
    }

    /// Requests, or observations, that the server has.
    pub(crate) fn stored(&self) -> u64 {
        self.store.counted()
    }

    /// Requests that may count as refused although the server has them.
    pub(crate) fn doubtful(&self) -> u64 {
        self.store.doubtful()
    }

    /// Whether all that it has are points that the server cannot bear.
    pub(crate) const fn has_only_poison(&self) -> bool {
        self.store.sees_only_poison()
    }

    pub(crate) const fn sends_sums(&self) -> bool {
        matches!(self.points, PostedPoints::Intervals(_) | PostedPoints::Instruments(_))
    }

    pub(crate) const fn done(&self) -> Option<DropReason> {
        self.done
    }

    pub(crate) fn due(&self, shared: &Shared<'a>) -> Tick {
        if self.done.is_some() {
            return Tick::NEVER;
        }
        let waiting = match &self.points {
            PostedPoints::Requests { .. } => waiting(&shared.queues, Exporter::Influxdb),
            PostedPoints::Observations { .. } => waiting(&shared.observation_queues, Exporter::Influxdb),
            PostedPoints::Intervals(_) | PostedPoints::Instruments(_) => 0,
        };
        if waiting >= self.wait.1 && waiting != 0 { shared.tick() } else { self.wait.0.min(self.calls.due()) }
    }

    /// All that is held is to be sent by then.
    pub(crate) fn stop(&mut self, deadline: Tick, shared: &mut Shared<'a>) {
        match &mut self.points {
            PostedPoints::Requests { stopped: stopped @ None, .. } => *stopped = shared.detach(Exporter::Influxdb),
            PostedPoints::Observations { stopped: stopped @ None, .. } => {
                *stopped = shared.detach_observations(Exporter::Influxdb);
            }
            _ => {}
        }
        self.calls.stop();
        self.tell(BodyInput::Stop { deadline }, shared);
    }

    /// Does what is due.
    pub(crate) fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        let (now, tick) = (shared.clock.now(), shared.tick());
        let Self { calls, machine, wait, .. } = self;
        calls.end(tick, |input| {
            *wait = (Tick::default(), 0);
            machine.handle(now, input);
        });
        for _ in 0..MOST_POLLS {
            let action = self.poll(shared);
            shared.note(|| format!("InfluxDB, {:?}: {action:?}", self.points.kind()));
            match action {
                PostAction::Resolve { id } => self.calls.resolve(id, shared)?,
                PostAction::Connect { id, .. } => self.calls.connect(id, shared)?,
                PostAction::Send { id, range } => {
                    let kept = self.calls.is_kept();
                    let reply = self.store.take(&self.out[range], kept, shared)?;
                    shared.note(|| format!("InfluxDB: makes {reply:?} of it, has {}", self.store.counted()));
                    self.calls.send(id, reply, shared)?;
                }
                PostAction::Cancel { id } => {
                    let input = self.calls.cancel(id, tick)?;
                    self.tell(input, shared);
                }
                PostAction::Wait { until, .. } if until <= tick => return Err("waits for a moment that is over".into()),
                PostAction::Wait { until, events } => {
                    self.wait = (until, events);
                    return Ok(());
                }
                PostAction::Done { cause } => {
                    match &mut self.points {
                        PostedPoints::Requests { stopped, .. } => {
                            stopped.iter_mut().for_each(|queue| queue.abandon(cause));
                        }
                        PostedPoints::Observations { stopped, .. } => {
                            stopped.iter_mut().for_each(|queue| queue.abandon(cause));
                        }
                        PostedPoints::Intervals(points) => debug_assert!(points.is_empty()),
                        PostedPoints::Instruments(points) => debug_assert!(points.is_empty()),
                    }
                    self.done = Some(cause);
                    return Ok(());
                }
            }
        }
        Err(format!("polled without end: {:?}", self.machine))
    }

    fn tell(&mut self, input: BodyInput<'_>, shared: &mut Shared<'a>) {
        let now = shared.clock.now();
        self.machine.handle(now, input);
        self.wait = (Tick::default(), 0);
    }

    fn poll(&mut self, shared: &mut Shared<'a>) -> PostAction {
        let now = shared.clock.now();
        let out = if self.calls.has_body() { &mut [][..] } else { &mut self.out[..] };
        match &mut self.points {
            PostedPoints::Intervals(points) => self.machine.poll(now, &mut **points, out),
            PostedPoints::Instruments(points) => self.machine.poll(now, &mut **points, out),
            PostedPoints::Requests { packer, stopped } => {
                match stopped.as_mut().or_else(|| of(&mut shared.queues, Exporter::Influxdb)) {
                    Some(queue) => self.machine.poll(now, &mut EventPoints::new(packer, queue), out),
                    None => PostAction::Done { cause: DropReason::Deadline },
                }
            }
            PostedPoints::Observations { packer, stopped } => {
                match stopped.as_mut().or_else(|| of(&mut shared.observation_queues, Exporter::Influxdb)) {
                    Some(queue) => self.machine.poll(now, &mut EventPoints::new(packer, queue), out),
                    None => PostAction::Done { cause: DropReason::Deadline },
                }
            }
        }
    }
}

impl PostedPoints<'_> {
    const fn kind(&self) -> AccountKind {
        match self {
            Self::Requests { .. } | Self::Intervals(_) => AccountKind::Requests,
            Self::Observations { .. } | Self::Instruments(_) => AccountKind::Observations,
        }
    }
}

/// What writes a line for each observation.
pub(crate) fn observation_encoder<'a>(shared: &Shared<'a>) -> Result<ObservationEncoder<'a>, String> {
    let encoder = ObservationEncoder::new(shared.registry, "load", &ConstantLabels::default());
    encoder.map_err(|error| error.to_string())
}

/// What own instruments count from now on, with their account, and how long an interval is.
pub(crate) fn instrument_points<'a>(
    shared: &mut Shared<'a>,
) -> Result<(InstrumentPoints<'a, Vec<u64>>, Duration), String> {
    let every = shared.choices.one_of(&[10, 1].map(Duration::from_secs));
    let labels = ConstantLabels::default();
    let encoder = InstrumentEncoder::new(shared.registry, "load", &labels, Precision::Nanosecond);
    let encoder = encoder.map_err(|error| error.to_string())?;
    let rows = InstrumentRows::on_heap(shared.registry, observed_rows(shared));
    let ledger = shared.pump.accounts().observations().open_after(Exporter::Influxdb, rows.before());
    let times = IntervalTimes::new(Precision::Nanosecond, every, Phase::NONE);
    Ok((InstrumentPoints::new(shared.registry, (rows, ledger), (encoder, times)), every))
}

/// Intervals of own instruments, which have begun.
pub(crate) fn observed_rows(shared: &Shared<'_>) -> ObservedRows<Vec<u64>> {
    let mut rows = ObservedRows::on_heap(shared.registry);
    rows.freeze_some(shared.registry, usize::MAX);
    rows
}

/// More polls at one moment than any machine needs.
pub(crate) const MOST_POLLS: usize = 200;
