//! What faults cost at the rate that the exporter is made for: 20,000 points a second, with the default buffer.

extern crate std;

use super::simulation::{Account, MS, Numbers, Reply, Server, Simulation};
use super::*;

/// A server with one fault.
struct Fault {
    round_trip: Duration,
    /// One of so many points is more than it can bear.
    poison: u32,
    /// It fails over so many of 1,000 requests.
    fails: usize,
    /// It closes the connection over larger bodies, without an answer.
    closes_above: usize,
    random: Random,
    stored: u64,
}

impl Fault {
    fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        Self { round_trip: MS, poison: 0, fails: 0, closes_above: usize::MAX, random, stored: 0 }
    }
}

impl Server for Fault {
    fn posts(&mut self, _: Tick, points: &[u32], body: &[u8], _: bool) -> (Duration, Reply) {
        let is_bad = |point: &u32| self.poison != 0 && point % self.poison == self.poison / 3;
        let reply = if body.len() > self.closes_above {
            Reply::Breaks { began: true }
        } else if self.random.below(1_000) < self.fails || points.iter().any(is_bad) {
            Reply::Says(Said::Ill)
        } else {
            self.stored += points.len() as u64;
            Reply::Says(Said::Stored)
        };
        (self.round_trip, reply)
    }
}

/// A server gets `rate` points of so many bytes every millisecond, for so many seconds.
fn pour(server: Fault, line: usize, rate: u32, seconds: u64) -> Simulation<Fault, Numbers> {
    pour_bodies(5_000, server, line, rate, seconds)
}

/// The same in bodies of at most so many points.
fn pour_bodies(points: usize, server: Fault, line: usize, rate: u32, seconds: u64) -> Simulation<Fault, Numbers> {
    let schedule = Schedule::Batches { age: Duration::from_secs(1), capacity: 65_536 };
    let limits = PostLimits { timeout: Duration::from_secs(2), bytes: 1 << 20, points, schedule };
    let mut simulation = Simulation::new(&limits, Numbers::new(65_536, line), server, seconds);
    simulation.rate = rate;
    simulation.run(Tick::default().after(Duration::from_secs(seconds)));
    simulation
}

/// Points that are lost for any reason but that they are bad.
fn lost(items: &Numbers) -> u64 {
    items.dropped.iter().sum::<u64>() - items.dropped(DropReason::Refused)
}

#[test]
fn one_bad_point_among_ten_thousand_costs_that_point() {
    for round_trip in [1, 20] {
        let simulation = pour(Fault { round_trip: round_trip * MS, poison: 10_000, ..Fault::new(7) }, 29, 20, 5);
        let bad = (0..simulation.items.first).filter(|point| point % 10_000 == 3_333).count() as u64;
        assert_eq!(
            (simulation.items.dropped(DropReason::Refused), lost(&simulation.items)),
            (bad, 0),
            "{round_trip} ms"
        );
        assert!(simulation.items.sent() <= simulation.server.stored);
        assert!(simulation.requests as u64 <= 25 * (bad + 1), "{} requests for {bad}", simulation.requests);
    }
}

#[test]
fn bad_points_everywhere_cost_thirteen_requests_each() {
    // Of 5,000 points a second 50 are bad: 650 requests, of which 1,000 go into a second.
    let simulation = pour(Fault { poison: 100, ..Fault::new(7) }, 29, 5, 4);
    let bad = (0..simulation.items.first).filter(|point| point % 100 == 33).count() as u64;
    assert_eq!((simulation.items.dropped(DropReason::Refused), lost(&simulation.items)), (bad, 0));
    assert!(simulation.requests as u64 <= 14 * bad, "{} requests for {bad}", simulation.requests);
}

#[test]
fn a_server_that_stumbles_at_random_loses_no_good_point() {
    for fails in [50, 200, 500] {
        for seed in 0..4 {
            // Short bodies, and so more of them.
            let simulation = pour_bodies(300, Fault { fails, ..Fault::new(seed) }, 29, 2, 12);
            assert_eq!(simulation.items.dropped(DropReason::Refused), 0, "{fails} of 1,000, seed {seed}");
            assert!(
                fails == 500 || lost(&simulation.items) == 0,
                "{fails} of 1,000, seed {seed}: {:?}",
                simulation.items.dropped
            );
        }
    }
}

#[test]
fn a_server_that_closes_above_a_size_gets_nearly_all() {
    let simulation = pour(Fault { round_trip: 5 * MS, closes_above: 40_000, ..Fault::new(7) }, 140, 20, 6);
    assert!(
        simulation.items.sent() * 100 >= simulation.items.recorded * 95,
        "{} of {}",
        simulation.items.sent(),
        simulation.items.recorded
    );
    assert!(lost(&simulation.items) == 0 && simulation.posts.learned_bytes().is_some_and(|learned| learned <= 40_000));
}
