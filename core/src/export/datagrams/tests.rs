//! Each rule on a fake clock, without a socket.

extern crate std;

use core::net::SocketAddr;
use std::collections::VecDeque;
use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{vec, write};

mod instruments;
mod intervals;
mod model;
mod periodic;
mod requests;

use super::*;
use crate::events::batch::EventEncoder;
use crate::events::event::Event;
use crate::events::sink::Sink;
use crate::export::Health;
use crate::registry::Registry;
use crate::registry::accounts::Accounts;
use crate::registry::exporter::Exporter;
use crate::registry::ledger::Ledger;
use crate::registry::storage::{Classic, Storage};
use crate::request::sample::Timestamp;
use crate::wire::text::out::Full;
use core::time::Duration;

/// Events of `N` items: the event's number and the item's, filled up to the length that its size says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<const N: u8> {
    pub(super) fills: bool,
}

impl<const N: u8> EventEncoder for Text<N> {
    const ITEMS: u8 = N;

    fn fills_with_newlines(&self) -> bool {
        self.fills
    }

    fn encode(&self, event: &Event, item: u8, out: &mut [u8]) -> Result<usize, Full> {
        use core::fmt::Write as _;
        let mut text = heapless::String::<64>::new();
        write!(text, "{}/{item}/", event.latency_ns).map_err(|_| Full)?;
        let length = text.len().max(event.response_bytes as usize);
        let room = out.get_mut(..length).ok_or(Full)?;
        room.fill(b'.');
        room[..text.len()].copy_from_slice(text.as_bytes());
        Ok(length)
    }
}

pub(super) type TestStorage = Storage<4, 1, 2, Classic>;

/// An account that is opened as a pump does.
pub(super) fn ledger<'a>(registry: Registry<'a>, exporter: Exporter) -> &'a Ledger {
    registry.pump().expect("the only one").attach(exporter)
}

/// What a socket answers to a call.
#[derive(Clone, Copy, Debug)]
enum Answer {
    All,
    Some(usize),
    /// One, and no more in one call.
    Singly,
    Fails(Fault),
}

use Answer::{All, Fails, Singly};

/// What a socket answers to a look.
#[derive(Clone, Copy, Debug)]
enum Look {
    Fine,
    Refused,
    Unknown(Fault),
}

/// A machine, a clock, and sockets that do as they are told; without instructions they take everything.
struct Bench {
    machine: DatagramMachine,
    now: Tick,
    answers: VecDeque<Answer>,
    looks: VecDeque<Look>,
    /// Connections that fail, by the last number of their address.
    unreachable: Vec<u8>,
    /// What the name means.
    addresses: Vec<SocketAddr>,
    log: Vec<String>,
    wait: Option<Wait>,
    buffer: Vec<u8>,
    polls: usize,
    /// How often others had their turn.
    yields: usize,
}

fn v4(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 8_125).into()
}

fn millis(millis: u64) -> Tick {
    Tick::from_nanos(millis * 1_000_000)
}

const NAME: DatagramTarget = DatagramTarget::Name { every: Some(Duration::from_secs(60)) };

impl Bench {
    fn new(sockets: usize, to: DatagramTarget) -> Self {
        Self {
            machine: DatagramMachine::new(DatagramRoute { sockets, to, at_once: true }, 7),
            now: millis(0),
            answers: VecDeque::new(),
            looks: VecDeque::new(),
            unreachable: Vec::new(),
            addresses: vec![v4(1)],
            log: Vec::new(),
            wait: None,
            buffer: vec![0; 70_000],
            polls: 0,
            yields: 0,
        }
    }

