//! Carrying out documents, one after another, on one set of exporters.

use std::process::ExitCode;

use futures_lite::future::block_on;
use loaddensity_metrics_shell::actions::{Action, ActionError, Answer, Command, Document, execute};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, Exporter, Exporters, Report, Settings};

use crate::complaints::Complaints;
use crate::engine;
use crate::interrupt::{self, Interrupt};
use crate::live::{Live, Summary};
use crate::source::Source;
use crate::start_test;

/// Runs `sources` in order and shows what came of them.
pub(crate) fn run<R: Runtime>(sources: &[Source]) -> ExitCode {
    let interrupt = match Interrupt::install() {
        Ok(interrupt) => interrupt,
        Err(error) => return cannot_start(&error),
    };
    let exporters = match Exporters::<R>::start(Settings::default()) {
        Ok(exporters) => exporters,
        Err(error) => return cannot_start(&error),
    };
    let mut runner = Runner { exporters, interrupt, failed: false };
    for source in sources {
        runner.document(source);
        if runner.interrupt.pressed() {
            return ExitCode::from(interrupt::EXIT_CODE);
        }
    }
    ExitCode::from(u8::from(runner.failed))
}

fn cannot_start(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

struct Runner<R: Runtime> {
    exporters: Exporters<R>,
    interrupt: Interrupt,
    /// Whether any action has failed.
    failed: bool,
}

impl<R: Runtime> Runner<R> {
    /// One document. Ends with the table of every exporter that ran in it.
    fn document(&mut self, source: &Source) {
        let document = match Document::parse(&source.text) {
            Ok(document) => document,
            Err(error) => return self.fail(source, &error),
        };
        let mut ran = Ran::default();
        for action in document.actions {
            if self.interrupt.pressed() {
                break;
            }
            if let Err(error) = action.and_then(|action| self.action(&action, &mut ran)) {
                self.fail(source, &error);
            }
        }
        self.stop_all(&mut ran);
        let full_rings = self.exporters.registry().full_rings().collect();
        println!("{}", Report { accounts: ran.accounts, full_rings });
    }

    fn fail(&mut self, source: &Source, error: &dyn std::error::Error) {
        eprintln!("error: {}: {error}", source.name);
        self.failed = true;
    }

    fn action(&self, action: &Action, ran: &mut Ran) -> Result<(), ActionError> {
        if action.command == start_test::COMMAND {
            return self.load_test(action, ran);
        }
        // A stop takes the exporter's state with it.
        ran.complaints.hear(&self.exporters.status());
        self.stop_replaced(action, ran);
        let answer = block_on(execute(self.exporters.as_async(), action)).map_err(|error| {
            let unknown = error.is_unknown_command();
            if unknown { ActionError::unknown_command(action, &[start_test::COMMAND]) } else { error }
        })?;
        eprintln!("{}: {answer}", action.command);
        ran.complaints.note(action, &answer);
        if let Answer::Stopped { account: Some(account), .. } = answer {
            ran.stopped(account);
        }
        Ok(())
    }

    /// Stops the exporter that `action` starts anew with other settings. The start would do so too, but keep its account
    /// to itself, and the table shows all.
    fn stop_replaced(&self, action: &Action, ran: &mut Ran) {
        let Ok(command) = Command::from_action(action) else {
            return;
        };
        let is_of = |other: &Command| other.exporter() == command.exporter();
        if command.is_start() && !ran.started.contains(&command) {
            if let Some(account) = self.stop(command.exporter()) {
                ran.stopped(account);
            }
            ran.started.retain(|other| !is_of(other));
            ran.started.push(command);
        }
    }

    /// Runs a load test to its end, or until Ctrl-C.
    fn load_test(&self, action: &Action, ran: &mut Ran) -> Result<(), ActionError> {
        let test = start_test::load_test(action)?;
        let recorder = self.exporters.local_recorder();
        let started = engine::start::<R>(test, recorder).map_err(engine::EngineError::Runtime);
        let running = started.map_err(|error| start_test::engine_error(action, &error))?;
        let mut live = Live::start(self.exporters.registry());
        let status = || {
            let statuses = self.exporters.status();
            ran.complaints.hear(&statuses);
            statuses
        };
        let watched = live.watch(running, &self.interrupt, status);
        let finished = watched.map_err(|error| start_test::engine_error(action, &error))?;
        println!("{}: {}", action.command, Summary { live: &live, finished });
        Ok(())
    }

    /// Stops what a document left running, so that the next one begins afresh.
    fn stop_all(&self, ran: &mut Ran) {
        ran.complaints.hear(&self.exporters.status());
        Exporter::ALL.into_iter().filter_map(|exporter| self.stop(exporter)).for_each(|account| ran.stopped(account));
    }

    /// `None` where it did not run; what was left out of the build did not run either.
    fn stop(&self, exporter: Exporter) -> Option<Account> {
        let stopped = match exporter {
            Exporter::Prometheus => self.exporters.stop_prometheus_exporter(),
            Exporter::Influxdb => self.exporters.stop_influxdb_sink(),
            Exporter::Statsd => self.exporters.stop_statsd_sink(),
            Exporter::OpenTelemetry => self.exporters.stop_opentelemetry_exporter(),
        };
        stopped.ok().flatten()
    }
}

/// What is known of the exporters that one document runs.
#[derive(Default)]
struct Ran {
    complaints: Complaints,
    /// What was last asked of each exporter that was started.
    started: Vec<Command>,
    /// Of those that have been stopped, in the order of their stops.
    accounts: Vec<Account>,
}

impl Ran {
    fn stopped(&mut self, account: Account) {
        self.complaints.settle(&account);
        self.accounts.push(account);
    }
}
