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

/// How health is noted in a status: that of requests, or that of gauges and telemetry.
#[cfg(feature = "drivers")]
pub(crate) type HealthNote = fn(&StatusCell, Health, &str);

/// Tells a status how datagrams leave.
#[cfg(feature = "datagrams")]
pub(crate) struct HealthReporter {
    status_cell: Arc<StatusCell>,
    note: HealthNote,
    /// 0: requests; 1: gauges and telemetry.
    part: usize,
    told: Health,
}

#[cfg(feature = "datagrams")]
impl HealthReporter {
    /// Of requests.
    pub(crate) const fn of_requests(status_cell: Arc<StatusCell>) -> Self {
        Self { status_cell, note: StatusCell::tell, part: 0, told: Health::Untried }
    }

    /// Of gauges and telemetry, which a second task sends.
    pub(crate) const fn of_side_task(status_cell: Arc<StatusCell>) -> Self {
        Self { status_cell, note: StatusCell::tell_of_gauges, part: 1, told: Health::Untried }
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
        state.traffic[self.part] = traffic;
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

#[derive(Default)]
struct CellState {
    last_error: Option<String>,
    last_error_of_gauges: Option<String>,
    reconnects: u64,
    turned_away: u64,
    learned_bytes: Option<usize>,
    /// Of requests, and of gauges and telemetry.
    traffic: [Traffic; 2],
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
        match (health, words) {
            (Health::Well, "") => self.went_well(),
            // Nothing was tried to its end, or the words for it were told before.
            (Health::Untried, _) | (_, "") => {}
            (_, words) => self.failed(words),
        }
    }

    /// The same of gauges.
    #[cfg(feature = "datagrams")]
    pub(crate) fn tell_of_gauges(&self, health: Health, words: &str) {
        match (health, words) {
            (Health::Well, "") => self.gauges_went_well(),
            (Health::Untried, _) | (_, "") => {}
            (_, words) => self.gauges_failed(format!("gauges: {words}")),
        }
    }

    /// Notes the largest body in bytes that the other side is known to take, where that is less than was configured.
    #[cfg(feature = "drivers")]
    pub(crate) fn learned(&self, bytes: Option<usize>) {
        self.lock().learned_bytes = bytes;
    }

    /// Notes that the last attempt failed, and why.
    pub(crate) fn failed(&self, error: impl Into<String>) {
        self.note(&mut self.lock().last_error, error.into());
    }

    /// Notes that gauges did not get through, and why. It never hides an error of requests, and is not logged
    /// while there is one.
    pub(crate) fn gauges_failed(&self, error: impl Into<String>) {
        let mut state = self.lock();
        if state.last_error.is_some() {
            state.last_error_of_gauges = Some(error.into());
        } else {
            self.note(&mut state.last_error_of_gauges, error.into());
        }
    }

    /// Notes that the last attempt went well.
    pub(crate) fn went_well(&self) {
        let mut state = self.lock();
        match (state.last_error.take(), &state.last_error_of_gauges) {
            (None, _) => {}
            (Some(_), Some(error)) => self.log(error),
            (Some(_), None) => self.log_recovery(),
        }
    }

    /// Notes that all gauges got through.
    pub(crate) fn gauges_went_well(&self) {
        let mut state = self.lock();
        if state.last_error_of_gauges.take().is_some() && state.last_error.is_none() {
            self.log_recovery();
        }
    }

    /// Counts a connection that replaces an earlier one.
    pub(crate) fn reconnected(&self) {
        self.lock().reconnects += 1;
    }

    /// What has left in datagrams since the start.
    pub(crate) fn traffic(&self) -> Traffic {
        let [mut traffic, side] = self.lock().traffic;
        traffic.sent += side.sent;
        traffic.bytes += side.bytes;
        traffic.dropped += side.dropped;
        traffic.dropped_bytes += side.dropped_bytes;
        traffic
    }

    /// Counts a connection for which there was no place, as `most` others were being answered.
    pub(crate) fn turned_away(&self, most: usize) {
        let mut state = self.lock();
        state.turned_away += 1;
        let error = format!("all connections that may be served at a time ({most}) are busy; others get 503");
        self.note(&mut state.last_error, error);
    }

    pub(crate) fn status(&self, account: Account) -> ExporterStatus {
        let state = self.lock();
        ExporterStatus {
            exporter: self.exporter,
            address: self.address.clone(),
            last_error: state.last_error.as_ref().or(state.last_error_of_gauges.as_ref()).cloned(),
            reconnects: state.reconnects + state.traffic[0].reconnects,
            turned_away: state.turned_away,
            refusals: state.traffic.iter().map(|traffic| traffic.refusals).sum(),
            learned_bytes: state.learned_bytes,
            linger: self.linger,
            lingers: false,
            account,
        }
    }

    fn note(&self, last: &mut Option<String>, error: String) {
        if last.as_ref().is_none_or(|last| !says_the_same(last, &error)) {
            self.log(&error);
        }
        *last = Some(error);
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
    fn an_error_of_gauges_does_not_hide_an_error_of_requests() {
        static STORAGE: Storage<2, 1, 2> = Storage::new();
        let status_cell = StatusCell::new(Exporter::Influxdb, "http://x".into());
        let shown = || status_cell.status(STORAGE.registry().account(Exporter::Influxdb)).last_error;
        status_cell.gauges_failed("gauges: refused");
        assert_eq!(shown().as_deref(), Some("gauges: refused"));
        status_cell.failed("refused");
        status_cell.gauges_failed("gauges: gone");
        assert_eq!(shown().as_deref(), Some("refused"));
        status_cell.went_well();
        assert_eq!(shown().as_deref(), Some("gauges: gone"));
        status_cell.gauges_went_well();
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
