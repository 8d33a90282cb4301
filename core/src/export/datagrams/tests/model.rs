//! The machine against a kernel and a receiver that do as they like: full buffers, no buffers, datagrams that are too
//! large, offload that is refused, refusals that are told one call late, receivers that die, come back and move, streams
//! that take a part of a packet, and a stop at any time.

extern crate std;

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use super::*;
use crate::aggregates::observed_rows::ObservedRows;
use crate::events::event::Event;
use crate::events::sink::Sink;
use crate::formats::dogstatsd::{AggregatedRequest, ContextCount, MessageEncoder};
use crate::metrics::unit::Unit;
use crate::recorder::Recorder;
use crate::registry::Registry;
use crate::registry::account::Account;
use crate::registry::exporter::Exporter;
use crate::registry::ledger::Ledger;
use crate::registry::storage::Exponential;
use crate::request::sample::Timestamp;
use core::ops::Range;

/// What the world is like for one seed.
#[derive(Clone, Copy, Debug)]
struct Nature {
    is_stream: bool,
    /// Whether the host tells of each refusal, and at once: as over the loopback interface. Else after 30 ms, and no more
    /// than one a second.
    is_near: bool,
    sockets: usize,
    items: usize,
    datagram_bytes: usize,
    is_offloaded: bool,
    knows_offload: bool,
    /// Datagrams above this are too large.
    mtu: usize,
    /// Datagrams, or bytes of a stream, that a socket holds; it loses so many a millisecond.
    holds: usize,
    drains: usize,
    /// Of 1,000 calls, those that find no buffers, and those that find no network.
    no_buffers: usize,
    no_network: usize,
    /// Times between deaths and births of the receiver, at most, in milliseconds.
    lives: usize,
    dies: usize,
    /// Events a millisecond.
    rate: usize,
    /// When the stop is asked for, and how long it may take.
    stop: (u64, u64),
}

impl Nature {
    fn new(random: &mut Random, is_stream: bool) -> Self {
        let mut one_of = |choices: &[usize]| choices[random.below(choices.len())];
        let items = one_of(&[1, 1, usize::MAX]);
        Self {
            is_stream,
            is_near: one_of(&[0, 1, 1]) != 0,
            sockets: one_of(&[1, 1, 2, 4]),
            items,
            datagram_bytes: if items == 1 { 2_000 } else { one_of(&[100, 400, 1_432]) },
            is_offloaded: !is_stream && one_of(&[0, 1]) != 0,
            knows_offload: one_of(&[0, 1, 1]) != 0,
            mtu: one_of(&[40, 300, 100_000, 100_000]),
            holds: if is_stream { one_of(&[50, 400, 20_000]) } else { one_of(&[3, 70, 10_000]) },
            drains: if is_stream { one_of(&[30, 5_000]) } else { one_of(&[5, 10_000]) },
            no_buffers: one_of(&[0, 0, 20]),
            no_network: one_of(&[0, 0, 5]),
            lives: one_of(&[50, 300, 1_000_000]),
            dies: one_of(&[30, 300, 900]),
            rate: one_of(&[1, 1, 2, 8]),
            stop: (one_of(&[1, 60, 300, 700]) as u64, one_of(&[0, 30, 300, 900]) as u64),
        }
    }
}

/// A socket of the kernel's, and what a driver keeps beside it.
#[derive(Clone, Debug, Default)]
struct Wire {
    is_open: bool,
    /// A stream whose receiver has died.
    is_broken: bool,
    to: Option<SocketAddr>,
    /// Datagrams, or bytes, in its buffer.
    holds: usize,
    /// A refusal that it tells of from then on.
    refused_at: Option<Tick>,
    /// Bytes of the stream that were not received whole yet.
    stream: Vec<u8>,
    /// A packet that was begun, and how many of its bytes were written.
    frame: Vec<u8>,
    written: usize,
}

struct World {
    nature: Nature,
    random: Random,
    now: Tick,
    address: SocketAddr,
    is_alive: bool,
    changes_at: Tick,
    wires: Vec<Wire>,
    /// The datagrams that a receiver has.
    received: Vec<String>,
    /// Datagrams to a receiver that was dead, since it died, and most of them for a millisecond of that.
    into_the_dead: usize,
    died_at: Tick,
    refusal_told: Tick,
}

const MILLI: u64 = 1_000_000;

