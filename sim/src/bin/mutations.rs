//! Breaks the exporters and what threads share on purpose, one way after another, in a copy of the repository, and says
//! which check notices: for what threads share, which loom model.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

/// Applies each of `sim/mutations/*.mutation` to a copy of what git knows of, and runs the checks until one fails. Prints a
/// Markdown table. Exits with 1 where a mutation survives all checks, with 2 where one cannot be applied or does not compile.
#[derive(Debug, Parser)]
#[command(name = "mutations", verbatim_doc_comment)]
struct MutationArgs {
    /// Only those whose name contains one of these.
    names: Vec<String>,
    /// Seeds of the simulation.
    #[arg(long, default_value_t = 3_000)]
    seeds: u64,
}

/// A piece of code, and what takes its place.
struct Mutation {
    name: String,
    /// What is broken by it.
    what: String,
    file: PathBuf,
    old: String,
    new: String,
}

/// A command that fails where something is wrong.
struct MutationCheck {
    name: &'static str,
    arguments: Vec<String>,
    /// Whether the tests are loom models, for which real atomics are replaced, in a target folder of their own.
    is_loom: bool,
}

/// What came of a command.
enum CheckOutcome {
    Passes,
    Fails,
    /// It did not end.
    Hangs,
}

/// The longest time of a check, once it is built. None takes a tenth of it where nothing is wrong.
const LIMIT: Duration = Duration::from_secs(600);
/// The file for what a check prints.
const OUTPUT: &str = "output";

fn main() -> ExitCode {
    match run(&MutationArgs::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutations: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all are caught.
fn run(args: &MutationArgs) -> Result<bool, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let place =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("mutations");
    let tree = place.join("tree");
    copy(root, &tree)?;
    let mutations = mutations(root, &args.names)?;
    all_pass_unbroken(&mutations, &tree, &place, args.seeds)?;
    println!("| mutation | what is broken | caught by | seconds |\n|---|---|---|--:|");
    let mut all_caught = true;
    for mutation in &mutations {
        let begun = Instant::now();
        let caught = caught_by(mutation, &tree, &place, args.seeds)?;
        let seconds = begun.elapsed().as_secs();
        let by = caught.as_deref().unwrap_or("**nothing**");
        println!("| {} | {} | {by} | {seconds} |", mutation.name, mutation.what);
        all_caught &= caught.is_some();
    }
    Ok(all_caught)
}

/// A check that always fails would catch everything.
fn all_pass_unbroken(mutations: &[Mutation], tree: &Path, place: &Path, seeds: u64) -> Result<(), String> {
    let mut asked = Vec::new();
    for check in mutations.iter().flat_map(|mutation| checks(&mutation.name, seeds)) {
        if asked.contains(&check.arguments) {
            continue;
        }
        let what = match built_and_run(&check, tree, place)? {
            Some(CheckOutcome::Passes) => None,
            Some(CheckOutcome::Fails) => Some("fails"),
            Some(CheckOutcome::Hangs) => Some("does not end"),
            None => Some("does not compile"),
        };
        if let Some(what) = what {
            return Err(format!("{} {what} with nothing broken: cargo {}", check.name, check.arguments.join(" ")));
        }
        asked.push(check.arguments);
    }
    Ok(())
}

/// The check that fails with a mutation.
fn caught_by(mutation: &Mutation, tree: &Path, place: &Path, seeds: u64) -> Result<Option<String>, String> {
    let file = tree.join(&mutation.file);
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let count = text.matches(&mutation.old).count();
    if count != 1 {
        return Err(format!("{}: its code is {count} times in {}", mutation.name, mutation.file.display()));
    }
    write(&file, &text.replacen(&mutation.old, &mutation.new, 1))?;
    let caught = first_failing(&mutation.name, tree, place, seeds);
    write(&file, &text)?;
    caught
}

fn first_failing(name: &str, tree: &Path, place: &Path, seeds: u64) -> Result<Option<String>, String> {
    for check in checks(name, seeds) {
        match built_and_run(&check, tree, place)? {
            None => return Err(format!("{name} does not compile")),
            Some(CheckOutcome::Passes) => {}
            Some(CheckOutcome::Fails) if check.is_loom => return Ok(Some(failed_tests(place))),
            Some(CheckOutcome::Fails) => return Ok(Some(check.name.into())),
            Some(CheckOutcome::Hangs) => return Ok(Some(format!("{}, which does not end", check.name))),
        }
    }
    Ok(None)
}

impl MutationCheck {
    /// The same without running it.
    fn build(&self) -> Self {
        let mut build = self.arguments.clone();
        build.truncate(build.iter().position(|argument| argument == "--").unwrap_or(build.len()));
        match build[0].as_str() {
            "run" => build[0] = "build".into(),
            _ => build.push("--no-run".into()),
        }
        Self { arguments: build, ..*self }
    }
}

/// The names of the tests that the last check saw fail.
fn failed_tests(place: &Path) -> String {
    let output = fs::read_to_string(place.join(OUTPUT)).unwrap_or_default();
    let named = |line: &str| Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned());
    let failed: Vec<_> = output.lines().filter_map(named).collect();
    if failed.is_empty() { "a model that ends the program".into() } else { failed.join(", ") }
}

