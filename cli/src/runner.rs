//! Carrying out documents, one after another, on one set of exporters.

use std::process::ExitCode;

use futures_lite::future::block_on;
use loaddensity_metrics_shell::actions::{Action, ActionError, Document, execute_in};
use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{ExporterStatus, Exporters, Report, Settings, StatusLabel};

use crate::complaints::Complaints;
use crate::engine;
use crate::interrupt::{self, Interrupt};
use crate::live::{Live, Summary};
use crate::say;
use crate::source::Source;
use crate::start_test;

/// Runs `sources` in order and shows what came of them. What an action leaves out is as `environment` says.
pub(crate) fn run<R: Runtime>(
    sources: &[Source],
    environment: Environment,
    status_label: Option<StatusLabel>,
) -> ExitCode {
    let interrupt = match Interrupt::install("stopping and flushing") {
        Ok(interrupt) => interrupt,
        Err(error) => return cannot_start(&error),
    };
    let exporters = match start::<R>(status_label) {
        Ok(exporters) => exporters,
        Err(error) => return cannot_start(&*error),
    };
    let mut runner = Runner { exporters, environment, interrupt, failed: false };
    for source in sources {
        runner.document(source);
        if runner.interrupt.pressed() {
            return ExitCode::from(interrupt::EXIT_CODE);
        }
    }
    ExitCode::from(u8::from(runner.failed))
}

fn start<R: Runtime>(status_label: Option<StatusLabel>) -> Result<Exporters<R>, Box<dyn std::error::Error>> {
    let settings = Settings::default();
    if let Some(label) = status_label {
        settings.registry.set_status_label(label)?;
    }
    Ok(Exporters::start(settings)?)
}

fn cannot_start(error: &dyn std::error::Error) -> ExitCode {
    say::err(format_args!("error: {error}"));
    ExitCode::FAILURE
}

struct Runner<R: Runtime> {
    exporters: Exporters<R>,
    environment: Environment,
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
        let mut ran = Ran { before: self.exporters.ended_runs().len(), ..Ran::default() };
        for action in document.actions {
            if self.interrupt.pressed() {
                break;
            }
            if let Err(error) = action.and_then(|action| self.action(&action, &mut ran)) {
                self.fail(source, &error);
            }
        }
        // The next document begins afresh.
        if let Err(error) = self.exporters.stop_all() {
            self.fail(source, &error);
        }
        self.settle(&mut ran);
        say::out(format_args!("{}", Report::new(ran.ended, self.exporters.registry())));
    }

    fn fail(&mut self, source: &Source, error: &dyn std::error::Error) {
        say::err(format_args!("error: {}: {error}", source.name));
        self.failed = true;
    }

    fn action(&self, action: &Action, ran: &mut Ran) -> Result<(), ActionError> {
        if action.command == start_test::COMMAND {
            return self.load_test(action, ran);
        }
        ran.complaints.hear(&self.exporters.status());
        let answer = block_on(execute_in(self.exporters.as_async(), action, &self.environment));
        // First what ended by it: a start with other settings ends a run that an earlier action started.
        self.settle(ran);
        let answer = answer.map_err(|error| {
            let unknown = error.is_unknown_command();
            if unknown { ActionError::unknown_command(action, &[start_test::COMMAND]) } else { error }
        })?;
        say::err(format_args!("{}: {answer}", action.command));
        ran.complaints.note(action, &answer, &self.environment);
        Ok(())
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
        say::out(format_args!("{}: {}", action.command, Summary { live: &live, finished }));
        Ok(())
    }

    /// Says what was lost in the runs that have ended since, and keeps their accounts for the table.
    fn settle(&self, ran: &mut Ran) {
        for run in self.exporters.ended_runs().into_iter().skip(ran.before + ran.ended.len()) {
            ran.complaints.settle(&run);
            ran.ended.push(run);
        }
    }
}

/// What is known of the exporters that one document runs.
#[derive(Default)]
struct Ran {
    complaints: Complaints,
    /// How many runs had ended in earlier documents.
    before: usize,
    /// The runs that have ended in this one.
    ended: Vec<ExporterStatus>,
}
