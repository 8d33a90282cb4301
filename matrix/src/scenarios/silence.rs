//! Servers that say nothing, or hardly anything.

use loaddensity_metrics_shell::runtime::Runtime;

use crate::backends::SHORT_PATIENCE;
use crate::course::{Course, Trouble};
use crate::relay::Manner;
use crate::scenarios::illness::{Illness, fall_ill};

/// Servers that accept and never answer. In one round nothing is read, in the other everything is stored.
pub(crate) fn silent<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    in_some_order::<R>(course, Manner::Silent, Manner::AnswersLost)
}

/// Servers that answer a byte a second, or read a byte a second.
pub(crate) fn a_byte_a_second<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    in_some_order::<R>(course, Manner::ByteASecond, Manner::ReadsAByteASecond)
}

fn in_some_order<R: Runtime>(course: &mut Course, one: Manner, other: Manner) -> Result<(), Trouble> {
    let rounds = if course.random.below(2) == 0 { [one, other] } else { [other, one] };
    fall_ill::<R>(
        course,
        SHORT_PATIENCE,
        &rounds.map(|manner| [Illness::without_an_answer(manner, &["no answer within"]); 3]),
    )
}
