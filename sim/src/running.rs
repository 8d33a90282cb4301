//! An exporter that runs, in one of its modes, and what its backend must have.

use std::time::Duration;

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::{Account, AccountKind, DropReason, Exporter};

use crate::datagrams::Datagrams;
use crate::exports::Exports;
use crate::page::ModelledScrape;
use crate::posts::Posts;
use crate::shared::Shared;

/// An exporter, from its start to the end of its stop.
pub(crate) struct ModelledExporter<'a> {
    pub(crate) exporter: Exporter,
    mode: ExporterMode<'a>,
    /// What sends own instruments, where the shell has a task of its own for them.
    side: Option<ExporterMode<'a>>,
    spans: Vec<AccountSpan>,
    deadline: Tick,
    /// It is over, and so are its accounts.
    is_done: bool,
}

/// What an account is of, and what had been recorded of it before the start, and before the stop.
struct AccountSpan {
    kind: AccountKind,
    started_after: u64,
    stopped_after: Option<u64>,
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
        let (side, recorded) = (mode.side(exporter, shared)?, shared.recorded);
        shared.note(|| format!("{exporter}: started"));
        let span = |kind| AccountSpan { kind, started_after: recorded.of(kind), stopped_after: None };
        let observations = shared.has_instruments().then(|| span(AccountKind::Observations));
        let spans = [span(AccountKind::Requests)].into_iter().chain(observations).collect();
        Ok(Self { exporter, mode, side, spans, deadline: Tick::NEVER, is_done: false })
    }

    pub(crate) fn due(&self, shared: &Shared<'a>) -> Tick {
        let due = self.modes().map(|mode| mode.due(shared)).min().unwrap_or(Tick::NEVER);
        // One that is due is run now, not before.
        if due == Tick::NEVER { due } else { due.max(shared.tick()) }
    }

    pub(crate) fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        for mode in [&mut self.mode].into_iter().chain(&mut self.side) {
            if mode.due(shared) <= shared.tick() {
                mode.run(shared)?;
            }
        }
        self.end(shared);
        Ok(())
    }

    /// Asks it to stop within this time. Of several deadlines the nearest counts.
    pub(crate) fn stop(&mut self, within: Duration, shared: &mut Shared<'a>) {
        let deadline = shared.clock.after(within);
        if matches!(self.mode, ExporterMode::Page(_)) && self.is_stopping() {
            return;
        }
        for span in &mut self.spans {
            span.stopped_after.get_or_insert_with(|| shared.recorded.of(span.kind));
        }
        self.deadline = self.deadline.min(deadline);
        shared.note(|| format!("{}: to stop within {within:?}", self.exporter));
        for mode in [&mut self.mode].into_iter().chain(&mut self.side) {
            mode.stop((within, deadline), shared);
        }
        self.end(shared);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.spans.iter().any(|span| span.stopped_after.is_some())
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.is_done
    }

    /// What waits although a backend which is well would have taken it.
    pub(crate) fn held(&self, shared: &Shared<'a>) -> Option<Account> {
        let mut held = self.spans.iter().filter(|span| !self.sender(span.kind).has_only_poison());
        held.find_map(|span| Some(shared.account(span.kind, self.exporter)).filter(|account| account.held != 0))
    }

    /// The law of accounting, against what the backend really has, of requests and of observations.
    pub(crate) fn check(&self, shared: &Shared<'a>) -> Result<(), String> {
        self.spans
            .iter()
            .try_for_each(|span| self.check_account(span, shared).map_err(|what| format!("{:?}: {what}", span.kind)))
    }

    fn check_account(&self, span: &AccountSpan, shared: &Shared<'a>) -> Result<(), String> {
        let account = shared.account(span.kind, self.exporter);
        let broken = |what: &str| Err(format!("{what}: {account:?}"));
        if !account.balanced() {
            return broken("recorded is not sent, dropped and held");
        }
        if !self.is_done && shared.tick() > self.deadline.after(SLACK) {
            return broken("a stop goes on after its deadline");
        }
        if self.is_done && account.held != 0 {
            return broken("something is held after the stop");
        }
        let sender = self.sender(span.kind);
        // A page that lingers does so for requests and for observations.
        let is_early = self.is_done && shared.tick() < self.deadline;
        if is_early && matches!(sender, ExporterMode::Page(_)) && account.dropped.total() != 0 {
            return broken("a page ends before its time is over and its last values were seen");
        }
        // What sums are sent of counts until the last of them is.
        let frozen = span.stopped_after.filter(|_| !sender.sends_sums());
        let recorded = frozen.unwrap_or_else(|| shared.recorded.of(span.kind)) - span.started_after;
        if account.recorded != recorded {
            return broken(&format!("{recorded} were recorded"));
        }
        sender.check_stored(span.kind, &account)
    }

    fn modes(&self) -> impl Iterator<Item = &ExporterMode<'a>> {
        [&self.mode].into_iter().chain(&self.side)
    }

    fn sender(&self, kind: AccountKind) -> &ExporterMode<'a> {
        self.side.as_ref().filter(|_| kind == AccountKind::Observations).unwrap_or(&self.mode)
    }

    /// Closes the accounts once all of it is over, as the shell does.
    fn end(&mut self, shared: &mut Shared<'a>) {
        if self.is_done || self.modes().any(|mode| mode.done().is_none()) {
            return;
        }
        for AccountSpan { kind, .. } in &self.spans {
            let (sender, accounts) = (self.sender(*kind), shared.pump.accounts());
            let accounts = if *kind == AccountKind::Observations { accounts.observations() } else { accounts };
            if let Some(cause) = sender.done().filter(|_| !sender.has_queue()) {
                accounts.close(self.exporter, cause);
            }
        }
        self.is_done = true;
    }
}

