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
//! use loaddensity_metrics_core::export::datagrams::{Action, Datagrams, Input, Packing, Requests, Route, To};
//! use loaddensity_metrics_core::export::{Fault, Now, Tick};
//! use loaddensity_metrics_core::{Event, Exporter, Sample, Sink, Storage};
//!
//! // 1. The memory.
//! static STORAGE: Storage<100, 1, 1_024> = Storage::new();
//! let registry = STORAGE.registry();
//! // 2. The pump, the sink that it fills, how its events are made up, and the machine.
//! let mut pump = registry.pump().expect("no other reads this storage");
//! let mut sink = Sink::new([Event::default(); 1_024], pump.attach(Exporter::Statsd));
//! let mut packing = Packing::new(MessageEncoder::new(registry, "load")?, usize::MAX, 1_432, [0; 0]);
//! let mut machine = Datagrams::new(Route { sockets: 1, to: To::Name { every: None }, at_once: true }, 42);
//! // 3. An engine records.
//! registry.recorder().record(registry.series("GET", "/orders"), Sample::default());
//! pump.drain_slices(|events| {
//!     sink.offer_all(events);
//! });
//! // 4. Ask the machine, do the one thing that it says, tell it what came of it.
//! let receiver = UdpSocket::bind("127.0.0.1:0")?;
//! let (mut socket, mut buffer, started) = (UdpSocket::bind("127.0.0.1:0")?, [0; 1_432], Instant::now());
//! let now = || Now { tick: Tick::from_nanos(started.elapsed().as_nanos() as u64), ..Now::default() };
//! machine.handle(now(), Input::Stop { deadline: now().tick.after(Duration::from_secs(5)) });
//! loop {
//!     let mut source = Requests { sink: &mut sink, packing: &mut packing };
//!     match machine.poll(now(), &mut source, &mut buffer) {
//!         Action::Resolve { id } => {
//!             machine.handle(now(), Input::Resolved { id, addresses: &[receiver.local_addr()?] });
//!         }
//!         Action::Connect { id, address, .. } => {
//!             socket.connect(address.expect("UDP has addresses"))?;
//!             machine.handle(now(), Input::Connected { id });
//!         }
//!         Action::Send { id, range, .. } => machine.handle(now(), match socket.send(&buffer[range]) {
//!             Ok(_) => Input::Sent { id, datagrams: 1, offload: false },
//!             Err(_) => Input::Failed { id, fault: Fault::Away },
//!         }),
//!         Action::Look { id, .. } => {
//!             machine.handle(now(), Input::Looked { id, refused: socket.take_error()?.is_some() });
//!         }
//!         Action::Close { .. } => socket = UdpSocket::bind("127.0.0.1:0")?,
//!         Action::Wait(wait) => std::thread::sleep(wait.until.since(now().tick)),
//!         Action::Done { .. } => break,
//!     }
//! }
//! // 5. Every request is accounted for.
//! assert_eq!(pump.detach(Exporter::Statsd).sent, 1);
//! assert!(receiver.recv(&mut buffer)? > 0 && buffer.starts_with(b"load.requests:1|c|#method:GET,name:/orders"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
// Under loom only the models use this crate, and they use parts of it.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

mod batch;
mod cold;
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

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