/// What is asked, in this order. Drivers are no part of the simulation. A model must fail in the file that the name says:
/// `model-rings-…` in `core/src/models/rings.rs`. And so must a scenario: `matrix-garbage-…` is for `matrix/run garbage`.
fn checks(name: &str, seeds: u64) -> Vec<MutationCheck> {
    let check = |name, arguments: &str| {
        let arguments = arguments.split(' ').map(Into::into).collect();
        MutationCheck { name, arguments, is_loom: false }
    };
    if let Some(models) = name.strip_prefix("model-").and_then(|rest| rest.split('-').next()) {
        let models = format!("test -p loaddensity-metrics-core --lib --release -- models::{models}");
        return [MutationCheck { is_loom: true, ..check("models", &models) }].into();
    }
    if let Some(scenario) = name.strip_prefix("matrix-").and_then(|rest| rest.split('-').next()) {
        // What a scenario does is left to chance in part: one seed stops exporters meanwhile, another does not.
        let of = |seed| format!("run -p loaddensity-metrics-matrix -- {scenario} --runtime tokio --seed {seed}");
        return [check("matrix, seed 500", &of(500)), check("matrix, seed 501", &of(501))].into();
    }
    let seeds = format!("run --release -p loaddensity-metrics-sim --bin sim -- {seeds}");
    if name.starts_with("driver") {
        return [
            check("shell/src/drivers", "test -p loaddensity-metrics-shell --lib drivers::"),
            check("end-to-end/tests/influxdb_http.rs", "test -p loaddensity-metrics-end-to-end --test influxdb_http"),
            check("end-to-end/tests/otlp_http.rs", "test -p loaddensity-metrics-end-to-end --test otlp_http"),
            check("end-to-end/tests/udp_sinks.rs", "test -p loaddensity-metrics-end-to-end --test udp_sinks"),
            check("end-to-end/tests/tokio.rs", "test -p loaddensity-metrics-end-to-end --test tokio"),
        ]
        .into();
    }
    [check("sim", &seeds), check("core's tests", "test -p loaddensity-metrics-core --lib")].into()
}

/// What came of a check; `None` where it does not compile. A build takes as long as it takes: only the check has a limit.
fn built_and_run(check: &MutationCheck, tree: &Path, place: &Path) -> Result<Option<CheckOutcome>, String> {
    match cargo(&check.build(), tree, place, Duration::MAX)? {
        CheckOutcome::Passes => cargo(check, tree, place, LIMIT).map(Some),
        CheckOutcome::Fails | CheckOutcome::Hangs => Ok(None),
    }
}

fn cargo(check: &MutationCheck, tree: &Path, place: &Path, limit: Duration) -> Result<CheckOutcome, String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(&check.arguments).current_dir(tree).env("CARGO_TARGET_DIR", place.join("target"));
    if check.is_loom {
        let faster = [("INCREMENTAL", "1"), ("PROFILE_RELEASE_LTO", "off"), ("PROFILE_RELEASE_CODEGEN_UNITS", "16")];
        command.envs(faster.map(|(key, value)| (format!("CARGO_{key}"), value)));
        command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", place.join("loom"));
    }
    let output = fs::File::create(place.join(OUTPUT)).map_err(|error| error.to_string())?;
    let mut child = command.stdout(output).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    while begun.elapsed() < limit {
        match child.try_wait().map_err(|error| error.to_string())? {
            None => thread::sleep(Duration::from_millis(50)),
            Some(status) if status.success() => return Ok(CheckOutcome::Passes),
            Some(_) => return Ok(CheckOutcome::Fails),
        }
    }
    child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
    Ok(CheckOutcome::Hangs)
}

/// All of them, in order of their names.
fn mutations(root: &Path, names: &[String]) -> Result<Vec<Mutation>, String> {
    let folder = root.join("sim/mutations");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "mutation"));
    files.sort();
    let all = files.iter().map(|file| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        parse(name.clone(), &text)
            .ok_or_else(|| format!("{name}: it is not `# what`, a file, `<<<<<<<`, `=======`, `>>>>>>>`"))
    });
    let mut mutations: Vec<_> = all.collect::<Result<_, _>>()?;
    mutations.retain(|mutation| names.is_empty() || names.iter().any(|name| mutation.name.contains(name)));
    if mutations.is_empty() {
        return Err("no mutation has such a name".into());
    }
    Ok(mutations)
}

fn parse(name: String, text: &str) -> Option<Mutation> {
    let (what, rest) = text.strip_prefix("# ")?.split_once('\n')?;
    let (file, rest) = rest.split_once("\n<<<<<<<\n")?;
    let (old, rest) = rest.split_once("\n=======\n")?;
    // Nothing may take its place.
    let new = rest.strip_suffix(">>>>>>>\n")?.strip_suffix('\n').unwrap_or_default();
    Some(Mutation { name, what: what.into(), file: file.into(), old: old.into(), new: new.into() })
}

/// Copies what git knows of. What has not changed since the last time keeps its time, so that little is compiled.
fn copy(root: &Path, tree: &Path) -> Result<(), String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let listed = listed.map_err(|error| format!("git: {error}"))?.stdout;
    for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name);
        let (from, to) = (root.join(&*name), tree.join(&*name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|old| old == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(tree)).map_err(|error| format!("{}: {error}", to.display()))?;
        fs::copy(&from, &to).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
