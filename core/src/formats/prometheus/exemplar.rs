//! Exemplars of latency buckets, as both formats that have any show them.

use super::family::Family;
use super::time::put_seconds;
use crate::registry::Registry;
use crate::registry::exemplars::Exemplar;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Where the exemplars of one series are found.
#[derive(Clone, Copy)]
pub(super) struct Exemplars<'a> {
    pub(super) registry: Registry<'a>,
    pub(super) series: Series,
    pub(super) family: Family,
}

impl Exemplars<'_> {
    /// The later one of both outcomes, of a bucket of latencies; the page's buckets count both.
    pub(super) fn of_bucket(self, bucket: usize) -> Option<Exemplar> {
        if self.family != Family::Latency {
            return None;
        }
        let both = Outcome::ALL.map(|outcome| self.registry.exemplar(self.series, outcome, bucket));
        both.into_iter().flatten().max_by_key(|exemplar| exemplar.at)
    }
}

/// `trace_id` in hexadecimal, and `span_id` where it is known.
pub(super) fn labels(exemplar: &Exemplar) -> [(&'static str, [u8; 32], usize); 2] {
    let trace = u128::from_be_bytes(exemplar.trace.trace_id);
    let span = u64::from_be_bytes(exemplar.trace.span_id);
    let span_digits = if span == 0 { 0 } else { 16 };
    [("trace_id", hexadecimal(trace), 32), ("span_id", hexadecimal(u128::from(span) << 64), span_digits)]
}

/// ` # {trace_id="…",span_id="…"} 12.5 1700000000.5`, and the end of the line.
pub(super) fn write(exemplar: &Exemplar, item: &mut ItemWriter<'_>) -> Result<(), Full> {
    for (number, (name, digits, length)) in labels(exemplar).iter().filter(|(.., length)| *length > 0).enumerate() {
        item.put_exact(if number == 0 { b" # {" } else { b"," })?;
        for part in [name.as_bytes(), b"=\"", &digits[..*length], b"\""] {
            item.put_exact(part)?;
        }
    }
    item.put_exact(b"} ")?;
    if exemplar.at == Timestamp::default() {
        return item.put_millis(exemplar.latency_ns, b"\n");
    }
    item.put_millis(exemplar.latency_ns, b" ")?;
    put_seconds(exemplar.at, item)
}

/// The digits, the highest first.
fn hexadecimal(value: u128) -> [u8; 32] {
    core::array::from_fn(|at| b"0123456789abcdef"[(value >> (124 - 4 * at)) as usize % 16])
}
