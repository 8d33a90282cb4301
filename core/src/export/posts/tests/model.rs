//! Posts against a modelled InfluxDB that does at random what servers do: whatever it does, the account must be right.

extern crate std;

use std::vec::Vec;

use super::simulation::{Account, MS, Numbers, Reply, Server, Simulation};
use super::*;

/// A server with faults, each as likely as its number of 1,000 requests.
#[derive(Clone, Debug)]
pub(super) struct Faulty {
    pub(super) random: Random,
    /// What it has, by number.
    pub(super) stored: Vec<bool>,
    /// One of so many points is more than it can bear; 0: none.
    poison: u32,
    /// Round trip in microseconds, at most.
    latency: usize,
    fails: usize,
    away: usize,
    asks: usize,
    silent: usize,
    breaks: usize,
    resets: usize,
    /// Stores the body, and the answer is lost: a break, silence, or a gateway's timeout.
    loses: usize,
    /// A body that fails is stored in part.
    in_part: bool,
    too_large_above: usize,
    closes_above: usize,
    /// Until then nobody is there; the first half of it the name has no address.
    begins: Tick,
    /// From then on it does what it should, but for the poison.
    pub(super) heals: Tick,
}

impl Faulty {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut rarely =
            |one_of: usize, most: usize| if random.below(one_of) == 0 { 1 + random.below(most) } else { 0 };
        Self {
            stored: Vec::new(),
            poison: [0, 0, 3_000, 300, 50][rarely(2, 4)],
            latency: [2_000, 20_000, 300_000][rarely(3, 2)],
            fails: rarely(3, 500),
            away: rarely(4, 400),
            asks: rarely(8, 100),
            silent: rarely(6, 200),
            breaks: rarely(4, 300),
            resets: rarely(4, 300),
            loses: rarely(3, 200),
            in_part: rarely(2, 1) != 0,
            too_large_above: [usize::MAX, 2_500, 6_000][rarely(6, 2)],
            closes_above: [usize::MAX, 5_000, 12_000][rarely(6, 2)],
            begins: Tick::default().after(rarely(6, 2_000) as u32 * MS),
            heals: Tick::default().after(4_000 * MS),
            random,
        }
    }

    fn happens(&mut self, of_a_thousand: usize) -> bool {
        self.random.below(1_000) < of_a_thousand
    }

    pub(super) fn is_poison(&self, number: u32) -> bool {
        // Spread, but not evenly.
        self.poison != 0 && (number.wrapping_mul(2_654_435_761) >> 8).is_multiple_of(self.poison)
    }

    fn store(&mut self, points: &[u32]) {
        for &point in points {
            let at = point as usize;
            self.stored.resize(self.stored.len().max(at + 1), false);
            self.stored[at] = true;
        }
    }

    fn has(&self) -> u64 {
        self.stored.iter().filter(|stored| **stored).count() as u64
    }

    fn fault(&mut self, points: &[u32], bytes: usize, kept: bool) -> Option<Reply> {
        let at_least = Duration::from_millis(self.random.below(1_500) as u64);
        let away = |may_have_arrived| Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived });
        if kept && self.happens(self.resets) {
            return Some(Reply::Breaks { began: self.happens(500) });
        }
        if self.happens(self.breaks) {
            return Some(Reply::Breaks { began: self.happens(800) });
        }
        if self.happens(self.silent) {
            return Some(Reply::Never);
        }
        if self.happens(self.away) {
            return Some(away(false));
        }
        if self.happens(self.asks) {
            return Some(Reply::Says(Said::Away { at_least, may_have_arrived: false }));
        }
        if self.happens(self.loses) {
            self.store_some(points);
            return Some([Reply::Breaks { began: true }, Reply::Never, away(true)][self.random.below(3)]);
        }
        if bytes > self.closes_above {
            return Some(Reply::Breaks { began: true });
        }
        self.happens(self.fails).then(|| self.fail(points))
    }

    /// All, or those before any.
    fn store_some(&mut self, points: &[u32]) {
        let end = if self.happens(500) { points.len() } else { self.random.below(points.len() + 1) };
        let good: Vec<_> = points[..end].iter().copied().filter(|&point| !self.is_poison(point)).collect();
        self.store(&good);
    }

    fn fail(&mut self, points: &[u32]) -> Reply {
        // Of one alone nothing is stored.
        if self.in_part && points.len() > 1 {
            self.store_some(points);
        }
        Reply::Says(Said::Ill)
    }
}

