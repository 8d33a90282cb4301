//! The accounting: for every exporter, `recorded = sent + dropped (by cause) + held`, counted from its start.
//!
//! The ledgers live in the storage, so that the Prometheus page and the API show them without asking anybody. An
//! exporter writes to its own ledger; `recorded` is never written but read off the recorders.

use core::fmt;

use crate::atomics::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    const_unless_loom, fence, zeros,
};

/// The four exporters.
///
/// It is exhaustive on purpose: each has settings, commands and a place in reports, which a fifth must not lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exporter {
    /// The scraped page.
    Prometheus,
    /// Points over UDP or HTTP.
    Influxdb,
    /// DogStatsD messages.
    Statsd,
    /// OTLP exports.
    OpenTelemetry,
}

impl Exporter {
    /// All four, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Prometheus, Self::Influxdb, Self::Statsd, Self::OpenTelemetry];

    /// Its name in metrics, tables and cargo features: `prometheus`, `influxdb`, `statsd`, `opentelemetry`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Influxdb => "influxdb",
            Self::Statsd => "statsd",
            Self::OpenTelemetry => "opentelemetry",
        }
    }
}

/// Why a recorded request did not reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The recorder's ring was full: the pump came too late.
    RingFull,
    /// The exporter's own buffer was full: the backend is slower than the load, or away.
    BufferFull,
    /// It does not fit into a datagram or a body, even alone.
    TooLarge,
    /// The backend refused it for good.
    Refused,
    /// The backend could not be reached, or could not take anything.
    Unreachable,
    /// The backend may have it: no answer came, or one that says neither; over UDP, its host refused a datagram.
    Unconfirmed,
    /// The backend accepted the export but not all of its data points (OTLP `partial_success`).
    Rejected,
    /// It still waited when the deadline of the stop passed.
    Deadline,
    /// No complete scrape has seen it.
    Unscraped,
    /// The exporter was asked to send only a part of the requests, and this one was not among them.
    Sampled,
}

impl Cause {
    /// All causes, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::RingFull,
        Self::BufferFull,
        Self::TooLarge,
        Self::Refused,
        Self::Unreachable,
        Self::Unconfirmed,
        Self::Rejected,
        Self::Deadline,
        Self::Unscraped,
        Self::Sampled,
    ];

    /// Its name in metrics and tables: `ring_full`, `buffer_full`, ….
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::BufferFull => "buffer_full",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Unconfirmed => "unconfirmed",
            Self::Rejected => "rejected",
            Self::Deadline => "deadline",
            Self::Unscraped => "unscraped",
            Self::Sampled => "sampled",
        }
    }
}

/// What became of the requests recorded since an exporter's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// Whose account it is.
    pub exporter: Exporter,
    /// Requests recorded since the exporter's start.
    pub recorded: u64,
    /// Of those, how many the backend has. UDP: handed to the kernel; HTTP and gRPC: acknowledged; Prometheus: in the
    /// last page that was delivered whole.
    pub sent: u64,
    /// Of those, how many wait in rings, buffers or (Prometheus, OpenTelemetry) for the next scrape or export.
    pub held: u64,
    /// Of those, how many were dropped, by cause.
    pub dropped: Dropped,
}

impl Account {
    /// Whether `recorded = sent + dropped + held`. Holds exactly whenever recording and sending pause.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.recorded == self.sent + self.dropped.total() + self.held
    }
}

/// Dropped requests by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; Cause::ALL.len()]);

impl Dropped {
    /// Requests dropped for `cause`.
    #[must_use]
    pub const fn get(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// Requests dropped for any cause.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every cause with its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn add(&mut self, cause: Cause, requests: u64) {
        self.0[cause as usize] += requests;
    }
}

/// The running account of one exporter; what its sink writes to.
///
/// What leaves is written with release and read with acquire before what came in, so that a reader on another thread
/// never sees more sent than recorded.
#[derive(Debug)]
pub struct Ledger {
    state: AtomicU64,
    /// How this run counts: [`PER_REQUEST`] or [`SUMS`].
    way: AtomicU64,
    /// Counts the steps of starts and stops.
    generation: AtomicU64,
    /// Requests recorded, and dropped by full rings, before the exporter's start.
    base_recorded: AtomicU64,
    base_ring_full: AtomicU64,
    /// Requests recorded until the exporter's stop.
    final_recorded: AtomicU64,
    sent: AtomicU64,
    held: AtomicU64,
    dropped: [AtomicU64; Cause::ALL.len()],
}

/// States of a ledger.
const NEVER: u64 = 0;
const OPEN: u64 = 1;
const CLOSED: u64 = 2;
/// Nothing more is recorded, but what was may still be delivered.
const LINGERS: u64 = 3;

/// Ways of counting: every request is sent by itself and counted by ring positions, or sums of them are sent and counted
/// by the registry's total.
pub(crate) const SUMS: u64 = 0;
pub(crate) const PER_REQUEST: u64 = 1;

