//! Which format a scraper gets: its `Accept` header, weighed as the reference implementation weighs it.
//!
//! Clauses are taken by their weight, and of equal ones the first. A wildcard chooses nothing: it only says that the
//! default, text, will do, and Prometheus 2.49.0 gave one the impossible weight of 2. All names of ours are legal
//! without escaping, so every escaping scheme leaves them as they are, and the answer merely repeats the scheme.
//!
//! Sources: prometheus/docs, content_negotiation.md and escaping_schemes.md; prometheus/common, expfmt/encode.go,
//! `NegotiateIncludingOpenMetrics`; RFC 9110, section 12.4.2, "Quality Values".

mod clause;
mod coding;
mod list;

use clause::Clause;
use list::split;

pub use coding::ContentCoding;

/// What a page is written in. Exhaustive: whoever serves pages must have a writer for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// The text exposition format 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0 for a client that knows its draft 0.0.1 only. The same page: the two do not differ in what is
    /// written here.
    OpenMetricsDraft,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily` messages, each after its length.
    Protobuf,
}

/// How names are escaped that are not legal everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Escaping {
    /// `allow-utf-8`
    AllowUtf8,
    /// `underscores`
    Underscores,
    /// `dots`
    Dots,
    /// `values`
    Values,
}

/// What a scraper and a page have agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// The format.
    pub format: ExpositionFormat,
    /// The escaping scheme that was asked for; `None` where none was.
    pub escaping: Option<Escaping>,
}

impl Negotiated {
    /// Chooses by the values of a request's `Accept` headers, none or several: text where nothing fits. Protobuf, whose
    /// writer holds a whole family, is passed over where `has_protobuf` is false.
    #[must_use]
    pub fn from_accept(headers: &[&[u8]], has_protobuf: bool) -> Self {
        let clauses = || headers.iter().flat_map(|header| split(header, b',')).map(Clause::read).enumerate();
        let better = |best: Option<(usize, Clause)>, (at, clause): (usize, Clause)| match best {
            Some((_, so_far)) if so_far.weight >= clause.weight => best,
            _ => Some((at, clause)),
        };
        let is_offered = |format| has_protobuf || format != ExpositionFormat::Protobuf;
        let is_choice = |(_, clause): &(usize, Clause)| clause.format.is_some_and(is_offered) && clause.weight != 0;
        let chosen = clauses().filter(is_choice).fold(None, better);
        // Of the clauses up to the one that was chosen, in the order of their weights, the last with a scheme.
        let is_in_front = |at: usize, clause: &Clause| {
            chosen.is_none_or(|(end, best)| clause.weight > best.weight || clause.weight == best.weight && at <= end)
        };
        let later = |last: Option<Clause>, (_, clause): (usize, Clause)| match last {
            Some(so_far) if so_far.weight < clause.weight => last,
            _ => Some(clause),
        };
        let has_scheme = |(at, clause): &(usize, Clause)| clause.escaping.is_some() && is_in_front(*at, clause);
        let last = clauses().filter(has_scheme).fold(None, later);
        Self {
            format: chosen.and_then(|(_, clause)| clause.format).unwrap_or_default(),
            escaping: last.and_then(|clause| clause.escaping),
        }
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        macro_rules! with_escaping {
            ($kind:literal) => {
                match self.escaping {
                    None => $kind,
                    Some(Escaping::AllowUtf8) => concat!($kind, "; escaping=allow-utf-8"),
                    Some(Escaping::Underscores) => concat!($kind, "; escaping=underscores"),
                    Some(Escaping::Dots) => concat!($kind, "; escaping=dots"),
                    Some(Escaping::Values) => concat!($kind, "; escaping=values"),
                }
            };
        }
        match self.format {
            ExpositionFormat::Text => with_escaping!("text/plain; version=0.0.4; charset=utf-8"),
            ExpositionFormat::OpenMetricsDraft => {
                with_escaping!("application/openmetrics-text; version=0.0.1; charset=utf-8")
            }
            ExpositionFormat::OpenMetrics => {
                with_escaping!("application/openmetrics-text; version=1.0.0; charset=utf-8")
            }
            ExpositionFormat::Protobuf => with_escaping!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            ),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
