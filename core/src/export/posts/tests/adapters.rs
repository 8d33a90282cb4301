//! What waits in a sink and in a registry, posted: the bytes and the ledger.

extern crate std;

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::events::phase::Phase;
use crate::formats::influxdb::{
    GaugeLineEncoder, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder, Precision,
};
use crate::labels::constant::ConstantLabels;
use crate::registry::Registry;
use crate::registry::accounts::Accounts;
use crate::registry::exporter::Exporter;
use crate::registry::storage::{Classic, Storage};
use crate::request::sample::{Sample, Timestamp};
use crate::{Event, Packer, Sink};

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Now {
    let tick = Tick::default().after(Duration::from_secs(seconds));
    Now { tick, wall: Timestamp::from_unix_nanos(tick.as_nanos()) }
}

fn event(registry: Registry<'_>, number: u64) -> Event {
    let series = registry.series("GET", "/x");
    let completed_at = Timestamp::from_unix_nanos(number);
    Event { series, status: 200, latency_ns: 5_000_000, response_bytes: 10, completed_at, ..Event::default() }
}

/// What it sends now, over a server that is there; empty where it waits.
fn body(posts: &mut PostMachine, now: Now, items: &mut impl Items) -> (Id, String) {
    let (mut out, address) = ([0; 4_096], ([192, 0, 2, 1], 8086).into());
    loop {
        match posts.poll(now, items, &mut out) {
            PostAction::Resolve { id } => posts.handle(now, BodyInput::Resolved { id, addresses: &[address] }),
            PostAction::Connect { id, .. } => posts.handle(now, BodyInput::Connected { id }),
            PostAction::Send { id, range } => return (id, String::from_utf8_lossy(&out[range]).into_owned()),
            PostAction::Wait { .. } | PostAction::Done { .. } | PostAction::Cancel { .. } => {
                return (Id::default(), String::new());
            }
        }
    }
}

#[test]
fn requests_are_sent_line_by_line_from_their_sink_and_settled_in_its_ledger() {
    let storage = Storage::<4, 1, 2>::new();
    let registry = storage.registry();
    let ledger = Accounts::new(registry).open(Exporter::Influxdb);
    let encoder = LineEncoder::new(registry, "m").expect("a plain measurement");
    let (packer, mut sink) = (Packer::new(encoder), Sink::new([Event::default(); 8], ledger));
    let schedule = Schedule::Batches { age: SECOND, capacity: sink.capacity() };
    let mut posts = PostMachine::new(&PostLimits { timeout: SECOND, bytes: 4_096, points: 3, schedule }, 7);
    for number in 1..=4 {
        sink.offer(event(registry, number));
    }
    let line = "m,method=GET,name=/x,outcome=success status_code=200i,response_time_ms=5,response_length=10i";
    let mut items = EventPoints::new(&packer, &mut sink);
    let (id, first) = body(&mut posts, at(0), &mut items);
    assert_eq!(first, std::format!("{line} 1\n{line} 2\n{line} 3"));
    posts.handle(at(0), BodyInput::Answer { id, said: Said::Partial { dropped: 1 } });
    posts.handle(at(0), BodyInput::Stop { deadline: at(9).tick });
    let (id, second) = body(&mut posts, at(0), &mut items);
    assert_eq!(second, std::format!("{line} 4"));
    posts.handle(at(0), BodyInput::Answer { id, said: Said::Stored });
    assert_eq!(posts.poll(at(0), &mut items, &mut []), PostAction::Done { cause: DropReason::Deadline });
    let (sent, dropped) = ledger.outcome();
    assert_eq!((sent, dropped.get(DropReason::Refused), ledger.held()), (3, 1, 0));
}

