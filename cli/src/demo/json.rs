//! The reconciliation for programs (`--json`; docs/command-line.md).

use serde_json::{Value, json};

use super::report::{DemoBackend, Demonstration};
use crate::args::RuntimeName;
use crate::receivers::Observed;

impl Demonstration {
    /// The object of the demo.
    pub(super) fn json(&self, runtime: RuntimeName) -> Value {
        json!({
            "kind": "demo",
            "runtime": runtime.as_str(),
            "reconciled": self.reconciles(),
            "fault": self.target_fault(),
            "recorded": self.requests,
            "recorded_failures": self.failures,
            "instruments": instruments(&self.observed),
            "answered": self.answered,
            "load_test": self.load,
            "backends": self.backends.iter().map(|backend| self.backend(backend)).collect::<Vec<_>>(),
        })
    }

    fn backend(&self, backend: &DemoBackend) -> Value {
        let fault = backend.fault(self);
        let arrived = backend.arrived.as_ref().ok();
        json!({
            "exporter": backend.account.exporter.as_str(),
            "recorded": backend.account.recorded,
            "sent": backend.account.sent,
            "arrived": arrived.map(|arrived| arrived.requests()),
            "arrived_successes": arrived.map(|arrived| arrived.success),
            "arrived_failures": arrived.map(|arrived| arrived.failure),
            "observations_sent": backend.observations.sent,
            "instruments": arrived.map(|arrived| instruments(&arrived.observed)),
            "datagrams": backend.datagrams.map(|datagrams| datagrams.arrived),
            "kernel_drops": backend.datagrams.and_then(|datagrams| datagrams.kernel_drops),
            "reconciled": fault.is_none(),
            "fault": fault,
        })
    }
}

/// What the engine's own instruments counted. A nanosecond is never lost: the sum is in whole ones.
fn instruments(observed: &Observed) -> Value {
    json!({
        "iterations": observed.iterations,
        "first_bytes": observed.first_bytes,
        "first_byte_sum_ns": observed.first_byte_nanos,
    })
}