    fn now(&self) -> Now {
        Now { tick: self.now, wall: Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + self.now.as_nanos()) }
    }

    fn handle(&mut self, input: DatagramInput<'_>) {
        let now = self.now();
        self.machine.handle(now, input);
    }

    /// Goes on until `end` (milliseconds), or all is done; what was done, but for waits, with the time when it changes.
    fn run(&mut self, source: &mut impl DatagramSource, end: u64) -> String {
        self.log.clear();
        let (mut polls_of_now, mut said) = (0, None);
        loop {
            let now = self.now();
            let action = self.machine.poll(now, source, &mut self.buffer);
            (self.polls, polls_of_now) = (self.polls + 1, polls_of_now + 1);
            assert!(polls_of_now < 20_000, "polled without end at {:?}: {action:?}", self.now);
            if !matches!(action, DatagramAction::Wait(_)) && said != Some(self.now) {
                said = Some(self.now);
                self.log.push(format!("[{}]", self.now.as_nanos() / 1_000_000));
            }
            match action {
                DatagramAction::Done { .. } => {
                    self.log.push("done".into());
                    break;
                }
                DatagramAction::Wait(wait) if wait.until > self.now => {
                    self.wait = Some(wait);
                    polls_of_now = 0;
                    self.now = wait.until.min(millis(end));
                    if wait.until > millis(end) {
                        break;
                    }
                }
                DatagramAction::Wait(_) => self.yields += 1,
                action => self.perform(action),
            }
        }
        self.log.join(" ")
    }

    fn perform(&mut self, action: DatagramAction) {
        match action {
            DatagramAction::Resolve { id } => {
                self.log.push("resolve".into());
                let addresses = self.addresses.clone();
                self.handle(DatagramInput::Resolved { id, addresses: &addresses });
            }
            DatagramAction::Connect { id, socket, address } => {
                let last = address.map_or(0, |address| match address {
                    SocketAddr::V4(v4) => v4.ip().octets()[3],
                    SocketAddr::V6(v6) => v6.ip().octets()[15],
                });
                self.log.push(format!("connect{socket}:{last}"));
                self.handle(match self.unreachable.contains(&last) {
                    true => DatagramInput::Failed { id, fault: Fault::Away },
                    false => DatagramInput::Connected { id },
                });
            }
            DatagramAction::Send { id, socket, range, segment, count } => {
                let answer = self.answers.pop_front().unwrap_or(All);
                let says = match answer {
                    All | Answer::Some(_) | Singly => String::new(),
                    Fails(fault) => format!(" {fault}"),
                };
                assert!(segment * (count - 1) < range.len() && range.len() <= segment * count, "{range:?} {segment}");
                self.log.push(format!("send{socket}:{count}x{segment}{says}"));
                self.handle(match answer {
                    All => DatagramInput::Sent { id, datagrams: count, offload: true },
                    Answer::Some(datagrams) => DatagramInput::Sent { id, datagrams, offload: true },
                    Singly => DatagramInput::Sent { id, datagrams: 1, offload: false },
                    Fails(fault) => DatagramInput::Failed { id, fault },
                });
            }
            DatagramAction::Look { id, socket } => {
                let look = self.looks.pop_front().unwrap_or(Look::Fine);
                self.log.push(match look {
                    Look::Fine => format!("look{socket}"),
                    Look::Refused => format!("look{socket} refused"),
                    Look::Unknown(fault) => format!("look{socket} {fault}"),
                });
                self.handle(match look {
                    Look::Fine => DatagramInput::Looked { id, refused: false },
                    Look::Refused => DatagramInput::Looked { id, refused: true },
                    Look::Unknown(fault) => DatagramInput::Failed { id, fault },
                });
            }
            DatagramAction::Close { socket } => self.log.push(format!("close{socket}")),
            DatagramAction::Wait(_) | DatagramAction::Done { .. } => unreachable!("handled above"),
        }
    }
}

/// A sink of `capacity` events, and how they are made up.
struct Events<'a, const N: u8> {
    sink: Sink<'a, Vec<Event>>,
    packing: EventPacking<Text<N>, Vec<u8>>,
    offered: u64,
}

impl<'a, const N: u8> Events<'a, N> {
    fn new(storage: &'a TestStorage, items: usize, datagram_bytes: usize) -> Self {
        let sink = Sink::new(vec![Event::default(); 1_000], ledger(storage.registry(), Exporter::Statsd));
        let packing = EventPacking::new(Text { fills: false }, items, datagram_bytes, vec![0; 20_000]);
        Self { sink, packing, offered: 0 }
    }

    fn offloaded(self) -> Self {
        Self { packing: self.packing.with_offload(), ..self }
    }

    /// Records events, of which each item has so many bytes.
    fn record(&mut self, bytes: impl IntoIterator<Item = u64>) {
        for response_bytes in bytes {
            self.offered += 1;
            self.sink.offer(Event { response_bytes, latency_ns: self.offered, ..Event::default() });
        }
    }

    fn source(&mut self) -> EventDatagrams<'_, 'a, Text<N>, Vec<u8>, Vec<Event>> {
        EventDatagrams::new(&mut self.sink, &mut self.packing)
    }

    /// Sent, dropped by cause, and held: all that was recorded.
    fn account(&self) -> String {
        let ledger = self.sink.ledger();
        let (sent, dropped) = ledger.outcome();
        assert_eq!(sent + dropped.total() + ledger.held(), self.offered, "the law");
        let mut text = format!("sent {sent}");
        for cause in DropReason::ALL.into_iter().filter(|cause| dropped.get(*cause) != 0) {
            text += &format!(", {cause} {}", dropped.get(cause));
        }
        if ledger.held() == 0 { text } else { text + &format!(", held {}", ledger.held()) }
    }
}

/// `count` times `text`.
fn times(text: &str, count: usize) -> String {
    vec![text; count].join(" ")
}

#[test]
fn a_name_is_asked_a_socket_made_and_each_item_is_a_datagram() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, NAME), Events::<3>::new(&storage, 1, 1_000));
    assert_eq!(bench.run(&mut events.source(), 5), "[0] resolve connect0:1");
    assert_eq!(bench.machine.attempts().health, Health::Untried);
    assert_eq!(bench.wait.expect("it waits"), Wait { until: millis(60_000), events: 1, writable: 0 });
    events.record([100, 200]);
    assert_eq!(
        bench.run(&mut events.source(), 50),
        format!("[5] {} {}", times("send0:1x100", 3), times("send0:1x200", 3))
    );
    assert_eq!(events.account(), "sent 1, held 1", "what was in the last call is held");
    assert_eq!(bench.run(&mut events.source(), 1_000), "[105] look0");
    assert_eq!(events.account(), "sent 2");
    assert_eq!(bench.machine.attempts().health, Health::Well);
    let Traffic { sent, bytes, .. } = bench.machine.traffic();
    assert_eq!((sent, bytes), (6, 900));
    bench.handle(DatagramInput::Stop { deadline: millis(3_000) });
    assert_eq!(bench.run(&mut events.source(), 9_000), "[1000] done");
}

