//! Carrying out documents, one after another, on one set of exporters.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use loaddensity_metrics_shell::actions::{ActionError, Command, Document, JsonAction, execute_command};
use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{ExporterStatus, Exporters, Identity, Report, Settings};
use serde_json::Value;

use crate::CommandError;
use crate::complaints::Complaints;
use crate::document_json;
use crate::engine;
use crate::exit::{self, CommandEnding};
use crate::exporter_events::{self, ExporterEvents};
use crate::interrupt::Interrupt;
use crate::live::{LOOK, Live, Summary};
use crate::losses::is_lossy;
use crate::run_options::RunOptions;
use crate::say::{self, ResultForm};
use crate::source::DocumentSource;
use crate::start_test;

/// Runs `sources` in order and shows what came of them.
pub(crate) fn run<R: Runtime>(sources: &[DocumentSource], options: RunOptions, form: ResultForm) -> ExitCode {
    let interrupt = match Interrupt::install("stopping and flushing") {
        Ok(interrupt) => interrupt,
        Err(error) => return crate::failed(&error),
    };
    let events = exporter_events::listen();
    let environment = options.environment();
    let identity = options.identity.read(&environment);
    let exporters = match start::<R>(&options, identity) {
        Ok(exporters) => exporters,
        Err(error) => return crate::failed(&*error),
    };
    let ending = CommandEnding::default();
    let mut runner = Runner { exporters, options, form, environment, interrupt, events, ending, errors: Vec::new() };
    for source in sources {
        runner.document(source);
        if runner.interrupt.pressed() {
            break;
        }
    }
    ExitCode::from(runner.end().code())
}

fn start<R: Runtime>(options: &RunOptions, identity: Identity) -> Result<Exporters<R>, CommandError> {
    let settings = Settings::on(engine::storage()?).identity(identity);
    if let Some(label) = options.status_label {
        settings.registry.set_status_label(label.into())?;
    }
    if options.error_label {
        settings.registry.set_error_label()?;
    }
    Ok(Exporters::start(settings)?)
}

struct Runner<R: Runtime> {
    exporters: Exporters<R>,
    options: RunOptions,
    form: ResultForm,
    /// What says the rest of what an action leaves out.
    environment: Environment,
    interrupt: Interrupt,
    events: ExporterEvents,
    ending: CommandEnding,
    /// What failed in this document, as it was said.
    errors: Vec<String>,
}

impl<R: Runtime> Runner<R> {
    /// One document. Ends with the table of every exporter that ran in it.
    fn document(&mut self, source: &DocumentSource) {
        let document = match Document::parse(&source.text) {
            Ok(document) => document,
            Err(error) => {
                self.fail(source, &error);
                return self.show(source, DocumentRuns::default(), None);
            }
        };
        let mut ran = DocumentRuns { before: self.exporters.ended_runs().len(), ..DocumentRuns::default() };
        for action in document.actions {
            if self.interrupt.pressed() {
                break;
            }
            if let Err(error) = action.map_err(CommandError::from).and_then(|action| self.action(&action, &mut ran)) {
                self.fail(source, &*error);
            }
        }
        // The next document begins afresh.
        if let Err(error) = self.exporters.stop_all() {
            self.fail(source, &error);
        }
        self.linger(&mut ran);
        self.settle(&mut ran);
        self.ending.lost |= ran.ended.iter().any(is_lossy);
        let report = Report::new(ran.ended.clone(), self.exporters.registry());
        self.show(source, ran, Some(&report));
    }

    /// What came of a document: the table, where it could be read.
    fn show(&mut self, source: &DocumentSource, ran: DocumentRuns, report: Option<&Report>) {
        let errors = std::mem::take(&mut self.errors);
        let DocumentRuns { load_tests, ended, .. } = ran;
        let words = report.map_or(Ok(()), |report| self.form.words(format_args!("{report}")));
        let object = || document_json::object(source, &load_tests, ended, report, &errors);
        if let Err(error) = words.and_then(|()| self.form.object(object)) {
            self.fail(source, &error);
        }
    }

    /// How it ended, once all documents were run.
    fn end(self) -> CommandEnding {
        let Self { options, interrupt, ending, .. } = self;
        let ending = CommandEnding { signal: interrupt.signal(), lost: ending.lost && !options.allow_loss, ..ending };
        if ending.code() == exit::LOST {
            say::err(format_args!("error: not all that was recorded was delivered; --allow-loss lets that pass"));
        }
        ending
    }