fn after(tick: Tick, millis: usize) -> Tick {
    tick.after(Duration::from_millis(millis as u64))
}

impl World {
    fn new(nature: Nature, mut random: Random) -> Self {
        let changes_at = after(NOW, random.below(nature.lives));
        Self {
            wires: vec![Wire::default(); nature.sockets],
            nature,
            random,
            now: NOW,
            address: ([10, 0, 0, 1], 1).into(),
            is_alive: true,
            changes_at,
            received: Vec::new(),
            into_the_dead: 0,
            died_at: NOW,
            refusal_told: NOW,
        }
    }

    fn now(&self) -> Now {
        Now { tick: self.now, wall: Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + self.now.as_nanos()) }
    }

    fn happens(&mut self, of_1_000: usize) -> bool {
        self.random.below(1_000) < of_1_000
    }

    /// Time passes, to the next millisecond at most.
    fn pass(&mut self, until: Tick) {
        let next = Tick::from_nanos((self.now.as_nanos() / MILLI + 1) * MILLI);
        if until < next {
            self.now = until.max(self.now);
            return;
        }
        self.now = next;
        for wire in &mut self.wires {
            // Nobody reads a stream of a dead receiver.
            wire.holds = wire.holds.saturating_sub(self.nature.drains);
        }
        if self.now >= self.changes_at {
            self.change();
        }
    }

    fn change(&mut self) {
        self.is_alive ^= true;
        let within = if self.is_alive { self.nature.lives } else { self.nature.dies };
        self.changes_at = after(self.now, 1 + self.random.below(within));
        if self.is_alive {
            self.judge_dead_time();
            if self.random.below(2) == 0 {
                self.address = ([10, 0, 0, self.random.below(200) as u8], 1).into();
            }
        } else {
            (self.into_the_dead, self.died_at) = (0, self.now);
            for wire in &mut self.wires {
                wire.is_broken = self.nature.is_stream;
            }
        }
    }

    /// Into a dead port go few datagrams: a call for each socket, and then one at a time.
    fn judge_dead_time(&self) {
        let millis = self.now.since(self.died_at).as_millis() as usize;
        let most = self.nature.sockets * (64 + 2 + millis / 100);
        assert!(!self.nature.is_near || self.into_the_dead <= most, "{} in {millis} ms", self.into_the_dead);
    }

    fn is_reached(&self, wire: usize) -> bool {
        self.is_alive && (self.nature.is_stream || self.wires[wire].to == Some(self.address))
    }

    fn receive(&mut self, datagram: &[u8]) {
        self.received.push(core::str::from_utf8(datagram).expect("a text").into());
    }

    /// What the socket has to tell of an earlier call.
    fn take_refusal(&mut self, wire: usize) -> bool {
        self.wires[wire].refused_at.take_if(|at| *at <= self.now).is_some()
    }

    fn connect(&mut self, wire: usize, to: Option<SocketAddr>) -> Result<(), Fault> {
        let is_refused = self.nature.is_stream && !self.is_alive;
        if is_refused || self.happens(self.nature.no_network) {
            return Err(Fault::Away);
        }
        let Wire { frame, .. } = core::mem::take(&mut self.wires[wire]);
        self.wires[wire] = Wire { is_open: true, to, frame, ..Wire::default() };
        Ok(())
    }

    /// One attempt; how many were taken, and whether the socket takes several.
    fn send(&mut self, wire: usize, bytes: &[u8], segment: usize, count: usize) -> Result<(usize, bool), Fault> {
        assert!(self.wires[wire].is_open, "a socket that was made");
        if self.happens(self.nature.no_buffers) {
            return Err(Fault::NoBuffers);
        }
        if self.nature.is_stream {
            return self.write(wire, bytes).map(|()| (1, true));
        }
        if self.happens(self.nature.no_network) {
            return Err(Fault::Away);
        }
        if self.take_refusal(wire) {
            return Err(Fault::RefusedBefore);
        }
        if segment.min(bytes.len()) > self.nature.mtu {
            return Err(Fault::TooLarge);
        }
        let room = self.nature.holds.saturating_sub(self.wires[wire].holds);
        if room == 0 {
            return Err(Fault::WouldBlock);
        }
        let (mut taken, mut offload) = (count.min(room), true);
        if count > 1 && !self.nature.knows_offload {
            if self.random.below(2) == 0 {
                return Err(Fault::NoOffload);
            }
            (taken, offload) = (1, false);
        }
        self.wires[wire].holds += taken;
        for datagram in bytes.chunks(segment).take(taken) {
            if self.is_reached(wire) {
                self.receive(datagram);
            } else {
                self.into_the_dead += 1;
                self.refuse(wire);
            }
        }
        Ok((taken, offload))
    }

    fn refuse(&mut self, wire: usize) {
        if self.nature.is_near {
            self.wires[wire].refused_at = Some(self.now);
        } else if self.now.since(self.refusal_told) >= Duration::from_secs(1) {
            self.refusal_told = self.now;
            self.wires[wire].refused_at = Some(after(self.now, 30));
        }
    }

    /// As the documentation of the machine tells a driver of streams to.
    fn write(&mut self, wire: usize, packet: &[u8]) -> Result<(), Fault> {
        self.write_rest(wire)?;
        if packet.len() > self.nature.mtu {
            return Err(Fault::TooLarge);
        }
        let frame = [&(packet.len() as u32).to_le_bytes(), packet].concat();
        self.wires[wire].frame = frame;
        match self.write_rest(wire) {
            Err(fault) if self.wires[wire].written == 0 => {
                self.wires[wire].frame.clear();
                Err(fault)
            }
            _ => Ok(()),
        }
    }

    fn write_rest(&mut self, number: usize) -> Result<(), Fault> {
        let most = self.nature.holds;
        let wire = &mut self.wires[number];
        if wire.frame.is_empty() {
            return Ok(());
        }
        if wire.is_broken {
            return Err(Fault::Away);
        }
        let rest = &wire.frame[wire.written..];
        let taken = rest.len().min(most.saturating_sub(wire.holds));
        wire.stream.extend_from_slice(&rest[..taken]);
        (wire.holds, wire.written) = (wire.holds + taken, wire.written + taken);
        if taken < rest.len() {
            return Err(Fault::WouldBlock);
        }
        (wire.frame, wire.written) = (Vec::new(), 0);
        let stream = core::mem::take(&mut wire.stream);
        let (length, packet) = stream.split_first_chunk::<4>().expect("a length");
        assert_eq!(u32::from_le_bytes(*length) as usize, packet.len(), "a packet is whole, from its beginning");
        self.receive(packet);
        Ok(())
    }

    fn look(&mut self, id: Id, wire: usize) -> DatagramInput<'static> {
        assert!(self.wires[wire].is_open, "a socket that was made");
        match self.write_rest(wire) {
            Ok(()) => DatagramInput::Looked { id, refused: self.take_refusal(wire) },
            Err(fault) => DatagramInput::Failed { id, fault },
        }
    }

    fn close(&mut self, wire: usize) {
        assert!(core::mem::take(&mut self.wires[wire].is_open), "a socket that was made");
        self.wires[wire].written = 0;
        self.wires[wire].stream.clear();
    }

    fn is_writable(&self, wire: usize) -> bool {
        self.wires[wire].holds < self.nature.holds
    }

    fn perform(&mut self, machine: &mut DatagramMachine, action: DatagramAction, buffer: &mut [u8]) {
        let now = self.now();
        match action {
            DatagramAction::Resolve { id } => {
                let address = [self.address];
                let fails = self.happens(100);
                machine.handle(now, DatagramInput::Resolved { id, addresses: if fails { &[] } else { &address } });
            }
            DatagramAction::Connect { id, socket, address } => machine.handle(
                now,
                match self.connect(socket, address) {
                    Ok(()) => DatagramInput::Connected { id },
                    Err(fault) => DatagramInput::Failed { id, fault },
                },
            ),
            DatagramAction::Send { id, socket, range, segment, count } => {
                let sent = self.send(socket, &buffer[range.clone()], segment, count);
                // The machine never relies on what was in it.
                buffer[range].fill(b'?');
                machine.handle(
                    now,
                    match sent {
                        Ok((datagrams, offload)) => DatagramInput::Sent { id, datagrams, offload },
                        Err(fault) => DatagramInput::Failed { id, fault },
                    },
                );
            }
            DatagramAction::Look { id, socket } => {
                let input = self.look(id, socket);
                machine.handle(now, input);
            }
            DatagramAction::Close { socket } => self.close(socket),
            DatagramAction::Wait(_) | DatagramAction::Done { .. } => unreachable!("handled by the caller"),
        }
    }
}

