//! The metrics about the exporters and the registry themselves, at the end of the page.

use crate::facts::Facts;
use crate::ledger::{Account, Cause, Exporter};
use crate::out::{Full, Out};
use crate::registry::Registry;

/// What the lines about the exporters and the registry show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    accounts: [Option<Account>; Exporter::ALL.len()],
    facts: Facts,
}

impl Status {
    pub(super) fn of(registry: Registry<'_>) -> Self {
        let account = |exporter| registry.is_known(exporter).then(|| registry.account(exporter));
        Self { accounts: Exporter::ALL.map(account), facts: registry.facts() }
    }
}

/// A metric about the exporters or the registry.
pub(super) struct StatusMetric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: StatusValue,
}

enum StatusValue {
    /// One line per exporter.
    Exporter(fn(&Account) -> u64),
    /// One line per exporter and cause.
    Dropped,
    /// One line.
    Registry(fn(&Facts) -> u64),
}

/// In the order in which they are shown.
pub(super) const STATUS: [StatusMetric; 9] = [
    StatusMetric {
        name: "loaddensity_exporter_recorded_total",
        kind: "counter",
        help: "Requests recorded since the exporter's start",
        value: StatusValue::Exporter(|account| account.recorded),
    },
    StatusMetric {
        name: "loaddensity_exporter_sent_total",
        kind: "counter",
        help: "Of those, requests that the backend has",
        value: StatusValue::Exporter(|account| account.sent),
    },
    StatusMetric {
        name: "loaddensity_exporter_dropped_total",
        kind: "counter",
        help: "Of those, requests dropped, by cause",
        value: StatusValue::Dropped,
    },
    StatusMetric {
        name: "loaddensity_exporter_held",
        kind: "gauge",
        help: "Of those, requests that wait to be sent",
        value: StatusValue::Exporter(|account| account.held),
    },
    StatusMetric {
        name: "loaddensity_registry_series",
        kind: "gauge",
        help: "Series interned",
        value: StatusValue::Registry(|facts| facts.series as u64),
    },
    StatusMetric {
        name: "loaddensity_registry_series_capacity",
        kind: "gauge",
        help: "Series that the storage holds, the overflow series included",
        value: StatusValue::Registry(|facts| facts.series_capacity as u64),
    },
    StatusMetric {
        name: "loaddensity_registry_folded_total",
        kind: "counter",
        help: "Times a series was folded into the overflow series because the registry was full",
        value: StatusValue::Registry(|facts| facts.folded),
    },
    StatusMetric {
        name: "loaddensity_registry_names_cut_total",
        kind: "counter",
        help: "Series whose method or name was cut because it was too long",
        value: StatusValue::Registry(|facts| facts.names_cut),
    },
    StatusMetric {
        name: "loaddensity_registry_spill_recorders",
        kind: "gauge",
        help: "Recorders without a shard of their own",
        value: StatusValue::Registry(|facts| facts.spill_recorders as u64),
    },
];

impl StatusMetric {
    pub(super) fn header(&self, out: &mut Out<'_>) -> Result<(), Full> {
        for part in ["# HELP ", self.name, " ", self.help, "\n# TYPE ", self.name, " ", self.kind, "\n"] {
            out.put(part.as_bytes())?;
        }
        Ok(())
    }

    /// Writes line `line`, or nothing where its exporter was never started; says whether there are more.
    pub(super) fn line(&self, status: &Status, line: usize, out: &mut Out<'_>) -> Result<bool, Full> {
        match self.value {
            StatusValue::Registry(value) => {
                self.value_line(&[], value(&status.facts), out)?;
                Ok(false)
            }
            StatusValue::Exporter(value) => {
                if let Some(account) = &status.accounts[line] {
                    let labels = ["{exporter=\"", account.exporter.as_str(), "\"}"];
                    self.value_line(&labels, value(account), out)?;
                }
                Ok(line + 1 < Exporter::ALL.len())
            }
            StatusValue::Dropped => {
                let cause = Cause::ALL[line % Cause::ALL.len()];
                if let Some(account) = &status.accounts[line / Cause::ALL.len()] {
                    let exporter = account.exporter.as_str();
                    let labels = ["{exporter=\"", exporter, "\",cause=\"", cause.as_str(), "\"}"];
                    self.value_line(&labels, account.dropped.get(cause), out)?;
                }
                Ok(line + 1 < Exporter::ALL.len() * Cause::ALL.len())
            }
        }
    }

    fn value_line(&self, labels: &[&str], value: u64, out: &mut Out<'_>) -> Result<(), Full> {
        out.put(self.name.as_bytes())?;
        for part in labels {
            out.put(part.as_bytes())?;
        }
        out.put(b" ")?;
        out.put_integer(value)?;
        out.put(b"\n")
    }
}
