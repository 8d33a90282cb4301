//! What recording and exporting cost on this machine, and what that means for the user's load.
//!
//! Everything runs on one thread, over storages with the user's series: two as the default storage is, for one recorder
//! that is at hand and for one that is looked up by thread; one without exponential histograms; and one with as many
//! recorders as the user has threads, for what a reader of all shards does.
//!
//! The program's `cost` prints the [report](measure). The rest of what is public is for the project's benches, which do the same work
//! beside other libraries. This is a crate of its own because it is compiled with full optimisation, which the program is not.

mod busyness;
pub mod clock;
mod clock_reading;
mod exporters;
mod first_times;
mod json;
mod load;
pub mod memory;
mod numbers;
mod observing;
mod other_memory;
pub mod packing;
mod raw_events;
pub mod reading;
mod recording;
mod report;
pub mod resident;
mod rounds;
mod sending;
pub mod trace;
mod work;

use std::io;

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::{Accounts, Exporter, HeapStorage, Recorder, Registry, Series, TooSmall};
use loaddensity_metrics_shell::LocalRecorder;

pub use self::load::LoadArgs;
pub use self::numbers::thousands;
pub use self::report::{CostReport, DEBUG_BUILD};

use self::busyness::BusyWatch;
use self::clock::Stopwatch;
use self::clock_reading::ReadClock;
use self::exporters::{DatagramFilling, DatagramKind};
use self::first_times::{CarryFirst, WriteTables};
use self::observing::ObserveTrace;
use self::other_memory::{BetweenRequests, OtherMemory};
use self::packing::{DATAGRAM_BYTES, PackEvents};
use self::raw_events::{RING, RawEvents};
use self::reading::ReadRegistry;
use self::recording::{ClaimRecorders, RecordLocally, RecordTrace, by_handle};
use self::resident::resident;
use self::sending::SendDatagrams;
use self::trace::Trace;
use self::work::{CostMeasurement, CostRow, RecordEntry, RoundResult};

/// Why nothing was measured; the text is for the user.
pub type CostError = Box<dyn std::error::Error>;

/// `DogStatsD` messages of a request.
const MESSAGES: u64 = 3;
/// Ring of a storage whose raw events nobody wants: the smallest there is.
const NO_RING: usize = 2;

/// Measures what `load` costs, for as long as it says or until `is_over`. `None` where that was before anything had a round that counts.
///
/// # Errors
/// What is wrong with the load ([`LoadArgs::check`] says that before), storage that does not fit into memory, and the first
/// answer that is not what it must be.
pub fn measure(load: &LoadArgs, is_over: impl Fn() -> bool) -> Result<Option<CostReport<'_>>, CostError> {
    load.check()?;
    let trace = Trace::new(load.series, load.rate);
    // What is read later must be there from the beginning, in every shard.
    let first = trace.every_outcome();
    let fill = |recorder: &mut Recorder<'_>, handles: &[Series]| {
        by_handle(recorder, handles, &first);
        by_handle(recorder, handles, &trace.requests);
    };
    let before = resident();
    let of_threads = HeapStorage::new(load.series as usize, load.threads as usize, NO_RING)?;
    let all = of_threads.registry();
    let of_all = &trace.intern(all);
    let mut recorders: Vec<_> = (0..load.threads).map(|_| all.recorder()).collect();
    for recorder in &mut recorders {
        if is_over() {
            return Ok(None);
        }
        fill(recorder, of_all);
    }
    drop(recorders);
    let resident = before.and_then(|before| resident()?.checked_sub(before));

    let storages = Storages::new(load)?;
    let Storages { one, local, classic, own } = &storages;
    let (one, local, classic, own) = (one.registry(), local.registry(), classic.registry(), own.registry());
    let handles = [one, local, classic, own].map(|registry| trace.intern(registry));
    let [of_one, of_local, of_classic, of_own] = &handles;
    fill(&mut one.recorder(), of_one);

    let filled = FilledStorages {
        one: (one, of_one),
        local: (local, of_local),
        classic: (classic, of_classic),
        own: (own, of_own),
        all: (all, of_all),
    };
    let memory = load.between.map(|bytes| (OtherMemory::new(), bytes));
    let pieces = memory.as_ref().map(|(memory, bytes)| BetweenRequests::Reading(memory.pieces(*bytes)));
    let mut works = works(filled, &trace, load, pieces)?;
    let watch = BusyWatch::start();
    let figures = rounds::measure(&mut works, load.seconds, is_over)?;
    let busyness = watch.stop();
    Ok((!figures.is_empty()).then_some(CostReport { load, figures, resident, busyness }))
}