/// What is sent, and how it is seen what of it has arrived.
trait Load {
    fn offer(&mut self, event: Event);
    fn waiting(&self) -> usize;
    /// Sent, dropped as `unconfirmed`, dropped, and held.
    fn account(&self) -> [u64; 4];
    /// What was not sent is dropped.
    fn close(&mut self, _cause: DropReason) {}
    fn poll(&mut self, machine: &mut DatagramMachine, now: Now, buffer: &mut [u8]) -> DatagramAction;
    /// Requests of which everything has arrived: no less than the first, no more than the second.
    fn arrived(&self, datagrams: &[String]) -> (u64, u64);
}

macro_rules! of_sink {
    () => {
        fn offer(&mut self, event: Event) {
            self.sink.offer(event);
        }

        fn waiting(&self) -> usize {
            self.sink.len()
        }

        fn account(&self) -> [u64; 4] {
            account(self.sink.ledger())
        }
    };
}

/// Requests of `N` items each.
struct Single<'a, const N: u8> {
    sink: Sink<'a, Vec<Event>>,
    packing: EventPacking<Text<N>, Vec<u8>>,
}

impl<'a, const N: u8> Single<'a, N> {
    fn new(registry: Registry<'a>, nature: Nature, fills: bool) -> Self {
        let sink = Sink::new(vec![Event::default(); 200], ledger(registry, Exporter::Statsd));
        let packing = EventPacking::new(Text { fills }, nature.items, nature.datagram_bytes, vec![0; 9_000]);
        Self { sink, packing: if nature.is_offloaded { packing.with_offload() } else { packing } }
    }
}

