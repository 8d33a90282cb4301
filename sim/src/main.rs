//! Runs simulations, seed after seed, until one breaks the law.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use clap::Parser;
use loaddensity_metrics_sim::{Choices, SimulationSummary, Violation, simulate};

/// Simulates exporters and their backends: engine, rings, pump and machines, in virtual time, one course of events for each
/// seed. Checks the law of accounting after everything that happens. Exits with 1 after the first violation, and says how to
/// see it again.
#[derive(Debug, Parser)]
#[command(name = "sim", verbatim_doc_comment)]
struct SimArgs {
    /// How many seeds.
    #[arg(default_value_t = 20_000)]
    seeds: u64,
    /// The first seed. Without it: 0, or with `--minutes` one that is drawn.
    #[arg(long)]
    first: Option<u64>,
    /// Runs this seed alone.
    #[arg(long, conflicts_with_all = ["seeds", "first", "minutes"])]
    seed: Option<u64>,
    /// With `--seed`: prints all that happens.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Goes on for so many minutes, however many seeds that are, and tells the memory every minute.
    #[arg(long, conflicts_with = "seeds")]
    minutes: Option<u64>,
}

/// Between two looks whether all is done, and between two lines that say how far it is.
const LOOK: Duration = Duration::from_millis(20);
const TELL: Duration = Duration::from_secs(60);

/// What all threads did.
#[derive(Clone, Copy, Debug, Default)]
struct SimTotals {
    seeds: u64,
    sum: SimulationSummary,
}

impl SimTotals {
    fn add(&mut self, one: SimulationSummary) {
        self.seeds += 1;
        self.sum.requests += one.requests;
        self.sum.observations += one.observations;
        self.sum.starts += one.starts;
        self.sum.steps += one.steps;
        self.sum.virtual_time += one.virtual_time;
    }

    fn show(&self, since: Instant) {
        let Self { seeds, sum: SimulationSummary { requests, observations, starts, steps, virtual_time } } = self;
        let seconds = since.elapsed().as_secs_f64();
        println!(
            "{seeds} seeds in {seconds:.1} s ({:.0} a second): {requests} requests, {observations} observations, {starts} \
             starts of exporters, {steps} steps, {:.1} virtual hours",
            *seeds as f64 / seconds,
            virtual_time.as_secs_f64() / 3_600.0
        );
    }
}

fn main() -> ExitCode {
    let args = SimArgs::parse();
    if let Some(seed) = args.seed {
        return one(seed, args.trace);
    }
    many(&args)
}

fn one(seed: u64, is_traced: bool) -> ExitCode {
    match run(seed, is_traced) {
        Ok(summary) => {
            println!("seed {seed}: nothing is wrong; {summary:?}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            violation.trace.iter().for_each(|line| println!("{line}"));
            complain(seed, &violation);
            ExitCode::FAILURE
        }
    }
}

fn many(args: &SimArgs) -> ExitCode {
    // What a panic has to say is in the violation.
    panic::set_hook(Box::new(|_| {}));
    let drawn = || args.minutes.map_or(0, |_| RandomState::new().build_hasher().finish() >> 16);
    let first = args.first.unwrap_or_else(drawn);
    let end = args.minutes.map_or(first + args.seeds, |_| u64::MAX);
    println!("from seed {first}");
    let until = args.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let (next, is_over) = (AtomicU64::new(first), AtomicBool::new(false));
    let (totals, found) = (Mutex::new(SimTotals::default()), Mutex::new(None));
    let begun = Instant::now();
    let work = || {
        let mut own = SimTotals::default();
        // Relaxed: only whether and which, nothing is passed on by them.
        while !is_over.load(Ordering::Relaxed) && until.is_none_or(|until| begun.elapsed() < until) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            match run(seed, false) {
                Ok(summary) => own.add(summary),
                Err(violation) => {
                    is_over.store(true, Ordering::Relaxed);
                    lock(&found).get_or_insert((seed, violation));
                }
            }
        }
        let mut totals = lock(&totals);
        totals.seeds += own.seeds;
        let seeds = totals.seeds;
        totals.add(own.sum);
        totals.seeds = seeds;
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut told = begun;
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(LOOK);
            if told.elapsed() >= TELL {
                told = Instant::now();
                let begun = next.load(Ordering::Relaxed) - first;
                println!("{begun} seeds begun, nothing found, {} of memory", resident());
            }
        }
    });
    lock(&totals).show(begun);
    println!("{} of memory at the end", resident());
    match lock(&found).take() {
        None => ExitCode::SUCCESS,
        Some((seed, violation)) => {
            complain(seed, &violation);
            ExitCode::FAILURE
        }
    }
}

/// A panic is a violation too.
fn run(seed: u64, is_traced: bool) -> Result<SimulationSummary, Violation> {
    panic::catch_unwind(AssertUnwindSafe(|| simulate(Choices::of_seed(seed), is_traced))).unwrap_or_else(|panic| {
        let words =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let what = format!("a panic: {}", words.unwrap_or("without words"));
        Err(Violation { at: Duration::ZERO, what, trace: Vec::new() })
    })
}

/// What this process has in memory now, as the kernel says (proc_pid_status(5)).
fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(|| "unknown".into(), |line| line.trim().to_owned())
}

fn complain(seed: u64, violation: &Violation) {
    eprintln!("seed {seed}, after {:?}: {}", violation.at, violation.what);
    eprintln!("once more, with all that happens: sim/run --seed {seed} --trace");
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
