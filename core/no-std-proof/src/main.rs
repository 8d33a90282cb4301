//! Proof that the core needs neither std nor an allocator: this program has a panic handler of its own, records into a
//! `static`, and writes what all four encoders make of it to its standard output.
//!
//! Each piece is a byte that names its format (`p`, `i`, `d`, `o`), its length in four little-endian bytes, and the
//! bytes. The exit code is 0, or 1 where an encoder refused, or 2 after a panic.
#![no_std]
#![no_main]

use core::ffi::{c_int, c_void};
use core::panic::PanicInfo;
use core::time::Duration;

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::otlp::{Export, Resource, Sources};
use loaddensity_metrics_core::prometheus::Page;
use loaddensity_metrics_core::{
    Event, EventEncoder, Exporter, Outcome, Packer, Registry, Sample, Sink, Timestamp, TraceContext,
};

#[cfg(not(feature = "default-storage"))]
static STORAGE: loaddensity_metrics_core::Storage<8, 2, 16> = loaddensity_metrics_core::Storage::new();
#[cfg(feature = "default-storage")]
static STORAGE: loaddensity_metrics_core::DefaultStorage = loaddensity_metrics_core::DefaultStorage::new();

#[link(name = "c")]
unsafe extern "C" {
    fn write(descriptor: c_int, bytes: *const c_void, length: usize) -> isize;
    fn _exit(code: c_int) -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: `_exit` takes any code and does not return.
    unsafe { _exit(2) }
}

/// What the C runtime calls.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const u8) -> c_int {
    match run() {
        Some(()) => 0,
        None => 1,
    }
}

/// Records three requests and shows them in all four formats; `None` where something refused.
fn run() -> Option<()> {
    let registry = STORAGE.registry();
    let mut buffer = [0; 16 * 1024];
    let mut pump = registry.pump()?;
    let mut lines = Sink::new([Event::default(); 8], pump.attach(Exporter::Influxdb));
    let mut messages = Sink::new([Event::default(); 8], pump.attach(Exporter::Statsd));
    record(registry)?;
    pump.drain(|event| {
        lines.offer(event);
        messages.offer(event);
    });

    let mut page = Page::new(registry);
    loop {
        match page.fill(&mut buffer).ok()? {
            0 => break,
            length => show(b'p', &buffer[..length])?,
        }
    }
    pack(b'i', LineEncoder::new(registry, "loaddensity_request").ok()?, &mut lines, &mut buffer)?;
    pack(b'd', MessageEncoder::new(registry, "loaddensity").ok()?, &mut messages, &mut buffer)?;
    let [start, now] = [1, 2].map(Timestamp::from_unix_nanos);
    let resource = Resource::new("proof");
    let mut export = Export::new(registry, start, now);
    while let Some(part) = export.next_request(Sources::new(registry, &resource), &mut buffer).ok()? {
        show(b'o', part.of(&buffer))?;
        export = part.next;
    }
    Some(())
}

/// `None` where what the engine set or traced is not there afterwards.
fn record(registry: Registry<'_>) -> Option<()> {
    registry.gauge("active_users").ok()?.set(3.0);
    registry.gauges().next().filter(|(name, value)| name == "active_users" && *value == 3.0)?;
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/items \"quoted\"");
    for number in 0..3 {
        let completed_at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + number);
        let sample = Sample::http(200, Duration::from_micros(7_900)).response_bytes(1_024).completed_at(completed_at);
        recorder.record_traced(series, sample, TraceContext { trace_id: [1; 16], span_id: [2; 8] });
    }
    registry.exemplar(series, Outcome::Success, 1)?;
    Some(())
}

fn pack<E: EventEncoder>(name: u8, encoder: E, sink: &mut Sink<'_, [Event; 8]>, buffer: &mut [u8]) -> Option<()> {
    let mut packer = Packer::new(encoder);
    while !sink.is_empty() {
        let packed = packer.pack(sink, usize::MAX, buffer);
        show(name, &buffer[..packed.bytes])?;
        packer.confirm(sink, packed);
    }
    Some(())
}

fn show(name: u8, bytes: &[u8]) -> Option<()> {
    let [a, b, c, d] = u32::try_from(bytes.len()).ok()?.to_le_bytes();
    put(&[name, a, b, c, d])?;
    put(bytes)
}

fn put(mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a slice that lives through the call.
        let written = unsafe { write(1, bytes.as_ptr().cast(), bytes.len()) };
        bytes = bytes.get(usize::try_from(written).ok().filter(|written| *written > 0)?..)?;
    }
    Some(())
}