impl Ledger {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                state: AtomicU64::new(0),
                way: AtomicU64::new(0),
                generation: AtomicU64::new(0),
                base_recorded: AtomicU64::new(0),
                base_ring_full: AtomicU64::new(0),
                final_recorded: AtomicU64::new(0),
                sent: AtomicU64::new(0),
                held: AtomicU64::new(0),
                dropped: zeros(),
            }
        }
    }

    /// `requests` have reached the backend.
    pub fn add_sent(&self, requests: u64) {
        self.sent.fetch_add(requests, Release);
    }

    /// The backend now has all but those recorded after `total` requests (aggregates: the total of a page or an
    /// export, as the registry counts, from the storage's birth).
    pub fn set_sent_total(&self, total: u64) {
        let most = match self.state.load(Acquire) {
            OPEN => u64::MAX,
            // Relaxed: it was stored before the state that the acquire has seen.
            LINGERS => self.final_recorded.load(Relaxed),
            // A page that is delivered after the account was closed is no news.
            _ => return,
        };
        let sent = total.saturating_sub(self.base_recorded.load(Relaxed));
        self.sent.fetch_max(sent.min(most), Release);
    }

    /// `requests` are lost, for `cause`.
    pub fn add_dropped(&self, cause: Cause, requests: u64) {
        if requests != 0 {
            self.dropped[cause as usize].fetch_add(requests, Release);
        }
    }

    pub(crate) fn set_held(&self, requests: u64) {
        self.held.store(requests, Relaxed);
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// Begins anew, in steps of which each leaves an account that shows too little rather than too much.
    pub(crate) fn open(&self, way: u64, recorded: u64, ring_full: u64) {
        for word in [&self.sent, &self.held].into_iter().chain(&self.dropped) {
            word.store(0, Relaxed);
        }
        self.step();
        self.way.store(way, Relaxed);
        self.base_recorded.store(recorded, Relaxed);
        self.base_ring_full.store(ring_full, Relaxed);
        self.state.store(OPEN, Release);
        self.step();
    }

    /// Freezes `recorded`, counted from the storage's birth; what was sent may still grow up to that.
    pub(crate) fn freeze(&self, recorded: u64) {
        self.final_recorded.store(recorded.saturating_sub(self.base_recorded.load(Relaxed)), Relaxed);
        self.state.store(LINGERS, Release);
        self.step();
    }

    /// Freezes `recorded`, unless it is, and `ring_full`, both counted from the storage's birth.
    pub(crate) fn close(&self, recorded: u64, ring_full: u64) {
        if self.is_open() {
            self.final_recorded.store(recorded.saturating_sub(self.base_recorded.load(Relaxed)), Relaxed);
        }
        self.state.store(CLOSED, Release);
        // Only now: an open account adds what the rings refused by itself.
        let ring_full = ring_full.saturating_sub(self.base_ring_full.load(Relaxed));
        self.dropped[Cause::RingFull as usize].store(ring_full, Release);
        self.step();
    }

    /// The same before and after: no start or stop came between.
    pub(crate) fn generation(&self) -> u64 {
        // The fence keeps what was read before from sliding behind, acquire what is read next from sliding ahead.
        fence(Acquire);
        self.generation.load(Acquire)
    }

    fn step(&self) {
        self.generation.fetch_add(1, Release);
        // Whoever sees what is written next sees that a step was made.
        fence(Release);
    }

    /// Whether every request is sent by itself, and not sums of them.
    pub(crate) fn is_per_request(&self) -> bool {
        // Relaxed: whoever reads an account while it is opened reads it again.
        self.way.load(Relaxed) == PER_REQUEST
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Acquire) == OPEN
    }

    /// Whether requests that were recorded may still be sent.
    pub(crate) fn is_open_or_lingers(&self) -> bool {
        matches!(self.state.load(Acquire), OPEN | LINGERS)
    }

    /// Whether the exporter has ever been started.
    pub(crate) fn is_known(&self) -> bool {
        self.state.load(Acquire) != NEVER
    }

    /// Sent and dropped since the start; first of all, so that what is read afterwards is never less.
    pub(crate) fn outcome(&self) -> (u64, Dropped) {
        let dropped = Dropped(core::array::from_fn(|cause| self.dropped[cause].load(Acquire)));
        (self.sent.load(Acquire), dropped)
    }

    /// Recorded and dropped by full rings since the start, given both since the storage's birth; frozen once closed.
    pub(crate) fn since_start(&self, recorded: u64, ring_full: u64) -> (u64, Option<u64>) {
        if matches!(self.state.load(Acquire), CLOSED | LINGERS) {
            return (self.final_recorded.load(Relaxed), None);
        }
        let recorded = recorded.saturating_sub(self.base_recorded.load(Relaxed));
        (recorded, Some(ring_full.saturating_sub(self.base_ring_full.load(Relaxed))))
    }
}

impl fmt::Display for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