#[test]
fn points_per_interval_are_frozen_sent_and_settled_in_the_ledger() {
    let storage = Storage::<9, 1, 2, Classic>::new();
    let registry = storage.registry();
    let every = 10 * SECOND;
    let encoder = IntervalEncoder::new(registry, "m", &ConstantLabels::default(), Precision::Second);
    let memory = std::vec![0; IntervalRows::<Vec<u64>>::words(registry)];
    let (rows, before) = IntervalRows::new(registry, memory).expect("as many words as it asks for");
    let ledger = Accounts::new(registry).open_after(Exporter::Influxdb, before);
    let times = IntervalTimes::new(Precision::Second, every, Phase::NONE);
    let encoder = encoder.expect("a plain measurement");
    let mut points = IntervalPoints::new(registry, (rows, ledger), (encoder, times));
    let schedule = Schedule::Intervals { every, always_anew: false };
    let mut posts = PostMachine::new(&PostLimits { timeout: SECOND, bytes: 4_096, points: 2, schedule }, 7);
    let mut recorder = registry.recorder();
    let mut record = |counts: [usize; 3]| {
        for (number, times) in counts.into_iter().enumerate() {
            let series = registry.series("GET", &std::format!("/{number}"));
            (0..times).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
        }
    };
    let line = |number: usize, requests: usize, at: usize| {
        std::format!(
            "m,method=GET,name=/{number} requests={requests}i,failures=0i,response_time_ms_sum=0,response_length_sum=0i {at}"
        )
    };
    assert_eq!(body(&mut posts, at(0), &mut points).1, "");
    record([1, 2, 3]);
    // Away: begun anew with what came. Then the first two series in part, the third silent, which is sent again as it is.
    let (id, first) = body(&mut posts, at(10), &mut points);
    assert_eq!(first, [line(0, 1, 10), line(1, 2, 10)].join("\n"));
    posts.handle(at(10), BodyInput::Answer { id, said: Said::Away { at_least: every, may_have_arrived: false } });
    assert_eq!(body(&mut posts, at(10), &mut points).1, "");
    record([1, 1, 1]);
    let (id, second) = body(&mut posts, at(20), &mut points);
    assert_eq!(second, [line(0, 2, 20), line(1, 3, 20)].join("\n"));
    posts.handle(at(20), BodyInput::Answer { id, said: Said::Partial { dropped: 1 } });
    let (id, third) = body(&mut posts, at(20), &mut points);
    assert_eq!(third, line(2, 4, 20));
    assert_eq!((ledger.outcome().0, ledger.outcome().1.get(DropReason::Refused)), (2, 3), "the heaviest");
    posts.handle(at(20), BodyInput::Failed { id, began: true, kept: false });
    record([0, 0, 5]);
    assert_eq!(body(&mut posts, at(20), &mut points).1, "");
    let (id, again) = body(&mut posts, at(31), &mut points);
    assert_eq!(again, third, "the news wait");
    posts.handle(at(31), BodyInput::Answer { id, said: Said::Stored });
    let (id, last) = body(&mut posts, at(31), &mut points);
    assert_eq!(last, line(2, 5, 31));
    posts.handle(at(31), BodyInput::Answer { id, said: Said::Stored });
    assert_eq!(body(&mut posts, at(31), &mut points).1, "");
    record([0, 1, 0]);
    posts.handle(at(32), BodyInput::Stop { deadline: at(40).tick });
    let (id, at_the_stop) = body(&mut posts, at(32), &mut points);
    assert_eq!(at_the_stop, line(1, 1, 32));
    posts.handle(at(32), BodyInput::Answer { id, said: Said::Stored });
    assert_eq!(posts.poll(at(32), &mut points, &mut []), PostAction::Done { cause: DropReason::Deadline });
    assert_eq!((ledger.outcome().0, ledger.outcome().1.total()), (12, 3));
}

#[test]
fn gauges_are_sent_at_the_end_of_each_interval_as_they_are_then() {
    let storage = Storage::<4, 1, 2>::new();
    let registry = storage.registry();
    let encoder = GaugeLineEncoder::new(registry, "m", &ConstantLabels::default(), Precision::Second);
    let mut gauges = GaugePoints::new(
        encoder.expect("a plain measurement"),
        IntervalTimes::new(Precision::Second, 10 * SECOND, Phase::NONE),
    );
    let schedule = Schedule::Intervals { every: 10 * SECOND, always_anew: true };
    let mut posts = PostMachine::new(&PostLimits { timeout: SECOND, bytes: 4_096, points: 3, schedule }, 7);
    let mut sent = Vec::new();
    for (now, said) in [(0, Said::Stored), (10, Said::Stored), (20, Said::Refused), (30, Said::Ill), (40, Said::Stored)]
    {
        registry.gauge("users").expect("room").set(now as f64);
        let (id, line) = body(&mut posts, at(now), &mut gauges);
        sent.push(line);
        posts.handle(at(now), BodyInput::Answer { id, said });
    }
    assert_eq!(sent, ["", "m users=10 10", "m users=20 20", "m users=30 30", "m users=40 40"]);
}

#[test]
fn gauges_that_have_left_do_not_leave_again_in_the_same_interval() {
    let storage = Storage::<4, 1, 2>::new();
    let registry = storage.registry();
    for (name, value) in [("a", 1.0), ("b", 2.0), ("c", 3.0)] {
        registry.gauge(name).expect("room").set(value);
    }
    let encoder = GaugeLineEncoder::new(registry, "m", &ConstantLabels::default(), Precision::Second);
    let times = IntervalTimes::new(Precision::Second, 10 * SECOND, Phase::NONE);
    let mut gauges = GaugePoints::new(encoder.expect("a plain measurement"), times);
    gauges.freeze(at(10));
    let line = |gauges: &GaugePoints<'_>, from, most| {
        let mut out = [0; 64];
        let body = gauges.pack(from, most, &mut out);
        (String::from_utf8(out[..body.bytes].to_vec()).expect("text"), body.items)
    };
    assert_eq!(line(&gauges, 1, 1), ("m b=2 10".into(), 1));
    for (left, rest) in [(3, "m a=1,b=2,c=3 10"), (2, "m b=2,c=3 10"), (1, "m c=3 10")] {
        assert_eq!((gauges.len(), line(&gauges, 0, 9)), (left, (rest.into(), left)));
        gauges.settle(1, 0, DropReason::Refused);
    }
    assert_eq!((gauges.len(), line(&gauges, 0, 9)), (0, ("".into(), 0)));
}
