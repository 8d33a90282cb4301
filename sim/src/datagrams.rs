//! Datagrams for InfluxDB and DogStatsD through modelled sockets, by the machine that the shell drives.

use std::time::Duration;

use loaddensity_metrics_core::dogstatsd::{AggregatedRequest, ContextCount, MessageEncoder, ObservationMessageEncoder};
use loaddensity_metrics_core::export::datagrams::{
    AggregateDatagrams, AggregatePacking, DatagramAction, DatagramInput, DatagramMachine, DatagramRoute,
    DatagramTarget, EventDatagrams, EventPacking, InstrumentMessages, IntervalDatagrams, IntervalPacking, WINDOW_BYTES,
    Wait,
};
use loaddensity_metrics_core::export::posts::InstrumentPoints;
use loaddensity_metrics_core::export::{Id, Tick};
use loaddensity_metrics_core::influxdb::{LineEncoder, ObservationEncoder};
use loaddensity_metrics_core::{AccountKind, CALL_BYTES, DropReason, Exporter, Observation};

use crate::influxdb::{point_of, shown_in};
use crate::instruments::ShownCalls;
use crate::kernel::{Kernel, KernelNature};
use crate::posts::{MOST_POLLS, instrument_points, observation_encoder, observed_rows};
use crate::shared::{Queue, Shared, of, waiting};

/// The exporter, and the kernel on the other side.
pub(crate) struct Datagrams<'a> {
    exporter: Exporter,
    machine: DatagramMachine,
    packing: DatagramPacking<'a>,
    /// The queue, once it was taken from the pump.
    stopped: Option<Queue<'a>>,
    stopped_observations: Option<Queue<'a, Observation>>,
    kernel: Kernel,
    /// What was started and is not done: names and sockets.
    pending: Vec<(Tick, Started)>,
    buffer: Vec<u8>,
    wait: Wait,
    done: Option<DropReason>,
}

type BoxedAggregates<'a> = AggregatePacking<'a, Box<[AggregatedRequest]>, Box<[ContextCount]>>;

