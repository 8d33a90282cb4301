//! What is measured: pieces of work that are done in rounds and check their own answers.

use std::fmt;

use super::clock::Stopwatch;

/// One measurement.
pub(super) trait CostMeasurement {
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
pub(super) enum CostRow {
    ByHandle,
    WithEvents,
    Classic,
    ByStrings,
    Pump,
    Influxdb,
    Statsd,
    Datagram,
    OffloadedDatagram,
    Message,
    OffloadedMessage,
    Prometheus { recorders: u64 },
    OpenTelemetry { recorders: u64 },
}

impl fmt::Display for CostRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorders = |n: &u64| if *n == 1 { "1 recorder".to_owned() } else { format!("{n} recorders") };
        f.pad(&match self {
            Self::ByHandle => "record, by handle".into(),
            Self::WithEvents => "record, by handle, raw events on (InfluxDB + DogStatsD)".into(),
            Self::Classic => "record, by handle, without exponential histograms".into(),
            Self::ByStrings => "record, by strings".into(),
            Self::Pump => "pump, a request into two sinks".into(),
            Self::Influxdb => "InfluxDB, a line".into(),
            Self::Statsd => "DogStatsD, a request (3 messages)".into(),
            Self::Datagram => "UDP over loopback, a packed datagram".into(),
            Self::OffloadedDatagram => "UDP over loopback, a packed datagram, offload".into(),
            Self::Message => "UDP over loopback, a DogStatsD message".into(),
            Self::OffloadedMessage => "UDP over loopback, a DogStatsD message, offload".into(),
            Self::Prometheus { recorders: n } => format!("Prometheus, a line, {}", recorders(n)),
            Self::OpenTelemetry { recorders: n } => format!("OTLP, a data point, {}", recorders(n)),
        })
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundResult {
    /// Requests, lines or data points.
    pub(super) operations: u64,
    /// Bytes written, of those that write.
    pub(super) bytes: u64,
    /// Pages, exports or datagrams written; else 1.
    pub(super) times: u64,
}

/// An answer that is not what it must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongResult {
    row: CostRow,
    /// What was counted.
    what: &'static str,
    expected: u64,
    got: u64,
}

impl CostRow {
    /// Both counts of `what` must be the same.
    pub(super) fn expect(self, what: &'static str, expected: u64, got: u64) -> Result<(), WrongResult> {
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
