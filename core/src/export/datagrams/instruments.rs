//! The rows of the engine's own instruments as items that leave in datagrams, and their account.

use core::ops::Range;

use super::super::Now;
use super::super::items::{Items, PackedItems};
use super::super::turn::series_in_a_turn;
use crate::aggregates::observed_rows::ObservedRows;
use crate::aggregates::own_instrument::OwnInstrument;
use crate::formats::dogstatsd::{InstrumentMessageEncoder, RowMessages};
use crate::registry::Registry;
use crate::registry::drop_reason::DropReason;
use crate::registry::ledger::Ledger;
use crate::request::series::Series;
use crate::wire::text::out::Full;

/// What own instruments counted in each interval, in memory of the caller's: row after row, of each its counters, then its
/// gauges.
///
/// The counters of a row are one item, so that they are in one datagram, and each gauge is another one. A row is sent as soon
/// as its counters have arrived, whatever becomes of its gauges: those that have not left when the next interval ends never
/// do. A row whose counters are lost is lost whole, and its gauges do not leave any more.
///
/// Where [each message is an item](Self::with_single_messages), a histogram's count and its sum are two. The row is sent when
/// both have arrived. If one of them is lost the row is lost for that reason, whatever became of the other, and an interval
/// does not end between the two.
#[derive(Debug)]
pub struct InstrumentMessages<'a, M> {
    registry: Registry<'a>,
    ledger: &'a Ledger,
    encoder: InstrumentMessageEncoder<'a>,
    rows: ObservedRows<M>,
    is_single: bool,
    /// No item before this place waits.
    first: ItemPlace,
    waiting: usize,
}

/// The place of an item: in the order of declaring, of series, and within a row.
#[derive(Clone, Copy, Debug)]
struct ItemPlace {
    instrument: usize,
    series: Series,
    item: usize,
}

/// A row of which items wait.
struct WaitingRow<'a> {
    instrument: OwnInstrument<'a>,
    /// Its first item that waits.
    place: ItemPlace,
    /// Counters in an item.
    joined: usize,
    /// Items of counters, which come first.
    counters: usize,
    items: usize,
}

impl<'a, M: AsRef<[u64]> + AsMut<[u64]>> InstrumentMessages<'a, M> {
    /// Those of `rows`, which count in `ledger`, as `encoder` writes them.
    #[must_use]
    pub fn new(
        registry: Registry<'a>,
        (rows, ledger): (ObservedRows<M>, &'a Ledger),
        encoder: InstrumentMessageEncoder<'a>,
    ) -> Self {
        Self { registry, ledger, encoder, rows, is_single: false, first: ItemPlace::FIRST, waiting: 0 }
    }

    /// Each message is an item: for datagrams of one message.
    #[must_use]
    pub fn with_single_messages(self) -> Self {
        Self { is_single: true, ..self }
    }

    /// The row of the item at `place`, or the next one that has something to be sent.
    fn row(&self, place: ItemPlace) -> Option<WaitingRow<'a>> {
        let mut place = place;
        loop {
            let instrument = self.registry.instrument_at(place.instrument)?;
            let Some(series) = self.rows.series(&instrument, place.series).next() else {
                place = ItemPlace { instrument: place.instrument + 1, ..ItemPlace::FIRST };
                continue;
            };
            if series != place.series {
                place = ItemPlace { series, item: 0, ..place };
            }
            let (counters, messages) = RowMessages::lengths(&self.rows, &instrument, series);
            let joined = if self.is_single { 1 } else { counters };
            let (counters, items) = (counters / joined, 1 + messages - joined);
            return Some(WaitingRow { instrument, place, joined, counters, items });
        }
    }