#[test]
fn bursts_leave_a_millisecond_apart_and_others_get_their_turn() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
    bench.run(&mut events.source(), 1);
    events.record([50; 150]);
    let burst = |at, count| format!("[{at}] {}", times("send0:1x50", count));
    let polls = bench.polls;
    assert_eq!(bench.run(&mut events.source(), 4), [burst(1, 64), burst(2, 64), burst(3, 22)].join(" "));
    assert!(bench.polls - polls < 150 + 12, "one for each datagram, and a few: {}", bench.polls - polls);
    // A backlog is sent over eight bursts, at most 96 KiB in one.
    events.record([1_000; 150]);
    events.record([50; 250]);
    assert_eq!(bench.run(&mut events.source(), 4).matches("send").count(), 64);
    bench.run(&mut events.source(), 90);
    assert_eq!(events.sink.len(), 0);
    // More than half of the buffer is in use.
    events.record([50; 900]);
    assert_eq!(bench.yields, 0);
    assert_eq!(bench.run(&mut events.source(), 90).matches("send").count(), 113);
    assert_eq!(bench.yields, 1, "after 64 datagrams");
}

#[test]
fn an_eighth_of_a_backlog_is_a_burst_and_bytes_bound_it_up_to_half_of_the_buffer() {
    for (events_that_wait, datagrams) in [(500, 99), (501, 188)] {
        let storage = TestStorage::new();
        let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<3>::new(&storage, 1, 1_000));
        bench.run(&mut events.source(), 1);
        events.record(vec![1_000; events_that_wait]);
        assert_eq!(bench.run(&mut events.source(), 1).matches("send").count(), datagrams, "{events_that_wait}");
    }
}

#[test]
fn a_full_socket_waits_and_the_others_go_on() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(2, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
    events.record([50; 4]);
    bench.answers = [All, Fails(Fault::WouldBlock)].into();
    let expected = "[0] connect0:0 connect1:0 send0:1x50 send1:1x50 would block send0:1x50 send0:1x50 send0:1x50";
    assert_eq!(bench.run(&mut events.source(), 10), expected);
    assert_eq!(bench.wait.expect("it waits").writable, 0b10);
    bench.handle(DatagramInput::Writable { socket: 1 });
    events.record([60; 2]);
    assert_eq!(bench.run(&mut events.source(), 20), "[10] send0:1x60 send1:1x60");
    assert_eq!(bench.wait.expect("it waits").writable, 0);
}

#[test]
fn sockets_take_turns_between_events_and_one_that_is_full_in_the_midst_is_looked_at() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(2, DatagramTarget::UnixSocket), Events::<2>::new(&storage, 1, 1_000));
    bench.run(&mut events.source(), 1);
    events.record([50; 2]);
    assert_eq!(bench.run(&mut events.source(), 2), "[1] connect1:0 send0:1x50 send0:1x50 send1:1x50 send1:1x50");
    events.record([60; 1]);
    bench.answers = [All, Fails(Fault::WouldBlock)].into();
    assert_eq!(bench.run(&mut events.source(), 3), "[2] send0:1x60 send0:1x60 would block look0 send1:1x60");
    // One that was refused is not looked at before its time.
    bench.handle(DatagramInput::Writable { socket: 0 });
    assert_eq!(events.account(), "sent 2, held 1");
}

#[test]
fn a_system_without_buffers_is_asked_after_pauses_that_grow() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
    events.record([50; 2]);
    bench.answers = [Fails(Fault::NoBuffers); 10].into();
    let log = bench.run(&mut events.source(), 9_000);
    let at: Vec<_> = log.split_whitespace().filter(|word| word.starts_with('[')).collect();
    let expected = "[0] [10] [30] [70] [150] [310] [630] [1270] [2270] [3270] [4270] [4370]";
    assert_eq!(at.join(" "), expected, "from 10 ms to 1 s, then a look");
    bench.answers = [Fails(Fault::NoBuffers)].into();
    events.record([60]);
    let expected = "[9000] send0:1x60 no buffers [9010] send0:1x60 [9110] look0";
    assert_eq!(bench.run(&mut events.source(), 9_200), expected, "they begin anew");
    assert_eq!(events.account(), "sent 3");
    assert_eq!(bench.machine.traffic().reconnects, 0);
}

