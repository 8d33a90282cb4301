//! One clause of an `Accept` header.

use super::list::{ONE, sides, split, weight};
use super::{Escaping, ExpositionFormat};

/// What a clause says.
#[derive(Clone, Copy)]
pub(super) struct Clause {
    /// What it asks for, if that is something that can be had.
    pub(super) format: Option<ExpositionFormat>,
    /// In thousandths; 0 refuses.
    pub(super) weight: u32,
    pub(super) escaping: Option<Escaping>,
}

impl Clause {
    pub(super) fn read(clause: &[u8]) -> Self {
        let mut parts = split(clause, b';');
        let kind = parts.next().unwrap_or_default();
        let mut parameters = Parameters::default();
        for parameter in parts {
            let (name, value) = sides(parameter);
            parameters.set(name, value);
        }
        let Parameters { weight, escaping, .. } = parameters;
        Self { format: parameters.format(kind), weight, escaping }
    }
}

/// The parameters of a clause. Where one occurs twice, as Prometheus 3.0 to 3.2 sent it, the last counts.
struct Parameters<'h> {
    version: &'h [u8],
    proto: &'h [u8],
    encoding: &'h [u8],
    weight: u32,
    escaping: Option<Escaping>,
}

impl Default for Parameters<'_> {
    fn default() -> Self {
        Self { version: &[], proto: &[], encoding: &[], weight: ONE, escaping: None }
    }
}

impl<'h> Parameters<'h> {
    fn set(&mut self, name: &[u8], value: &'h [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("version") {
            self.version = value;
        } else if is("proto") {
            self.proto = value;
        } else if is("encoding") {
            self.encoding = value;
        } else if is("q") {
            self.weight = weight(value);
        } else if is("escaping") {
            self.escaping = escaping(value).or(self.escaping);
        }
    }

    fn format(&self, kind: &[u8]) -> Option<ExpositionFormat> {
        let is = |known: &str| kind.eq_ignore_ascii_case(known.as_bytes());
        if is("text/plain") {
            return matches!(self.version, b"" | b"0.0.4").then_some(ExpositionFormat::Text);
        }
        if is("application/openmetrics-text") {
            return match self.version {
                b"1.0.0" => Some(ExpositionFormat::OpenMetrics),
                b"0.0.1" | b"" => Some(ExpositionFormat::OpenMetricsDraft),
                _ => None,
            };
        }
        let is_family = self.proto == b"io.prometheus.client.MetricFamily" && self.encoding == b"delimited";
        (is("application/vnd.google.protobuf") && is_family).then_some(ExpositionFormat::Protobuf)
    }
}

fn escaping(scheme: &[u8]) -> Option<Escaping> {
    match scheme {
        b"allow-utf-8" => Some(Escaping::AllowUtf8),
        b"underscores" => Some(Escaping::Underscores),
        b"dots" => Some(Escaping::Dots),
        b"values" => Some(Escaping::Values),
        _ => None,
    }
}
