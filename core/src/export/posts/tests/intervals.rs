//! Points per interval, on a fake clock: what begins anew, what is sent again as it is, and the account of requests.

extern crate std;

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::vec::Vec;

use super::model::{Faulty, run_to_a_stop};
use super::simulation::{Account, MS, Reply, Server, Simulation, line_of, number_at};
use super::*;

/// Series that count.
const SERIES: u32 = 8;
const SECOND: Duration = Duration::from_secs(1);

/// Rows of an interval: a point for each series that has news.
#[derive(Debug)]
struct Rows {
    /// Series that count.
    series: u32,
    recorded: u64,
    /// What each series counted and no row has.
    news: [u64; SERIES as usize],
    /// Series and requests of what is frozen, the front first.
    frozen: Vec<(u32, u64)>,
    /// The series that is read next.
    next: u32,
    /// Which interval the rows are of: their timestamp.
    interval: u32,
    /// Requests of each point that ever went out.
    told: RefCell<BTreeMap<u32, u64>>,
    sent: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            series: SERIES,
            recorded: 0,
            news: [0; SERIES as usize],
            frozen: Vec::new(),
            next: SERIES,
            interval: 0,
            told: RefCell::default(),
            sent: 0,
            dropped: [0; DropReason::ALL.len()],
        }
    }
}

impl Rows {
    /// The number of a series' point of an interval.
    const fn point(interval: u32, series: u32) -> u32 {
        interval * SERIES + series
    }

    /// Requests of all points that it has, by number.
    fn told(&self, has: impl Fn(u32) -> bool) -> u64 {
        self.told.borrow().iter().filter(|(point, _)| has(**point)).map(|(_, requests)| *requests).sum()
    }

    fn held(&self) -> u64 {
        self.news.iter().sum::<u64>() + self.frozen.iter().map(|row| row.1).sum::<u64>()
    }
}

impl Items for Rows {
    fn len(&self) -> usize {
        self.frozen.len()
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        assert_eq!(self.next, SERIES, "nothing is packed before all is read");
        let mut body = PackedItems::default();
        for (series, requests) in self.frozen[from..].iter().take(most) {
            let start = body.bytes + usize::from(body.items != 0);
            let Some(room) = out.get_mut(start..start + 29) else { break };
            room.copy_from_slice(&line_of(&[Self::point(self.interval, *series), *requests as u32]));
            if start != 0 {
                out[start - 1] = b'\n';
            }
            body = PackedItems { bytes: start + 29, items: body.items + 1 };
        }
        body
    }

    fn settle(&mut self, items: usize, lost: usize, cause: DropReason) {
        let mut rows: Vec<_> = self.frozen.drain(..items).map(|row| row.1).collect();
        rows.sort_unstable_by(|one, other| other.cmp(one));
        self.dropped[cause as usize] += rows[..lost].iter().sum::<u64>();
        self.sent += rows[lost..].iter().sum::<u64>();
    }

    fn freeze(&mut self, _now: Now) {
        self.interval += 1;
        for (series, requests) in self.frozen.drain(..) {
            self.news[series as usize] += requests;
        }
        self.next = 0;
    }

    fn read_on(&mut self) -> bool {
        for series in (self.next..SERIES).take(3) {
            let news = core::mem::take(&mut self.news[series as usize]);
            self.frozen.extend(Some((series, news)).filter(|row| row.1 != 0));
            self.next = series + 1;
        }
        self.next == SERIES
    }
}

impl Account for Rows {
    fn offer(&mut self, count: u32) {
        for _ in 0..count {
            // The later a series, the heavier.
            let series = (self.recorded % 36 * 8 + 1).isqrt() as usize / 2;
            self.news[series.min(self.series as usize - 1)] += 1;
            self.recorded += 1;
        }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn dropped(&self, cause: DropReason) -> u64 {
        self.dropped[cause as usize]
    }

    fn missing(&self) -> i64 {
        (self.recorded - self.sent - self.dropped.iter().sum::<u64>() - self.held()) as i64
    }

    fn points(&self, body: &[u8]) -> Vec<u32> {
        let mut told = self.told.borrow_mut();
        body.chunks(30)
            .map(|line| {
                let (point, requests) = (number_at(line, 0), u64::from(number_at(line, 1)));
                let before = told.insert(point, requests);
                assert!(before.is_none_or(|before| before == requests), "one series has two values at one time");
                point
            })
            .collect()
    }
}

/// A server that does what a script says, one step for each request, and then stores everything.
#[derive(Default)]
struct Script {
    replies: Vec<Reply>,
    /// The interval and the points of each request.
    log: Vec<(u32, usize)>,
}

impl Server for Script {
    fn posts(&mut self, _: Tick, points: &[u32], _: &[u8], _: bool) -> (Duration, Reply) {
        let reply = self.replies.get(self.log.len()).copied();
        self.log.push((points[0] / SERIES, points.len()));
        (MS, reply.unwrap_or(Reply::Says(Said::Stored)))
    }
}

fn limits(always_anew: bool) -> PostLimits {
    let schedule = Schedule::Intervals { every: SECOND, always_anew };
    PostLimits { timeout: 300 * MS, bytes: 16_000, points: 5, schedule }
}

fn simulation<S: Server>(always_anew: bool, server: S, seed: u64) -> Simulation<S, Rows> {
    let mut simulation = Simulation::new(&limits(always_anew), Rows::default(), server, seed);
    simulation.rate = 1;
    simulation
}

/// The interval and the points of each request.
type Log<'a> = &'a [(u32, usize)];

#[test]
fn an_interval_of_which_nothing_can_have_arrived_begins_anew_and_another_is_sent_again_as_it_is() {
    let away = |may_have_arrived| Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived });
    let asks = Reply::Says(Said::Away { at_least: 2 * SECOND, may_have_arrived: false });
    // Eight series, at most five in a body: two bodies in each interval.
    let good = [(1, 5), (1, 3), (2, 5), (2, 3), (3, 5), (3, 3)];
    let rows: [(&str, &[Reply], Log<'_>); 5] = [
        ("all goes well", &[], &good),
        ("away for a moment", &[away(false)], &[(1, 5), (1, 5), (1, 3), (2, 5)]),
        ("away for longer: begun anew at each end", &[asks], &[(1, 5), (3, 5), (3, 3)]),
        ("it may have arrived: the news wait", &[Reply::Never, asks], &[(1, 5), (1, 5), (1, 5), (2, 5), (2, 3)]),
        (
            "half has arrived, the rest begins anew with the others",
            &[Reply::Says(Said::Stored), asks],
            &[(1, 5), (1, 3), (3, 5), (3, 3)],
        ),
    ];
    for (name, replies, expected) in rows {
        let mut simulation = simulation(false, Script { replies: replies.to_vec(), ..Script::default() }, 7);
        simulation.run(Tick::default().after(3_900 * MS));
        let log = &simulation.server.log;
        assert_eq!(&log[..expected.len().min(log.len())], expected, "{name}");
        simulation.stop(SECOND);
        simulation.run(Tick::default().after(9 * SECOND));
        let all = simulation.items.sent() + simulation.items.held();
        assert_eq!(simulation.items.recorded, all, "{name}: nothing is lost");
        assert!(simulation.items.held() <= 3, "the stop freezes a last interval: {}", simulation.items.held());
    }
}

