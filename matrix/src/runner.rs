//! Each scenario in a process of its own, so that none disturbs another, and one that hangs can be ended.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::MatrixArgs;
use crate::course::{Course, Trouble};
use crate::observations_as::ObservationsAs;
use crate::scenario::{MatrixRuntime, Need, SCENARIOS, Scenario};

/// The longest time of one scenario on one runtime. None takes a quarter of it.
const LIMIT: Duration = Duration::from_secs(300);
/// Begins the line in which a scenario's process tells what came of it.
const OUTCOME: &str = "outcome: ";

/// What came of all.
#[derive(Clone, Copy, Debug, Default)]
struct Verdicts {
    broken: usize,
    not_run: usize,
}

/// Runs what was asked for.
pub(crate) fn run(args: &MatrixArgs) -> ExitCode {
    if let (Some(name), Some(seed), Some(runtime), Some(way)) = (&args.one, args.seed, args.runtime, args.observations)
    {
        way.choose();
        return one(name, seed, runtime);
    }
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| args.names.is_empty() || args.names.iter().any(|name| scenario.name.contains(name)))
        .collect();
    if chosen.is_empty() {
        eprintln!("matrix: no scenario has such a name; --list shows all");
        return ExitCode::from(2);
    }
    let seed = args.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
    let end = args.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut verdicts = Verdicts::default();
    let first = round_of(&chosen, args, seed, &mut verdicts);
    let (mut rounds, mut last) = (1, first.clone());
    while end.is_some_and(|end| Instant::now() < end) {
        last = round_of(&chosen, args, seed + rounds, &mut verdicts);
        rounds += 1;
    }
    if rounds > 1 {
        println!("\nThe most memory in kB, in the first and in the last of {rounds} rounds:");
        for ((name, first), (_, last)) in first.iter().zip(&last) {
            println!("{name}: {first}, {last}");
        }
    }
    match verdicts {
        Verdicts { broken: 0, not_run: 0 } => ExitCode::SUCCESS,
        Verdicts { broken: 0, .. } => ExitCode::from(2),
        Verdicts { .. } => ExitCode::FAILURE,
    }
}

/// Every scenario once on each runtime. What memory each took.
fn round_of(chosen: &[&Scenario], args: &MatrixArgs, seed: u64, verdicts: &mut Verdicts) -> Vec<(String, String)> {
    let mut memories = Vec::new();
    println!(
        "\nSeed {seed}.\n\n| scenario | runtime | observations per | seen | most memory | seconds | |\n|---|---|---|---|--:|--:|---|"
    );
    for scenario in chosen {
        for runtime in MatrixRuntime::ALL.into_iter().filter(|runtime| args.runtime.is_none_or(|only| only == *runtime))
        {
            let begun = Instant::now();
            let way = args.observations.unwrap_or_else(|| way_of(seed, runtime));
            let outcome = in_a_process(scenario, seed, runtime, way);
            let seconds = begun.elapsed().as_secs_f64();
            let (seen, memory, word) = match outcome {
                Ok((seen, memory)) => (seen, memory, "holds".to_owned()),
                Err(trouble) => {
                    match trouble {
                        Trouble::Broken(_) => verdicts.broken += 1,
                        Trouble::Lacks(_) => verdicts.not_run += 1,
                    }
                    (String::new(), String::new(), format!("**{trouble}**"))
                }
            };
            let (name, runtime, way) = (scenario.name, runtime.as_str(), way.as_str());
            println!("| {name} | {runtime} | {way} | {seen} | {memory} | {seconds:.1} | {word} |");
            memories.push((format!("{name} on {runtime}"), format!("{memory} (observations per {way})")));
        }
    }
    memories
}

/// How observations are sent: so each round has both ways for each scenario, and the next seed the other way round. It takes
/// nothing of the chance that decides the rest: the same faults come with either.
const fn way_of(seed: u64, runtime: MatrixRuntime) -> ObservationsAs {
    let is_even = seed.wrapping_add(runtime as u64).is_multiple_of(2);
    if is_even { ObservationsAs::Event } else { ObservationsAs::Interval }
}