    fn fail(&mut self, source: &DocumentSource, error: &dyn std::error::Error) {
        say::err(format_args!("error: {}: {error}", source.name));
        self.errors.push(error.to_string());
        self.ending.failed = true;
    }

    fn action(&mut self, action: &JsonAction, ran: &mut DocumentRuns) -> Result<(), CommandError> {
        if action.command == start_test::COMMAND {
            return self.load_test(action, ran);
        }
        let command = self.command(action)?;
        let answer = block_on(execute_command(self.exporters.as_async(), action, command));
        // First what ended by it: a start with other settings ends a run that an earlier action started.
        self.settle(ran);
        let answer = answer?;
        say::err(format_args!("{}: {answer}", action.command));
        ran.complaints.note(action, &answer, &self.environment);
        Ok(())
    }

    /// What `action` says, and the program's options where it says nothing.
    fn command(&self, action: &JsonAction) -> Result<Command, ActionError> {
        let command = Command::from_action_in(action, &self.environment).map_err(|error| {
            let unknown = error.is_unknown_command();
            if unknown { ActionError::unknown_command(action, &[start_test::COMMAND]) } else { error }
        })?;
        Ok(match command {
            Command::StartPrometheus(config) => {
                let linger = config.linger.or(self.options.linger);
                Command::StartPrometheus(config.linger(linger))
            }
            other => other,
        })
    }

    /// Runs a load test to its end, or until a signal comes.
    fn load_test(&mut self, action: &JsonAction, ran: &mut DocumentRuns) -> Result<(), CommandError> {
        let test = start_test::load_test(action)?;
        let recorder = self.exporters.local_recorder();
        // First: what is recorded as soon as the engine runs is of this test, too.
        let mut live = Live::start(self.exporters.registry());
        let started = engine::start::<R>(test, recorder).map_err(engine::EngineError::Runtime);
        let running = started.map_err(|error| start_test::engine_error(action, &error))?;
        let whose = format!("actions[{}] {}", action.index, action.command);
        let take_events = || take_events(&mut self.events, &mut ran.complaints);
        let watched = live.watch(running, &whose, &self.interrupt, take_events, || self.exporters.status());
        let finished = watched.map_err(|error| start_test::engine_error(action, &error))?;
        let summary = Summary { live: &live, finished };
        ran.load_tests.push(summary.json());
        self.form.words(format_args!("{}: {summary}", action.command))?;
        Ok(())
    }

    /// Waits while a page lingers. A second signal ends that.
    fn linger(&self, ran: &mut DocumentRuns) {
        let page = || self.exporters.status().into_iter().find(|status| status.lingers);
        let Some(status) = page() else {
            return;
        };
        self.interrupt.waits(true);
        let limit = status.linger.unwrap_or_default().as_secs_f64();
        say::err(format_args!("{} serves its last values until they were scraped, {limit} s at most", status.address));
        while page().is_some() && !self.interrupt.pressed_again() {
            thread::sleep(LOOK);
        }
        self.interrupt.waits(false);
        if page().is_some() {
            // Its run is not among those that have ended when everything has.
            block_on(self.exporters.as_async().shutdown(Duration::ZERO));
            let account = self.exporters.registry().account(status.exporter);
            let mut run = status;
            (run.account, run.lingers) = (account, false);
            ran.complaints.settle(&run);
            ran.ended.push(run);
        }
    }

    /// Says what was lost in the runs that have ended since, and keeps their accounts for the table.
    fn settle(&mut self, ran: &mut DocumentRuns) {
        take_events(&mut self.events, &mut ran.complaints);
        for run in self.exporters.ended_runs().into_iter().skip(ran.before + ran.ended.len()) {
            ran.complaints.settle(&run);
            ran.ended.push(run);
        }
    }
}

/// Passes on what was said since the last time.
fn take_events(events: &mut ExporterEvents, complaints: &mut Complaints) {
    events.take().for_each(|event| complaints.take(&event));
}

/// What is known of the exporters that one document runs.
#[derive(Default)]
struct DocumentRuns {
    complaints: Complaints,
    /// How many runs had ended in earlier documents.
    before: usize,
    /// The runs that have ended in this one.
    ended: Vec<ExporterStatus>,
    /// What its load tests came to, for programs.
    load_tests: Vec<Value>,
}
