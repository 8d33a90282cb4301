//! The metrics of the contract, each a family of its own.

use crate::metrics::description;

/// Name, kind and help as LoadDensity has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Requests,
    Latency,
    Size,
}

impl Family {
    /// What the lines of a series begin with, before its labels: those of outcomes or buckets, that of the sum, and that
    /// of the count. The last two are a histogram's.
    pub(super) const fn starts(self) -> &'static [LineStart; 3] {
        match self {
            Self::Requests => const { &[start(b"loaddensity_requests_total{"), start(b""), start(b"")] },
            Self::Latency => {
                const {
                    &[
                        start(b"loaddensity_request_latency_ms_bucket{"),
                        start(b"loaddensity_request_latency_ms_sum{"),
                        start(b"loaddensity_request_latency_ms_count{"),
                    ]
                }
            }
            Self::Size => {
                const {
                    &[
                        start(b"loaddensity_response_bytes_bucket{"),
                        start(b"loaddensity_response_bytes_sum{"),
                        start(b"loaddensity_response_bytes_count{"),
                    ]
                }
            }
        }
    }

    /// The lines before the samples. OpenMetrics names a counter without `_total`, and a unit where the name ends in
    /// one.
    pub(super) const fn header(self, is_open_metrics: bool) -> &'static [u8] {
        let header = match self {
            Self::Requests if is_open_metrics => concat!(
                "# TYPE loaddensity_requests counter\n# HELP loaddensity_requests ",
                description!(requests),
                "\n"
            ),
            Self::Latency if is_open_metrics => concat!(
                "# TYPE loaddensity_request_latency_ms histogram\n# UNIT loaddensity_request_latency_ms ms\n\
                 # HELP loaddensity_request_latency_ms ",
                description!(latency),
                "\n"
            ),
            Self::Size if is_open_metrics => concat!(
                "# TYPE loaddensity_response_bytes histogram\n# UNIT loaddensity_response_bytes bytes\n\
                 # HELP loaddensity_response_bytes ",
                description!(size),
                "\n"
            ),
            Self::Requests => concat!(
                "# HELP loaddensity_requests_total ",
                description!(requests),
                "\n# TYPE loaddensity_requests_total counter\n"
            ),
            Self::Latency => concat!(
                "# HELP loaddensity_request_latency_ms ",
                description!(latency),
                "\n# TYPE loaddensity_request_latency_ms histogram\n"
            ),
            Self::Size => concat!(
                "# HELP loaddensity_response_bytes ",
                description!(size),
                "\n# TYPE loaddensity_response_bytes histogram\n"
            ),
        };
        header.as_bytes()
    }

    /// Name, help and unit as protobuf has them.
    pub(super) const fn about(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Requests => ("loaddensity_requests_total", description!(requests), None),
            Self::Latency => ("loaddensity_request_latency_ms", description!(latency), Some("ms")),
            Self::Size => ("loaddensity_response_bytes", description!(size), Some("bytes")),
        }
    }

    /// What the line with the creation time of a series begins with, before its labels.
    pub(super) const fn created(self) -> &'static [u8] {
        match self {
            Self::Requests => b"loaddensity_requests_created{",
            Self::Latency => b"loaddensity_request_latency_ms_created{",
            Self::Size => b"loaddensity_response_bytes_created{",
        }
    }

    /// The family that comes after it on the page.
    pub(super) const fn next(self) -> Option<Self> {
        match self {
            Self::Requests => Some(Self::Latency),
            Self::Latency => Some(Self::Size),
            Self::Size => None,
        }
    }
}

/// The first bytes of a line.
#[derive(Debug)]
pub(super) struct LineStart {
    pub(super) bytes: [u8; START_BYTES],
    pub(super) length: usize,
}

/// Longer than the longest, so that a copy of known length will do.
pub(super) const START_BYTES: usize = 48;

const fn start(text: &[u8]) -> LineStart {
    let (mut bytes, mut length) = ([0; START_BYTES], 0);
    while length < text.len() {
        bytes[length] = text[length];
        length += 1;
    }
    LineStart { bytes, length }
}
