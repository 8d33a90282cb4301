//! What a program chooses besides the contract: the highest four bits of each of its buffer lengths, which are below
//! 4,096 and do not need them. Where those are all zero its length chooses, so that every seed goes through some dialect.

use crate::model::Model;
use loaddensity_metrics_core::influxdb::{Precision, StatusCode};
use loaddensity_metrics_core::otlp::{ExportOptions, HistogramAggregation};
use loaddensity_metrics_core::{ConstantLabels, Registry, StatusLabel};

/// The options that a program runs under. Zero is the contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    bits: u16,
    /// A value that is the program's own: any text.
    text: String,
    /// The same as a number.
    number: f64,
}

/// Where each choice stands in the bits.
mod place {
    pub(super) const STATUS_LABEL: u32 = 0;
    pub(super) const GAUGES: u32 = 2;
    pub(super) const CONSTANT: u32 = 3;
    pub(super) const TRACES: u32 = 4;
    pub(super) const EXPONENTIAL: u32 = 5;
    pub(super) const MIN_MAX: u32 = 6;
    pub(super) const DELTA: u32 = 7;
    pub(super) const STATUS_CODE: u32 = 8;
    pub(super) const PRECISION: u32 = 10;
    pub(super) const HTTP_CLIENT_DURATION: u32 = 12;
    pub(super) const ERROR_LABEL: u32 = 13;
    /// Two bits, of which the upper one alone stands for instruments.
    pub(super) const INSTRUMENTS: u32 = 14;
}

impl Choice {
    /// What these lengths choose; `rest` is what follows them in the program.
    #[must_use]
    pub fn read(lengths: [u16; 4], rest: &[u8]) -> Self {
        let highest = (0..).step_by(4).zip(lengths).fold(0, |bits, (at, length)| bits | length >> 12 << at);
        let bits = if highest == 0 { rest.len() as u16 } else { highest };
        let text = String::from_utf8_lossy(rest.get(..rest.len().min(40)).unwrap_or_default()).into_owned();
        let number = rest.first_chunk().map_or(0.5, |bytes| f64::from_le_bytes(*bytes));
        Self { bits, text, number: if number.is_finite() { number } else { -1e300 } }
    }

    /// The lengths with these options in their highest bits.
    #[must_use]
    pub fn write(mut lengths: [u16; 4], options: &crate::golden::CaseOptions, has_instruments: bool) -> [u16; 4] {
        let flag = |is_on: bool, at: u32| u16::from(is_on) << at;
        let status_label = match options.status_label {
            None => 0,
            Some(StatusLabel::Class) => 1,
            Some(StatusLabel::Code) => 2,
            Some(new) => panic!("no bits stand for {new:?}"),
        };
        let position = |at: Option<usize>| at.unwrap_or_default() as u16;
        let bits = status_label << place::STATUS_LABEL
            | flag(!options.gauges.is_empty(), place::GAUGES)
            | flag(!options.constant.is_empty(), place::CONSTANT)
            | flag(options.otlp.exemplars, place::TRACES)
            | flag(options.otlp.histograms == HistogramAggregation::Exponential, place::EXPONENTIAL)
            | flag(options.otlp.min_max, place::MIN_MAX)
            | flag(options.otlp.http_client_duration, place::HTTP_CLIENT_DURATION)
            | flag(options.is_delta, place::DELTA)
            | flag(options.error_label, place::ERROR_LABEL)
            | flag(has_instruments, place::INSTRUMENTS + 1)
            | position(STATUS_CODES.iter().position(|code| *code == options.status_code)) << place::STATUS_CODE
            | position(Precision::ALL.iter().position(|one| *one == options.precision)) << place::PRECISION;
        for (at, length) in (0..).step_by(4).zip(&mut lengths) {
            *length = (*length % 4_096) | (bits >> at << 12);
        }
        lengths
    }

    /// Whether nothing is chosen.
    #[must_use]
    pub fn is_contract(&self) -> bool {
        self.bits == 0
    }

    /// Switches the label `error_type` on, if that is chosen: before exporters begin. A second time changes nothing.
    ///
    /// # Panics
    /// If the registry is in use.
    pub fn set_error_label(&self, registry: Registry<'_>) {
        if self.is_on(place::ERROR_LABEL) {
            registry.set_error_label().expect("nobody has counted yet");
        }
    }

    /// Sets on a new registry what is chosen for it.
    ///
    /// # Panics
    /// If the registry is in use.
    pub fn prepare(&self, registry: Registry<'_>, model: &mut Model) {
        self.set_error_label(registry);
        let label = [None, Some(StatusLabel::Class), Some(StatusLabel::Code), None];
        if let Some(label) = label[self.bits_at(place::STATUS_LABEL, 2)] {
            registry.set_status_label(label).expect("nobody has counted yet");
        }
        if self.is_on(place::GAUGES) {
            for (name, value) in [("active_users", 250.0), ("x", self.number), ("never_more", -0.5)] {
                model.set_gauge(registry, name, value);
            }
        }
    }

    /// Whether the program may declare instruments of the engine's own.
    #[must_use]
    pub fn has_instruments(&self) -> bool {
        self.bits_at(place::INSTRUMENTS, 2) == 2
    }

    /// What instruments say of themselves: any text that they may, which is short enough even where each byte was replaced.
    #[must_use]
    pub fn description(&self) -> String {
        self.text.chars().filter(|c| !c.is_control()).collect()
    }

    /// Constant labels, as they are given; none where none are chosen.
    #[must_use]
    pub fn constant(&self) -> Vec<(String, String)> {
        let all = [("Zone", "a b"), ("run", self.text.as_str()), ("zz", r"=,\ \")];
        let owned = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
        if self.is_on(place::CONSTANT) { owned.into() } else { Vec::new() }
    }

    /// The same as the core takes them.
    ///
    /// # Panics
    /// Never: they are short enough.
    #[must_use]
    pub fn constant_labels(&self) -> ConstantLabels {
        let constant = self.constant();
        let labels = ConstantLabels::new(constant.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        labels.expect("labels that are short enough")
    }

    /// Whether samples that can have a trace have one.
    #[must_use]
    pub fn has_traces(&self) -> bool {
        self.is_on(place::TRACES)
    }

    /// What an export shows.
    #[must_use]
    pub fn otlp(&self) -> ExportOptions {
        let is_exponential = self.is_on(place::EXPONENTIAL);
        ExportOptions {
            histograms: if is_exponential { HistogramAggregation::Exponential } else { HistogramAggregation::Explicit },
            min_max: self.is_on(place::MIN_MAX),
            exemplars: self.has_traces(),
            http_client_duration: self.is_on(place::HTTP_CLIENT_DURATION),
        }
    }

    /// Whether an export is of an interval.
    #[must_use]
    pub fn is_delta(&self) -> bool {
        self.is_on(place::DELTA)
    }

    /// Where lines have the status code.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        STATUS_CODES[self.bits_at(place::STATUS_CODE, 2)]
    }

    /// Precision of points that are not one request's.
    #[must_use]
    pub fn precision(&self) -> Precision {
        Precision::ALL[self.bits_at(place::PRECISION, 2)]
    }

    fn is_on(&self, at: u32) -> bool {
        self.bits_at(at, 1) == 1
    }

    fn bits_at(&self, at: u32, count: u32) -> usize {
        usize::from(self.bits >> at) & ((1 << count) - 1)
    }
}

const STATUS_CODES: [StatusCode; 4] = [StatusCode::Field, StatusCode::Tag, StatusCode::Both, StatusCode::Field];
