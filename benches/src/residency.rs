//! How much of a storage becomes resident: after some requests over all series and recorders, and after one bucket of each
//! pair of them has counted more than its lane of 16 bits can tell.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use loaddensity_metrics_cli::cost::memory;
use loaddensity_metrics_cli::cost::resident::resident;
use loaddensity_metrics_core::{HeapStorage, Outcome, Recorder, Sample, Series};

use crate::backends::BenchError;
use crate::ours;
use crate::trace::{self, EVENTS, TraceWork};

/// Equal requests of the hot loop in each pair of series and recorder: one more than a bucket counts before it needs its wide
/// word.
pub const HOT: u64 = (1 << 15) + 1;

/// Events in a ring, as in the default storage.
const RING: usize = 8_192;
/// Between two lines on how far the hot loop is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Series and recorders of a storage, written as `3000x64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageLoad {
    /// 1 to 1,000,000.
    pub series: usize,
    /// 1 to 1,000, each with a shard of its own.
    pub recorders: usize,
}

impl StorageLoad {
    /// Bytes that may become resident.
    #[must_use]
    pub const fn most(self) -> u64 {
        memory::touched(self.series as u64, self.recorders as u64)
    }

    /// Pairs of series and recorder.
    const fn pairs(self) -> usize {
        self.series * self.recorders
    }
}

impl fmt::Display for StorageLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.series, self.recorders)
    }
}

impl FromStr for StorageLoad {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, most| text.parse().ok().filter(|number| (1..=most).contains(number));
        text.split_once('x')
            .and_then(|(series, recorders)| {
                Some(Self { series: number(series, 1_000_000)?, recorders: number(recorders, 1_000)? })
            })
            .ok_or_else(|| "expected series, 1 to 1000000, and recorders, 1 to 1000, such as 3000x64".to_owned())
    }
}

/// What was resident of a storage, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Residency {
    /// Bytes of address space, by the types.
    pub addressed: u64,
    /// After requests all over.
    pub after_spread: u64,
    /// After the hot loop that followed, if there was one.
    pub after_hot: Option<HotResidency>,
}

/// What was resident after the hot loop.
#[derive(Clone, Copy, Debug)]
pub struct HotResidency {
    /// Bytes. Where the time was over before all pairs had their turn, what grew with some of them is multiplied.
    pub bytes: u64,
    /// The pairs that had their turn, as a share of all.
    pub share: f64,
}

/// Fills a storage for `load` with requests of these outcomes: `requests` of the contests' trace, and then for at most `hot` the
/// hot loop.
///
/// # Errors
/// Where there is no such storage, where the system does not say what is resident, and where something was not counted.
pub fn measure(
    load: StorageLoad,
    outcomes: &[Outcome],
    requests: usize,
    hot: Duration,
) -> Result<Residency, BenchError> {
    let StorageLoad { series, recorders } = load;
    let work = trace::work(series);
    let before = resident().ok_or(NOT_SAID)?;
    let grown = || -> Result<u64, BenchError> { Ok(resident().ok_or(NOT_SAID)?.saturating_sub(before)) };
    let storage = HeapStorage::new(series, recorders, RING)?;
    let registry = storage.registry();
    let mut recorders: Vec<_> = (0..recorders).map(|_| registry.recorder()).collect();
    let handles = ours::handles(recorders.first_mut().ok_or("no recorder")?, work);
    spread(&mut recorders, &handles, work, (outcomes, requests));
    let after_spread = grown()?;
    let (mut pairs, mut after_hot) = (0, None);
    if !hot.is_zero() {
        pairs = hot_loop(&mut recorders, &handles, outcomes, hot);
        let share = pairs as f64 / load.pairs() as f64;
        let more = grown()?.saturating_sub(after_spread) as f64 / share;
        after_hot = Some(HotResidency { bytes: after_spread + more as u64, share });
    }
    let (recorded, counted) = (requests as u64 + (pairs * outcomes.len()) as u64 * HOT, registry.requests());
    if recorded != counted {
        return Err(format!("{recorded} requests were recorded, and {counted} counted").into());
    }
    Ok(Residency { addressed: memory::size(series as u64 + 1, load.recorders as u64), after_spread, after_hot })
}

const NOT_SAID: &str = "this system does not say what is resident (/proc/self/smaps_rollup)";

/// Records the trace again and again. Each time every request comes to the next series and the next recorder, so that no pair
/// is left to chance.
fn spread(
    recorders: &mut [Recorder<'_>],
    handles: &[Series],
    work: &TraceWork,
    (outcomes, requests): (&[Outcome], usize),
) {
    let count = recorders.len();
    for position in 0..requests {
        let (pass, event) = (position / EVENTS, &work.events[position % EVENTS]);
        let series = handles[(event.series as usize + pass) % handles.len()];
        let mut sample = event.sample(trace::completed_at(position));
        if !outcomes.contains(&sample.outcome) {
            sample.outcome = outcomes[0];
        }
        recorders[(position + pass) % count].record(series, sample);
    }
}

/// Records [`HOT`] equal requests of each outcome in one pair after another, for at most `time`; returns the number of pairs.
fn hot_loop(recorders: &mut [Recorder<'_>], handles: &[Series], outcomes: &[Outcome], time: Duration) -> usize {
    let (began, mut said, pairs) = (Instant::now(), Duration::ZERO, recorders.len() * handles.len());
    let mut done = 0;
    for recorder in recorders {
        for series in handles {
            for outcome in outcomes {
                let sample = Sample::new(*outcome, Duration::from_millis(42)).response_bytes(1_024);
                (0..HOT).for_each(|_| recorder.record(*series, sample));
            }
            done += 1;
            let elapsed = began.elapsed();
            if elapsed >= time {
                return done;
            }
            if elapsed - said >= PROGRESS {
                said = elapsed;
                eprintln!("  {done} of {pairs} pairs of series and recorder after {:.0} s", elapsed.as_secs_f64());
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_written_with_an_x() {
        for text in ["500x12", "1x1", "1000000x1000"] {
            assert_eq!(text.parse::<StorageLoad>().map(|load| load.to_string()).as_deref(), Ok(text));
        }
        for wrong in ["", "500", "x", "500x", "x12", "0x1", "1x0", "1000001x1", "1x1001", "500x12x2", "-1x1"] {
            let error = wrong.parse::<StorageLoad>().expect_err(wrong);
            assert!(error.contains("such as 3000x64"), "{wrong}: {error}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn wide_words_become_resident_with_the_hot_loop() {
        let load = StorageLoad { series: 40, recorders: 4 };
        let all = measure(load, &[Outcome::Success], EVENTS, Duration::from_secs(600)).unwrap();
        let hot = all.after_hot.unwrap();
        assert_eq!(hot.share, 1.0);
        // A bucket of latency and one of size, in each of 160 pairs: a page of most, for two pairs share some.
        assert!(hot.bytes > all.after_spread + 100 * 4_096, "{all:?}");
        assert!(hot.bytes < load.most() + (1 << 20) && load.most() < all.addressed, "{all:?}");
        let none = measure(load, &[Outcome::Success], EVENTS, Duration::ZERO).unwrap();
        assert!(none.after_hot.is_none() && none.after_spread > 0, "{none:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn pairs_beyond_the_time_are_reckoned() {
        let load = StorageLoad { series: 100, recorders: 10 };
        let some = measure(load, &Outcome::ALL, EVENTS, Duration::from_nanos(1)).unwrap().after_hot.unwrap();
        assert_eq!(some.share, 0.001);
    }
}