impl Server for Faulty {
    fn resolves(&mut self, now: Tick) -> (Duration, usize) {
        (MS, if now.as_nanos() < self.begins.as_nanos() / 2 { 0 } else { 1 + self.random.below(3) })
    }

    fn connects(&mut self, now: Tick) -> (Duration, Option<bool>) {
        let refuses = now < self.begins;
        (MS, if refuses && self.happens(200) { None } else { Some(!refuses) })
    }

    fn posts(&mut self, now: Tick, points: &[u32], body: &[u8], kept: bool) -> (Duration, Reply) {
        let latency = Duration::from_micros(self.random.below(self.latency) as u64);
        let is_poisoned = points.iter().any(|&point| self.is_poison(point));
        let fault = if now < self.heals { self.fault(points, body.len(), kept) } else { None };
        let reply = match fault {
            Some(fault) => fault,
            None if body.len() > self.too_large_above => Reply::Says(Said::TooLarge),
            None if is_poisoned => self.fail(points),
            None => {
                self.store(points);
                Reply::Says(Said::Stored)
            }
        };
        (latency, reply)
    }
}

fn limits() -> PostLimits {
    let schedule = Schedule::Batches { age: 200 * MS, capacity: 4_000 };
    PostLimits { timeout: 300 * MS, bytes: 16_000, points: 500, schedule }
}

/// What was called sent is what was delivered, but for what is called unconfirmed; and no good point was called bad.
fn check(simulation: &Simulation<Faulty, Numbers>, seed: u64) {
    let (sent, stored, items) = (simulation.items.sent(), simulation.server.has(), &simulation.items);
    let unknown = items.dropped(DropReason::Unconfirmed) + items.len() as u64;
    assert!(sent <= stored, "{sent} sent, {stored} stored, seed {seed}");
    assert!(stored <= sent + unknown, "{stored} stored, {sent} sent, {unknown} unknown, seed {seed}");
    let bad = (0..items.first).filter(|&number| simulation.server.is_poison(number)).count() as u64;
    assert!(items.dropped(DropReason::Refused) <= bad, "{bad} were bad: {:?}, seed {seed}", items.dropped);
    assert_eq!(items.dropped(DropReason::TooLarge), 0, "seed {seed}");
}

#[test]
fn whatever_a_server_does_the_account_is_right() {
    for seed in 0..SEEDS {
        let mut simulation = Simulation::new(&limits(), Numbers::new(4_000, 29), Faulty::new(seed), seed);
        simulation.rate = 1 + simulation.server.random.below(2) as u32;
        run_to_a_stop(&mut simulation, 5_000, |simulation| check(simulation, seed));
    }
}

#[test]
fn a_server_that_heals_gets_everything() {
    for seed in 1_000..1_000 + SEEDS / 3 {
        let mut simulation = Simulation::new(&limits(), Numbers::new(4_000, 29), Faulty::new(seed), seed);
        simulation.rate = 1;
        simulation.run(simulation.server.heals);
        simulation.rate = 0;
        simulation.run(simulation.server.heals.after(400 * SECOND));
        check(&simulation, seed);
        let bad = (0..simulation.items.end).filter(|&number| simulation.server.is_poison(number)).count() as u64;
        assert!(simulation.items.is_empty(), "{} wait, seed {seed}: {:?}", simulation.items.len(), simulation.posts);
        let lost = simulation.items.dropped(DropReason::Refused) + simulation.items.dropped(DropReason::Unconfirmed);
        assert_eq!((lost, simulation.items.sent()), (bad, simulation.server.has()), "seed {seed}");
    }
}

/// Runs until a moment within the first `millis`, asks for a stop, and runs until that is over. The account is checked at both
/// moments.
pub(super) fn run_to_a_stop<A: Account>(
    simulation: &mut Simulation<Faulty, A>,
    millis: usize,
    check: impl Fn(&Simulation<Faulty, A>),
) {
    let stops_at = Tick::default().after(simulation.server.random.below(millis) as u32 * MS);
    simulation.run(stops_at);
    check(simulation);
    simulation.rate = 0;
    let within = simulation.server.random.below(2_000) as u32 * MS;
    simulation.stop(within);
    simulation.run(stops_at.after(within + SECOND));
    let (done, _) = simulation.done.unwrap_or_else(|| panic!("not done: {:?}", simulation.posts));
    assert!(done <= stops_at.after(within), "{done:?} is after the deadline");
    check(simulation);
}

const SEEDS: u64 = 60;
const SECOND: Duration = Duration::from_secs(1);