#[test]
fn what_is_too_large_is_sent_smaller_and_a_single_item_is_tried_once_alone() {
    let storage = TestStorage::new();
    let (mut bench, mut events) =
        (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, usize::MAX, 1_000));
    bench.run(&mut events.source(), 1);
    events.record([99; 10]);
    events.record([600]);
    bench.answers = [Fails(Fault::TooLarge), All, All, All, Fails(Fault::TooLarge)].into();
    let expected = "[1] send0:1x999 too large send0:1x499 send0:1x499 send0:1x600 [101] look0";
    assert_eq!(bench.run(&mut events.source(), 10_000), expected, "halved; what is above it goes alone");
    assert_eq!((events.account(), bench.machine.learned_bytes()), ("sent 11".into(), Some(499)));
    events.record([600, 99, 99]);
    bench.answers = [Fails(Fault::TooLarge)].into();
    assert_eq!(bench.run(&mut events.source(), 10_001), "[10000] send0:1x600 too large send0:1x199");
    assert_eq!(events.account(), "sent 11, too_large 1, held 2");
    let Traffic { dropped, dropped_bytes, .. } = bench.machine.traffic();
    assert_eq!((dropped, dropped_bytes), (1, 600));
    // A minute later it is doubled, to 998 bytes: nine items and the newlines between them.
    bench.run(&mut events.source(), 71_000);
    events.record([99; 10]);
    assert_eq!(bench.run(&mut events.source(), 71_001), "[71000] send0:1x899 send0:1x99");
    // A datagram of a run that has several items is no single item.
    let storage = TestStorage::new();
    let (mut bench, events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 99, 1_000));
    let mut events = events.offloaded();
    bench.run(&mut events.source(), 1);
    events.record([99; 5]);
    bench.answers = [Fails(Fault::TooLarge)].into();
    assert_eq!(bench.run(&mut events.source(), 2), "[1] send0:1x499 too large send0:3x199");
    // Others may be as large as what was too large, but for a byte.
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 9, 1_000));
    events.record([600]);
    bench.answers = [Fails(Fault::TooLarge)].into();
    bench.run(&mut events.source(), 1);
    assert_eq!(bench.machine.learned_bytes(), Some(599));
}

#[test]
fn what_was_learned_of_a_socket_is_forgotten_with_it() {
    let storage = TestStorage::new();
    let (mut bench, mut events) =
        (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, usize::MAX, 1_000));
    bench.run(&mut events.source(), 1);
    events.record([99; 10]);
    bench.answers = [Fails(Fault::TooLarge), Fails(Fault::Away)].into();
    let log = bench.run(&mut events.source(), 1_000);
    assert!(log.contains("send0:1x499 away close0"), "{log}");
    assert!(log.contains("connect0:0 send0:1x999"), "{log}");
    assert_eq!(bench.machine.learned_bytes(), None);
}

#[test]
fn offload_that_is_refused_is_not_tried_again() {
    for answer in [Fails(Fault::NoOffload), Singly] {
        let storage = TestStorage::new();
        let (mut bench, events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
        let mut events = events.offloaded();
        bench.run(&mut events.source(), 1);
        events.record([40, 50, 50, 50, 20]);
        assert_eq!(bench.run(&mut events.source(), 2), "[1] send0:4x50 send0:1x20", "longest first");
        let Traffic { sent, bytes, .. } = bench.machine.traffic();
        assert_eq!((sent, bytes), (5, 210));
        events.record([50; 4]);
        bench.answers = [answer].into();
        let ones = if matches!(answer, Singly) { 3 } else { 4 };
        let says = if matches!(answer, Singly) { "" } else { " no offload" };
        let expected = format!("[2] send0:4x50{says} {}", times("send0:1x50", ones));
        assert_eq!(bench.run(&mut events.source(), 3), expected);
        events.record([50; 2]);
        assert_eq!(bench.run(&mut events.source(), 1_000), "[3] send0:1x50 send0:1x50 [103] look0");
        assert_eq!(events.account(), "sent 11");
    }
    // A socket that leads nowhere with several is replaced by one that takes one at a time.
    let storage = TestStorage::new();
    let (mut bench, events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
    let mut events = events.offloaded();
    bench.run(&mut events.source(), 1);
    events.record([50; 3]);
    bench.answers = [Fails(Fault::Away)].into();
    let expected = bench.run(&mut events.source(), 99);
    assert!(expected.ends_with(&times("send0:1x50", 3)), "{expected}");
    // One that failed over a single datagram has shown nothing of several.
    bench.run(&mut events.source(), 1_000);
    events.record([50]);
    bench.answers = [Fails(Fault::Away)].into();
    bench.run(&mut events.source(), 2_000);
    events.record([50; 3]);
    assert_eq!(bench.run(&mut events.source(), 2_001), "[2000] send0:3x50");
    // For a single one it means that the socket leads nowhere.
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
    events.record([40]);
    bench.answers = [Fails(Fault::NoOffload)].into();
    assert!(bench.run(&mut events.source(), 1_000).starts_with("[0] connect0:0 send0:1x40 no offload close0 ["));
}

#[test]
fn items_share_datagrams_of_one_size_and_a_part_of_a_call_is_sent_again() {
    let storage = TestStorage::new();
    let mut events = Events::<1>::new(&storage, usize::MAX, 100).offloaded();
    events.packing = EventPacking::new(Text { fills: true }, usize::MAX, 100, vec![]).with_offload();
    let mut bench = Bench::new(1, DatagramTarget::UnixSocket);
    bench.run(&mut events.source(), 1);
    events.record([45; 9]);
    bench.answers = [Answer::Some(2)].into();
    assert_eq!(bench.run(&mut events.source(), 500), "[1] send0:5x100 send0:3x100 [101] look0");
    assert_eq!(events.account(), "sent 9");
    // What does not fit into a run of what was learned goes alone.
    events.record([45, 45, 95]);
    bench.answers = [Fails(Fault::TooLarge)].into();
    let expected = "[500] send0:2x100 too large send0:2x50 send0:1x95 [600] look0";
    assert_eq!(bench.run(&mut events.source(), 1_000), expected);
    assert_eq!(events.account(), "sent 12");
}

#[test]
fn a_socket_that_leads_nowhere_is_made_anew_after_pauses_and_the_name_is_asked() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, NAME), Events::<1>::new(&storage, 1, 1_000));
    bench.run(&mut events.source(), 500);
    events.record([50; 3]);
    bench.answers = [[All].as_slice(), &[Fails(Fault::Away); 200]].concat().into();
    let log = bench.run(&mut events.source(), 30_500);
    assert!(log.starts_with("[500] send0:1x50 send0:1x50 away look0 close0 ["), "looked at before it is closed: {log}");
    assert_eq!(events.account(), "sent 1, held 2");
    assert!(matches!(bench.machine.attempts().health, Health::Failing { since } if since == millis(500)));
    let attempts = log.matches("connect0:1").count();
    assert!((30..=60).contains(&attempts), "pauses of up to a second: {attempts}");
    let asked = log.matches("resolve").count();
    assert!((20..=31).contains(&asked), "at most once a second: {asked}");
    bench.answers.clear();
    bench.run(&mut events.source(), 32_000);
    assert_eq!((events.account(), bench.machine.attempts().health), ("sent 3".into(), Health::Well));
    // The next failure is a first one again.
    events.record([50]);
    bench.answers = [Fails(Fault::Away)].into();
    bench.run(&mut events.source(), 32_200);
    assert_eq!(events.account(), "sent 4");
}

