//! What an exporter says of its own health while it runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use loaddensity_metrics_core::{Account, Exporter};

use crate::traffic::Traffic;

/// A run of an exporter: as [`status`](crate::Exporters::status) shows it while it lasts, and as it ended.
#[derive(Clone, Debug)]
pub struct ExporterStatus {
    /// Which one.
    pub exporter: Exporter,
    /// Where it listens or sends, without anything secret: `http://127.0.0.1:9646/metrics`, `udp://127.0.0.1:8125`.
    pub address: String,
    /// What is wrong at the moment, or was at the end; `None` when the last attempt went well.
    pub last_error: Option<String>,
    /// Connections that had to be made anew since the start.
    pub reconnects: u64,
    /// Its accounting now, or at its end.
    pub account: Account,
}

impl ExporterStatus {
    /// One line: the address, then what is wrong, if anything is.
    #[must_use]
    pub fn state(&self) -> String {
        match &self.last_error {
            None => self.address.clone(),
            Some(error) => format!("{}: {error}", self.address),
        }
    }
}

/// The cell in which a running exporter notes its last error. A change is logged, a repetition is not.
pub(crate) struct Condition {
    exporter: Exporter,
    address: String,
    state: Mutex<State>,
    /// What a sink has sent.
    pub(crate) traffic: Traffic,
}

#[derive(Default)]
struct State {
    last_error: Option<String>,
    reconnects: u64,
}

impl Condition {
    pub(crate) fn new(exporter: Exporter, address: String) -> Self {
        Self { exporter, address, state: Mutex::default(), traffic: Traffic::default() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Notes that the last attempt failed, and why.
    pub(crate) fn failed(&self, error: impl Into<String>) {
        let error = error.into();
        let mut state = self.lock();
        if state.last_error.as_ref() != Some(&error) {
            tracing::warn!(exporter = self.exporter.as_str(), address = %self.address, "{error}");
            state.last_error = Some(error);
        }
    }

    /// Notes that the last attempt went well.
    pub(crate) fn went_well(&self) {
        if self.lock().last_error.take().is_some() {
            tracing::info!(exporter = self.exporter.as_str(), address = %self.address, "works again");
        }
    }

    /// Counts a connection that replaces an earlier one.
    pub(crate) fn reconnected(&self) {
        self.lock().reconnects += 1;
    }

    pub(crate) fn status(&self, account: Account) -> ExporterStatus {
        let state = self.lock();
        ExporterStatus {
            exporter: self.exporter,
            address: self.address.clone(),
            last_error: state.last_error.clone(),
            reconnects: state.reconnects,
            account,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
