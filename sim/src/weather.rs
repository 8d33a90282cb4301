//! How a backend and the way to it behave for a while: how often which fault happens, in thousandths.

use std::time::Duration;

use loaddensity_metrics_core::export::verdict::Said;

use crate::choices::Choices;
use crate::reply::Reply;

/// Faults by their frequency. A backend is well where all are zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// The name has no address, or nobody can be asked.
    pub(crate) no_name: usize,
    /// The name has another address from now on.
    pub(crate) moves: usize,
    /// A connection or a socket is refused.
    pub(crate) refuses: usize,
    /// What was asked for is never answered.
    pub(crate) silent: usize,
    /// A connection that has served before is dead.
    pub(crate) dead: usize,
    /// A connection breaks while a body is sent.
    pub(crate) breaks: usize,
    /// A body is stored, and its answer is lost.
    pub(crate) loses: usize,
    /// The backend cannot take anything now.
    pub(crate) away: usize,
    /// It asks for a pause.
    pub(crate) asks: usize,
    /// It fails over what it got.
    pub(crate) ill: usize,
    /// It takes a part.
    pub(crate) partial: usize,
    /// It refuses for good.
    pub(crate) refused: usize,
    /// Nobody knows what its answer means.
    pub(crate) unclear: usize,
    /// What is larger is too large, in bytes; 0: nothing is.
    pub(crate) limit: usize,
    /// The longest time of an answer.
    pub(crate) latency: Duration,
    /// A kernel has no memory for a datagram.
    pub(crate) no_buffers: usize,
    /// Datagrams that a socket holds until it is full.
    pub(crate) room: usize,
    /// The time in which it gets rid of all of them.
    pub(crate) drains_in: Duration,
    /// Nobody listens where datagrams go.
    pub(crate) dead_receiver: bool,
}

/// What becomes of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyOutcome {
    /// Nothing of it is stored.
    Lost(Reply),
    /// All of it, a part or nothing may be stored.
    Doubtful(Reply),
    /// The backend fails over it.
    Ill,
    /// The backend takes a part, and says so.
    Partial,
    /// It is stored.
    Stored,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const FAIR: Self = Self {
        no_name: 0,
        moves: 0,
        refuses: 0,
        silent: 0,
        dead: 0,
        breaks: 0,
        loses: 0,
        away: 0,
        asks: 0,
        ill: 0,
        partial: 0,
        refused: 0,
        unclear: 0,
        limit: 0,
        latency: Duration::from_millis(5),
        no_buffers: 0,
        room: 1_000,
        drains_in: Duration::from_millis(1),
        dead_receiver: false,
    };

    /// Anything may go wrong, a few things do.
    pub(crate) fn any(choices: &mut Choices) -> Self {
        let latencies = [20, 1, 300, 3_000].map(Duration::from_millis);
        Self {
            no_name: choices.rarely(700),
            moves: choices.rarely(300),
            refuses: choices.rarely(900),
            silent: choices.rarely(400),
            dead: choices.rarely(500),
            breaks: choices.rarely(600),
            loses: choices.rarely(400),
            away: choices.rarely(1_000),
            asks: choices.rarely(200),
            ill: choices.rarely(700),
            partial: choices.rarely(300),
            refused: choices.rarely(300),
            unclear: choices.rarely(200),
            limit: [0, 1_500, 2_500, 6_000][choices.rarely(4)],
            latency: choices.one_of(&latencies),
            no_buffers: choices.rarely(600),
            room: choices.one_of(&[1_000, 1, 3, 20]),
            drains_in: choices.one_of(&latencies),
            dead_receiver: choices.below(4) == 1,
        }
    }

    /// What becomes of a body of so many bytes, over a connection that may have served before.
    pub(crate) fn outcome_of(&self, bytes: usize, kept: bool, choices: &mut Choices) -> BodyOutcome {
        if kept && choices.happens(self.dead) {
            return BodyOutcome::Lost(Reply::Breaks { began: choices.happens(500) });
        }
        if choices.happens(self.breaks) {
            return BodyOutcome::Lost(Reply::Breaks { began: choices.happens(800) });
        }
        let away = |at_least, may_have_arrived| Reply::Says(Said::Away { at_least, may_have_arrived });
        if choices.happens(self.loses) {
            let lost = [Reply::Never, Reply::Breaks { began: true }, away(Duration::ZERO, true)];
            return BodyOutcome::Doubtful(choices.one_of(&lost));
        }
        if choices.happens(self.away) {
            return BodyOutcome::Lost(away(Duration::ZERO, false));
        }
        if choices.happens(self.asks) {
            return BodyOutcome::Lost(away(choices.time(Duration::from_secs(20)), false));
        }
        if self.limit != 0 && bytes > self.limit {
            return BodyOutcome::Lost(Reply::Says(Said::TooLarge));
        }
        if choices.happens(self.refused) {
            return BodyOutcome::Lost(Reply::Says(Said::Refused));
        }
        if choices.happens(self.unclear) {
            return BodyOutcome::Doubtful(Reply::Says(Said::Unclear));
        }
        if choices.happens(self.partial) {
            return BodyOutcome::Partial;
        }
        if choices.happens(self.ill) { BodyOutcome::Ill } else { BodyOutcome::Stored }
    }
}
