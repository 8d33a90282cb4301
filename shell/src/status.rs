//! What an exporter says of its own health while it runs.

#[cfg(feature = "datagrams")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(feature = "drivers")]
use loaddensity_metrics_core::export::Health;
use loaddensity_metrics_core::export::datagrams::Traffic;
use loaddensity_metrics_core::{Account, Exporter};

/// A run of an exporter: as [`status`](crate::Exporters::status) shows it while it lasts, and as it ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExporterStatus {
    /// Which one.
    pub exporter: Exporter,
    /// Where it listens or sends, without anything secret: `http://127.0.0.1:9646/metrics`, `udp://127.0.0.1:8125`.
    pub address: String,
    /// What is wrong at the moment, or was at the end; `None` when the last attempt went well. An error of gauges is not
    /// shown while requests do not get through either.
    pub last_error: Option<String>,
    /// Connections that had to be made anew since the start.
    pub reconnects: u64,
    /// How often the system has said since the start that datagrams were refused, as nothing listened there. What was
    /// in the call before is `unconfirmed` then. Over UDP only.
    pub refusals: u64,
    /// The largest body in bytes that the backend is known to take, where that is less than was configured: bodies of
    /// several points stay within it. It grows again minute by minute.
    pub learned_bytes: Option<usize>,
    /// Connections to the page that were answered with 503, or closed, because as many as its limit allows were being
    /// answered, since the start.
    pub turned_away: u64,
    /// How long the page was asked to serve on after a stop, at most; `None` where it was not.
    pub linger: Option<Duration>,
    /// Whether it was stopped, and serves on until its last values were seen.
    pub lingers: bool,
    /// Its accounting now, or at its end.
    pub account: Account,
    /// The same of observations: calls that raised a counter of the engine's own or gave a histogram a value. `None` where the
    /// storage has no room for such instruments.
    pub observations: Option<Account>,
}

impl ExporterStatus {
    /// One line: the address, whether it lingers, then what is wrong, if anything is.
    #[must_use]
    pub fn state(&self) -> String {
        let lingers = if self.lingers { ", lingers" } else { "" };
        let learned = self.learned_bytes.map(|bytes| format!(", takes no more than {bytes} bytes at once"));
        let learned = learned.unwrap_or_default();
        match &self.last_error {
            None => format!("{}{lingers}{learned}", self.address),
            Some(error) => format!("{}{lingers}{learned}: {error}", self.address),
        }
    }
}

/// How health is noted in a status: that of requests, of observations, or of gauges and telemetry.
#[cfg(feature = "drivers")]
pub(crate) type HealthNote = fn(&StatusCell, Health, &str);

/// Tells a status how datagrams leave.
#[cfg(feature = "datagrams")]
pub(crate) struct HealthReporter {
    status_cell: Arc<StatusCell>,
    note: HealthNote,
    part: SentPart,
    told: Health,
}

#[cfg(feature = "datagrams")]
impl HealthReporter {
    /// Of requests.
    pub(crate) const fn of_requests(status_cell: Arc<StatusCell>) -> Self {
        Self { status_cell, note: StatusCell::tell, part: SentPart::Requests, told: Health::Untried }
    }

    /// Of observations, which a task of their own sends.
    pub(crate) const fn of_observations(status_cell: Arc<StatusCell>) -> Self {
        let (note, part): (HealthNote, _) = (StatusCell::tell_of_observations, SentPart::Observations);
        Self { status_cell, note, part, told: Health::Untried }
    }

    /// Of gauges and telemetry, which another task sends.
    pub(crate) const fn of_gauges(status_cell: Arc<StatusCell>) -> Self {
        Self { status_cell, note: StatusCell::tell_of_gauges, part: SentPart::Gauges, told: Health::Untried }
    }

    /// Notes `health`. `words` are asked for only where something goes wrong.
    pub(crate) fn tell(&mut self, health: Health, words: impl FnOnce() -> String) {
        let has_changed = std::mem::replace(&mut self.told, health) != health;
        match health {
            Health::Failing { .. } => (self.note)(&self.status_cell, health, &words()),
            _ if has_changed => (self.note)(&self.status_cell, health, ""),
            _ => {}
        }
    }

