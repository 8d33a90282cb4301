//! The paired runner: contender after contender, a few milliseconds each, round after round, so that whatever the
//! machine does to one it does to all. Time is CPU time of the thread.

mod table;
pub mod threads;

use std::hint::black_box;
use std::time::Duration;

use crate::clock;
use crate::contest::{Contender, Contest, Role};
use crate::options::RatioOptions;
use crate::targets::{RatioTarget, TARGETS, TargetVerdict};
use table::Table;

/// How long a contender runs in one round: much longer than reading the clock takes, much shorter than disturbances of
/// the machine last.
const SLICE: Duration = Duration::from_millis(8);

/// Runs a contest and prints what each contender costs; with `--quick` runs each contender once.
pub fn run(mut contest: Contest, options: &RatioOptions) {
    if options.quick {
        contest.contenders.iter_mut().for_each(|contender| {
            assert_ne!((contender.run)(), 0, "{}: {} did nothing", contest.title, contender.name);
        });
        println!("{}: {} contenders agree", contest.title, contest.contenders.len());
        return;
    }
    let results = costs(&mut contest, options.rounds());
    report(&contest, &results, options);
}

/// Runs a contest in so many interleaved rounds; returns the name of each contender and its least nanoseconds per unit.
#[must_use]
pub fn minima(mut contest: Contest, rounds: usize) -> Vec<(&'static str, f64)> {
    costs(&mut contest, rounds).into_iter().map(|cost| (cost.name, cost.nanos[0])).collect()
}

fn costs(contest: &mut Contest, rounds: usize) -> Vec<ContenderCost> {
    let mut runs: Vec<_> =
        contest.contenders.iter_mut().map(|contender| ContenderRun::warm_up(contender, contest.units)).collect();
    for _ in 0..rounds {
        runs.iter_mut().for_each(ContenderRun::slice);
    }
    runs.into_iter().map(ContenderRun::result).collect()
}

/// A contender at work.
struct ContenderRun<'a> {
    contender: &'a mut Contender,
    units: f64,
    /// Passes in one slice.
    passes: u32,
    /// Nanoseconds per unit of each slice.
    nanos: Vec<f64>,
    /// Of one pass.
    allocations: u64,
    amount: usize,
}

impl<'a> ContenderRun<'a> {
    /// Finds out how many passes fill a slice.
    fn warm_up(contender: &'a mut Contender, units: f64) -> Self {
        (contender.run)();
        let (amount, cost) = clock::measure(|| (contender.run)());
        let passes = SLICE.as_nanos() / cost.cpu.as_nanos().max(1);
        let passes = passes.clamp(1, 1_000_000) as u32;
        Self { contender, units, passes, nanos: Vec::new(), allocations: cost.allocations, amount }
    }

    fn slice(&mut self) {
        let passes = || {
            for _ in 0..self.passes {
                black_box((self.contender.run)());
            }
        };
        let ((), cost) = clock::measure(passes);
        self.nanos.push(cost.cpu.as_nanos() as f64 / f64::from(self.passes) / self.units);
    }

    fn result(self) -> ContenderCost {
        ContenderCost {
            name: self.contender.name,
            role: self.contender.role,
            nanos: ContenderCost::min_and_median(self.nanos),
            allocations: self.allocations as f64 / self.units,
            amount: self.amount as f64 / self.units,
        }
    }
}

/// What a contender costs per unit.
struct ContenderCost {
    name: &'static str,
    role: Role,
    /// The minimum and the median over all rounds.
    nanos: [f64; 2],
    allocations: f64,
    amount: f64,
}

impl ContenderCost {
    /// Not a number where nothing was measured.
    fn min_and_median(mut nanos: Vec<f64>) -> [f64; 2] {
        nanos.sort_by(f64::total_cmp);
        [0, nanos.len() / 2].map(|at| nanos.get(at).copied().unwrap_or(f64::NAN))
    }
}

fn report(contest: &Contest, results: &[ContenderCost], options: &RatioOptions) {
    let unit = contest.unit;
    let writes = results.iter().any(|cost| cost.amount != 1.0);
    let first = |role: Role| results.iter().find(|cost| cost.role == role);
    let mut table = Table::new(["contender".into(), format!("ns/{unit}, min"), format!("ns/{unit}, median")]);
    table.column(format!("allocations/{unit}"));
    if writes {
        table.column(format!("bytes/{unit}"));
    }
    table.column("/ ours (min, median)");
    table.column("/ floor (min, median)");
    for cost in results {
        let mut row = vec![cost.name.to_string()];
        row.extend(cost.nanos.map(|nanos| format!("{nanos:.1}")));
        row.push(format!("{:.2}", cost.allocations));
        if writes {
            row.push(format!("{:.1}", cost.amount));
        }
        row.extend([Role::Ours, Role::Floor].map(|role| ratio(cost, first(role))));
        table.row(row);
    }
    println!("### {}\n\n{}", contest.title, table.render(options.markdown));
    let costs: Vec<_> = results.iter().map(|cost| (cost.name.to_string(), cost.nanos)).collect();
    verdicts(contest.title, &costs);
}

fn ratio(cost: &ContenderCost, to: Option<&ContenderCost>) -> String {
    to.map_or_else(String::new, |to| format!("{:.2} {:.2}", cost.nanos[0] / to.nanos[0], cost.nanos[1] / to.nanos[1]))
}

/// Prints how the targets of a contest were met, by minima and by medians; `costs` are those of each contender.
fn verdicts(title: &str, costs: &[(String, [f64; 2])]) {
    let cost = |name: &str, which: usize| {
        let found = costs.iter().find(|(contender, _)| contender == name);
        found.unwrap_or_else(|| panic!("{title}: a target names {name}, who does not compete")).1[which]
    };
    let of_contest = |target: &&RatioTarget| target.contest == title;
    let mut targets = TARGETS.iter().filter(of_contest).peekable();
    let any = targets.peek().is_some();
    for target in targets {
        let [min, median] = [0, 1].map(|which| target.judge(|name| cost(name, which)));
        let by = |verdict: &TargetVerdict, what| match (verdict.reached.is_nan(), verdict.met) {
            (true, _) => format!("not measured by {what}"),
            (_, true) => format!("{:.2} by {what}, met", verdict.reached),
            (_, false) => format!("{:.2} by {what}, NOT MET", verdict.reached),
        };
        println!("- {}: {}; {}", min.rule, by(&min, "minima"), by(&median, "medians"));
    }
    if any {
        println!();
    }
}
