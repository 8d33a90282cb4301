//! The bisection of a poisoned body: is the server ill, or does it fail over one of the items?
//!
//! A body is suspected when it has failed twice. Then a probe goes out: one point that is known or believed to be good. If
//! the probe fails too, the server is ill, and nothing but probes goes out until one is accepted. If it is accepted, the body
//! is poisoned. It is bisected from the front, since only the first items are ever settled, until one item remains. That item
//! is given up when it has failed alone and the probe right after it was accepted, again and again: twice, or up to 16 times
//! where the server fails at random. With two proofs alone, a server that fails every second time would cost one good point
//! in a hundred bisections.

/// How many proofs are needed that an item is poison: at least, at first, and at most.
const PROOFS: (u8, u8, u8) = (2, 8, 16);
/// So many bodies in a row that are accepted at the first attempt halve the proofs that are needed.
const CALM: u8 = 64;
/// The least items of a body right after poison was found: more of it may be near.
const LEAST_WINDOW: usize = 64;
/// Poison counts as near while bodies have no more items than this.
const NEAR: usize = 1_000;
/// After a body that is accepted, the next one may have so many times as many items.
const WINDOW_GROWS: usize = 4;
/// So many poisoned items in a row look like a server that fails over everything.
const IN_A_ROW: u8 = 4;

/// What goes out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextPost {
    /// A body of the first items, so many at most.
    Body(usize),
    /// A probe.
    Probe,
}

/// What is known of the items at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspicion {
    /// Nothing bad.
    Clear,
    /// A body of so many failed once.
    Doubt(usize),
    /// It failed twice: a probe decides.
    Suspect(usize),
    /// Poison is among the first so many.
    Within(usize),
    /// The first is to be sent alone; it has been proven to be poison so often.
    Alone(u8),
    /// The first has failed alone: a probe makes it one more proof.
    Proof(u8),
}

/// What is known of poisoned items, and of the server.
#[derive(Clone, Debug)]
pub(super) struct Bisection {
    phase: Suspicion,
    /// Whether the server is ill: only probes go out.
    is_ill: bool,
    /// Proofs that are needed.
    needed: u8,
    /// Whether the server failed over good items since an item was given up last.
    has_stumbled: bool,
    calm: u8,
    /// Most items of the next body.
    window: usize,
    /// Good items that this bisection has found.
    covered: usize,
    in_a_row: u8,
}

impl Bisection {
    pub(super) const fn new() -> Self {
        Self {
            phase: Suspicion::Clear,
            is_ill: false,
            needed: PROOFS.1,
            has_stumbled: false,
            calm: 0,
            window: usize::MAX,
            covered: 0,
            in_a_row: 0,
        }
    }

    /// What goes out next.
    pub(super) const fn next_post(&self) -> NextPost {
        match self.phase {
            _ if self.is_ill => NextPost::Probe,
            Suspicion::Clear => NextPost::Body(self.window),
            Suspicion::Doubt(items) => NextPost::Body(items),
            Suspicion::Within(1) | Suspicion::Alone(_) => NextPost::Body(1),
            Suspicion::Within(end) => NextPost::Body(end / 2),
            Suspicion::Suspect(_) | Suspicion::Proof(_) => NextPost::Probe,
        }
    }

    /// Most items of a body, if nothing is suspected.
    pub(super) const fn window(&self) -> usize {
        self.window
    }

    /// Whether a bisection, or what may become one, is under way: then the next call is due at once.
    pub(super) fn is_under_way(&self) -> bool {
        self.is_ill || self.phase != Suspicion::Clear
    }

    /// The server failed over a body of the first `items`.
    pub(super) fn failed(&mut self, items: usize) {
        self.phase = match self.phase {
            Suspicion::Doubt(_) => Suspicion::Suspect(items),
            Suspicion::Within(_) if items <= 1 => Suspicion::Proof(0),
            Suspicion::Within(_) => Suspicion::Within(items),
            Suspicion::Alone(proofs) => Suspicion::Proof(proofs),
            Suspicion::Clear if self.is_poison_near() => Suspicion::Within(items),
            Suspicion::Clear | Suspicion::Suspect(_) | Suspicion::Proof(_) => Suspicion::Doubt(items),
        };
        self.calm = 0;
    }

