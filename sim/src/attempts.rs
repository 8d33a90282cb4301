//! How often a backend that takes nothing is asked: the bounds on requests of the design.

use std::time::Duration;

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::export::verdict::Said;

/// What goes out to a backend from its last acceptance until a stop.
#[derive(Debug, Default)]
pub(crate) struct AttemptBounds {
    /// Since when nothing was taken, and how much has gone out since.
    failing: Option<(Tick, u32)>,
    /// The backend has asked for a pause until then.
    asked_until: Tick,
    is_stopping: bool,
}

/// So much may go out before pauses are as long as they become, and in each of the longest pauses: a name has three
/// addresses, and a connection that was kept may be dead.
const AT_FIRST: u32 = 40;
const IN_A_PAUSE: u32 = 8;
/// The back-off's cap is 5 s, of which chance takes a half.
const PAUSE: Duration = Duration::from_millis(2_500);

impl AttemptBounds {
    /// A connection is opened, or a body sent.
    pub(crate) fn goes_out(&mut self, now: Tick, is_body: bool) -> Result<(), String> {
        if self.is_stopping {
            return Ok(());
        }
        if is_body && now < self.asked_until {
            return Err(format!(
                "a body is sent {:?} before the pause is over that was asked for",
                self.asked_until.since(now)
            ));
        }
        let Some((since, count)) = &mut self.failing else { return Ok(()) };
        *count += 1;
        let pauses = now.since(*since).as_nanos() / PAUSE.as_nanos();
        if u128::from(*count) <= u128::from(AT_FIRST) + u128::from(IN_A_PAUSE) * pauses {
            return Ok(());
        }
        Err(format!("asked {count} times in {:?}, and nothing was taken", now.since(*since)))
    }

    /// It was answered.
    pub(crate) fn answered(&mut self, now: Tick, said: Said) {
        match said {
            Said::Away { at_least, .. } => {
                self.asked_until = now.after(at_least);
                self.failed(now);
            }
            Said::Ill => self.failed(now),
            // Whatever else is said: the backend is well.
            _ => self.failing = None,
        }
    }

    /// It failed.
    pub(crate) fn failed(&mut self, now: Tick) {
        self.failing.get_or_insert((now, 0));
    }

    /// A stop tries more often.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }
}
