//! The paired runner for several threads: the same work on one thread and on all, each thread with handles of its own
//! on the same series.
//!
//! What counts is CPU time. A slice of several threads counts only if each had a core for itself nearly all the time: a
//! thread that waits for a core disturbs no other, and the figure would be too good.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::clock;
use crate::options::RatioOptions;
use crate::recording::RecordingContender;
use crate::runner::table::Table;
use crate::runner::{ContenderCost, verdicts};
use crate::trace::TraceWork;

/// What several recordings cost on one thread and on [`THREADS`].
pub struct ThreadContest {
    /// Unique; targets and `--only` refer to it.
    pub title: &'static str,
    /// None of them has recorded yet.
    pub recordings: Vec<RecordingContender>,
    /// What is recorded.
    pub work: &'static TraceWork,
}

/// Threads that record at once.
pub const THREADS: usize = 2;
/// Share of the time for which a thread must have had a core.
const ON_CORE: f64 = 0.97;
/// How long a thread runs in one slice: so short that even on a busy machine some slices have a core for each thread.
const SLICE: Duration = Duration::from_millis(3);
/// Slices that are tried in one round before the round is given up.
const TRIES: usize = 10;

/// Checks that nothing is lost between threads, then runs the contest.
pub fn run(contest: &ThreadContest, options: &RatioOptions) {
    for recording in &contest.recordings {
        once(recording, THREADS, 1);
        recording.check(contest.work, 2 * THREADS as u64);
    }
    if options.quick {
        println!("{}: {} contenders agree", contest.title, contest.recordings.len());
        return;
    }
    let units = contest.work.events.len() as f64;
    let mut runs: Vec<_> = contest.recordings.iter().map(|recording| RecordingRun::new(recording, units)).collect();
    for _ in 0..options.rounds() {
        runs.iter_mut().for_each(RecordingRun::slice);
    }
    report(contest, runs, options);
}

struct RecordingRun<'a> {
    recording: &'a RecordingContender,
    units: f64,
    passes: u32,
    /// Nanoseconds per request, on one thread and on all.
    nanos: [Vec<f64>; 2],
}

impl<'a> RecordingRun<'a> {
    fn new(recording: &'a RecordingContender, units: f64) -> Self {
        let (_, cpu) = once(recording, 1, 1);
        let passes = (SLICE.as_nanos() / cpu.as_nanos().max(1)).clamp(1, 1_000) as u32;
        Self { recording, units, passes, nanos: [Vec::new(), Vec::new()] }
    }

    fn slice(&mut self) {
        for (threads, nanos) in [1, THREADS].into_iter().zip(&mut self.nanos) {
            let mut tries = (0..TRIES).map(|_| once(self.recording, threads, self.passes));
            let clean = tries.find(|(on_core, _)| threads == 1 || *on_core);
            nanos.extend(clean.map(|(_, cpu)| cpu.as_nanos() as f64 / f64::from(self.passes) / self.units));
        }
    }
}

/// Runs one warming pass and then `passes` on each thread: whether each had a core for itself, and the mean CPU time.
fn once(recording: &RecordingContender, threads: usize, passes: u32) -> (bool, Duration) {
    let (make, barrier) = (&recording.make, Barrier::new(threads));
    let one = || {
        let mut pass = make();
        pass();
        barrier.wait();
        let (wall, cpu) = (Instant::now(), clock::cpu());
        let ((), cost) = clock::measure(|| (0..passes).for_each(|_| _ = pass()));
        let on_core = (clock::cpu() - cpu).as_secs_f64() >= ON_CORE * wall.elapsed().as_secs_f64();
        (on_core, cost.cpu)
    };
    let costs: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a pass does not panic")).collect()
    });
    let total: Duration = costs.iter().map(|(_, cpu)| *cpu).sum();
    (costs.iter().all(|(on_core, _)| *on_core), total / threads as u32)
}

fn report(contest: &ThreadContest, runs: Vec<RecordingRun<'_>>, options: &RatioOptions) {
    let mut table = Table::new(["contender".into(), "1 thread, min".into(), "median".into()]);
    for column in [format!("{THREADS} threads, min"), "median".into(), "/ 1 thread (min, median)".into()] {
        table.column(column);
    }
    let mut costs = Vec::new();
    for run in runs {
        let [one, all] = run.nanos.map(ContenderCost::min_and_median);
        // Empty where the threads never had a core each.
        let cell = |value: f64, digits| if value.is_nan() { "-".to_string() } else { format!("{value:.digits$}") };
        let cells = one.iter().chain(&all).map(|nanos| cell(*nanos, 1));
        let ratio = format!("{} {}", cell(all[0] / one[0], 2), cell(all[1] / one[1], 2));
        table.row([run.recording.name.to_string()].into_iter().chain(cells).chain([ratio]).collect());
        costs.extend([
            (run.recording.name.to_string(), one),
            (format!("{}, {THREADS} threads", run.recording.name), all),
        ]);
    }
    println!("### {}, ns/request\n\n{}", contest.title, table.render(options.markdown));
    verdicts(contest.title, &costs);
}
