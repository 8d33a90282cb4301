//! How full a registry is, and what did not fit.

use core::fmt;
use core::time::Duration;

use crate::registry::account::AccountKind;

/// How full a registry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Series that are interned, without the overflow series.
    pub series: usize,
    /// Series that there is room for, without the overflow series.
    pub series_capacity: usize,
    /// How often somebody asked for a series that there was no room for, so that it was folded into the overflow
    /// series.
    pub folded: u64,
    /// Series whose method or name was longer than the limit and was cut.
    pub names_cut: u64,
    /// Recorders that have a shard of their own now.
    pub recorders: usize,
    /// Shards that the storage was built for.
    pub recorders_capacity: usize,
    /// Recorders that share the spill shard now.
    pub spill_recorders: usize,
    /// Events that each ring holds.
    pub ring_capacity: usize,
    /// The ring's high-water mark: the most events that came into one ring between two visits of the pump since the
    /// storage was made. Those that the full ring refused are among them, so that this can be more than
    /// `ring_capacity`.
    ///
    /// Such a load is sure to fit into rings of twice as many events: while the pump takes out what came before its
    /// visit, what comes until the next one waits too.
    pub ring_high_water: u64,
    /// The longest time between two visits of the pump since the storage was made, while an exporter that sends per
    /// request ran. It goes by the times that [`Pump::set_now`](crate::Pump::set_now) was given; zero where it was given
    /// none. In the shells a wall clock that is set forward looks like such a gap.
    pub longest_gap: Duration,
    /// Calls of [`Recorder::add`](crate::Recorder::add) and [`Recorder::observe`](crate::Recorder::observe), and of those for
    /// the run, with handles of another registry: they count nowhere.
    pub unknown_observations: u64,
}

/// A ring that refused events because it was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FullRing {
    /// What it holds.
    pub of: AccountKind,
    /// The number of the recorder's shard. The spill shard has the number after the last one.
    pub recorder: usize,
    /// Events refused since the storage was made.
    pub dropped: u64,
    /// Events that the ring holds.
    pub ring: u64,
    /// The ring size that would have held all events that came between two visits of the pump.
    pub would_have_held: u64,
}

impl fmt::Display for FullRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, recorder, dropped, ring, would_have_held } = self;
        let events = match of {
            AccountKind::Requests => "events",
            AccountKind::Observations => "observations",
        };
        write!(
            f,
            "recorder {recorder}: {dropped} {events} dropped by its full ring of {ring}; a ring of {would_have_held} would have held them"
        )
    }
}