impl<const N: u8> Load for Single<'_, N> {
    of_sink!();

    fn poll(&mut self, machine: &mut DatagramMachine, now: Now, buffer: &mut [u8]) -> DatagramAction {
        machine.poll(now, &mut EventDatagrams::new(&mut self.sink, &mut self.packing), buffer)
    }

    fn arrived(&self, datagrams: &[String]) -> (u64, u64) {
        let mut events = BTreeMap::<u64, u8>::new();
        for item in datagrams.iter().flat_map(|datagram| datagram.split('\n')).filter(|item| !item.is_empty()) {
            let mut parts = item.split('/').map(|part| part.parse::<u64>());
            let (Some(Ok(event)), Some(Ok(item))) = (parts.next(), parts.next()) else { panic!("{item}") };
            let items = events.entry(event).or_default();
            assert!(*items & 1 << item == 0, "an item arrives twice: {event}/{item}");
            *items |= 1 << item;
        }
        let whole = events.values().filter(|items| items.count_ones() == u32::from(N)).count() as u64;
        (whole, whole)
    }
}

/// Requests that are sent per interval.
struct Summed<'a> {
    sink: Sink<'a, Vec<Event>>,
    packing: AggregatePacking<'a, Vec<AggregatedRequest>, Vec<ContextCount>>,
}

impl<'a> Summed<'a> {
    fn new(registry: Registry<'a>, nature: Nature, has_seconds: bool) -> Self {
        let sink = Sink::new(vec![Event::default(); 200], ledger(registry, Exporter::Statsd));
        let aggregator =
            MessageEncoder::new(registry, "x").expect("a prefix").aggregator(vec![AggregatedRequest::default(); 100]);
        let counts = has_seconds.then(|| vec![ContextCount::default(); aggregator.contexts()]);
        let aggregator = aggregator.with_counters(counts, 0);
        let interval = Duration::from_millis(90);
        Self { sink, packing: AggregatePacking::new(aggregator, nature.datagram_bytes, interval, Now::default()) }
    }
}

impl Load for Summed<'_> {
    of_sink!();

    fn poll(&mut self, machine: &mut DatagramMachine, now: Now, buffer: &mut [u8]) -> DatagramAction {
        machine.poll(now, &mut AggregateDatagrams::new(&mut self.sink, &mut self.packing), buffer)
    }

    fn arrived(&self, datagrams: &[String]) -> (u64, u64) {
        let mut sums = [0, 0, 0];
        for message in datagrams.iter().flat_map(|datagram| datagram.split('\n')) {
            let (name, rest) = message.split_once(':').expect("a message");
            let values = rest.split('|').next().expect("values");
            match name {
                "x.requests" => sums[0] += values.parse::<u64>().expect("a number"),
                "x.request.latency" => sums[1] += values.split(':').count() as u64,
                _ => sums[2] += values.split(':').count() as u64,
            }
        }
        (*sums.iter().min().expect("three"), *sums.iter().max().expect("three"))
    }
}

