//! Many short rounds of every work in turn, so that a busy moment of the machine falls on all of them alike.

use std::time::{Duration, Instant};

use crate::clock::Stopwatch;
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Whether a round counts, for those of one turn. The first finds what the other works left in the caches, and in the
/// first turn its memory untouched.
const TURN: [bool; 4] = [false, true, true, true];

/// What a work costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) row: CostRow,
    /// Nanoseconds per operation in the cheapest round.
    pub(crate) minimum: f64,
    /// Nanoseconds per operation in the round that half of them undercut.
    pub(crate) median: f64,
    /// Between which two half of the rounds lie.
    pub(crate) quartiles: [f64; 2],
    /// Nanoseconds per operation that were taken off, the median of all rounds.
    pub(crate) taken_off: f64,
    pub(crate) rounds: usize,
    /// Bytes per operation.
    pub(crate) bytes: f64,
    /// Operations in one page, export or datagram.
    pub(crate) operations: f64,
}

/// Gives each work one turn after the other for as long as `time`, or until `is_over`. Empty where that was before each
/// work had a round that counts.
///
/// # Errors
/// The first answer that is wrong.
pub(crate) fn measure(
    works: &mut [Box<dyn CostMeasurement + '_>],
    time: Duration,
    is_over: impl Fn() -> bool,
) -> Result<Vec<Figure>, WrongResult> {
    let mut watch = Stopwatch::new();
    let mut logs: Vec<_> = works
        .iter()
        .map(|work| Log { row: work.row(), nanos: Vec::new(), taken_off: Vec::new(), done: None })
        .collect();
    let began = Instant::now();
    loop {
        for (work, log) in works.iter_mut().zip(&mut logs) {
            for counts in TURN {
                if is_over() {
                    return Ok(figures(logs));
                }
                let done = work.round(&mut watch)?;
                let time = watch.take();
                if counts {
                    log.nanos.push(time.rest() / done.operations as f64);
                    log.taken_off.push(time.taken_off as f64 / done.operations as f64);
                    log.done = Some(done);
                }
            }
        }
        if began.elapsed() >= time {
            return Ok(figures(logs));
        }
    }
}

/// The rounds of one work.
struct Log {
    row: CostRow,
    /// Per operation, for each round that counts.
    nanos: Vec<f64>,
    /// The same of what was taken off.
    taken_off: Vec<f64>,
    /// The last of those.
    done: Option<RoundResult>,
}

fn figures(logs: Vec<Log>) -> Vec<Figure> {
    let figures: Option<Vec<_>> = logs.into_iter().map(Log::figure).collect();
    figures.unwrap_or_default()
}

impl Log {
    fn figure(mut self) -> Option<Figure> {
        self.nanos.sort_by(f64::total_cmp);
        self.taken_off.sort_by(f64::total_cmp);
        let rounds = self.nanos.len();
        let RoundResult { operations, bytes, times } = self.done?;
        Some(Figure {
            row: self.row,
            minimum: *self.nanos.first()?,
            median: self.nanos[rounds / 2],
            quartiles: [self.nanos[rounds / 4], self.nanos[rounds * 3 / 4]],
            taken_off: self.taken_off[rounds / 2],
            rounds,
            bytes: bytes as f64 / operations as f64,
            operations: operations as f64 / times as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hint::black_box;

    use super::*;
    use crate::work::RecordEntry;

    /// Adds up numbers; its third round may be wrong.
    struct Sums<'a> {
        rounds: &'a Cell<u32>,
        fails: bool,
    }

    impl CostMeasurement for Sums<'_> {
        fn row(&self) -> CostRow {
            RecordEntry::ByHandle.warm()
        }

        fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
            self.rounds.set(self.rounds.get() + 1);
            let sum = |numbers: u64| _ = (0..numbers).fold(0, |sum, next| black_box(sum ^ next));
            watch.time(|| sum(100_000));
            watch.take_off(|| sum(1_000));
            RecordEntry::ByHandle.warm().expect("sums", 0, (self.fails && self.rounds.get() == 3).into())?;
            Ok(RoundResult { operations: 100_000, bytes: 200_000, times: 4 })
        }
    }

    fn figures_of(rounds: &Cell<u32>, fails: bool, is_over: impl Fn() -> bool) -> Result<Vec<Figure>, WrongResult> {
        let mut works: [Box<dyn CostMeasurement + '_>; 2] =
            [Box::new(Sums { rounds, fails }), Box::new(Sums { rounds, fails: false })];
        measure(&mut works, Duration::ZERO, is_over)
    }

    #[test]
    fn each_work_has_its_turn() {
        let rounds = Cell::new(0);
        let figures = figures_of(&rounds, false, || false).expect("right answers");
        assert_eq!((rounds.get(), figures.len()), (8, 2));
        for figure in figures {
            assert!(figure.minimum > 0.0 && figure.minimum <= figure.median, "{figure:?}");
            let [first, third] = figure.quartiles;
            assert!(figure.minimum <= first && first <= figure.median && figure.median <= third, "{figure:?}");
            assert!(figure.taken_off > 0.0 && figure.taken_off < figure.median, "{figure:?}");
            assert_eq!((figure.rounds, figure.bytes, figure.operations), (3, 2.0, 25_000.0));
        }
    }

    #[test]
    fn an_interruption_leaves_what_there_is() {
        for (after, rows) in [(0, 0), (1, 0), (5, 0), (6, 2), (7, 2)] {
            let rounds = Cell::new(0);
            let figures = figures_of(&rounds, false, || rounds.get() >= after).expect("right answers");
            assert_eq!((rounds.get(), figures.len()), (after, rows));
        }
    }

    #[test]
    fn a_wrong_answer_ends_it() {
        let error = figures_of(&Cell::new(0), true, || false).expect_err("a wrong answer").to_string();
        assert!(error.starts_with("record, by handle: 1 sums instead of 0"), "{error}");
    }
}
