//! Traces of requests: random ones, and the header that takes them to the server.

use std::hash::{BuildHasher, RandomState};

use hyper::header::{HeaderName, HeaderValue};
use loaddensity_metrics_shell::TraceContext;

/// W3C Trace Context, 3.2.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// One user's traces.
pub(super) struct Traces {
    /// Random keys. A number that is hashed with them, each only once, is as random.
    keys: RandomState,
    given: u64,
}

impl Traces {
    pub(super) fn new() -> Self {
        Self { keys: RandomState::new(), given: 0 }
    }

    /// A new trace with a new span.
    pub(super) fn next(&mut self) -> TraceContext {
        let [high, low, span] = [(); 3].map(|()| {
            self.given += 1;
            // An id of zeros is none (3.2.2.3).
            self.keys.hash_one(self.given).max(1)
        });
        let trace = u128::from(high) << 64 | u128::from(low);
        TraceContext { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes() }
    }
}

/// The header's value: version 00, both ids in hexadecimal, and that the trace is sampled (3.2.2). `None` without a trace.
pub(super) fn header(trace: TraceContext) -> Option<HeaderValue> {
    let (trace_id, span_id) = (u128::from_be_bytes(trace.trace_id), u64::from_be_bytes(trace.span_id));
    let value = trace.is_some().then(|| format!("00-{trace_id:032x}-{span_id:016x}-01"))?;
    HeaderValue::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn traces_are_new_and_none_is_zero() {
        let (mut one, mut other) = (Traces::new(), Traces::new());
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            for trace in [one.next(), other.next()] {
                assert!(trace.is_some() && trace.span_id != [0; 8]);
                assert!(seen.insert(trace.trace_id), "{trace:?}");
            }
        }
    }

    #[test]
    fn the_header_is_the_specifications_example() {
        let trace = TraceContext {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes(),
            span_id: 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes(),
        };
        let value = header(trace).expect("a trace");
        assert_eq!(value, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(header(TraceContext::default()), None);
    }
}
