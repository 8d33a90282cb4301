//! What goes out next: a body of the first items, or a probe.

use super::{NextPost, PostAction, PostInFlight, PostMachine};
use crate::export::Now;
use crate::export::items::Items;
use crate::registry::drop_reason::DropReason;

impl PostMachine {
    pub(super) fn send<S: Items>(&mut self, now: Now, items: &mut S, out: &mut [u8]) -> Option<PostAction> {
        let packed = match self.bisection.next_post() {
            NextPost::Probe => self.pack_probe(items, out),
            NextPost::Body(most) => self.pack_body(now, most, items, out),
        };
        let Some((flight, bytes)) = packed else {
            // Where nothing that waited fits into a body, nothing is due any more.
            self.schedule.observe(now, items.len());
            self.connection.withdraw();
            return None;
        };
        self.in_flight = flight;
        Some(PostAction::Send { id: self.connection.send(), range: 0..bytes })
    }

    fn pack_probe<S: Items>(&mut self, items: &S, out: &mut [u8]) -> Option<(PostInFlight, usize)> {
        let packed = self.probe.pack(items, &mut self.random, out);
        if packed.is_none() {
            // Without a probe nothing can be found out.
            self.bisection.forget();
        }
        packed.map(|(body, origin)| (PostInFlight::Probe(body, origin), body.bytes))
    }

    /// The first items, and at least one; those that fit into no body are dropped.
    fn pack_body<S: Items>(
        &mut self,
        now: Now,
        most: usize,
        items: &mut S,
        out: &mut [u8],
    ) -> Option<(PostInFlight, usize)> {
        while !items.is_empty() {
            let room = self.size.bytes().min(out.len());
            let mut body = items.pack(0, most.min(self.schedule.points()), &mut out[..room]);
            if body.items == 0 {
                body = items.pack(0, 1, out);
            }
            if body.items != 0 {
                self.schedule.packed(now, body);
                return Some((PostInFlight::Body(body), body.bytes));
            }
            self.bisection.forget();
            self.drop_front(items, 1, DropReason::TooLarge, false);
        }
        None
    }
}
