//! How much of a storage becomes resident: after some requests over all series and recorders, and after one bucket of each
//! pair of them has counted more than its lane of 16 bits can tell.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use loaddensity_metrics_core::{HeapStorage, Outcome, Recorder, Sample, Series};
use loaddensity_metrics_cost::memory;
use loaddensity_metrics_cost::resident::resident;

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
    /// Bytes. Where the time was over before all pairs had their turn, the growth with some of them is extrapolated.
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
    let said = || resident().ok_or("this system does not say what is resident (/proc/self/smaps_rollup)");
    let before = said()?;
    // Before the trace, whose making leaves freed memory that the storage must not get.
    let storage = HeapStorage::new(series, recorders, RING)?;
    let with_storage = said()?;
    let work = trace::work(series);
    let before = before + said()?.saturating_sub(with_storage);
    let grown = || said().map(|now| now.saturating_sub(before));
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
    fn the_trace_comes_to_every_series_with_the_outcomes_that_were_asked_for() {
        let (work, series) = (trace::work(100), 100);
        for (outcomes, failing) in [(&[Outcome::Success][..], 0.0..0.001), (&Outcome::ALL[..], 0.01..0.03)] {
            let storage = HeapStorage::new(series, 7, 2).unwrap();
            let mut recorders: Vec<_> = (0..7).map(|_| storage.registry().recorder()).collect();
            let handles = ours::handles(&mut recorders[0], work);
            spread(&mut recorders, &handles, work, (outcomes, 3 * EVENTS));
            let totals = handles.iter().map(|series| storage.registry().series_totals(*series));
            let by_series: Vec<_> =
                totals.map(|totals| totals.latencies.map(|of_outcome| of_outcome.count())).collect();
            assert!(by_series.iter().all(|[good, bad]| (2_500..3_500).contains(&(good + bad))), "{by_series:?}");
            let share = by_series.iter().map(|[_, bad]| bad).sum::<u64>() as f64 / (3 * EVENTS) as f64;
            assert!(failing.contains(&share), "{outcomes:?}: {share}");
        }
    }

    #[test]
    fn the_hot_loop_comes_to_every_pair_while_there_is_time() {
        let storage = HeapStorage::new(3, 2, 2).unwrap();
        let registry = storage.registry();
        let mut recorders: Vec<_> = (0..2).map(|_| registry.recorder()).collect();
        let handles = ["/a", "/b", "/c"].map(|name| registry.series("GET", name));
        assert_eq!(hot_loop(&mut recorders, &handles, &Outcome::ALL, Duration::from_secs(3_600)), 6);
        for series in handles {
            assert_eq!(registry.series_totals(series).latencies.map(|of_outcome| of_outcome.count()), [2 * HOT; 2]);
        }
        assert_eq!(hot_loop(&mut recorders, &handles, &[Outcome::Success], Duration::ZERO), 1);
    }

    /// How many bytes are resident is not judged here: other tests share the process.
    #[test]
    #[cfg(target_os = "linux")]
    fn pairs_that_had_no_turn_are_extrapolated() {
        let load = StorageLoad { series: 100, recorders: 10 };
        for (hot, share) in [(0, None), (1, Some(0.001)), (u64::MAX, Some(1.0))] {
            let load = if hot == u64::MAX { StorageLoad { series: 2, recorders: 1 } } else { load };
            let measured = measure(load, &Outcome::ALL, EVENTS, Duration::from_nanos(hot)).unwrap();
            assert_eq!(measured.after_hot.map(|hot| hot.share), share);
            assert!(measured.addressed > load.most(), "{measured:?}");
        }
    }
}