/// What the scenario has seen, and the most memory of its process.
fn in_a_process(
    scenario: &Scenario,
    seed: u64,
    runtime: MatrixRuntime,
    way: ObservationsAs,
) -> Result<(String, String), Trouble> {
    for need in scenario.needs {
        need.check()?;
    }
    let (runtime, way) = (runtime.as_str(), way.as_str());
    let again = format!("matrix {} --runtime {runtime} --seed {seed} --observations {way}", scenario.name);
    let broken = |what: &str| Trouble::Broken(format!("{what}; once more: {again}"));
    let mut child = program(scenario)?
        // With one arena of the allocator, what is freed is used again, whichever thread frees it: memory that grows is kept.
        .env("MALLOC_ARENA_MAX", "1")
        // What is larger than this is given back as soon as it is freed, as rows of own instruments are. Else the allocator learns
        // from them to keep as much, some runs more than others.
        .env("MALLOC_MMAP_THRESHOLD_", "131072")
        .args(["--one", scenario.name, "--runtime", runtime, "--seed", &seed.to_string(), "--observations", way])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Trouble::Lacks(format!("setpriv (util-linux), which ends a scenario with its runner: {error}"))
        })?;
    let [said, notes] = [reading(child.stdout.take()), reading(child.stderr.take())];
    let is_over = ends(&mut child)?;
    let status = child.wait()?;
    let [said, notes] = [said, notes].map(|text| text.join().unwrap_or_default());
    if !is_over || !matches!(status.code(), Some(0 | 2)) {
        eprintln!("\n{} on {runtime}, what happened:\n{notes}", scenario.name);
    }
    let outcome = said.lines().rev().find_map(|line| line.strip_prefix(OUTCOME)).unwrap_or_default();
    match (is_over, status.code()) {
        (false, _) => Err(broken(&format!("did not end within {LIMIT:?}"))),
        (true, Some(0)) => {
            let (seen, memory) = outcome.rsplit_once("; most memory ").unwrap_or((outcome, ""));
            Ok((seen.to_owned(), memory.to_owned()))
        }
        (true, Some(2)) => Err(Trouble::Lacks(outcome.to_owned())),
        (true, Some(1)) if !outcome.is_empty() => Err(broken(outcome)),
        (true, _) => Err(broken(&format!("the process ended with {status}"))),
    }
}

/// All that a process writes, read as it comes.
fn reading(output: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error is shown.
        let _ = output.map(|mut output| output.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// This program, which ends with its parent, with as many files as the scenario needs.
fn program(scenario: &Scenario) -> Result<Command, Trouble> {
    let itself = env::current_exe()?;
    let mut program = Command::new("setpriv");
    program.args(["--pdeathsig", "KILL", "--"]);
    if scenario.needs.contains(&Need::ManyFiles) {
        program.args(["sh", "-c", &format!("ulimit -S -n {MANY_FILES} && exec \"$0\" \"$@\"")]);
    }
    program.arg(itself);
    Ok(program)
}

/// Whether the process ends by itself. One that does not is ended.
fn ends(child: &mut Child) -> Result<bool, Trouble> {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    Ok(false)
}

/// The scenario's own process.
fn one(name: &str, seed: u64, runtime: MatrixRuntime) -> ExitCode {
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        println!("{OUTCOME}there is no such scenario");
        return ExitCode::FAILURE;
    };
    let mut course = Course::new(seed);
    match scenario.run(runtime, &mut course) {
        Ok(()) => {
            println!("{OUTCOME}{}; most memory {}", course.seen(), most_memory());
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            println!("{OUTCOME}{}", trouble.to_string().replace(['\n', '|'], " "));
            ExitCode::from(if matches!(trouble, Trouble::Lacks(_)) { 2 } else { 1 })
        }
    }
}

/// The most memory that this process had, as the kernel says (`VmHWM`, proc_pid_status(5)).
fn most_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".into(), |line| line.trim().to_owned())
}

impl Need {
    /// Whether this machine has it.
    fn check(self) -> Result<(), Trouble> {
        let (program, arguments, words) = match self {
            Self::Namespaces => ("unshare", "--net ip link list", "network namespaces need root and Debian's iproute2"),
            Self::Nftables => {
                ("unshare", "--net nft list ruleset", "rules that drop packets need root and Debian's nftables")
            }
            Self::ManyFiles => return many_files(),
        };
        let tried =
            Command::new(program).args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null()).status();
        match tried {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Trouble::Lacks(words.into())),
        }
    }
}

/// Descriptors of a process that has thousands of connections.
const MANY_FILES: u64 = 4_096;

/// Whether the hard limit allows as many.
fn many_files() -> Result<(), Trouble> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().nth(1)) {
        Some("unlimited") => Ok(()),
        Some(hard) if hard.parse().is_ok_and(|hard: u64| hard >= MANY_FILES) => Ok(()),
        hard => {
            let hard = hard.unwrap_or("unknown");
            Err(Trouble::Lacks(format!(
                "2,000 clients need a hard limit of {MANY_FILES} open files (ulimit -Hn): it is {hard}"
            )))
        }
    }
}