/// MiB that become resident for the measuring, at the most.
#[must_use]
pub const fn most_mebibytes(load: &LoadArgs) -> u64 {
    // Of what the engine's own instruments are counted in, no more than of requests.
    let series = (load.threads + 3) * memory::COUNTERS + memory::CLASSIC_COUNTERS + 5 * memory::LABELS;
    // The trace as it is recorded and as events, and the buffers.
    const REST: u64 = 32 << 20;
    let between = if load.between.is_some() { other_memory::MEMORY as u64 } else { 0 };
    (load.series * series + REST + between) >> 20
}

/// Where requests are recorded by one recorder.
struct Storages {
    /// As the default storage is, for one recorder.
    one: HeapStorage,
    /// The same, for the recorder of this thread, which lives as long as the thread.
    local: &'static HeapStorage,
    /// The same, without exponential histograms.
    classic: HeapStorage,
    /// With a counter and a histogram of the engine's own.
    own: HeapStorage,
}

impl Storages {
    fn new(load: &LoadArgs) -> Result<Self, CostError> {
        let series = load.series as usize;
        Ok(Self {
            one: HeapStorage::new(series, 1, RING)?,
            local: Box::leak(Box::new(HeapStorage::new(series, 1, NO_RING)?)),
            classic: HeapStorage::classic(series, 1, NO_RING)?,
            own: HeapStorage::builder(series, 1, NO_RING).counters(1).histograms(1).build()?,
        })
    }
}

/// A registry, and the handles of the trace's series in it.
type Filled<'a> = (Registry<'a>, &'a [Series]);

/// The registries of [`Storages`], and that of all recorders.
#[derive(Clone, Copy)]
struct FilledStorages<'a> {
    one: Filled<'a>,
    local: (Registry<'static>, &'a [Series]),
    classic: Filled<'a>,
    own: Filled<'a>,
    all: Filled<'a>,
}

/// Everything that is measured, in the order of the table: recording once more with `cold` between two requests, if given.
fn works<'a>(
    filled: FilledStorages<'a>,
    trace: &'a Trace,
    load: &LoadArgs,
    cold: Option<BetweenRequests<'a>>,
) -> Result<Vec<Box<dyn CostMeasurement + 'a>>, CostError> {
    let FilledStorages { one, own: (registry, handles), all, .. } = filled;
    let warm = BetweenRequests::Nothing;
    let mut works: Vec<_> =
        RecordEntry::ALL.map(|entry| recording(entry, filled, trace, (entry.warm(), warm))).into_iter().collect();
    works.extend([true, false].map(|is_counter| Box::new(ObserveTrace { is_counter, registry, handles, trace }) as _));
    works.extend([false, true].map(|is_coarse| Box::new(ReadClock { is_coarse }) as _));
    works.push(Box::new(ClaimRecorders { registry: one.0 }));
    works.push(Box::new(WriteTables));
    works.push(Box::new(CarryFirst));
    works.push(Box::new(RawEvents::new(CostRow::Pump, one, trace, warm)));
    if let Some(cold) = cold {
        works.extend(RecordEntry::ALL.map(|entry| recording(entry, filled, trace, (entry.cold(), cold))));
    }
    for exporter in exporters::per_request() {
        works.extend(works_of(exporter, one, all, trace, load)?);
    }
    let message_bytes = message_bytes(one, trace)?;
    for sending in sendings(message_bytes).map_err(|error| format!("cannot send to itself over loopback: {error}"))? {
        works.push(Box::new(sending));
    }
    for exporter in exporters::reading() {
        works.extend(works_of(exporter, one, all, trace, load)?);
    }
    Ok(works)
}