    /// The server has taken the first `items`, which have left.
    pub(super) fn accepted(&mut self, items: usize) {
        self.in_a_row = 0;
        match self.phase {
            Suspicion::Within(end) if end > items => {
                self.phase = Suspicion::Within(end - items);
                self.covered += items;
            }
            Suspicion::Clear => self.accepted_at_once(),
            // What failed before is good.
            _ => {
                self.phase = Suspicion::Clear;
                self.stumbled();
            }
        }
    }

    /// A probe was accepted, or got another answer that shows that the server is not ill. Whether the first item is given up.
    pub(super) fn note_well(&mut self) -> bool {
        if core::mem::take(&mut self.is_ill) {
            return false;
        }
        match self.phase {
            Suspicion::Suspect(items) => {
                self.phase = if items > 1 { Suspicion::Within(items) } else { Suspicion::Alone(1) };
                self.covered = 0;
            }
            Suspicion::Proof(proofs) if proofs + 1 >= self.needed => return true,
            Suspicion::Proof(proofs) => self.phase = Suspicion::Alone(proofs + 1),
            _ => {}
        }
        false
    }

    /// A probe has failed: the server is ill. All is forgotten, but for the proofs against an item that is alone: where
    /// the server stumbles at random they would never be complete.
    pub(super) fn note_ill(&mut self) {
        if !core::mem::replace(&mut self.is_ill, true) {
            self.stumbled();
        }
        self.phase = match self.phase {
            Suspicion::Proof(proofs) | Suspicion::Alone(proofs) => Suspicion::Alone(proofs),
            _ => Suspicion::Clear,
        };
    }

    /// The first item is given up. Whether it is one of many in a row.
    pub(super) fn given_up(&mut self) -> bool {
        self.phase = Suspicion::Clear;
        if !core::mem::take(&mut self.has_stumbled) {
            self.needed = (self.needed / 2).max(PROOFS.0);
        }
        self.window = (2 * self.covered).max(LEAST_WINDOW);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.in_a_row >= IN_A_ROW
    }

    /// Something else has happened: nothing is known any more.
    pub(super) const fn forget(&mut self) {
        (self.phase, self.is_ill) = (Suspicion::Clear, false);
    }

    /// Other items may be at the front now.
    pub(super) const fn items_change(&mut self) {
        self.phase = Suspicion::Clear;
    }

    /// Whether poison was found shortly before, and the server does not fail at random: then one failure is suspicion enough.
    /// The item that remains needs as many proofs as ever.
    fn is_poison_near(&self) -> bool {
        self.window <= NEAR && self.needed == PROOFS.0
    }

    fn accepted_at_once(&mut self) {
        self.window = self.window.saturating_mul(WINDOW_GROWS);
        self.calm += 1;
        if self.calm == CALM {
            (self.calm, self.needed) = (0, (self.needed / 2).max(PROOFS.0));
        }
    }