    /// Settles the first `most` items, which are of this row; returns how many of them it had.
    fn settle_row(&mut self, row: &WaitingRow<'a>, most: usize, lost: Option<DropReason>) -> usize {
        let WaitingRow { instrument, place, counters, items, .. } = row;
        let (ItemPlace { series, item, .. }, counters, items) = (*place, *counters, *items);
        let (left, end) = (items - item, items.min(item.saturating_add(most)));
        let is_lost = lost.filter(|_| item < counters);
        if let Some(cause) = is_lost {
            self.ledger.add_dropped(cause, self.rows.observations(instrument, series));
        } else if item < counters && end >= counters {
            self.ledger.add_sent(self.rows.observations(instrument, series));
        }
        if is_lost.is_some() || end == items {
            self.rows.settle(instrument, series);
            self.first = row.place.after_row();
            self.waiting -= left.min(self.waiting);
        } else {
            self.first = ItemPlace { item: end, ..row.place };
            self.waiting -= (end - item).min(self.waiting);
        }
        most.min(left)
    }

    /// Writes items of a row, from its first one on, after what was packed.
    fn pack_row(
        &self,
        row: &WaitingRow<'a>,
        most: usize,
        out: &mut [u8],
        packed: &mut PackedItems,
    ) -> Result<(), Full> {
        let messages = RowMessages::new(&self.rows, &row.instrument, row.place.series).ok_or(Full)?;
        if self.is_single && row.place.item == 0 {
            // If one of its counters can never leave, none does.
            let room = out.get_mut(packed.bytes..).ok_or(Full)?;
            self.encoder.encode(&messages, row.counters - 1..row.counters, room)?;
        }
        for item in row.place.item..row.items {
            if packed.items == most {
                break;
            }
            packed.bytes = self.encoder.append(&messages, row.messages(item), out, packed.bytes)?;
            packed.items += 1;
        }
        Ok(())
    }
}

impl ItemPlace {
    const FIRST: Self = Self { instrument: 0, series: Series::OVERFLOW, item: 0 };

    const fn after_row(self) -> Self {
        Self { series: Series::from_number(self.series.number().saturating_add(1)), item: 0, ..self }
    }
}

impl WaitingRow<'_> {
    /// The messages of an item.
    const fn messages(&self, item: usize) -> Range<usize> {
        match item {
            0 => 0..self.joined,
            _ => self.joined + item - 1..self.joined + item,
        }
    }
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Items for InstrumentMessages<'_, M> {
    fn len(&self) -> usize {
        self.waiting
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let (mut packed, mut place, mut passed) = (PackedItems::default(), self.first, from);
        while packed.items < most {
            let Some(mut row) = self.row(place) else { break };
            place = row.place.after_row();
            let left = row.items - row.place.item;
            if passed >= left {
                passed -= left;
                continue;
            }
            row.place.item += core::mem::take(&mut passed);
            if self.pack_row(&row, most, out, &mut packed) == Err(Full) {
                break;
            }
        }
        self.encoder.end(out, &mut packed.bytes);
        packed
    }

    /// Datagrams arrive whole or are lost whole.
    fn settle(&mut self, items: usize, lost: usize, cause: DropReason) {
        let (mut left, lost) = (items, (lost != 0).then_some(cause));
        while left != 0 {
            let Some(row) = self.row(self.first) else { break };
            left -= self.settle_row(&row, left, lost);
        }
    }

    fn is_half_sent(&self) -> bool {
        self.first.item != 0 && self.row(self.first).is_some_and(|row| (1..row.counters).contains(&row.place.item))
    }

    fn freeze(&mut self, _: Now) {
        if self.first.item != 0
            && let Some(row) = self.row(self.first)
        {
            // Its counters have arrived; its gauges are no longer true.
            self.rows.settle(&row.instrument, row.place.series);
        }
        self.rows.begin_to_freeze();
        (self.first, self.waiting) = (ItemPlace::FIRST, 0);
    }

    fn read_on(&mut self) -> bool {
        let is_read = self.rows.freeze_some(self.registry, series_in_a_turn(self.registry.recorders_read()));
        let mut place = self.first;
        while is_read && let Some(row) = self.row(place) {
            self.waiting += row.items;
            place = row.place.after_row();
        }
        is_read
    }
}
