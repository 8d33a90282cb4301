//! Periodic exports to a modelled receiver of OTLP, by the machine that the shell drives.

use std::time::Duration;

use loaddensity_metrics_core::export::periodic::{
    Cumulative, Delta, ExportAction, ExportCursor, ExportLimits, ExportMachine,
};
use loaddensity_metrics_core::export::{BodyInput, Tick};
use loaddensity_metrics_core::otlp::{DeltaInterval, ExportOptions, Resource};
use loaddensity_metrics_core::{Account, AccountKind, DropReason, Exporter};

use crate::call::Calls;
use crate::clock::START;
use crate::otlp::OtlpStore;
use crate::posts::{MOST_POLLS, observed_rows};
use crate::reply::Reply;
use crate::shared::{RecordedTotals, Shared};

/// The exporter, and the receiver on the other side.
pub(crate) struct Exports {
    machine: ExportMachine<ExportCursor>,
    resource: Resource,
    /// Of a delta exporter.
    interval: Option<Box<DeltaInterval<Vec<u64>>>>,
    calls: Calls,
    store: OtlpStore,
    /// What the registry had counted before the start: a cumulative receiver has it too.
    before: RecordedTotals,
    buffer: Vec<u8>,
    limit: usize,
    /// The bytes that were sent last.
    body: Vec<u8>,
    wait: Tick,
    done: Option<DropReason>,
}

impl Exports {
    pub(crate) fn new(is_delta: bool, shared: &mut Shared<'_>) -> Self {
        let choices = &mut shared.choices;
        let interval = choices.one_of(&[1, 5, 30].map(Duration::from_secs));
        let timeout = choices.one_of(&[2_000, 300, 10_000].map(Duration::from_millis));
        let limit = choices.one_of(&[100_000, 3_000, 10_000]);
        let export_timeout = [None, Some(Duration::from_secs(10))][choices.below(2)];
        let seed = choices.below(1 << 16) as u64;
        let limits = ExportLimits::new(interval, timeout, limit).export_timeout(export_timeout).delta(is_delta);
        let (now, accounts) = (shared.clock.now(), shared.pump.accounts());
        let (interval, before) = if is_delta {
            let mut interval = DeltaInterval::on_heap(shared.registry, ExportOptions::default(), now.wall);
            interval.read_some(shared.registry, usize::MAX);
            let (requests, rows) = (interval.before(), observed_rows(shared));
            let before = RecordedTotals { requests, observations: rows.before() };
            (Some(Box::new(if shared.has_instruments() { interval.with_instruments(rows) } else { interval })), before)
        } else {
            (None, shared.counted())
        };
        accounts.open_after(Exporter::OpenTelemetry, before.requests);
        if shared.has_instruments() {
            accounts.observations().open_after(Exporter::OpenTelemetry, before.observations);
        }
        Self {
            machine: ExportMachine::new(limits, seed, now),
            resource: Resource::new("simulation"),
            interval,
            calls: Calls::default(),
            store: OtlpStore::new(is_delta),
            before: if is_delta { RecordedTotals::default() } else { before },
            buffer: Vec::new(),
            limit,
            body: Vec::new(),
            wait: Tick::default(),
            done: None,
        }
    }

    /// Requests, or observations, since the start that the receiver has.
    pub(crate) fn stored(&self, kind: AccountKind) -> u64 {
        self.store.counted().of(kind).saturating_sub(self.before.of(kind))
    }

    pub(crate) const fn is_delta(&self) -> bool {
        self.interval.is_some()
    }

    pub(crate) const fn done(&self) -> Option<DropReason> {
        self.done
    }

    pub(crate) fn due(&self) -> Tick {
        if self.done.is_some() { Tick::NEVER } else { self.wait.min(self.calls.due()) }
    }

    /// All that is held is to be sent by then.
    pub(crate) fn stop(&mut self, deadline: Tick, shared: &mut Shared<'_>) {
        self.calls.stop();
        self.tell(BodyInput::Stop { deadline }, shared);
    }