#[test]
fn a_refusal_is_of_the_call_before_and_one_datagram_at_a_time_follows() {
    let storage = TestStorage::new();
    let (mut bench, events) = (Bench::new(1, NAME), Events::<1>::new(&storage, 1, 1_000));
    let mut events = events.offloaded();
    bench.run(&mut events.source(), 1_000);
    events.record([[50; 5], [60; 5]].concat());
    bench.answers = [All, Fails(Fault::RefusedBefore)].into();
    bench.looks = [Look::Refused, Look::Refused].into();
    let log = bench.run(&mut events.source(), 1_100);
    assert!(log.starts_with("[1000] send0:6x60 send0:4x50 refused before resolve ["), "{log}");
    let sends: Vec<_> = log.split_whitespace().filter(|word| word.starts_with("send")).collect();
    assert_eq!(sends, ["send0:6x60", "send0:4x50", "send0:1x50"], "one, and then a look");
    let log = bench.run(&mut events.source(), 5_000);
    let slow = log.split(" look0 send").next().expect("a look that finds nothing");
    assert_eq!((slow.matches("send0:1x50").count(), slow.matches("look0 refused").count()), (2, 2), "{log}");
    assert!(log.contains("look0 send0:1x50 ["), "{log}");
    assert_eq!(events.account(), "sent 2, unconfirmed 8");
    assert_eq!(bench.machine.traffic().refusals, 3);
}

#[test]
fn an_event_that_was_begun_in_a_refused_call_is_unconfirmed() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<3>::new(&storage, 1, 1_000));
    bench.run(&mut events.source(), 1);
    events.record([50, 60]);
    bench.answers = [All, Fails(Fault::RefusedBefore)].into();
    let log = bench.run(&mut events.source(), 500);
    assert!(log.starts_with("[1] send0:1x50 send0:1x50 refused before ["), "{log}");
    assert_eq!(log.matches("send0:1x60").count(), 3, "{log}");
    assert_eq!(events.account(), "sent 1, unconfirmed 1");
}

#[test]
fn few_datagrams_go_to_a_port_where_nobody_listens() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, NAME), Events::<3>::new(&storage, 1, 1_000));
    bench.run(&mut events.source(), 1);
    events.record([50; 900]);
    // Over the loopback interface each call after another is told of its refusal.
    bench.answers = (0..2_000).map(|at| if at % 2 == 0 { All } else { Fails(Fault::RefusedBefore) }).collect();
    bench.looks = vec![Look::Refused; 2_000].into();
    bench.run(&mut events.source(), 60_000);
    let Traffic { sent, .. } = bench.machine.traffic();
    assert!((40..=80).contains(&sent), "{sent}");
}

#[test]
fn a_name_without_an_address_is_asked_again_and_what_comes_is_held() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(2, NAME), Events::<1>::new(&storage, 1, 1_000));
    bench.addresses.clear();
    events.record([50; 3]);
    let log = bench.run(&mut events.source(), 20_000);
    assert!((6..=10).contains(&log.matches("resolve").count()), "back-off up to 5 s: {log}");
    assert_eq!(events.account(), "sent 0, held 3");
    assert!(matches!(bench.machine.attempts().health, Health::Failing { since } if since == millis(0)));
    bench.addresses = vec![v4(9)];
    let log = bench.run(&mut events.source(), 30_000);
    assert!(log.contains("resolve connect0:9 connect1:9 send0:1x50 send1:1x50 send0:1x50"), "{log}");
    assert_eq!(events.account(), "sent 3");
}