#[test]
fn of_an_interval_in_part_the_heaviest_points_count_as_refused() {
    let mut simulation = simulation(
        false,
        Script { replies: std::vec![Reply::Says(Said::Partial { dropped: 2 })], ..Script::default() },
        7,
    );
    simulation.run(Tick::default().after(1_500 * MS));
    let dropped = simulation.items.dropped(DropReason::Refused);
    // Of the first five series the last two have four and five of 36 requests each.
    assert!((200..=300).contains(&dropped), "{dropped}");
    assert_eq!(simulation.items.sent() + dropped + simulation.items.held(), simulation.items.recorded);
}

#[test]
fn values_that_nobody_adds_up_begin_anew_whatever_became_of_the_last_ones() {
    let mut simulation = simulation(true, Script { replies: std::vec![Reply::Never; 4], ..Script::default() }, 7);
    simulation.run(Tick::default().after(5 * SECOND));
    let first: Vec<_> = simulation.server.log.iter().map(|request| request.0).collect();
    assert!(first.is_sorted() && first.iter().filter(|interval| **interval == 1).count() <= 2, "{first:?}");
}

#[test]
fn a_long_time_of_500_with_one_series_and_short_intervals_is_no_storm() {
    struct Ill;
    impl Server for Ill {
        fn posts(&mut self, _: Tick, _: &[u32], _: &[u8], _: bool) -> (Duration, Reply) {
            (MS, Reply::Says(Said::Ill))
        }
    }
    for series in [1, SERIES] {
        let mut simulation = Simulation::new(&limits(false), Rows { series, ..Rows::default() }, Ill, 7);
        simulation.rate = 1;
        simulation.run(Tick::default().after(240 * SECOND));
        assert!(simulation.requests <= 100, "{} requests", simulation.requests);
        assert_eq!(simulation.items.held(), simulation.items.recorded, "nothing is lost");
    }
}

#[test]
fn whatever_a_server_does_the_account_of_intervals_is_right() {
    for seed in 0..60 {
        let mut simulation = simulation(false, Faulty::new(seed), seed);
        run_to_a_stop(&mut simulation, 8_000, |simulation| check(simulation, seed));
    }
}

#[test]
fn a_server_that_heals_gets_all_intervals() {
    for seed in 2_000..2_030 {
        let mut simulation = simulation(false, Faulty::new(seed), seed);
        simulation.run(simulation.server.heals);
        simulation.rate = 0;
        simulation.run(simulation.server.heals.after(100 * SECOND));
        check(&simulation, seed);
        assert_eq!(simulation.items.held(), 0, "seed {seed}: {:?}", simulation.posts);
    }
}

/// What was called sent is what was delivered, but for what is called unconfirmed; and no good point was called bad.
fn check(simulation: &Simulation<Faulty, Rows>, seed: u64) {
    let (items, server) = (&simulation.items, &simulation.server);
    let stored = items.told(|point| server.stored.get(point as usize) == Some(&true));
    let unknown = items.dropped(DropReason::Unconfirmed) + items.held();
    assert!(items.sent() <= stored, "{} sent, {stored} stored, seed {seed}", items.sent());
    assert!(stored <= items.sent() + unknown, "{stored} stored, {} sent, {unknown} unknown, seed {seed}", items.sent());
    let bad = items.told(|point| server.is_poison(point));
    assert!(items.dropped(DropReason::Refused) <= bad, "{bad} were bad: {:?}, seed {seed}", items.dropped);
}

#[test]
fn a_stop_is_over_by_its_deadline_although_the_last_interval_is_not_read_whole() {
    let (mut posts, mut rows) = (PostMachine::new(&limits(false), 7), Rows::default());
    rows.offer(9);
    let deadline = Tick::default().after(Duration::from_micros(50));
    posts.handle(Now::default(), BodyInput::Stop { deadline });
    let action = posts.poll(Now::default(), &mut rows, &mut []);
    assert_eq!(action, PostAction::Wait { until: deadline, events: usize::MAX });
    let now = Now { tick: deadline, ..Now::default() };
    assert_eq!(posts.poll(now, &mut rows, &mut []), PostAction::Done { cause: DropReason::Deadline });
}
