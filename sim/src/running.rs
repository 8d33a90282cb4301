//! An exporter that runs, in one of its modes, and what its backend must have.

use std::time::Duration;

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::{Account, DropReason, Exporter};

use crate::datagrams::Datagrams;
use crate::exports::Exports;
use crate::page::ModelledScrape;
use crate::posts::Posts;
use crate::shared::Shared;

/// An exporter, from its start to the end of its stop.
pub(crate) struct ModelledExporter<'a> {
    pub(crate) exporter: Exporter,
    mode: ExporterMode<'a>,
    /// Requests that were recorded before the start, and before the stop.
    started_after: u64,
    stopped_after: Option<u64>,
    deadline: Tick,
}

enum ExporterMode<'a> {
    Posts(Box<Posts<'a>>),
    Exports(Box<Exports>),
    Datagrams(Box<Datagrams<'a>>),
    Page(Box<ModelledScrape<'a>>),
}

/// A driver that gives way to others comes so much too late.
const SLACK: Duration = Duration::from_micros(10);

impl<'a> ModelledExporter<'a> {
    /// Starts it, in a mode that is chosen.
    pub(crate) fn start(exporter: Exporter, shared: &mut Shared<'a>) -> Result<Self, String> {
        let which = shared.choices.below(3);
        let mode = match exporter {
            Exporter::Influxdb if which == 1 => ExporterMode::Posts(Box::new(Posts::intervals(shared)?)),
            Exporter::Influxdb if which == 2 => ExporterMode::Datagrams(Box::new(Datagrams::lines(shared)?)),
            Exporter::Influxdb => ExporterMode::Posts(Box::new(Posts::requests(shared)?)),
            Exporter::Statsd => ExporterMode::Datagrams(Box::new(Datagrams::messages(shared)?)),
            Exporter::OpenTelemetry => ExporterMode::Exports(Box::new(Exports::new(which == 1, shared))),
            _ => ExporterMode::Page(Box::new(ModelledScrape::new(shared))),
        };
        shared.note(|| format!("{exporter}: started"));
        let started_after = shared.recorded;
        Ok(Self { exporter, mode, started_after, stopped_after: None, deadline: Tick::NEVER })
    }

    pub(crate) fn due(&self, shared: &Shared<'a>) -> Tick {
        let due = match &self.mode {
            ExporterMode::Posts(posts) => posts.due(shared),
            ExporterMode::Exports(exports) => exports.due(),
            ExporterMode::Datagrams(datagrams) => datagrams.due(shared),
            ExporterMode::Page(page) => page.due(shared),
        };
        // One that is due is run now, not before.
        if due == Tick::NEVER { due } else { due.max(shared.tick()) }
    }

    pub(crate) fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        match &mut self.mode {
            ExporterMode::Posts(posts) => posts.run(shared),
            ExporterMode::Exports(exports) => exports.run(shared),
            ExporterMode::Datagrams(datagrams) => datagrams.run(shared),
            ExporterMode::Page(page) => page.run(shared),
        }
    }

    /// Asks it to stop within this time. Of several deadlines the nearest counts.
    pub(crate) fn stop(&mut self, within: Duration, shared: &mut Shared<'a>) {
        let deadline = shared.clock.after(within);
        if matches!(self.mode, ExporterMode::Page(_)) && self.stopped_after.is_some() {
            return;
        }
        self.stopped_after.get_or_insert(shared.recorded);
        self.deadline = self.deadline.min(deadline);
        shared.note(|| format!("{}: to stop within {within:?}", self.exporter));
        match &mut self.mode {
            ExporterMode::Posts(posts) => posts.stop(deadline, shared),
            ExporterMode::Exports(exports) => exports.stop(deadline, shared),
            ExporterMode::Datagrams(datagrams) => datagrams.stop(deadline, shared),
            ExporterMode::Page(page) => page.stop(within, shared),
        }
    }

    pub(crate) const fn is_stopping(&self) -> bool {
        self.stopped_after.is_some()
    }

    pub(crate) fn is_done(&self) -> bool {
        match &self.mode {
            ExporterMode::Posts(posts) => posts.done().is_some(),
            ExporterMode::Exports(exports) => exports.done().is_some(),
            ExporterMode::Datagrams(datagrams) => datagrams.done().is_some(),
            ExporterMode::Page(page) => page.is_done(),
        }
    }

    /// Whether something waits that a backend which is well would have taken.
    pub(crate) fn holds(&self, shared: &Shared<'a>) -> bool {
        let has_only_poison = matches!(&self.mode, ExporterMode::Posts(posts) if posts.has_only_poison());
        shared.registry.account(self.exporter).held != 0 && !has_only_poison
    }

    /// The law of accounting, against what the backend really has.
    pub(crate) fn check(&self, shared: &Shared<'a>) -> Result<(), String> {
        let account = shared.registry.account(self.exporter);
        let broken = |what: &str| Err(format!("{what}: {account:?}"));
        if !account.balanced() {
            return broken("recorded is not sent, dropped and held");
        }
        if !self.is_done() && shared.tick() > self.deadline.after(SLACK) {
            return broken("a stop goes on after its deadline");
        }
        if self.is_done() && account.held != 0 {
            return broken("something is held after the stop");
        }
        // What sums are sent of counts until the last of them is.
        let frozen = self.stopped_after.filter(|_| !self.sends_sums());
        let recorded = frozen.unwrap_or(shared.recorded) - self.started_after;
        if account.recorded != recorded {
            return broken(&format!("{recorded} requests were recorded"));
        }
        self.check_stored(&account)
    }

    fn sends_sums(&self) -> bool {
        match &self.mode {
            ExporterMode::Posts(posts) => posts.sends_sums(),
            ExporterMode::Exports(_) => true,
            ExporterMode::Datagrams(_) | ExporterMode::Page(_) => false,
        }
    }

    fn check_stored(&self, account: &Account) -> Result<(), String> {
        let dropped = |cause| account.dropped.get(cause);
        let unknown = account.held + dropped(DropReason::Unconfirmed);
        let (most_sent, stored, most_stored) = match &self.mode {
            // Where a server takes some of an interval's points and does not say which, the heaviest count as refused. So does a
            // point over which an ill server fails alone, although it has it.
            ExporterMode::Posts(posts) => {
                let heaviest = if posts.sends_sums() { dropped(DropReason::Refused) } else { posts.doubtful() };
                (posts.stored(), posts.stored(), account.sent + unknown + heaviest)
            }
            // A receiver that took one part of one export and another part of another has more than any of them.
            ExporterMode::Exports(exports) if !exports.is_delta() => {
                (exports.stored(), exports.stored(), account.recorded)
            }
            // Which points a partial success means is not known: the heaviest count.
            ExporterMode::Exports(exports) => {
                (exports.stored(), exports.stored(), account.sent + unknown + dropped(DropReason::Rejected))
            }
            ExporterMode::Page(page) => (page.stored(), account.sent, u64::MAX),
            ExporterMode::Datagrams(datagrams) => {
                let kernel = datagrams.kernel();
                let untold = if kernel.is_exact() { 0 } else { kernel.lost };
                let sent = kernel.received + kernel.begun() + untold;
                (sent, kernel.received, account.sent + unknown + dropped(DropReason::TooLarge))
            }
        };
        if account.sent > most_sent || stored > most_stored {
            return Err(format!("the backend has {stored}, {most_sent} could be called sent: {account:?}"));
        }
        Ok(())
    }
}
