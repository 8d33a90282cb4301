//! The core of loaddensity-metrics: what happens to a request between an engine's `record` and the bytes of each
//! backend. No `std`, no allocator, no IO, no clock, no `unsafe`.
//!
//! 1. [`Storage`] is the memory, usually a `static`; [`Registry`] is the handle that everything else works with.
//! 2. Each engine thread has a [`Recorder`]. It counts into a shard of its own and, while a per-request exporter runs,
//!    writes each request into a ring of its own.
//! 3. Aggregates are read off the registry: [`prometheus::Page`], [`otlp::Export`].
//! 4. Raw events leave the rings through the [`Pump`], wait in each exporter's own [`Sink`], and are packed into
//!    datagrams and bodies by a [`Packer`] with [`influxdb::LineEncoder`] or [`dogstatsd::MessageEncoder`].
//! 5. A [`Ledger`] per exporter accounts for every request: `recorded = sent + dropped + held`.
//!
//! 6. The machines of [`export`] decide what is sent and when, and what is made of what came back.
//!
//! A shell brings buffers, sockets, timers and the time; this crate decides what to do with them. So does a loop of your
//! own, without any runtime; `examples/bare_loop.rs` is a whole one:
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::{Duration, Instant};
//!
//! use loaddensity_metrics_core::dogstatsd::MessageEncoder;
//! use loaddensity_metrics_core::export::datagrams::{
//!     DatagramAction, DatagramInput, DatagramMachine, DatagramRoute, DatagramTarget, EventDatagrams, EventPacking,
//! };
//! use loaddensity_metrics_core::export::{Fault, Now, Tick};
//! use loaddensity_metrics_core::{Event, Exporter, Sample, Sink, Storage};
//!
//! // 1. The memory.
//! static STORAGE: Storage<100, 1, 1_024> = Storage::new();
//! let registry = STORAGE.registry();
//! // 2. The pump, the sink that it fills, how its events are made up, and the machine.
//! let mut pump = registry.pump().expect("no other reads this storage");
//! let mut sink = Sink::new([Event::default(); 1_024], pump.attach(Exporter::Statsd));
//! let mut packing = EventPacking::new(MessageEncoder::new(registry, "load")?, usize::MAX, 1_432, [0; 0]);
//! let mut machine = DatagramMachine::new(DatagramRoute::new(DatagramTarget::Name { every: None }).at_once(true), 42);
//! // 3. An engine records.
//! registry.recorder().record(registry.series("GET", "/orders"), Sample::http(200, Duration::from_millis(3)));
//! pump.drain_slices(|events| {
//!     sink.offer_all(events);
//! });
//! // 4. Ask the machine, do the one thing that it says, tell it what came of it.
//! let receiver = UdpSocket::bind("127.0.0.1:0")?;
//! let (mut socket, mut buffer, started) = (UdpSocket::bind("127.0.0.1:0")?, [0; 1_432], Instant::now());
//! let now = || Now { tick: Tick::from_nanos(started.elapsed().as_nanos() as u64), ..Now::default() };
//! machine.handle(now(), DatagramInput::Stop { deadline: now().tick.after(Duration::from_secs(5)) });
//! loop {
//!     let mut source = EventDatagrams::new(&mut sink, &mut packing);
//!     match machine.poll(now(), &mut source, &mut buffer) {
//!         DatagramAction::Resolve { id } => {
//!             machine.handle(now(), DatagramInput::Resolved { id, addresses: &[receiver.local_addr()?] });
//!         }
//!         DatagramAction::Connect { id, address, .. } => {
//!             socket.connect(address.expect("UDP has addresses"))?;
//!             machine.handle(now(), DatagramInput::Connected { id });
//!         }
//!         DatagramAction::Send { id, range, .. } => machine.handle(now(), match socket.send(&buffer[range]) {
//!             Ok(_) => DatagramInput::Sent { id, datagrams: 1, offload: false },
//!             Err(_) => DatagramInput::Failed { id, fault: Fault::Away },
//!         }),
//!         DatagramAction::Look { id, .. } => {
//!             machine.handle(now(), DatagramInput::Looked { id, refused: socket.take_error()?.is_some() });
//!         }
//!         DatagramAction::Close { .. } => socket = UdpSocket::bind("127.0.0.1:0")?,
//!         DatagramAction::Wait(wait) => std::thread::sleep(wait.until.since(now().tick)),
//!         DatagramAction::Done { .. } => break,
//!     }
//! }
//! // 5. Every request is accounted for.
//! assert_eq!(pump.detach(Exporter::Statsd).sent, 1);
//! assert!(receiver.recv(&mut buffer)? > 0 && buffer.starts_with(b"load.requests:1|c|#method:GET,name:/orders"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
// Bad input never panics: whoever calls what may must say why that cannot happen.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
// Under loom only the models use this crate, and they use parts of it.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