#[test]
fn a_name_that_moves_is_followed() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(2, NAME), Events::<1>::new(&storage, 1, 1_000));
    events.record([50; 2]);
    bench.run(&mut events.source(), 59_950);
    events.record([50]);
    bench.run(&mut events.source(), 59_951);
    bench.addresses = vec![v4(3), v4(1)];
    assert_eq!(bench.run(&mut events.source(), 60_000), "[60000] resolve", "it is still one of them");
    bench.addresses = vec![v4(3)];
    bench.run(&mut events.source(), 119_990);
    events.record([50]);
    let log = bench.run(&mut events.source(), 120_001);
    let expected = "[119990] send1:1x50 [120000] resolve close0 look1 close1";
    assert_eq!(log, expected, "nothing waits");
    events.record([50]);
    assert_eq!(bench.run(&mut events.source(), 130_000), "[120001] connect0:3 connect1:3 send0:1x50 [120101] look0");
    assert_eq!((events.account(), bench.machine.traffic().reconnects), ("sent 5".into(), 2));
}

#[test]
fn a_socket_that_was_made_while_the_name_moved_is_made_anew() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, NAME), Events::<1>::new(&storage, 1, 1_000));
    let (now, mut source) = (bench.now(), events.source());
    let mut poll = |bench: &mut Bench| bench.machine.poll(now, &mut source, &mut bench.buffer);
    let DatagramAction::Resolve { id } = poll(&mut bench) else { panic!("a question first") };
    bench.handle(DatagramInput::Resolved { id, addresses: &[v4(1)] });
    let DatagramAction::Connect { id: connecting, .. } = poll(&mut bench) else { panic!("then a socket") };
    bench.now = millis(60_000);
    let now = bench.now();
    let DatagramAction::Resolve { id } = bench.machine.poll(now, &mut events.source(), &mut bench.buffer) else {
        panic!("a minute later a question")
    };
    bench.handle(DatagramInput::Resolved { id, addresses: &[v4(2)] });
    bench.handle(DatagramInput::Connected { id: connecting });
    assert_eq!(bench.run(&mut events.source(), 60_001), "[60000] close0");
}

#[test]
fn of_several_addresses_the_first_that_takes_a_socket_is_used() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(2, NAME), Events::<1>::new(&storage, 1, 1_000));
    bench.addresses = vec![([0, 0, 0, 0, 0, 0, 0, 1], 8_125).into(), v4(2)];
    bench.unreachable = vec![2];
    events.record([50]);
    let log = bench.run(&mut events.source(), 1_000);
    assert_eq!(log, "[0] resolve connect0:2 connect0:1 connect1:1 send0:1x50 [100] look0", "IPv4 first");
    // All of them are tried before a pause.
    let mut bench = Bench::new(1, NAME);
    bench.addresses = vec![v4(1), v4(2)];
    bench.unreachable = vec![1, 2];
    let log = bench.run(&mut events.source(), 1_000);
    assert!(log.starts_with("[0] resolve connect0:1 connect0:2 ["), "{log}");
    assert!(log.matches("connect0").count() < 16, "{log}");
}

#[test]
fn as_long_as_a_socket_leads_somewhere_no_other_address_is_tried() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(2, NAME), Events::<1>::new(&storage, 1, 1_000));
    bench.addresses = vec![v4(1), v4(2)];
    bench.run(&mut events.source(), 500);
    bench.unreachable = vec![1];
    events.record([50]);
    let log = bench.run(&mut events.source(), 5_000);
    // The first socket was made at once.
    assert!(log.starts_with("[500] connect1:1 send0:1x50") && !log.contains(":2"), "{log}");
}

#[test]
fn a_packet_of_a_stream_that_was_begun_is_held_until_it_is_whole() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
    events.record([50]);
    bench.looks =
        [Look::Unknown(Fault::WouldBlock), Look::Unknown(Fault::WouldBlock), Look::Unknown(Fault::Away)].into();
    let log = bench.run(&mut events.source(), 350);
    assert!(
        log.starts_with(
            "[0] connect0:0 send0:1x50 [100] look0 would block [200] look0 would block [300] look0 away close0 ["
        ),
        "{log}"
    );
    // What is kept goes out on the next connection, though nothing else waits.
    assert!(log.ends_with("connect0:0 look0"), "{log}");
    assert_eq!(events.account(), "sent 1");
    // At a stop it waits for the reader until the deadline.
    events.record([50]);
    bench.looks = vec![Look::Unknown(Fault::WouldBlock); 99].into();
    bench.run(&mut events.source(), 360);
    bench.handle(DatagramInput::Stop { deadline: millis(1_360) });
    let log = bench.run(&mut events.source(), 9_000);
    assert!(log.ends_with("[1360] done"), "{log}");
    assert_eq!(events.account(), "sent 1, unconfirmed 1", "a part of it has left");
}