    /// Notes what was sent, and how large a datagram may be.
    pub(crate) fn count(&self, traffic: Traffic, learned_bytes: Option<usize>) {
        let mut state = self.status_cell.lock();
        state.traffic[self.part as usize] = traffic;
        state.learned_bytes = learned_bytes;
    }
}

/// The cell in which a running exporter notes its last error. A change is logged, a repetition is not.
pub(crate) struct StatusCell {
    exporter: Exporter,
    address: String,
    linger: Option<Duration>,
    state: Mutex<CellState>,
}

/// What an exporter sends by itself, the most important first: an error of one is not shown while one before it has one.
#[derive(Clone, Copy)]
enum SentPart {
    Requests,
    Observations,
    Gauges,
}

const SENT_PARTS: usize = 3;

#[derive(Default)]
struct CellState {
    last_errors: [Option<String>; SENT_PARTS],
    reconnects: u64,
    turned_away: u64,
    learned_bytes: Option<usize>,
    traffic: [Traffic; SENT_PARTS],
}

impl StatusCell {
    pub(crate) fn new(exporter: Exporter, address: String) -> Self {
        Self { exporter, address, linger: None, state: Mutex::default() }
    }

    /// Of a page that serves on for so long after a stop.
    pub(crate) fn with_linger(self, linger: Option<Duration>) -> Self {
        Self { linger: linger.filter(|limit| !limit.is_zero()), ..self }
    }

