//! Items that leave in datagrams at every interval: points of InfluxDB per interval, gauges, telemetry.
//!
//! When an interval ends, all items that have not left are made anew, so that no value is sent that is no longer true. The
//! last interval ends at the stop.

use core::time::Duration;

use super::super::items::{Items, PackedItems};
use super::super::{Now, Tick};
use super::burst::Burst;
use super::source::{CallLimits, DatagramSource, Ready, end_after};
use crate::events::segments::Call;
use crate::registry::drop_reason::DropReason;

/// When intervals end, and how far the items of the last one have come.
#[derive(Clone, Copy, Debug)]
pub struct IntervalPacking {
    datagram_bytes: usize,
    /// The most items in one datagram.
    items: usize,
    interval: Duration,
    /// When the interval ends.
    due: Tick,
    /// Whether the last one has ended.
    has_ended: bool,
    /// Whether the one that ended last is not read whole.
    is_reading: bool,
    /// Items of what was packed last.
    packed: usize,
    /// Items of the last call, as long as it is not known what became of it: the first ones that wait.
    taken: usize,
    /// Whether the next item fits into no datagram.
    leaves_out: bool,
    left_out: u64,
}

impl IntervalPacking {
    /// Datagrams of at most `items` items and `datagram_bytes` bytes. The first interval begins at `start`.
    #[must_use]
    pub fn new(items: usize, datagram_bytes: usize, interval: Duration, start: Now) -> Self {
        let due = start.tick.after(interval);
        Self {
            datagram_bytes,
            items,
            interval,
            due,
            has_ended: false,
            is_reading: false,
            packed: 0,
            taken: 0,
            leaves_out: false,
            left_out: 0,
        }
    }

    /// Items that were left out because they fit into no datagram. They count once for each interval.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether an interval ends now; not while an item waits whose beginning has left.
    fn ends(&mut self, now: Now, is_last: bool, is_half_sent: bool) -> bool {
        let is_due = now.tick >= self.due && !self.is_reading;
        if self.has_ended || self.taken != 0 || is_half_sent || !(is_last || is_due) {
            return false;
        }
        self.due = end_after(self.due, self.interval, now);
        (self.has_ended, self.leaves_out) = (is_last, false);
        true
    }
}

/// Items, and when they leave.
#[derive(Debug)]
pub struct IntervalDatagrams<'s, I> {
    pub(super) items: &'s mut I,
    pub(super) packing: &'s mut IntervalPacking,
}

impl<'s, I> IntervalDatagrams<'s, I> {
    /// Those `items`, made up and sent when `packing` says.
    pub const fn new(items: &'s mut I, packing: &'s mut IntervalPacking) -> Self {
        Self { items, packing }
    }
}

impl<I: Items> DatagramSource for IntervalDatagrams<'_, I> {
    fn ready(&mut self, now: Now, is_last: bool) -> Ready {
        if !self.read(now, is_last) {
            return Ready::Reads;
        }
        self.leave_out();
        let IntervalPacking { taken, leaves_out, has_ended, due, .. } = *self.packing;
        if self.items.len() > taken && !leaves_out {
            return Ready::Burst(Burst::OF_BYTES);
        }
        if taken != 0 && (is_last || leaves_out || now.tick >= due) {
            return Ready::Unsettled;
        }
        Ready::Waits { until: if has_ended { Tick::NEVER } else { due }, events: usize::MAX }
    }

    fn pack(&mut self, now: Now, limits: CallLimits, out: &mut [u8]) -> Option<Call> {
        // The items may have waited for a socket until the interval ended.
        if !self.read(now, false) {
            return None;
        }
        let PackedItems { bytes, items } = self.pack_next(limits, out)?;
        self.packing.packed = items;
        Some(Call { bytes, segment: bytes, datagrams: 1 })
    }

    fn taken(&mut self, _: usize) -> u64 {
        self.packing.taken = core::mem::take(&mut self.packing.packed);
        0
    }

    fn is_smallest(&self) -> bool {
        self.packing.packed <= 1
    }

    fn drop_too_large(&mut self) -> u64 {
        self.packing.leaves_out = true;
        0
    }

    fn may_change_socket(&self) -> bool {
        self.packing.taken == 0
    }

    fn arrived(&mut self, _: u64, _: bool) {
        self.items.settle(core::mem::take(&mut self.packing.taken), 0, DropReason::Unconfirmed);
    }

    fn lost(&mut self, _: u64, _: bool, cause: DropReason) {
        let taken = core::mem::take(&mut self.packing.taken);
        self.items.settle(taken, taken, cause);
    }

    fn abandon(&mut self, _: DropReason) {
        self.packing.has_ended = true;
        if self.packing.taken != 0 {
            // Nothing told what became of it.
            self.lost(0, true, DropReason::Unconfirmed);
        }
        if self.items.is_half_sent() {
            self.items.settle(1, 1, DropReason::Unconfirmed);
        }
    }
}

impl<I: Items> IntervalDatagrams<'_, I> {
    /// Freezes an interval that ends now, and reads on. Whether what ended last is read whole.
    fn read(&mut self, now: Now, is_last: bool) -> bool {
        if self.packing.ends(now, is_last, self.items.is_half_sent()) {
            self.items.freeze(now);
            self.packing.is_reading = true;
        }
        self.packing.is_reading = self.packing.is_reading && !self.items.read_on();
        !self.packing.is_reading
    }

    fn pack_next(&mut self, limits: CallLimits, out: &mut [u8]) -> Option<PackedItems> {
        let most = self.packing.datagram_bytes.min(out.len());
        let within = limits.largest.min(most);
        loop {
            self.leave_out();
            let IntervalPacking { items, taken, leaves_out, .. } = *self.packing;
            if leaves_out || self.items.len() <= taken {
                return None;
            }
            let mut body = self.items.pack(taken, items, &mut out[..within]);
            if body.items == 0 {
                // An item that does not fit into the smaller size is sent alone.
                body = self.items.pack(taken, 1, &mut out[..most]);
            }
            if body.items != 0 {
                return Some(body);
            }
            self.packing.leaves_out = true;
        }
    }

    /// Drops the next item where it fits into no datagram. Only the first one can be dropped: those that were taken before it
    /// must be settled first.
    fn leave_out(&mut self) {
        if self.packing.leaves_out && self.packing.taken == 0 {
            self.items.settle(1, 1, DropReason::TooLarge);
            self.packing.leaves_out = false;
            self.packing.left_out += 1;
        }
    }
}