    /// Does what is due.
    pub(crate) fn run(&mut self, shared: &mut Shared<'_>) -> Result<(), String> {
        // What becomes of a message of one kind is nothing to the other one.
        let other = match self.store.last() {
            AccountKind::Observations => AccountKind::Requests,
            _ => AccountKind::Observations,
        };
        let before = shared.account(other, Exporter::OpenTelemetry);
        self.go_on(shared)?;
        let after = shared.account(other, Exporter::OpenTelemetry);
        if self.done.is_none() && answered(&before) != answered(&after) {
            return Err(format!("{other:?} were {before:?} before an answer to another message, now {after:?}"));
        }
        Ok(())
    }

    fn go_on(&mut self, shared: &mut Shared<'_>) -> Result<(), String> {
        let (now, tick) = (shared.clock.now(), shared.tick());
        let Self { calls, machine, wait, .. } = self;
        calls.end(tick, |input| {
            *wait = Tick::default();
            machine.handle(now, input);
        });
        for _ in 0..MOST_POLLS {
            let action = self.poll(shared);
            shared.note(|| format!("OTLP: {action:?}"));
            match action {
                ExportAction::Resolve { id } => self.calls.resolve(id, shared)?,
                ExportAction::Connect { id, .. } => self.calls.connect(id, shared)?,
                ExportAction::Send { id, range } => {
                    self.body = self.buffer[range].to_vec();
                    let reply = self.deliver(shared)?;
                    self.calls.send(id, reply, shared)?;
                }
                ExportAction::Again { id, .. } => {
                    let reply = self.deliver(shared)?;
                    self.calls.send(id, reply, shared)?;
                }
                ExportAction::GrowBuffer(bytes) if bytes > self.limit.max(LARGEST_POINT) => {
                    return Err(format!(
                        "asks for a buffer of {bytes} bytes, where bodies have {} at most",
                        self.limit
                    ));
                }
                ExportAction::GrowBuffer(bytes) => self.buffer.resize(bytes, 0),
                ExportAction::Cancel { id } => {
                    let input = self.calls.cancel(id, tick)?;
                    self.tell(input, shared);
                }
                ExportAction::Wait { until } if until <= tick => return Err("waits for a moment that is over".into()),
                ExportAction::Wait { until } => {
                    self.wait = until;
                    return Ok(());
                }
                ExportAction::Done { cause } => {
                    self.done = Some(cause);
                    return Ok(());
                }
            }
        }
        Err(format!("polled without end: {:?}", self.machine))
    }

    fn deliver(&mut self, shared: &mut Shared<'_>) -> Result<Reply, String> {
        let reply = self.store.take(&self.body, self.calls.is_kept(), shared)?;
        shared.note(|| format!("OTLP: makes {reply:?} of it, has {:?}", self.store.counted()));
        Ok(reply)
    }

    fn tell(&mut self, input: BodyInput<'_>, shared: &mut Shared<'_>) {
        let now = shared.clock.now();
        self.machine.handle(now, input);
        self.wait = Tick::default();
    }

    fn poll(&mut self, shared: &mut Shared<'_>) -> ExportAction {
        let (now, accounts) = (shared.clock.now(), shared.pump.accounts());
        let out = if self.calls.has_body() { &mut [][..] } else { &mut self.buffer[..] };
        match &mut self.interval {
            None => {
                let source = Cumulative::new(accounts, &self.resource, START);
                let mut source = if shared.has_instruments() { source.with_instruments() } else { source };
                self.machine.poll(now, &mut source, out)
            }
            Some(interval) => self.machine.poll(now, &mut Delta::new(accounts, &self.resource, interval), out),
        }
    }
}

/// What answers say of an account. What is too large was never sent.
fn answered(account: &Account) -> (u64, u64) {
    (account.sent, account.dropped.total() - account.dropped.get(DropReason::TooLarge))
}

/// No point of these series has more bytes.
const LARGEST_POINT: usize = 4_096;