/// Observations of instruments of the engine's own, of two series: each is 1.
struct Observed<'a> {
    registry: Registry<'a>,
    recorder: Recorder<'a>,
    items: InstrumentMessages<'a, Vec<u64>>,
    packing: IntervalPacking,
}

type ObservedStorage = Storage<4, 1, 2, Exponential, 1, 1>;

impl<'a> Observed<'a> {
    fn new(registry: Registry<'a>, nature: Nature) -> Self {
        let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
        let (rows, before) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
        let accounts = registry.pump().expect("the only one").accounts().observations();
        let encoder = MessageEncoder::new(registry, "x").expect("a prefix").instruments();
        let items = InstrumentMessages::new(registry, (rows, accounts.open_after(Exporter::Statsd, before)), encoder);
        let items = if nature.items == 1 { items.with_single_messages() } else { items };
        let interval = Duration::from_millis(90);
        let packing = IntervalPacking::new(nature.items, nature.datagram_bytes, interval, Now::default());
        Self { registry, recorder: registry.recorder(), items, packing }
    }

    fn tell(account: &Account) -> [u64; 4] {
        let unconfirmed = account.dropped.get(DropReason::Unconfirmed);
        assert_eq!(account.sent + account.dropped.total() + account.held, account.recorded);
        [account.sent, unconfirmed, account.dropped.total(), account.held]
    }
}

impl Load for Observed<'_> {
    fn offer(&mut self, event: Event) {
        let registry = self.registry;
        let series = registry.series("GET", if event.response_bytes.is_multiple_of(3) { "/a" } else { "/b" });
        if event.latency_ns.is_multiple_of(2) {
            self.recorder.add(registry.counter("checks", Unit::One, "").expect("room"), series, 1);
        } else {
            self.recorder.observe(registry.histogram("batch", Unit::One, "").expect("room"), series, 1);
        }
    }

    fn waiting(&self) -> usize {
        0
    }

    fn account(&self) -> [u64; 4] {
        Self::tell(&self.registry.observation_account(Exporter::Statsd))
    }

    fn close(&mut self, cause: DropReason) {
        let pump = self.registry.pump().expect("the only one");
        Self::tell(&pump.accounts().observations().close(Exporter::Statsd, cause));
    }

    fn poll(&mut self, machine: &mut DatagramMachine, now: Now, buffer: &mut [u8]) -> DatagramAction {
        machine.poll(now, &mut IntervalDatagrams::new(&mut self.items, &mut self.packing), buffer)
    }

    fn arrived(&self, datagrams: &[String]) -> (u64, u64) {
        let [mut checks, mut counts, mut sums] = [0; 3];
        for message in datagrams.iter().flat_map(|datagram| datagram.split('\n')) {
            let (name, rest) = message.split_once(':').expect("a message");
            let value = rest.split('|').next().and_then(|value| value.parse::<u64>().ok()).expect("a number");
            match name {
                "x.checks" => checks += value,
                "x.batch.count" => counts += value,
                "x.batch.sum" => sums += value,
                _ => assert!(value == 1 && rest.contains("|g|"), "{message}"),
            }
        }
        assert!(sums <= counts, "a sum leaves after its count");
        (checks + sums, checks + counts)
    }
}

/// Sent, dropped as `unconfirmed`, dropped, and held.
fn account(ledger: &Ledger) -> [u64; 4] {
    let (sent, dropped) = ledger.outcome();
    [sent, dropped.get(DropReason::Unconfirmed), dropped.total(), ledger.held()]
}