/// Recording through `entry`.
fn recording<'a>(
    entry: RecordEntry,
    FilledStorages { one, local, classic, .. }: FilledStorages<'a>,
    trace: &'a Trace,
    (row, between): (CostRow, BetweenRequests<'a>),
) -> Box<dyn CostMeasurement + 'a> {
    let into = |(registry, handles)| Box::new(RecordTrace { row, registry, handles, trace, between });
    match entry {
        RecordEntry::ByHandle | RecordEntry::ByStrings => into(one),
        RecordEntry::Classic => into(classic),
        RecordEntry::WithEvents => Box::new(RawEvents::new(row, one, trace, between)),
        RecordEntry::Locally => {
            let (registry, handles) = local;
            Box::new(RecordLocally { row, recorder: LocalRecorder::new(registry), handles, trace, between })
        }
    }
}

/// What is measured of `exporter`: reading the storage of several recorders too, where there are several.
fn works_of<'a>(
    exporter: Exporter,
    one: Filled<'a>,
    all: Filled<'a>,
    trace: &Trace,
    load: &LoadArgs,
) -> Result<Vec<Box<dyn CostMeasurement + 'a>>, CostError> {
    let (registry, handles) = one;
    let several = (load.threads > 1).then_some((all, load.threads));
    let read = [(one, 1)].into_iter().chain(several);
    Ok(match exporter {
        Exporter::Prometheus => {
            let pages = read.map(|((registry, _), recorders)| ReadRegistry::of_pages(registry, recorders));
            pages.map(|pages| Ok(Box::new(pages?) as _)).collect::<Result<_, TooSmall>>()?
        }
        Exporter::Influxdb => {
            let lines = LineEncoder::new(registry, "loaddensity_request")?;
            vec![Box::new(PackEvents::new(exporter, accounts(registry)?, lines, handles, trace))]
        }
        Exporter::Statsd => vec![Box::new(packed_messages(one, trace)?)],
        Exporter::OpenTelemetry => read
            .map(|((registry, handles), recorders)| ReadRegistry::of_exports(registry, recorders, handles))
            .map(|exports| Box::new(exports) as _)
            .collect(),
    })
}

fn packed_messages<'a>(
    (registry, handles): Filled<'a>,
    trace: &Trace,
) -> Result<PackEvents<'a, MessageEncoder<'a>>, CostError> {
    let messages = MessageEncoder::new(registry, "loaddensity")?;
    Ok(PackEvents::new(Exporter::Statsd, accounts(registry)?, messages, handles, trace))
}

fn accounts(registry: Registry<'_>) -> Result<Accounts<'_>, CostError> {
    Ok(registry.pump().ok_or("another pump reads this storage")?.accounts())
}

/// How long the messages of the trace are, newlines included, as a round of them tells.
fn message_bytes(one: Filled<'_>, trace: &Trace) -> Result<usize, CostError> {
    let RoundResult { operations, bytes, .. } = packed_messages(one, trace)?.round(&mut Stopwatch::new())?;
    Ok((bytes / (MESSAGES * operations)) as usize)
}

/// Packed datagrams and `DogStatsD` messages, with and without segmentation offload.
fn sendings(message_bytes: usize) -> io::Result<[SendDatagrams; 4]> {
    let sending = |filling, is_offloaded| {
        let bytes = match filling {
            DatagramFilling::Packed => DATAGRAM_BYTES,
            DatagramFilling::Message => message_bytes,
        };
        SendDatagrams::new(DatagramKind { filling, is_offloaded }, bytes)
    };
    Ok([
        sending(DatagramFilling::Packed, false)?,
        sending(DatagramFilling::Packed, true)?,
        sending(DatagramFilling::Message, false)?,
        sending(DatagramFilling::Message, true)?,
    ])
}
