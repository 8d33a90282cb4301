//! Proof that recording cannot panic: the panic handler calls a function that does not exist, so that this program links
//! only where the compiler has seen that nothing in it reaches the handler. It is linked and never run.
//!
//! The functions below leave through pointers, so that the compiler knows nothing of the recorders, the registries and the
//! names that they are called with.
#![no_std]
#![no_main]

use core::ffi::c_int;
use core::hint::black_box;
use core::panic::PanicInfo;
use core::time::Duration;

use loaddensity_metrics_core::{
    Counter, Gauge, GaugeError, Histogram, InstrumentError, Label, LabelError, Recorder, Registry, Sample, Series,
    TraceContext, Unit,
};

#[link(name = "c")]
unsafe extern "C" {
    fn something_here_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: there is no such function, so no program that calls it.
    unsafe { something_here_can_panic() }
}

/// What the C runtime calls.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const u8) -> c_int {
    // What an engine's threads call while a load runs.
    black_box([
        record as *const (),
        record_request as *const (),
        record_traced as *const (),
        recorder as *const (),
        series as *const (),
        series_with_labels as *const (),
        gauge as *const (),
        set as *const (),
        add_to_gauge as *const (),
        add as *const (),
        add_to_run as *const (),
        observe_time as *const (),
        observe_number as *const (),
        observe_in_run as *const (),
        counter as *const (),
        timer as *const (),
        run_histogram as *const (),
    ]);
    #[cfg(feature = "can-panic")]
    black_box(index as *const ());
    0
}

fn record(recorder: &mut Recorder<'_>, series: Series, sample: Sample) {
    recorder.record(series, sample);
}

fn record_request(recorder: &mut Recorder<'_>, method: &str, name: &str, sample: Sample) {
    recorder.record_request(method, name, sample);
}

fn record_traced(recorder: &mut Recorder<'_>, series: Series, sample: Sample, trace: TraceContext) {
    recorder.record_traced(series, sample, trace);
}

/// Claims a shard, and gives another one back.
fn recorder<'a>(registry: Registry<'a>, place: &mut Recorder<'a>) {
    *place = registry.recorder();
}

fn series(recorder: &mut Recorder<'_>, method: &str, name: &str) -> Series {
    recorder.series(method, name)
}

fn series_with_labels(
    recorder: &mut Recorder<'_>,
    method: &str,
    name: &str,
    labels: &[Label<'_>],
) -> Result<Series, LabelError> {
    recorder.series_with_labels(method, name, labels)
}

fn gauge<'a>(registry: Registry<'a>, name: &str) -> Result<Gauge<'a>, GaugeError> {
    registry.gauge(name)
}

fn set(gauge: Gauge<'_>, value: f64) {
    gauge.set(value);
}

fn add_to_gauge(gauge: Gauge<'_>, by: f64) {
    gauge.add(by);
}

fn add(recorder: &mut Recorder<'_>, counter: Counter, series: Series, by: u64) {
    recorder.add(counter, series, by);
}

fn add_to_run(recorder: &mut Recorder<'_>, counter: Counter, by: u64) {
    recorder.add_to_run(counter, by);
}

fn observe_time(recorder: &mut Recorder<'_>, histogram: Histogram<Duration>, series: Series, value: Duration) {
    recorder.observe(histogram, series, value);
}

fn observe_number(recorder: &mut Recorder<'_>, histogram: Histogram<u64>, series: Series, value: u64) {
    recorder.observe(histogram, series, value);
}

fn observe_in_run(recorder: &mut Recorder<'_>, histogram: Histogram<u64>, value: u64) {
    recorder.observe_in_run(histogram, value);
}

fn counter(registry: Registry<'_>, name: &str, unit: Unit, description: &str) -> Result<Counter, InstrumentError> {
    registry.counter(name, unit, description)
}

fn timer(registry: Registry<'_>, name: &str, description: &str) -> Result<Histogram<Duration>, InstrumentError> {
    registry.timer(name, description)
}

fn run_histogram(
    registry: Registry<'_>,
    name: &str,
    unit: Unit,
    description: &str,
) -> Result<Histogram<u64>, InstrumentError> {
    registry.run_histogram(name, unit, description)
}

#[cfg(feature = "can-panic")]
fn index(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}
