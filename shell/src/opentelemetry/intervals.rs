//! Delta temporality: an interval is sent to its end before the next one is begun.
//!
//! Requests of an interval that were accepted are not sent again, and those that were not are sent again byte for byte.
//! While a receiver is away, the interval behind the one that waits grows. What a receiver refuses for good is dropped:
//! it must not be sent again.

use loaddensity_metrics_core::Cause;
use loaddensity_metrics_core::otlp::{Export, Interval, Options};

use super::{Complaint, Cycle, Periodic};
use crate::running::Place;
use crate::runtime::Runtime;

/// The interval that ended last.
pub(super) struct Pending {
    interval: Interval<Vec<u64>>,
    /// Whether some of it is still to be sent.
    is_open: bool,
    /// How many of its requests are done with.
    done: usize,
}

impl Pending {
    /// Intervals from now on, and how many requests had been counted before.
    pub(super) fn new<R: Runtime>(place: &Place<R>, options: Options) -> (Self, u64) {
        let (interval, before) = Interval::on_heap(place.registry, options, place.clock.now());
        (Self { interval, is_open: false, done: 0 }, before)
    }
}

impl<R: Runtime> Periodic<R> {
    /// Sends what is left of the interval that ended last, then what came since.
    pub(super) async fn intervals(&mut self, pending: &mut Pending) -> Cycle {
        if pending.is_open {
            let cycle = self.interval(pending).await;
            if pending.is_open {
                return cycle;
            }
        }
        pending.interval.end(self.registry, self.clock.now());
        (pending.is_open, pending.done) = (true, 0);
        self.interval(pending).await
    }

    async fn interval(&mut self, pending: &mut Pending) -> Cycle {
        let (registry, resource) = (self.registry, self.resource.clone());
        let begin = |pending| Export::of_interval(registry, &resource, pending);
        let mut export = begin(&pending.interval);
        let mut next = self.next_request(&mut export);
        // The requests are the same again only in the same room.
        while !export.is_complete() && pending.done == 0 && self.grow() {
            self.reclaim(next.take());
            export = begin(&pending.interval);
            next = self.next_request(&mut export);
        }
        let (mut cycle, mut complaint, mut number, mut counted) = (Cycle::Accepted, None, 0, 0);
        while let Some(request) = next {
            let requests = export.requests() - counted;
            counted = export.requests();
            number += 1;
            if number <= pending.done {
                self.reclaim(Some(request));
                next = self.next_request(&mut export);
                continue;
            }
            if self.stop.deadline().is_some() && !self.is_last {
                return Cycle::Failed { cause: Cause::Deadline, may_retry: false };
            }
            let outcome = self.call(&request.message).await;
            self.reclaim(Some(request));
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
            pending.done = number;
            next = self.next_request(&mut export);
        }
        pending.is_open = false;
        pending.interval.settle(registry);
        match complaint {
            Some(Complaint { says, .. }) => self.condition.failed(says),
            None if matches!(cycle, Cycle::Accepted) => self.condition.went_well(),
            None => {}
        }
        cycle
    }
}
