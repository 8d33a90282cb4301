//! What is measured: pieces of work that are done in rounds and check their own answers.

use std::fmt;

use loaddensity_metrics_core::Exporter;

use crate::clock::Stopwatch;
use crate::exporters::{DatagramFilling, DatagramKind, cost_of, per_request};

/// One measurement.
pub(crate) trait CostMeasurement {
    /// Which one it is.
    fn row(&self) -> CostRow;

    /// Does one round; what counts is done in `watch`.
    ///
    /// # Errors
    /// [`WrongResult`] where the answer is not what it must be.
    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult>;
}

/// A row of the table. Those that read shards name how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CostRow {
    /// A request.
    Record {
        entry: RecordEntry,
        /// Whether other memory is touched between two requests.
        is_cold: bool,
    },
    /// A call for an instrument of the engine's own, not a request.
    Observe {
        /// A counter, or a timer.
        is_counter: bool,
    },
    /// A recorder, not a request.
    Claim,
    /// The first recorder of a registry, which writes its tables.
    Tables,
    /// A request with which a bucket needs its wide word for the first time.
    FirstCarry,
    /// A reading of the wall clock, for a request's time.
    Clock {
        /// [`coarse_time`](loaddensity_metrics_shell::runtime::coarse_time), or the system's.
        is_coarse: bool,
    },
    Pump,
    /// Of an exporter that takes each request.
    PerRequest(Exporter),
    /// Sent over loopback.
    Datagram(DatagramKind),
    /// Of an exporter that reads the registry.
    Reading {
        exporter: Exporter,
        recorders: u64,
    },
}

/// How an engine records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordEntry {
    ByHandle,
    /// By handle, with all per-request exporters attached.
    WithEvents,
    /// By the recorder of the thread.
    Locally,
    /// By handle, in storage without exponential histograms.
    Classic,
    ByStrings,
}

impl RecordEntry {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 5] = [Self::ByHandle, Self::WithEvents, Self::Locally, Self::Classic, Self::ByStrings];

    /// The row where nothing else is touched between two requests.
    pub(crate) const fn warm(self) -> CostRow {
        CostRow::Record { entry: self, is_cold: false }
    }

    /// The row where other memory is.
    pub(crate) const fn cold(self) -> CostRow {
        CostRow::Record { entry: self, is_cold: true }
    }

    fn name(self) -> String {
        match self {
            Self::ByHandle => "record, by handle".into(),
            Self::WithEvents => {
                let names: Vec<_> = per_request().map(|exporter| cost_of(exporter).name).collect();
                format!("record, by handle, raw events on ({})", names.join(" + "))
            }
            Self::Locally => "record, by handle, by the recorder of the thread".into(),
            Self::Classic => "record, by handle, without exponential histograms".into(),
            Self::ByStrings => "record, by strings".into(),
        }
    }
}

impl RecordEntry {
    const fn key(self) -> &'static str {
        match self {
            Self::ByHandle => "record.by_handle",
            Self::WithEvents => "record.by_handle.raw_events",
            Self::Locally => "record.by_thread",
            Self::Classic => "record.by_handle.classic",
            Self::ByStrings => "record.by_strings",
        }
    }
}

impl CostRow {
    /// What programs know it by. Rows that differ only in how many shards they read, or in how cold the caches are, share one.
    pub(crate) fn key(self) -> String {
        match self {
            Self::Record { entry, .. } => entry.key().to_owned(),
            Self::Observe { is_counter: true } => "own.add".into(),
            Self::Observe { is_counter: false } => "own.observe".into(),
            Self::Claim => "recorder.claim".into(),
            Self::Tables => "registry.tables".into(),
            Self::FirstCarry => "bucket.first_carry".into(),
            Self::Clock { is_coarse: false } => "clock.system_time".into(),
            Self::Clock { is_coarse: true } => "clock.coarse_time".into(),
            Self::Pump => "pump".into(),
            Self::PerRequest(exporter) => format!("{}.request", exporter.as_str()),
            Self::Datagram(DatagramKind { filling, is_offloaded }) => {
                let what = match filling {
                    DatagramFilling::Packed => "packed",
                    DatagramFilling::Message => "message",
                };
                format!("datagram.{what}{}", if is_offloaded { ".offload" } else { "" })
            }
            Self::Reading { exporter, .. } => format!("{}.read", exporter.as_str()),
        }
    }
}

impl fmt::Display for CostRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Record { entry, .. } => entry.name(),
            Self::Observe { is_counter: true } => "add, to a counter of the engine's own".into(),
            Self::Observe { is_counter: false } => "observe, a time in a histogram of the engine's own".into(),
            Self::Claim => "a recorder, claimed and dropped".into(),
            Self::Tables => "a registry's first recorder, which writes the tables".into(),
            Self::FirstCarry => "a bucket's 32,768th request, into an untouched page".into(),
            Self::Clock { is_coarse: false } => "a time for completed_at, system_time".into(),
            Self::Clock { is_coarse: true } => "a time for completed_at, coarse_time".into(),
            Self::Pump => format!("pump, a request into {} sinks", per_request().count()),
            Self::PerRequest(exporter) => cost_of(*exporter).operation.into(),
            Self::Datagram(DatagramKind { filling, is_offloaded }) => {
                let what = match filling {
                    DatagramFilling::Packed => "a packed datagram",
                    DatagramFilling::Message => "a DogStatsD message",
                };
                format!("UDP over loopback, {what}{}", if *is_offloaded { ", offload" } else { "" })
            }
            Self::Reading { exporter, recorders } => {
                let s = if *recorders == 1 { "" } else { "s" };
                format!("{}, {recorders} recorder{s}", cost_of(*exporter).operation)
            }
        })
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundResult {
    /// Requests, lines or data points.
    pub(crate) operations: u64,
    /// Bytes written, of those that write.
    pub(crate) bytes: u64,
    /// Pages, exports or datagrams written; else 1.
    pub(crate) times: u64,
}

/// An answer that is not what it must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrongResult {
    row: CostRow,
    /// What was counted.
    what: &'static str,
    expected: u64,
    got: u64,
}

impl CostRow {
    /// Both counts of `what` must be the same.
    pub(crate) fn expect(self, what: &'static str, expected: u64, got: u64) -> Result<(), WrongResult> {
        if expected == got { Ok(()) } else { Err(WrongResult { row: self, what, expected, got }) }
    }
}

impl fmt::Display for WrongResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, what, expected, got } = self;
        write!(
            f,
            "{row}: {got} {what} instead of {expected}; its figures mean nothing, and this is a fault of the program: please report it"
        )
    }
}

impl std::error::Error for WrongResult {}