/// An Agent that had a stream comes again with a socket of datagrams, which takes less.
#[test]
fn a_packet_that_was_begun_and_is_too_large_for_the_next_socket_is_dropped_alone() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<2>::new(&storage, 3, 1_000));
    // A request and a half are in the packet that was begun; one more has waited for it.
    events.record([100; 3]);
    bench.answers = [All, Fails(Fault::WouldBlock)].into();
    bench.looks = [Look::Unknown(Fault::Away), Look::Unknown(Fault::TooLargeBefore)].into();
    let log = bench.run(&mut events.source(), 9_000);
    assert_eq!(log.matches("too large before").count(), 1, "{log}");
    assert_eq!(log.matches("connect0").count(), 2, "{log}");
    assert_eq!(events.account(), "sent 1, too_large 2");
    // The same where the fault comes of a call: nothing of that was taken, and it is sent again.
    events.record([100; 3]);
    bench.answers = [All, Fails(Fault::TooLargeBefore)].into();
    let log = bench.run(&mut events.source(), 18_000);
    assert!(log.contains("too large before send0"), "{log}");
    assert_eq!(events.account(), "sent 2, too_large 4");
    assert_eq!(bench.machine.learned_bytes(), None, "what is sent now was not too large");
    events.record([100; 3]);
    bench.run(&mut events.source(), 27_000);
    assert_eq!(events.account(), "sent 5, too_large 4");
}

#[test]
fn a_stop_tries_until_its_deadline_where_somebody_was_ever_there() {
    for (was_there, expected) in [(true, "sent 1, unreachable 3"), (false, "sent 0, unreachable 4")] {
        let storage = TestStorage::new();
        let (mut bench, mut events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
        events.record([50]);
        if !was_there {
            bench.unreachable = vec![0];
        }
        bench.run(&mut events.source(), 30_000);
        bench.unreachable = vec![0];
        bench.answers = [Fails(Fault::Away)].into();
        events.record([50; 3]);
        bench.run(&mut events.source(), 60_000);
        bench.handle(DatagramInput::Stop { deadline: millis(65_000) });
        let log = bench.run(&mut events.source(), 70_000);
        let attempts = log.matches("connect0").count();
        match was_there {
            true => assert!(log.ends_with("[65000] done") && attempts > 10, "{log}"),
            false => assert!(attempts == 2 && !log.contains("[61"), "two attempts: {log}"),
        }
        assert!(log.starts_with("[60000] connect0:0"), "a pause ends: {log}");
        assert_eq!(events.account(), expected);
    }
}

#[test]
fn a_stop_looks_at_the_last_call_and_says_why_the_rest_was_dropped() {
    for (look, answers, expected) in [
        (Look::Fine, vec![], "sent 2"),
        (Look::Refused, vec![], "sent 1, unconfirmed 1"),
        // Only the deadline cut it off.
        (Look::Fine, vec![All, Fails(Fault::WouldBlock)], "sent 1, deadline 1"),
    ] {
        let storage = TestStorage::new();
        let (mut bench, mut events) = (Bench::new(1, NAME), Events::<1>::new(&storage, 1, 1_000));
        bench.run(&mut events.source(), 1);
        events.record([50; 2]);
        (bench.answers, bench.looks) = (answers.into(), [look].into());
        bench.handle(DatagramInput::Stop { deadline: millis(5) });
        let log = bench.run(&mut events.source(), 100);
        assert!(log.ends_with("done"), "{log}");
        assert_eq!(events.account(), expected, "{log}");
        assert_eq!(bench.run(&mut events.source(), 200).split(' ').next_back(), Some("done"), "nothing follows");
    }
}

#[test]
fn a_stop_where_a_name_never_had_an_address_asks_twice() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, NAME), Events::<1>::new(&storage, 1, 1_000));
    bench.addresses.clear();
    events.record([50; 2]);
    bench.run(&mut events.source(), 10_000);
    bench.handle(DatagramInput::Stop { deadline: millis(20_000) });
    let log = bench.run(&mut events.source(), 30_000);
    assert_eq!(log.matches("resolve").count(), 2, "{log}");
    assert!(log.starts_with("[10000] resolve") && log.ends_with("done"), "{log}");
    assert_eq!(events.account(), "unreachable 2".replace("unreachable", "sent 0, unreachable"));
}