/// What datagrams are made of.
enum DatagramPacking<'a> {
    Lines(Box<EventPacking<LineEncoder<'a>, Box<[u8]>>>),
    Messages(Box<EventPacking<MessageEncoder<'a>, Box<[u8]>>>),
    Aggregates(Box<BoxedAggregates<'a>>),
    /// What own instruments counted in an interval.
    InstrumentLines(Box<InstrumentPoints<'a, Vec<u64>>>, IntervalPacking),
    InstrumentMessages(Box<InstrumentMessages<'a, Vec<u64>>>, IntervalPacking),
    /// Each observation.
    ObservationLines(Box<EventPacking<ObservationEncoder<'a>, Box<[u8]>>>),
    ObservationMessages(Box<EventPacking<ObservationMessageEncoder<'a>, Box<[u8]>>>),
}

/// How many requests, or observations, a datagram stands for.
type CountedIn = fn(&[u8]) -> Result<u64, String>;

#[derive(Clone, Copy)]
enum Started {
    Name(Id),
    Socket(Id, usize, Option<std::net::SocketAddr>),
}

impl<'a> Datagrams<'a> {
    /// Lines of InfluxDB over UDP.
    pub(crate) fn lines(shared: &mut Shared<'a>) -> Result<Self, String> {
        let encoder = LineEncoder::new(shared.registry, "load").map_err(|error| error.to_string())?;
        let packing = DatagramPacking::Lines(Box::new(packing(encoder, false, shared)));
        attach(Exporter::Influxdb, shared);
        Ok(Self::new(Exporter::Influxdb, packing, false, lines_in, shared))
    }

    /// Lines of own instruments.
    pub(crate) fn instrument_lines(shared: &mut Shared<'a>) -> Result<Self, String> {
        let (points, interval) = instrument_points(shared)?;
        let packing = IntervalPacking::new(usize::MAX, BYTES, interval, shared.clock.now());
        let packing = DatagramPacking::InstrumentLines(Box::new(points), packing);
        Ok(Self::new(Exporter::Influxdb, packing, false, observed_lines_in, shared))
    }

    /// A line for each observation.
    pub(crate) fn observation_lines(shared: &mut Shared<'a>) -> Result<Self, String> {
        let packing = packing(observation_encoder(shared)?, false, shared);
        attach_observations(Exporter::Influxdb, shared);
        let packing = DatagramPacking::ObservationLines(Box::new(packing));
        Ok(Self::new(Exporter::Influxdb, packing, false, observed_lines_in, shared))
    }

    /// Messages of DogStatsD, for each request or for each interval, over UDP or a Unix socket.
    pub(crate) fn messages(shared: &mut Shared<'a>) -> Result<Self, String> {
        let encoder = MessageEncoder::new(shared.registry, "load").map_err(|error| error.to_string())?;
        let is_stream = shared.choices.below(3) == 1;
        let packing = if shared.choices.happens(500) {
            let slots = vec![AggregatedRequest::default(); shared.choices.one_of(&[64, 8, 500])].into_boxed_slice();
            let interval = shared.choices.one_of(&[1, 10].map(Duration::from_secs));
            let aggregator = encoder.aggregator(slots).with_counters(None::<Box<[ContextCount]>>, 0);
            DatagramPacking::Aggregates(Box::new(AggregatePacking::new(
                aggregator,
                BYTES,
                interval,
                shared.clock.now(),
            )))
        } else {
            DatagramPacking::Messages(Box::new(packing(encoder, is_stream, shared)))
        };
        attach(Exporter::Statsd, shared);
        Ok(Self::new(Exporter::Statsd, packing, is_stream, requests_in, shared))
    }

    /// Messages of own instruments, over the same as those of requests.
    pub(crate) fn instrument_messages(is_stream: bool, shared: &mut Shared<'a>) -> Result<Self, String> {
        let encoder = MessageEncoder::new(shared.registry, "load").map_err(|error| error.to_string())?;
        let rows = observed_rows(shared);
        let ledger = shared.pump.accounts().observations().open_after(Exporter::Statsd, rows.before());
        let messages = InstrumentMessages::new(shared.registry, (rows, ledger), encoder.instruments());
        let items = shared.choices.one_of(&[usize::MAX, 1, 4]);
        let (messages, counted_in): (_, CountedIn) = match items {
            1 => (messages.with_single_messages(), observed_message_in),
            _ => (messages, observed_rows_in),
        };
        let interval = shared.choices.one_of(&[10, 1].map(Duration::from_secs));
        let packing = IntervalPacking::new(items, BYTES, interval, shared.clock.now());
        let packing = DatagramPacking::InstrumentMessages(Box::new(messages), packing);
        Ok(Self::new(Exporter::Statsd, packing, is_stream, counted_in, shared))
    }

    /// A message for each observation, over the same as those of requests.
    pub(crate) fn observation_messages(is_stream: bool, shared: &mut Shared<'a>) -> Result<Self, String> {
        let encoder = MessageEncoder::new(shared.registry, "load").map_err(|error| error.to_string())?;
        let packing = packing(encoder.observations(), is_stream, shared);
        attach_observations(Exporter::Statsd, shared);
        let packing = DatagramPacking::ObservationMessages(Box::new(packing));
        Ok(Self::new(Exporter::Statsd, packing, is_stream, observed_rows_in, shared))
    }

    fn new(
        exporter: Exporter,
        packing: DatagramPacking<'a>,
        is_stream: bool,
        counted_in: CountedIn,
        shared: &mut Shared<'a>,
    ) -> Self {
        let choices = &mut shared.choices;
        let nature = KernelNature {
            is_stream,
            is_near: choices.happens(600),
            knows_offload: choices.happens(500),
            largest: choices.one_of(&[65_507, 1_000, 300]),
        };
        let to = match is_stream {
            true => DatagramTarget::UnixSocket,
            false => DatagramTarget::Name { every: [None, Some(Duration::from_secs(2))][choices.below(2)] },
        };
        let is_side = packing.kind() == AccountKind::Observations;
        let sockets = if is_stream || is_side { 1 } else { choices.one_of(&[1, 2, 5]) };
        let at_once = !is_side && choices.happens(500);
        let route = DatagramRoute::new(to).sockets(sockets).at_once(at_once);
        Self {
            exporter,
            machine: DatagramMachine::new(route, choices.below(1 << 16) as u64),
            packing,
            stopped: None,
            stopped_observations: None,
            kernel: Kernel::new(nature, sockets, counted_in),
            pending: Vec::new(),
            buffer: vec![0; CALL_BYTES],
            wait: Wait { until: Tick::default(), events: 0, writable: 0 },
            done: None,
        }
    }

    pub(crate) const fn kind(&self) -> AccountKind {
        self.packing.kind()
    }

    /// Whether what it sends is counted until the last of it has left.
    pub(crate) const fn sends_sums(&self) -> bool {
        matches!(self.packing, DatagramPacking::InstrumentLines(..) | DatagramPacking::InstrumentMessages(..))
    }

    /// Whether it goes over a Unix socket of a stream.
    pub(crate) const fn is_stream(&self) -> bool {
        self.kernel.is_stream()
    }

    pub(crate) const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub(crate) const fn done(&self) -> Option<DropReason> {
        self.done
    }

    pub(crate) fn due(&self, shared: &Shared<'a>) -> Tick {
        if self.done.is_some() {
            return Tick::NEVER;
        }
        let waiting = match self.kind() {
            AccountKind::Observations => waiting(&shared.observation_queues, self.exporter),
            _ => waiting(&shared.queues, self.exporter),
        };
        if waiting >= self.wait.events && waiting != 0 {
            return shared.tick();
        }
        let started = self.pending.iter().map(|(at, _)| *at).min().unwrap_or(Tick::NEVER);
        self.wait.until.min(started).min(self.kernel.writable_at(self.wait.writable).0)
    }

    /// All that is held is to be sent by then.
    pub(crate) fn stop(&mut self, deadline: Tick, shared: &mut Shared<'a>) {
        match self.kind() {
            AccountKind::Observations if self.sends_sums() || self.stopped_observations.is_some() => {}
            AccountKind::Observations => self.stopped_observations = shared.detach_observations(self.exporter),
            _ if self.stopped.is_some() => {}
            _ => self.stopped = shared.detach(self.exporter),
        }
        self.tell(DatagramInput::Stop { deadline }, shared);
    }

    /// Does what is due.
    pub(crate) fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        self.end_started(shared);
        let (writable_at, socket) = self.kernel.writable_at(self.wait.writable);
        if writable_at <= shared.tick() {
            self.tell(DatagramInput::Writable { socket }, shared);
        }
        for _ in 0..MOST_POLLS {
            let action = self.poll(shared);
            shared.note(|| format!("{}, {:?}: {action:?}", self.exporter, self.kind()));
            match action {
                DatagramAction::Resolve { id } => self.start(Started::Name(id), shared),
                DatagramAction::Connect { id, socket, address } => {
                    self.start(Started::Socket(id, socket, address), shared);
                }
                DatagramAction::Close { socket } => self.kernel.close(socket),
                DatagramAction::Send { id, socket, range, segment, count } => {
                    let sent = self.kernel.send(socket, (&self.buffer[range], segment, count), shared)?;
                    shared.note(|| format!("{}: taken {sent:?}", self.exporter));
                    let input = match sent {
                        Ok((datagrams, offload)) => DatagramInput::Sent { id, datagrams, offload },
                        Err(fault) => DatagramInput::Failed { id, fault },
                    };
                    self.tell(input, shared);
                }
                DatagramAction::Look { id, socket } => {
                    let input = self.kernel.look(id, socket, shared)?;
                    self.tell(input, shared);
                }
                DatagramAction::Wait(wait) => {
                    // What has passed lets other tasks have their turn.
                    let until = wait.until.max(shared.clock.after(TURN));
                    self.wait = Wait { until, ..wait };
                    return Ok(());
                }
                DatagramAction::Done { cause } => {
                    self.stopped.iter_mut().for_each(|queue| queue.abandon(cause));
                    self.stopped_observations.iter_mut().for_each(|queue| queue.abandon(cause));
                    self.done = Some(cause);
                    return Ok(());
                }
            }
        }
        Err(format!("polled without end: {:?}", self.machine))
    }

    fn start(&mut self, started: Started, shared: &mut Shared<'a>) {
        let latency = shared.choices.time(shared.weather.latency);
        // A name may take long; a socket is made at once.
        let at = match started {
            Started::Name(_) if shared.choices.happens(shared.weather.silent) => shared.clock.after(SLOW_NAME),
            Started::Name(_) => shared.clock.after(latency + TURN),
            Started::Socket(..) => shared.clock.after(TURN),
        };
        self.pending.push((at, started));
    }

    fn end_started(&mut self, shared: &mut Shared<'a>) {
        let tick = shared.tick();
        let (ended, pending) = self.pending.drain(..).partition(|(at, _)| *at <= tick);
        self.pending = pending;
        let ended: Vec<(Tick, Started)> = ended;
        for (_, started) in ended {
            match started {
                Started::Name(id) => {
                    let addresses = self.kernel.addresses(shared);
                    self.tell(DatagramInput::Resolved { id, addresses: &addresses }, shared);
                }
                Started::Socket(id, socket, address) => {
                    let input = match self.kernel.connect(socket, address, shared) {
                        Ok(()) => DatagramInput::Connected { id },
                        Err(fault) => DatagramInput::Failed { id, fault },
                    };
                    self.tell(input, shared);
                }
            }
        }
    }

    fn tell(&mut self, input: DatagramInput<'_>, shared: &mut Shared<'a>) {
        let now = shared.clock.now();
        self.machine.handle(now, input);
        self.wait = Wait { until: Tick::default(), events: 0, writable: 0 };
    }

    fn poll(&mut self, shared: &mut Shared<'a>) -> DatagramAction {
        let now = shared.clock.now();
        let Self { machine, packing, stopped, stopped_observations, buffer, exporter, .. } = self;
        let queue = stopped.as_mut().or_else(|| of(&mut shared.queues, *exporter));
        let observations = stopped_observations.as_mut().or_else(|| of(&mut shared.observation_queues, *exporter));
        match (packing, queue, observations) {
            (DatagramPacking::InstrumentLines(points, packing), ..) => {
                machine.poll(now, &mut IntervalDatagrams::new(&mut **points, packing), buffer)
            }
            (DatagramPacking::InstrumentMessages(messages, packing), ..) => {
                machine.poll(now, &mut IntervalDatagrams::new(&mut **messages, packing), buffer)
            }
            (DatagramPacking::ObservationLines(packing), _, Some(queue)) => {
                machine.poll(now, &mut EventDatagrams::new(queue, packing), buffer)
            }
            (DatagramPacking::ObservationMessages(packing), _, Some(queue)) => {
                machine.poll(now, &mut EventDatagrams::new(queue, packing), buffer)
            }
            (DatagramPacking::Lines(packing), Some(queue), _) => {
                machine.poll(now, &mut EventDatagrams::new(queue, packing), buffer)
            }
            (DatagramPacking::Messages(packing), Some(queue), _) => {
                machine.poll(now, &mut EventDatagrams::new(queue, packing), buffer)
            }
            (DatagramPacking::Aggregates(packing), Some(queue), _) => {
                machine.poll(now, &mut AggregateDatagrams::new(queue, packing), buffer)
            }
            _ => DatagramAction::Done { cause: DropReason::Deadline },
        }
    }
}

impl DatagramPacking<'_> {
    const fn kind(&self) -> AccountKind {
        match self {
            Self::Lines(_) | Self::Messages(_) | Self::Aggregates(_) => AccountKind::Requests,
            Self::InstrumentLines(..)
            | Self::InstrumentMessages(..)
            | Self::ObservationLines(_)
            | Self::ObservationMessages(_) => AccountKind::Observations,
        }
    }
}

/// A moment in which other tasks have their turn.
const TURN: Duration = Duration::from_micros(1);
/// How long a resolver takes that does not answer.
const SLOW_NAME: Duration = Duration::from_secs(20);
/// Bytes of the largest datagram of several items.
const BYTES: usize = 1_432;

fn attach(exporter: Exporter, shared: &mut Shared<'_>) {
    let capacity = shared.choices.one_of(&[200, 16, 1_000]);
    shared.attach(exporter, capacity);
}

fn attach_observations(exporter: Exporter, shared: &mut Shared<'_>) {
    let capacity = shared.choices.one_of(&[200, 16, 1_000]);
    shared.attach_observations(exporter, capacity);
}

fn packing<E>(encoder: E, is_stream: bool, shared: &mut Shared<'_>) -> EventPacking<E, Box<[u8]>> {
    let items = shared.choices.one_of(&[usize::MAX, 1, 4]);
    let is_offloaded = !is_stream && shared.choices.happens(500);
    let texts = if is_offloaded && items == 1 { WINDOW_BYTES } else { 0 };
    let packing = EventPacking::new(encoder, items, BYTES, vec![0; texts].into_boxed_slice());
    if is_offloaded { packing.with_offload() } else { packing }
}

/// Requests that lines stand for.
fn lines_in(datagram: &[u8]) -> Result<u64, String> {
    // Some are filled up with newlines.
    let lines = datagram.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| point_of(line).map(|(_, requests)| requests)).sum()
}

/// Requests that the counters of messages stand for.
fn requests_in(datagram: &[u8]) -> Result<u64, String> {
    let mut requests = 0;
    for line in datagram.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(rest) = line.strip_prefix(b"load.requests:") else { continue };
        let digits = rest.split(|byte| *byte == b'|').next().unwrap_or_default();
        let number: Option<u64> = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        requests += number.ok_or_else(|| format!("no counter: {}", String::from_utf8_lossy(line)))?;
    }
    Ok(requests)
}

/// Observations that lines stand for.
fn observed_lines_in(datagram: &[u8]) -> Result<u64, String> {
    let lines = datagram.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| shown_in(line)?.all()).sum()
}

/// Observations of the rows of a datagram. The counters of a row are in one.
fn observed_rows_in(datagram: &[u8]) -> Result<u64, String> {
    shown_by(datagram)?.all()
}

/// The same where each message is a datagram: a histogram's number stands for the observations.
fn observed_message_in(datagram: &[u8]) -> Result<u64, String> {
    shown_by(datagram)?.all_apart()
}

/// What messages show of own instruments.
fn shown_by(datagram: &[u8]) -> Result<ShownCalls, String> {
    let mut shown = ShownCalls::default();
    for line in str::from_utf8(datagram).map_err(|error| error.to_string())?.lines().filter(|line| !line.is_empty()) {
        let message = line.strip_prefix("load.").and_then(|rest| rest.split('|').next()?.split_once(':'));
        let message = message.and_then(|(name, value)| Some((name, value.parse().ok()?)));
        if !message.is_some_and(|(name, value)| shown.add(name, value)) {
            return Err(format!("no message of an own instrument: {line}"));
        }
    }
    Ok(shown)
}
