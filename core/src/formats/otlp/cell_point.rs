//! Data points: what all points of an export share, made once, and the blocks that a point is put together from.
//!
//! A point's length is known before its first byte is written, and it is written back to front straight from the
//! counters. Its count is the sum of the buckets that were written, so nothing that moves meanwhile can tear it.
//!
//! The contract's totals alone are written so: made of rows (`row_point.rs`) the same bytes take some 1,200 instructions a
//! point more.
//!
//! Source: opentelemetry-proto, `metrics/v1/metrics.proto`.

use super::layout::{FIXED64, Layout, MAX_BOUNDS_FIELD, Shape, TIMES};
use super::{OtlpMetric, field};
use crate::counts::bounds::Bounds;
use crate::counts::lane_sums::LaneSums;
use crate::counts::shard_cells::ShardCells;
use crate::labels::otlp::{Attributes, MAX_ATTRIBUTES, OtlpAttributes};
use crate::registry::entry::Entry;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;
use crate::wire::protobuf::{FrontRoom, ReverseWriter, fixed64_tag, prefix};
use crate::wire::text::out::Full;

/// Most bytes of a point.
pub(super) const MAX_POINT: usize = PREFIX + TIMES + Shape::MAX_LENGTH + MAX_ATTRIBUTES;
/// Bytes that are always free before a point, for what blocks spill.
pub(super) const SPILL: usize = 256;
const _: () = assert!(SPILL >= CHUNK && SPILL >= PREFIX + TIMES + Layout::USUAL.latency().length());

/// Most bytes of a point's tag and length.
const PREFIX: usize = 3;
/// Bytes that are copied at once of a histogram's bounds.
const CHUNK: usize = 96;
const CHUNKS: usize = MAX_BOUNDS_FIELD.div_ceil(CHUNK);

/// What a point shows.
#[derive(Clone, Copy)]
pub(super) struct CellPoint<'a> {
    cells: &'a ShardCells<'a>,
    series: Series,
    outcome: Outcome,
    requests: u64,
    attributes: Attributes<'a>,
}

impl<'a> CellPoint<'a> {
    /// The point of a series' outcome, unless nothing was counted.
    #[inline(always)]
    pub(super) fn new(cells: &'a ShardCells<'a>, series: Series, outcome: Outcome, entry: Entry<'a>) -> Option<Self> {
        let requests = cells.requests(series, outcome);
        (requests != 0).then(|| Self { cells, series, outcome, requests, attributes: entry.labels::<OtlpAttributes>() })
    }
}

/// Writes the points of an export, with what all of them share.
#[derive(Debug)]
pub(super) struct CellPointWriter {
    layout: Layout,
    /// Fields `start_time_unix_nano` and `time_unix_nano`; where one is zero and left out, the other is at the end.
    times: [u8; TIMES],
    /// The fields `explicit_bounds`, at the end of the chunks.
    latency_bounds: Chunks,
    size_bounds: Chunks,
}

/// The bytes of `explicit_bounds`.
type Chunks = [[u8; CHUNK]; CHUNKS];

impl CellPointWriter {
    pub(super) fn new(bounds: &Bounds, start: Timestamp, now: Timestamp) -> Self {
        let mut times = [0; TIMES];
        let mut back = ReverseWriter::new(&mut times, 0);
        let fits = back
            .fixed64(field::TIME_UNIX_NANO, now.as_unix_nanos())
            .and_then(|()| back.fixed64(field::START_TIME_UNIX_NANO, start.as_unix_nanos()));
        debug_assert_eq!(fits, Ok(()));
        let layout = Layout {
            latency_buckets: bounds.latency_buckets(),
            size_buckets: bounds.size_buckets(),
            times: back.since(TIMES),
        };
        Self {
            layout,
            times,
            latency_bounds: explicit_bounds(bounds.latency_ns(), layout.latency()),
            size_bounds: explicit_bounds(bounds.size(), layout.size()),
        }
    }

    pub(super) const fn layout(&self) -> Layout {
        self.layout
    }

    /// Writes a point of `metric`; returns the requests that it adds to the export's total, and `None` where it
    /// is empty.
    /// `layout` is this one's, and known to the compiler where it is the usual one; `lanes` is room to add up in.
    #[inline(always)]
    pub(super) fn put(
        &self,
        metric: OtlpMetric,
        layout: Layout,
        point: CellPoint<'_>,
        lanes: &mut LaneSums,
        back: &mut ReverseWriter<'_>,
    ) -> Result<Option<u64>, Full> {
        let of_latency = (layout.latency(), &self.latency_bounds);
        let of_size = (layout.size(), &self.size_bounds);
        match metric {
            OtlpMetric::Requests => self.put_number(layout, point, back),
            OtlpMetric::Latency => self.put_histogram(of_latency, layout, point, lanes, back),
            OtlpMetric::Size => self.put_histogram(of_size, layout, point, lanes, back),
            // Made of rows alone.
            OtlpMetric::Duration => Ok(None),
        }
    }