mod aggregates;
mod atomics;
mod cold;
mod counts;
mod events;
pub mod export;
mod formats;
mod hash;
mod labels;
mod metrics;
#[cfg(all(test, loom))]
mod models;
mod random;
mod recorder;
mod registry;
mod request;
mod wire;

pub use aggregates::classic::{Latencies, Sizes};
pub use aggregates::coarse_buckets::CoarseBuckets;
pub use aggregates::distribution::{Distribution, Distributions};
pub use aggregates::interval::{Interval, Intervals};
pub use aggregates::observed::{CounterTotal, HistogramTotal};
pub use aggregates::observed_rows::ObservedRows;
pub use aggregates::own_instrument::OwnInstrument;
pub use aggregates::rows::TooFewWords;
pub use aggregates::totals::Totals;
pub use counts::bounds::{Bounds, BoundsError, MAX_BOUNDS, Quantity};
pub use counts::observable::Observable;
pub use events::batch::{EventEncoder, Packed, Packer, Written};
pub use events::event::Event;
pub use events::observation::Observation;
pub use events::phase::Phase;
pub use events::pump::Pump;
pub use events::sampling::{SampleRate, Sampler};
pub use events::segments::{CALL_BYTES, Call, Run, SEGMENTS, Window};
pub use events::sink::Sink;
pub use export::steady_clock::SteadyClock;
pub use export::{Backoff, verdict};
pub use formats::weights::Weights;
pub use formats::{dogstatsd, influxdb, otlp, prometheus};
pub use labels::constant::{CONSTANT_BYTES, ConstantLabelError, ConstantLabels};
pub use metrics::handles::{Counter, DESCRIPTION_BYTES, Histogram, INSTRUMENT_NAME_BYTES};
pub use metrics::unit::{ShownUnit, Unit};
pub use metrics::{INSTRUMENTS, Instrument, InstrumentKind};
pub use recorder::Recorder;
pub use registry::Registry;
pub use registry::account::{Account, AccountKind};
pub use registry::accounts::Accounts;
pub use registry::drop_reason::{DropReason, DropStage, Dropped};
pub use registry::error_label::ErrorLabelInUse;
pub use registry::exceeded::{CutNames, Exceeded, FoldedSeries, SeriesName, SpilledRecorders};
pub use registry::exemplars::{Exemplar, TraceContext};
pub use registry::exporter::Exporter;
pub use registry::gauges::{GAUGE_NAME_BYTES, GAUGES, Gauge, GaugeError};
pub use registry::instruments::declaration::Reach;
pub use registry::instruments::instrument_error::InstrumentError;
pub use registry::instruments::observations::ObservationsByKind;
pub use registry::ledger::Ledger;
pub use registry::linger::{Begun, Linger, Lingering, PageTotals};
pub use registry::status::{StatusLabel, StatusLabelInUse};
#[cfg(not(loom))]
pub use registry::storage::{Classic, DefaultStorage, Exponential, Histograms, Storage};
#[cfg(feature = "alloc")]
pub use registry::storage::{HeapStorage, HeapStorageBuilder, SizeError};
pub use registry::usage::{FullRing, Usage};
pub use request::error_kind::ErrorKind;
pub use request::key::{METHOD_BYTES, NAME_BYTES};
pub use request::label::{LABEL_BYTES, LABELS, Label, LabelError, ONE_LABEL_BYTES};
pub use request::sample::{Outcome, Sample, Timestamp};
pub use request::series::Series;
pub use wire::text::out::{Full, TooSmall};

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
