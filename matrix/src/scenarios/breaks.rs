//! Connections that end at the wrong moment.

use loaddensity_metrics_shell::runtime::Runtime;

use crate::course::{Course, Trouble};
use crate::relay::Manner;
use crate::scenarios::illness::{Illness, fall_ill};

/// Connections that are reset after so many bytes, mostly in the middle of a body.
pub(crate) fn reset_in_mid_body<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let says = &["reset", "broke off"];
    let rounds = [(); 3].map(|()| {
        let limit = course.random.below(3_000);
        [Illness { manner: Manner::ResetAfter(limit), says, drops: &[] }; 3]
    });
    fall_ill::<R>(course, &rounds)
}

/// Servers that close the direction back, before an answer or after it, and read on.
pub(crate) fn half_closed<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let rounds = [Manner::HalfClosed, Manner::HalfClosedAfterAnswer]
        .map(|manner| [Illness { manner, says: &["TODO"], drops: &[] }; 3]);
    fall_ill::<R>(course, &rounds)
}
