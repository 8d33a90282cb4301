//! What an engine pays for the time that it gives a request.

use std::hint::black_box;

use loaddensity_metrics_core::Timestamp;
use loaddensity_metrics_shell::runtime::{coarse_time, system_time};

use crate::clock::Stopwatch;
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Readings of one round.
const READINGS: u64 = 10_000;

/// Reads a wall clock.
pub(crate) struct ReadClock {
    pub(crate) is_coarse: bool,
}

impl CostMeasurement for ReadClock {
    fn row(&self) -> CostRow {
        CostRow::Clock { is_coarse: self.is_coarse }
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let set =
            if self.is_coarse { watch.time(|| readings(coarse_time)) } else { watch.time(|| readings(system_time)) };
        self.row().expect("readings after 1970", READINGS, set)?;
        Ok(RoundResult { operations: READINGS, bytes: 0, times: 1 })
    }
}

/// Those of [`READINGS`] readings of `clock` that have a time.
fn readings(clock: impl Fn() -> Timestamp) -> u64 {
    (0..READINGS).map(|_| u64::from(black_box(clock()).as_unix_nanos() > 0)).sum()
}
