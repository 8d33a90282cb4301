//! Connections that end at the wrong moment.

use loaddensity_metrics_shell::DropReason;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::backends::SHORT_PATIENCE;
use crate::course::{Course, Trouble};
use crate::relay::Manner;
use crate::scenarios::illness::{Illness, fall_ill};

/// Connections that are reset after so many bytes, mostly in the middle of a body.
pub(crate) fn reset_in_mid_body<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let says = &["reset by peer"];
    let rounds = [(); 3].map(|()| {
        let limit = course.random.below(3_000);
        [Illness::without_an_answer(Manner::ResetAfter(limit), says); 3]
    });
    fall_ill::<R>(course, SHORT_PATIENCE, &rounds)
}

/// Servers that close the direction back, before an answer or after it, and read on. Over HTTP/1.1 nothing is wrong with the
/// latter: every request has a connection of its own. HTTP/2 begins with words of the server, after which nothing comes.
pub(crate) fn half_closed<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let says = &["closed", "broke off", "reset"];
    let before = Illness::without_an_answer(Manner::HalfClosed, says);
    // A server's first words can hold all of an answer.
    let at_stop = &[DropReason::Unconfirmed, DropReason::Unreachable, DropReason::Deadline];
    let after = Illness { manner: Manner::HalfClosedAfterAnswer, says, drops: &[], at_stop };
    let harmless = Illness { says: &[], ..after };
    let mut rounds = [[before; 3], [harmless, after, harmless]];
    if course.random.below(2) == 0 {
        rounds.reverse();
    }
    fall_ill::<R>(course, SHORT_PATIENCE, &rounds)
}