/// One run from the start to the end of the stop.
fn run(seed: u64, (nature, random): (Nature, Random), load: &mut impl Load) {
    let to = if nature.is_stream {
        DatagramTarget::UnixSocket
    } else {
        DatagramTarget::Name { every: Some(Duration::from_millis(300)) }
    };
    let mut machine = DatagramMachine::new(DatagramRoute { sockets: nature.sockets, to, at_once: true }, seed);
    let mut world = World::new(nature, random);
    let mut buffer = vec![0; 66_000];
    let (mut offered, mut last_sent, mut polls, mut recorded_at) = (0, 0, 0, NOW);
    let (stop, deadline) = (after(NOW, nature.stop.0 as usize), after(NOW, (nature.stop.0 + nature.stop.1) as usize));
    let mut stops = false;
    loop {
        if !stops && world.now >= stop {
            stops = true;
            machine.handle(world.now(), DatagramInput::Stop { deadline });
        }
        if !stops && world.now >= recorded_at {
            recorded_at = after(world.now, 1);
            for _ in 0..world.random.below(2 * nature.rate + 1) {
                offered += 1;
                let response_bytes = 8 + world.random.below(60) as u64;
                load.offer(Event { latency_ns: offered, response_bytes, ..Event::default() });
            }
        }
        let action = load.poll(&mut machine, world.now(), &mut buffer);
        let [sent, _, dropped, held] = load.account();
        assert_eq!(sent + dropped + held, offered, "the law");
        assert!(sent >= last_sent, "sent falls");
        (last_sent, polls) = (sent, polls + 1);
        assert!(polls < 1_500, "polled without end: {action:?}");
        match action {
            DatagramAction::Done { cause } => {
                load.close(cause);
                break;
            }
            DatagramAction::Wait(wait) => {
                let before = world.now;
                let wakes = |socket: usize| wait.writable & 1 << socket != 0 && world.is_writable(socket);
                if let Some(socket) = (0..nature.sockets).find(|socket| wakes(*socket)) {
                    machine.handle(world.now(), DatagramInput::Writable { socket });
                } else if load.waiting() < wait.events {
                    assert!(wait.until != Tick::NEVER || !stops, "nothing would end it");
                    world.pass(wait.until);
                }
                polls = if world.now == before { polls } else { 0 };
            }
            action => world.perform(&mut machine, action, &mut buffer),
        }
    }
    assert!(world.now <= deadline.max(stop), "done after the deadline: {:?} {deadline:?}", world.now);
    let [sent, unconfirmed, dropped, held] = load.account();
    let (least, most) = load.arrived(&world.received);
    assert_eq!(held, 0);
    if nature.is_near || nature.is_stream {
        assert!(sent <= least, "{sent} sent, {least} arrived");
        // What has arrived in part was dropped for something that came after.
        assert!(most <= sent + dropped && (least != most || sent == least), "{most} arrived, {sent} sent");
    } else {
        assert!(least <= sent + unconfirmed, "{least} arrived, {sent} sent, {unconfirmed} unconfirmed");
    }
}

fn runs_observed(seeds: Range<u64>, is_stream: bool) {
    for seed in seeds {
        let mut random = Random::new(seed);
        let nature = Nature::new(&mut random, is_stream);
        let result = std::panic::catch_unwind(move || {
            let storage = std::boxed::Box::<ObservedStorage>::default();
            run(seed, (nature, random), &mut Observed::new(storage.registry(), nature));
        });
        assert!(result.is_ok(), "{}", format!("seed {seed}: {nature:?}"));
    }
}

fn runs(seeds: Range<u64>, is_stream: bool) {
    for seed in seeds {
        let mut random = Random::new(seed);
        let mut nature = Nature::new(&mut random, is_stream);
        if seed % 10 == 3 {
            // Short packets of few values each are slow to write. Most of these see deaths.
            nature.datagram_bytes = nature.datagram_bytes.max(500);
            (nature.rate, nature.lives) = (1, nature.lives.min(300));
            nature.stop.0 = nature.stop.0.max(300);
        }
        let result = std::panic::catch_unwind(move || {
            let (storage, world) = (TestStorage::new(), (nature, random));
            let (registry, flag) = (storage.registry(), (seed / 10).is_multiple_of(2));
            match seed % 10 {
                0..3 => run(seed, world, &mut Single::<1>::new(registry, nature, flag)),
                3 => run(seed, world, &mut Summed::new(registry, nature, flag)),
                _ => run(seed, world, &mut Single::<3>::new(registry, nature, flag)),
            }
        });
        assert!(result.is_ok(), "{}", format!("seed {seed}: {nature:?}"));
    }
}

#[test]
fn what_is_sent_over_udp_is_what_arrives_and_a_stop_ends_in_time() {
    runs(0..50, false);
}

#[test]
fn what_is_sent_over_streams_is_what_arrives_and_a_stop_ends_in_time() {
    runs(1_000..1_030, true);
}

#[test]
fn observations_that_are_sent_are_those_that_arrive() {
    runs_observed(2_000..2_020, false);
    runs_observed(3_000..3_015, true);
}