    #[inline(always)]
    fn put_number(
        &self,
        layout: Layout,
        point: CellPoint<'_>,
        back: &mut ReverseWriter<'_>,
    ) -> Result<Option<u64>, Full> {
        let length = point.attributes.len() + FIXED64 + layout.times;
        let mut front = back.front(PREFIX + length)?;
        point.attributes.put_in_number(point.outcome, &mut front)?;
        front.put(&fixed64(field::NUMBER_AS_INT, point.requests))?;
        let length = self.put_start(layout, length, &mut front)?;
        back.commit(length);
        Ok(Some(point.requests))
    }

    #[inline(always)]
    fn put_histogram(
        &self,
        (shape, bounds): (Shape, &Chunks),
        layout: Layout,
        point: CellPoint<'_>,
        lanes: &mut LaneSums,
        back: &mut ReverseWriter<'_>,
    ) -> Result<Option<u64>, Full> {
        let length = point.attributes.len() + shape.length() + layout.times;
        let mut front = back.front(PREFIX + length)?;
        point.attributes.put(point.outcome, &mut front)?;
        // One check instead of one for each block of the usual layout.
        front.spill::<SPILL>()?;
        put_chunks(bounds, shape.bounds_field(), &mut front)?;
        let (count, sum) = put_buckets(shape, point, lanes, &mut front)?;
        if count == 0 {
            return Ok(None);
        }
        let (block, used) = shape.buckets_prefix();
        front.put_last(&block, used)?;
        front.put(&fixed64(field::HISTOGRAM_SUM, (sum as f64 / shape.unit).to_bits()))?;
        front.put(&fixed64(field::HISTOGRAM_COUNT, count))?;
        let length = self.put_start(layout, length, &mut front)?;
        back.commit(length);
        Ok(Some(0))
    }

    /// Writes the times, and tag and length of a point of `length` bytes; returns the length with those.
    #[inline(always)]
    fn put_start(&self, layout: Layout, length: usize, front: &mut FrontRoom<'_>) -> Result<usize, Full> {
        front.put_last(&self.times, layout.times)?;
        let (block, used) = prefix(field::DATA_POINTS, length);
        front.put_last(&block, used)?;
        Ok(length + used)
    }
}

/// The field `explicit_bounds` at the end of the chunks.
fn explicit_bounds(bounds: &[u64], shape: Shape) -> Chunks {
    let mut chunks = [[0; CHUNK]; CHUNKS];
    let mut back = ReverseWriter::new(chunks.as_flattened_mut(), 0);
    let end = back.mark();
    let mut fits = bounds.iter().rev().try_for_each(|bound| back.put(&(*bound as f64 / shape.unit).to_le_bytes()));
    if !bounds.is_empty() {
        fits = fits.and_then(|()| back.length_since(end, field::HISTOGRAM_EXPLICIT_BOUNDS));
    }
    debug_assert_eq!((fits, back.since(end)), (Ok(()), shape.bounds_field()));
    chunks
}

/// Writes the last `length` bytes of `chunks`.
#[inline(always)]
fn put_chunks(chunks: &Chunks, mut length: usize, front: &mut FrontRoom<'_>) -> Result<(), Full> {
    for chunk in chunks.iter().rev() {
        if length <= CHUNK {
            return front.put_last(chunk, length);
        }
        front.put(chunk)?;
        length -= CHUNK;
    }
    Ok(())
}

/// Writes the buckets; returns the count of what was written, and the sum.
#[inline(always)]
fn put_buckets(
    shape: Shape,
    point: CellPoint<'_>,
    lanes: &mut LaneSums,
    front: &mut FrontRoom<'_>,
) -> Result<(u64, u64), Full> {
    let room = front.take(8 * shape.buckets)?.as_chunks_mut::<8>().0;
    let all = lanes.read(point.cells, point.series, &[point.outcome], shape.quantity);
    room.fill([0; 8]);
    let mut count = 0_u64;
    lanes.classic(point.cells.map, |bucket, requests| {
        if let Some(room) = room.get_mut(bucket) {
            *room = requests.to_le_bytes();
            count = count.wrapping_add(requests);
        }
    });
    Ok((count, all.sum))
}

/// A field of eight bytes.
#[inline(always)]
fn fixed64(number: u8, value: u64) -> [u8; FIXED64] {
    let mut field = [fixed64_tag(number); FIXED64];
    field[1..].copy_from_slice(&value.to_le_bytes());
    field
}