impl<'a> ExporterMode<'a> {
    /// What sends own instruments beside this one; `None` where there are none, or this one sends them.
    fn side(&self, exporter: Exporter, shared: &mut Shared<'a>) -> Result<Option<Self>, String> {
        if !shared.has_instruments() {
            return Ok(None);
        }
        let is_per_event = shared.has_observation_rings() && shared.choices.happens(700);
        Ok(match self {
            Self::Posts(_) if is_per_event => Some(Self::Posts(Box::new(Posts::observations(shared)?))),
            Self::Datagrams(_) if is_per_event && exporter == Exporter::Influxdb => {
                Some(Self::Datagrams(Box::new(Datagrams::observation_lines(shared)?)))
            }
            Self::Datagrams(datagrams) if is_per_event => {
                Some(Self::Datagrams(Box::new(Datagrams::observation_messages(datagrams.is_stream(), shared)?)))
            }
            Self::Posts(_) => Some(Self::Posts(Box::new(Posts::instruments(shared)?))),
            Self::Datagrams(_) if exporter == Exporter::Influxdb => {
                Some(Self::Datagrams(Box::new(Datagrams::instrument_lines(shared)?)))
            }
            Self::Datagrams(datagrams) => {
                Some(Self::Datagrams(Box::new(Datagrams::instrument_messages(datagrams.is_stream(), shared)?)))
            }
            Self::Exports(_) | Self::Page(_) => None,
        })
    }

    fn due(&self, shared: &Shared<'a>) -> Tick {
        match self {
            Self::Posts(posts) => posts.due(shared),
            Self::Exports(exports) => exports.due(),
            Self::Datagrams(datagrams) => datagrams.due(shared),
            Self::Page(page) => page.due(shared),
        }
    }

    fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        match self {
            Self::Posts(posts) => posts.run(shared),
            Self::Exports(exports) => exports.run(shared),
            Self::Datagrams(datagrams) => datagrams.run(shared),
            Self::Page(page) => page.run(shared),
        }
    }

    fn stop(&mut self, (within, deadline): (Duration, Tick), shared: &mut Shared<'a>) {
        match self {
            Self::Posts(posts) => posts.stop(deadline, shared),
            Self::Exports(exports) => exports.stop(deadline, shared),
            Self::Datagrams(datagrams) => datagrams.stop(deadline, shared),
            Self::Page(page) => page.stop(within, shared),
        }
    }

    fn done(&self) -> Option<DropReason> {
        match self {
            Self::Posts(posts) => posts.done(),
            Self::Exports(exports) => exports.done(),
            Self::Datagrams(datagrams) => datagrams.done(),
            Self::Page(page) => page.done(),
        }
    }

    const fn has_only_poison(&self) -> bool {
        matches!(self, Self::Posts(posts) if posts.has_only_poison())
    }

    fn sends_sums(&self) -> bool {
        match self {
            Self::Posts(posts) => posts.sends_sums(),
            Self::Exports(_) => true,
            Self::Datagrams(datagrams) => datagrams.sends_sums(),
            Self::Page(_) => false,
        }
    }

    /// Whether it gets every request, through a queue, whose end closes the account.
    fn has_queue(&self) -> bool {
        matches!(self, Self::Posts(_) | Self::Datagrams(_)) && !self.sends_sums()
    }

    fn check_stored(&self, kind: AccountKind, account: &Account) -> Result<(), String> {
        let dropped = |cause| account.dropped.get(cause);
        let unknown = account.held + dropped(DropReason::Unconfirmed);
        let (most_sent, stored, most_stored) = match self {
            // Where a server takes some of an interval's points and does not say which, the heaviest count as refused. So does a
            // point over which an ill server fails alone, although it has it.
            Self::Posts(posts) => {
                let heaviest = if posts.sends_sums() { dropped(DropReason::Refused) } else { posts.doubtful() };
                (posts.stored(), posts.stored(), account.sent + unknown + heaviest)
            }
            // A receiver that took one part of one export and another part of another has more than any of them.
            Self::Exports(exports) if !exports.is_delta() => {
                (exports.stored(kind), exports.stored(kind), account.recorded)
            }
            // Which points a partial success means is not known: the heaviest count.
            Self::Exports(exports) => {
                (exports.stored(kind), exports.stored(kind), account.sent + unknown + dropped(DropReason::Rejected))
            }
            Self::Page(page) => (page.stored(kind), account.sent, u64::MAX),
            Self::Datagrams(datagrams) => {
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