#[test]
fn the_answer_to_a_connection_is_of_the_socket_that_it_was_asked_for() {
    for second_fails in [false, true] {
        let storage = TestStorage::new();
        let (mut bench, mut events) = (Bench::new(2, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
        events.record([50]);
        let now = bench.now();
        let [first, second] = [0, 1].map(|_| match bench.machine.poll(now, &mut events.source(), &mut bench.buffer) {
            DatagramAction::Connect { id, .. } => id,
            other => panic!("{other:?}"),
        });
        if second_fails {
            bench.handle(DatagramInput::Failed { id: second, fault: Fault::Away });
            bench.handle(DatagramInput::Connected { id: first });
        } else {
            bench.handle(DatagramInput::Connected { id: second });
        }
        let action = bench.machine.poll(now, &mut events.source(), &mut bench.buffer);
        let expected = usize::from(!second_fails);
        assert!(matches!(action, DatagramAction::Send { socket, .. } if socket == expected), "{action:?}");
    }
}

#[test]
fn answers_to_nothing_that_was_asked_are_ignored() {
    let storage = TestStorage::new();
    let (mut bench, mut events) = (Bench::new(1, NAME), Events::<1>::new(&storage, 1, 1_000));
    let stray = Id::default();
    events.record([50; 2]);
    for _ in 0..2 {
        bench.handle(DatagramInput::Resolved { id: stray, addresses: &[v4(66)] });
        bench.handle(DatagramInput::Connected { id: stray });
        bench.handle(DatagramInput::Sent { id: stray, datagrams: 9, offload: false });
        bench.handle(DatagramInput::Failed { id: stray, fault: Fault::Away });
        bench.handle(DatagramInput::Looked { id: stray, refused: true });
        bench.handle(DatagramInput::Writable { socket: 99 });
        bench.run(&mut events.source(), 1_000);
    }
    assert_eq!((events.account(), bench.machine.attempts().health), ("sent 2".to_string(), Health::Well));
    // Until a call is answered, there is nothing to do.
    events.record([50; 2]);
    let (now, mut source) = (bench.now(), events.source());
    let asked = bench.machine.poll(now, &mut source, &mut bench.buffer);
    assert!(matches!(asked, DatagramAction::Send { .. }), "{asked:?}");
    let next = bench.machine.poll(now, &mut source, &mut bench.buffer);
    assert!(matches!(next, DatagramAction::Wait(_)), "{next:?}");
}

#[test]
fn a_refused_call_of_sorted_items_takes_their_events_and_no_others() {
    let storage = TestStorage::new();
    let (mut bench, events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<2>::new(&storage, 1, 1_000));
    let mut events = events.offloaded();
    bench.run(&mut events.source(), 1);
    // Six items of three lengths.
    events.record([60, 50, 40]);
    bench.answers = [All, Answer::Some(1), Fails(Fault::RefusedBefore)].into();
    let log = bench.run(&mut events.source(), 400);
    assert!(log.starts_with("[1] send0:3x60 send0:2x50 send0:2x40 refused before ["), "{log}");
    // Of 60, 60 and 50 nothing was refused; the other 50 was, and with it its event.
    assert_eq!(events.account(), "sent 2, unconfirmed 1", "{log}");
    // Where the last call of all is refused, only its events are held.
    events.record([60, 50, 40]);
    bench.answers = [All, All].into();
    bench.looks = [Look::Refused].into();
    let log = bench.run(&mut events.source(), 401);
    assert_eq!(
        (log.as_str(), events.account().as_str()),
        ("[400] send0:3x60 send0:2x50 send0:1x40", "sent 4, unconfirmed 1, held 1")
    );
    bench.run(&mut events.source(), 600);
    assert_eq!(events.account(), "sent 4, unconfirmed 2");
}

#[test]
fn a_sorted_item_that_is_too_large_leaves_those_of_the_last_call_held() {
    let storage = TestStorage::new();
    let (mut bench, events) = (Bench::new(1, DatagramTarget::UnixSocket), Events::<1>::new(&storage, 1, 1_000));
    let mut events = events.offloaded();
    bench.run(&mut events.source(), 1);
    events.record([60, 50, 40]);
    bench.answers = [All, Fails(Fault::TooLarge)].into();
    assert_eq!(bench.run(&mut events.source(), 50), "[1] send0:2x60 send0:1x40 too large");
    assert_eq!(events.account(), "sent 0, too_large 1, held 2");
    bench.run(&mut events.source(), 500);
    assert_eq!(events.account(), "sent 2, too_large 1");
    // Those of a call that is known to have arrived are held no longer.
    events.record([60, 50]);
    bench.answers = [All, Fails(Fault::WouldBlock), Fails(Fault::TooLarge)].into();
    let log = bench.run(&mut events.source(), 700);
    assert_eq!(log, "[500] send0:1x60 send0:1x50 would block [600] look0", "it is full");
    bench.handle(DatagramInput::Writable { socket: 0 });
    assert_eq!(bench.run(&mut events.source(), 800), "[700] send0:1x50 too large");
    assert_eq!(events.account(), "sent 3, too_large 2");
}

#[test]
fn several_sockets_send_whole_windows_in_turns() {
    let storage = TestStorage::new();
    let (mut bench, events) = (Bench::new(2, DatagramTarget::UnixSocket), Events::<2>::new(&storage, 1, 1_000));
    let mut events = events.offloaded();
    bench.run(&mut events.source(), 1);
    events.record([60, 50]);
    assert_eq!(bench.run(&mut events.source(), 2), "[1] connect1:0 send0:3x60 send0:1x50");
    events.record([60, 50]);
    bench.answers = [All, Fails(Fault::WouldBlock)].into();
    assert_eq!(bench.run(&mut events.source(), 3), "[2] send1:3x60 send1:1x50 would block look1 send0:1x50");
    assert_eq!(events.account(), "sent 3, held 1");
}