    /// The server failed over good items.
    fn stumbled(&mut self) {
        self.has_stumbled = true;
        self.needed = (self.needed * 2).min(PROOFS.2);
        self.calm = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks the bisection what to send, of `waiting` items with poison at `bad`, until it gives one up: which one, after how
    /// many requests.
    fn bisected(bisection: &mut Bisection, mut waiting: usize, bad: usize) -> (usize, usize) {
        let (mut front, mut requests) = (0, 0);
        loop {
            requests += 1;
            match bisection.next_post() {
                NextPost::Probe => {
                    if bisection.note_well() {
                        bisection.given_up();
                        return (front, requests);
                    }
                }
                NextPost::Body(most) => {
                    let items = most.min(waiting);
                    if (front..front + items).contains(&bad) {
                        bisection.failed(items);
                    } else {
                        bisection.accepted(items);
                        front += items;
                        waiting -= items;
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_known_of_other_items() {
        let mut bisection = Bisection::new();
        bisection.failed(100);
        bisection.failed(100);
        assert_eq!(bisection.next_post(), NextPost::Probe);
        bisection.items_change();
        assert_eq!((bisection.next_post(), bisection.is_under_way()), (NextPost::Body(bisection.window()), false));
    }

    #[test]
    fn poison_is_found_wherever_it_is_for_some_thirty_requests_and_then_for_twenty() {
        for bad in [0, 1, 2_499, 2_500, 4_998, 4_999] {
            let mut bisection = Bisection::new();
            let (found, requests) = bisected(&mut bisection, 5_000, bad);
            assert!(found == bad && requests <= 32, "{found} instead of {bad} after {requests}");
            bisected(&mut bisection, 5_000, bad);
            let (found, requests) = bisected(&mut bisection, 5_000, bad);
            assert!(found == bad && requests <= 24, "{found} instead of {bad} after {requests}");
        }
        let (found, requests) = bisected(&mut Bisection::new(), 1, 0);
        assert_eq!((found, requests), (0, 17), "twice, a probe, and seven times alone and a probe");
    }

    #[test]
    fn one_failure_is_no_suspicion() {
        let mut bisection = Bisection::new();
        assert_eq!((bisection.next_post(), bisection.is_under_way()), (NextPost::Body(usize::MAX), false));
        bisection.failed(40);
        assert_eq!((bisection.next_post(), bisection.is_under_way()), (NextPost::Body(40), true));
        bisection.accepted(40);
        assert_eq!(bisection.next_post(), NextPost::Body(usize::MAX));
        bisection.failed(40);
        bisection.failed(40);
        assert_eq!(bisection.next_post(), NextPost::Probe);
        bisection.forget();
        assert_eq!(bisection.next_post(), NextPost::Body(usize::MAX), "something else came between");
    }

    #[test]
    fn where_each_item_is_taken_alone_the_body_was_not_poisoned() {
        let mut bisection = Bisection::new();
        bisection.failed(2);
        bisection.failed(2);
        assert!(!bisection.note_well());
        for _ in 0..2 {
            assert_eq!((bisection.next_post(), bisection.is_under_way()), (NextPost::Body(1), true));
            bisection.accepted(1);
        }
        assert_eq!((bisection.next_post(), bisection.is_under_way()), (NextPost::Body(usize::MAX), false));
    }

    #[test]
    fn an_ill_server_gets_probes_until_one_is_accepted_and_then_the_body() {
        let mut bisection = Bisection::new();
        bisection.failed(40);
        bisection.failed(40);
        bisection.note_ill();
        bisection.note_ill();
        assert_eq!((bisection.next_post(), bisection.needed), (NextPost::Probe, 16), "it stumbled once");
        assert!(!bisection.note_well());
        assert_eq!(bisection.next_post(), NextPost::Body(usize::MAX));
    }

    #[test]
    fn who_stumbles_needs_more_proofs_and_a_long_calm_or_poison_lowers_them() {
        let mut bisection = Bisection::new();
        for _ in 0..3 {
            bisection.failed(9);
            bisection.accepted(9);
        }
        assert_eq!(bisection.needed, 16);
        for needed in [8, 4, 2, 2] {
            (0..64).for_each(|_| bisection.accepted(9));
            assert_eq!(bisection.needed, needed);
        }
        bisection.failed(1);
        bisection.failed(1);
        bisection.note_well();
        bisection.failed(1);
        bisection.note_ill();
        assert_eq!((bisection.next_post(), bisection.needed), (NextPost::Probe, 4));
        assert!(!bisection.note_well(), "the server was ill when the item failed: that is no proof");
        assert_eq!(bisection.phase, Suspicion::Alone(1));
        for proofs in 2..=4 {
            bisection.failed(1);
            assert_eq!(bisection.note_well(), proofs == 4);
        }
        assert!(!bisection.given_up());
    }

    #[test]
    fn bodies_after_poison_are_short_and_grow() {
        let mut bisection = Bisection::new();
        bisected(&mut bisection, 5_000, 100);
        assert_eq!(bisection.window(), 200);
        bisection.accepted(200);
        assert_eq!(bisection.window(), 800);
        bisected(&mut bisection, 1, 0);
        assert_eq!(bisection.window(), LEAST_WINDOW);
        let mut given_up = || (bisection.given_up(), bisection.window());
        assert_eq!([given_up(), given_up()], [(false, LEAST_WINDOW), (false, LEAST_WINDOW)]);
        assert_eq!(given_up(), (true, LEAST_WINDOW), "the fourth, and no good one since");
        bisection.accepted(1);
        assert!(!bisection.given_up());
    }
}