    pub(crate) const fn exporter(&self) -> Exporter {
        self.exporter
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How long it serves on after a stop; `None`: not at all.
    pub(crate) const fn linger(&self) -> Option<Duration> {
        self.linger
    }

    /// Notes how attempts to send requests go, in the words of the other side; empty where it had none.
    #[cfg(feature = "drivers")]
    pub(crate) fn tell(&self, health: Health, words: &str) {
        self.tell_of(SentPart::Requests, health, words);
    }

    /// The same of observations.
    #[cfg(feature = "datagrams")]
    pub(crate) fn tell_of_observations(&self, health: Health, words: &str) {
        self.tell_of(SentPart::Observations, health, words);
    }

    /// The same of gauges.
    #[cfg(feature = "datagrams")]
    pub(crate) fn tell_of_gauges(&self, health: Health, words: &str) {
        self.tell_of(SentPart::Gauges, health, words);
    }

    #[cfg(feature = "drivers")]
    fn tell_of(&self, part: SentPart, health: Health, words: &str) {
        match (health, words) {
            (Health::Well, "") => self.part_went_well(part),
            // Nothing was tried to its end, or the words for it were told before.
            (Health::Untried, _) | (_, "") => {}
            (_, words) => self.part_failed(part, words.into()),
        }
    }

    /// Notes the largest body in bytes that the other side is known to take, where that is less than was configured.
    #[cfg(feature = "drivers")]
    pub(crate) fn learned(&self, bytes: Option<usize>) {
        self.lock().learned_bytes = bytes;
    }

    /// Notes that the last attempt failed, and why.
    pub(crate) fn failed(&self, error: impl Into<String>) {
        self.part_failed(SentPart::Requests, error.into());
    }

    /// Notes that observations did not get through, and why.
    pub(crate) fn observations_failed(&self, error: impl Into<String>) {
        self.part_failed(SentPart::Observations, error.into());
    }

    /// Notes that gauges did not get through, and why.
    pub(crate) fn gauges_failed(&self, error: impl Into<String>) {
        self.part_failed(SentPart::Gauges, error.into());
    }

    /// Notes that the last attempt went well.
    pub(crate) fn went_well(&self) {
        self.part_went_well(SentPart::Requests);
    }

    /// It is logged unless an error is shown in its place.
    fn part_failed(&self, part: SentPart, error: String) {
        let error = match part {
            SentPart::Requests => error,
            SentPart::Observations => format!("own instruments: {error}"),
            SentPart::Gauges => format!("gauges: {error}"),
        };
        let mut state = self.lock();
        let (before, last) = state.last_errors.split_at_mut(part as usize);
        let [last, ..] = last else { return };
        if before.iter().flatten().next().is_none() && last.as_ref().is_none_or(|last| !says_the_same(last, &error)) {
            self.log(&error);
        }
        *last = Some(error);
    }

    fn part_went_well(&self, part: SentPart) {
        let mut state = self.lock();
        let shown = state.last_error().cloned();
        if state.last_errors[part as usize].take() != shown || shown.is_none() {
            return;
        }
        match state.last_error() {
            Some(error) => self.log(error),
            None => self.log_recovery(),
        }
    }

    /// Counts a connection that replaces an earlier one.
    pub(crate) fn reconnected(&self) {
        self.lock().reconnects += 1;
    }

    /// What has left in datagrams since the start.
    pub(crate) fn traffic(&self) -> Traffic {
        self.lock().traffic.iter().fold(Traffic::default(), |mut sum, part| {
            sum.sent += part.sent;
            sum.bytes += part.bytes;
            sum.dropped += part.dropped;
            sum.dropped_bytes += part.dropped_bytes;
            sum
        })
    }

    /// Counts a connection for which there was no place, as `most` others were being answered.
    pub(crate) fn turned_away(&self, most: usize) {
        self.lock().turned_away += 1;
        self.failed(format!("all connections that may be served at a time ({most}) are busy; others get 503"));
    }

    pub(crate) fn status(&self, account: Account) -> ExporterStatus {
        let state = self.lock();
        ExporterStatus {
            exporter: self.exporter,
            address: self.address.clone(),
            last_error: state.last_error().cloned(),
            reconnects: state.reconnects + state.traffic[0].reconnects,
            turned_away: state.turned_away,
            refusals: state.traffic.iter().map(|traffic| traffic.refusals).sum(),
            learned_bytes: state.learned_bytes,
            linger: self.linger,
            lingers: false,
            account,
            observations: None,
        }
    }

    fn log(&self, error: &str) {
        tracing::warn!(exporter = self.exporter.as_str(), address = %self.address, "{error}");
    }

    fn log_recovery(&self) {
        tracing::info!(exporter = self.exporter.as_str(), address = %self.address, recovered = true, "works again");
    }

    fn lock(&self) -> MutexGuard<'_, CellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CellState {
    /// What is shown.
    fn last_error(&self) -> Option<&String> {
        self.last_errors.iter().flatten().next()
    }
}

/// Whether two errors differ in numbers only: how long a server wants to be left alone, how many lines it refused. An
/// error that persists is not logged again and again.
fn says_the_same(one: &str, other: &str) -> bool {
    let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    words(one) == words(other)
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_core::Storage;

    use super::*;

    #[test]
    fn an_error_of_what_is_less_important_does_not_hide_another() {
        static STORAGE: Storage<2, 1, 2> = Storage::new();
        let status_cell = StatusCell::new(Exporter::Influxdb, "http://x".into());
        let shown = || status_cell.status(STORAGE.registry().account(Exporter::Influxdb)).last_error;
        status_cell.gauges_failed("refused");
        assert_eq!(shown().as_deref(), Some("gauges: refused"));
        status_cell.failed("refused");
        status_cell.gauges_failed("gone");
        assert_eq!(shown().as_deref(), Some("refused"));
        status_cell.observations_failed("gone");
        assert_eq!(shown().as_deref(), Some("refused"));
        status_cell.went_well();
        assert_eq!(shown().as_deref(), Some("own instruments: gone"));
        status_cell.part_went_well(SentPart::Gauges);
        assert_eq!(shown().as_deref(), Some("own instruments: gone"));
        status_cell.part_went_well(SentPart::Observations);
        assert_eq!(shown(), None);
    }

    #[test]
    fn errors_that_differ_only_in_numbers_are_the_same() {
        for (one, other, same) in [
            ("left alone for 37 s", "left alone for 4 s", true),
            ("3 of 10 lines refused", "11 of 20 lines refused", true),
            ("answered 503", "answered 503: busy", false),
            ("refused", "timed out", false),
        ] {
            assert_eq!(says_the_same(one, other), same, "{one}, {other}");
        }
    }
}
