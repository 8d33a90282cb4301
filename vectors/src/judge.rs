//! The verdicts: what an oracle read from the wire, compared with what the model says was recorded.
//!
//! Each function panics with the difference, so that tests and fuzz targets can use it as it is. All compare the whole:
//! nothing may be missing, doubled or too much, and every number must be equal.

use crate::model::Model;
use loaddensity_metrics_core::Exporter;
use std::fmt::Debug;

pub mod dogstatsd;
mod exports;
pub mod influxdb;
mod own;
pub mod pages;

pub use exports::{ExportDialect, exponential, exports, exports_as, instrument_exports};
pub use pages::{PAGE_LINES_PER_EXPORTER, PAGE_LINES_PER_SERIES};

/// Judges a whole page of Prometheus' text format; `exporters` are those that were ever started on the registry.
///
/// # Panics
/// If the page breaks the format, or shows something else than the model.
pub fn page(model: &Model, exporters: &[Exporter], page: &[u8]) {
    pages::text(model, &pages::PageExtras { exporters, ..Default::default() }, page);
}

/// Judges a whole page of OpenMetrics; `created` is the time that every counter and histogram of the contract shows.
///
/// # Panics
/// If the page breaks the format, or shows something else than the model.
pub fn open_page(model: &Model, exporters: &[Exporter], created: Option<&str>, page: &[u8]) {
    let created = created.map(pages::nanos_of);
    pages::open(model, &pages::PageExtras { exporters, created, ..Default::default() }, page);
}

/// Judges the families of a scrape in protobuf; `created` is the time that every counter and histogram of the contract
/// shows, in nanoseconds.
///
/// # Panics
/// If the body breaks the format, or shows something else than the model.
pub fn families(model: &Model, exporters: &[Exporter], created: Option<u64>, body: &[u8]) {
    pages::protobuf(model, &pages::PageExtras { exporters, created, ..Default::default() }, body);
}

/// Judges lines of InfluxDB, joined into bodies: each sample of the model is one point.
///
/// # Panics
/// If a line breaks the format or is read differently by some version of InfluxDB, or the points are not the model's
/// samples, or two points of one series have the same time.
pub fn lines<'b>(model: &Model, measurement: &str, bodies: impl IntoIterator<Item = &'b [u8]>) {
    influxdb::lines(model, measurement, &influxdb::LineDialect::default(), bodies);
}

/// Judges DogStatsD payloads: each sample of the model is three messages.
///
/// # Panics
/// If a payload breaks the grammar, or the messages are not the model's samples.
pub fn messages<'b>(model: &Model, prefix: &str, payloads: impl IntoIterator<Item = &'b [u8]>) {
    dogstatsd::messages(model, &dogstatsd::MessageDialect::contract(prefix), payloads);
}

/// Both hold the same items, each as often, in any order.
fn same<T: Ord + Debug>(mut expected: Vec<T>, mut seen: Vec<T>) {
    expected.sort();
    seen.sort();
    if let Some((expected, seen)) = expected.iter().zip(&seen).find(|(expected, seen)| expected != seen) {
        panic!("expected {expected:?}\n    seen {seen:?}");
    }
    assert_eq!(expected.len(), seen.len(), "something is missing or too much after the equal part");
}

#[cfg(test)]
mod tests;
