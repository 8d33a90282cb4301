//! The core of loaddensity-metrics: what happens to a request between an engine's `record` and the bytes of four
//! backends. No `std`, no allocator, no IO, no clock, no `unsafe`.
//!
//! 1. [`Storage`] is the memory, usually a `static`; [`Registry`] is the handle that everything else works with.
//! 2. Each engine thread has a [`Recorder`]. It counts into a shard of its own and, while a per-request exporter runs,
//!    writes each request into a ring of its own.
//! 3. Aggregates are read off the registry: [`prometheus::Page`], [`otlp::Export`].
//! 4. Raw events leave the rings through the [`Pump`], wait in each exporter's own [`Sink`], and are packed into
//!    datagrams and bodies by a [`Packer`] with [`influxdb::LineEncoder`] or [`dogstatsd::MessageEncoder`].
//! 5. A [`Ledger`] per exporter accounts for every request: `recorded = sent + dropped + held`.
//!
//! A shell brings buffers, sockets, timers and the time; this crate decides what to do with them.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
// Under loom only the models use this crate, and they use parts of it.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

mod batch;
mod constant;
mod counts;
pub mod dogstatsd;
mod entry;
mod event;
mod exceeded;
mod exemplars;
pub mod export;
mod facts;
mod gauges;
mod hash;
mod http_date;
pub mod influxdb;
mod intern;
mod json;
mod key_words;
mod labels;
mod ledger;
mod linger;
mod metrics;
#[cfg(all(test, loom))]
mod models;
pub mod otlp;
mod parts;
mod phase;
pub mod prometheus;
mod protobuf;
mod pump;
mod recorder;
mod registry;
mod ring;
mod sample;
mod sampling;
mod segments;
mod series;
mod sink;
mod status;
mod steady_clock;
mod storage;
mod sync;
mod text;
pub mod verdict;
mod weights;
mod words;

pub use batch::{EventEncoder, Packed, Packer, Written};
pub use constant::{CONSTANT_BYTES, ConstantLabelError, ConstantLabels};
pub use counts::bounds::{Bounds, BoundsError, MAX_BOUNDS, Quantity};
pub use counts::cell::{Latencies, Sizes};
pub use counts::distribution::{Distribution, Distributions};
pub use counts::interval::{Interval, Intervals};
pub use counts::rows::TooFewWords;
pub use counts::totals::Totals;
pub use event::Event;
pub use exceeded::{CutNames, Exceeded, FoldedSeries, SeriesName, SpilledRecorders};
pub use exemplars::{Exemplar, TraceContext};
pub use export::Backoff;
pub use facts::{Facts, FullRing};
pub use gauges::{GAUGE_NAME_BYTES, GAUGES, Gauge, GaugeError};
pub use ledger::{Account, Cause, Dropped, Exporter, Ledger};
pub use linger::{Begun, Linger, Lingering};
pub use phase::Phase;
pub use pump::Pump;
pub use recorder::Recorder;
pub use registry::Registry;
pub use sample::{Outcome, Request, Sample, Timestamp};
pub use sampling::{SampleRate, Sampler};
pub use segments::{CALL_BYTES, Call, Run, SEGMENTS, Window};
pub use series::{LABEL_BYTES, LABELS, Label, LabelError, METHOD_BYTES, NAME_BYTES, Series};
pub use sink::Sink;
pub use status::{StatusLabel, StatusLabelInUse};
pub use steady_clock::SteadyClock;
#[cfg(not(loom))]
pub use storage::{Classic, DefaultStorage, Exponential, Histograms, Storage};
#[cfg(feature = "alloc")]
pub use storage::{HeapStorage, SizeError};
pub use text::out::{Full, TooSmall};
pub use weights::Weights;
