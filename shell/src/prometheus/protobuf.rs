//! A page in protobuf. A family's length comes before it, so a family is buffered until its last metric is written.

use bytes::{Bytes, BytesMut};
use loaddensity_metrics_core::PageTotals;
use loaddensity_metrics_core::export::in_a_turn;
use loaddensity_metrics_core::prometheus::{Families, MAX_METRIC};

use super::permits::Permit;
use super::{FRAME, PASSED_OVER};

/// Bodies that may be buffered at a time.
pub(super) const PROTOBUF_PAGES: usize = 4;
/// Metrics that are buffered in a turn of a page over one recorder's counters.
const METRICS: usize = 64;

/// A page, of which one family is buffered.
pub(super) struct ProtobufPage {
    families: Families<'static>,
    /// The metrics of the family under way.
    metrics: BytesMut,
    /// What has been finished and not yet been sent.
    finished: Bytes,
    in_a_turn: usize,
    /// Series without anything to show that may be passed over before a metric.
    passed_over: usize,
    /// Where others may want pages at the same time.
    _permit: Option<Permit>,
}

impl ProtobufPage {
    pub(super) fn new(families: Families<'static>, recorders: usize, permit: Option<Permit>) -> Self {
        Self {
            families,
            metrics: BytesMut::new(),
            finished: Bytes::new(),
            in_a_turn: in_a_turn(METRICS, recorders),
            passed_over: in_a_turn(PASSED_OVER, recorders),
            _permit: permit,
        }
    }

    /// The next frame, `Some(None)` after the last; `None` where it is another task's turn.
    pub(super) fn next_frame(&mut self) -> Option<Option<Bytes>> {
        if !self.finished.is_empty() {
            let length = self.finished.len().min(FRAME);
            return Some(Some(self.finished.split_to(length)));
        }
        let mut room = [0; MAX_METRIC];
        for _ in 0..self.in_a_turn {
            if self.families.is_complete() {
                return Some(None);
            }
            if !self.families.look_ahead(self.passed_over) {
                return None;
            }
            // The room holds any metric and any head, so neither can fail; if one did, the family would end here.
            if let Ok(Some(metric)) = self.families.next_metric(&mut room) {
                self.metrics.extend_from_slice(metric);
                continue;
            }
            let head = self.families.finish_family(self.metrics.len(), &mut room).unwrap_or_default();
            self.finished = self.metrics.split().freeze();
            if !head.is_empty() {
                return Some(Some(Bytes::copy_from_slice(head)));
            }
        }
        None
    }

    /// After the last frame: all that the families show.
    pub(super) const fn totals(&self) -> PageTotals {
        self.families.totals()
    }
}
