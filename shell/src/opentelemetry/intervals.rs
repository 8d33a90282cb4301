//! Delta temporality: an interval is sent to its end before the next one is begun.
//!
//! Requests of an interval that were accepted are not sent again, and those that were not are sent again byte for byte.
//! While a receiver is away, the interval behind the one that waits grows. What a receiver refuses for good is dropped:
//! it must not be sent again.

use loaddensity_metrics_core::Cause;
use loaddensity_metrics_core::otlp::{Export, Interval, Options, Sources};

use super::{Complaint, Cycle, Periodic};
use crate::running::Place;
use crate::runtime::Runtime;

/// The interval that ended last.
pub(super) struct Pending {
    interval: Interval<Vec<u64>>,
    /// Where its export stands; `None` where all of it is settled.
    at: Option<Export>,
}

impl Pending {
    /// Intervals from now on, and how many requests had been counted before.
    pub(super) fn new<R: Runtime>(place: &Place<R>, options: Options) -> (Self, u64) {
        let (interval, before) = Interval::on_heap(place.registry, options, place.clock.now());
        (Self { interval, at: None }, before)
    }
}

impl<R: Runtime> Periodic<R> {
    /// Sends what is left of the interval that ended last, then what came since.
    pub(super) async fn intervals(&mut self, pending: &mut Pending) -> Cycle {
        if let Some(at) = pending.at {
            let cycle = self.interval(pending, at).await;
            if pending.at.is_some() {
                return cycle;
            }
        }
        pending.interval.end(self.registry, self.clock.now());
        let first = pending.interval.export(self.registry);
        self.interval(pending, first).await
    }

    async fn interval(&mut self, pending: &mut Pending, mut at: Export) -> Cycle {
        let (registry, resource) = (self.registry, self.resource.clone());
        pending.at = Some(at);
        let mut next = self.next_request(at, Sources::of_interval(registry, &resource, &pending.interval));
        // What may have been sent is cut in the same room again.
        let is_first = at == pending.interval.export(registry);
        while is_first && next.as_ref().is_some_and(|(_, part)| !part.next.is_complete()) && self.grow() {
            self.reclaim(next.take().map(|(request, _)| request));
            next = self.next_request(at, Sources::of_interval(registry, &resource, &pending.interval));
        }
        let (mut cycle, mut complaint) = (Cycle::Accepted, None);
        while let Some((request, part)) = next {
            if self.stop.deadline().is_some() && !self.is_last {
                return Cycle::Failed { cause: Cause::Deadline, may_retry: false };
            }
            let outcome = self.call(&request.message).await;
            self.reclaim(Some(request));
            let requests = part.weights.all();
            match self.settle(outcome) {
                Ok(said @ Some(Complaint { rejected_points: 1.., .. })) => {
                    self.ledger.add_dropped(Cause::Rejected, requests);
                    cycle = Cycle::Failed { cause: Cause::Rejected, may_retry: false };
                    complaint = complaint.max(said);
                }
                Ok(said) => {
                    self.ledger.add_sent(requests);
                    complaint = complaint.max(said);
                }
                Err(failed @ Cycle::Failed { cause, may_retry: false }) => {
                    self.ledger.add_dropped(cause, requests);
                    cycle = failed;
                }
                Err(failed) => return failed,
            }
            pending.interval.settle(at, part.next);
            at = part.next;
            pending.at = Some(at);
            next = self.next_request(at, Sources::of_interval(registry, &resource, &pending.interval));
        }
        pending.at = None;
        match complaint {
            Some(Complaint { says, .. }) => self.condition.failed(says),
            None if matches!(cycle, Cycle::Accepted) => self.condition.went_well(),
            None => {}
        }
        cycle
    }
}
