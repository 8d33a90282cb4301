//! The metrics about the exporters and the registry themselves, at the end of the page.

use super::constant::ConstantText;
use crate::registry::Registry;
use crate::registry::account::Account;
use crate::registry::account::AccountKind::{self, Observations, Requests};
use crate::registry::drop_reason::DropReason;
use crate::registry::exporter::Exporter;
use crate::registry::usage::Usage;
use crate::wire::text::out::{Full, TextWriter};

/// What the lines about the exporters and the registry show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    accounts: [Option<Account>; Exporter::ALL.len()],
    /// All `None` where no instrument of the engine's own is declared.
    observations: [Option<Account>; Exporter::ALL.len()],
    usage: Usage,
}

impl Status {
    /// As it is after a page has shown so many observations.
    pub(super) fn read(registry: Registry<'_>, shown: u64) -> Self {
        let account = |exporter| registry.is_known(exporter).then(|| registry.account(exporter));
        let has_instruments = registry.instrument_at(0).is_some();
        let observations = |exporter| {
            let is_shown = has_instruments && registry.accounts_observations(exporter);
            is_shown.then(|| registry.observation_account_after(exporter, shown))
        };
        let (accounts, observations) = (Exporter::ALL.map(account), Exporter::ALL.map(observations));
        Self { accounts, observations, usage: registry.usage() }
    }

    const fn of(&self, kind: AccountKind) -> &[Option<Account>; Exporter::ALL.len()] {
        match kind {
            Requests => &self.accounts,
            Observations => &self.observations,
        }
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
    Exporter(AccountKind, fn(&Account) -> u64),
    /// One line per exporter and cause.
    Dropped(AccountKind),
    /// One line.
    Registry(fn(&Usage) -> u64),
}

/// In the order in which they are shown.
pub(super) const STATUS: [StatusMetric; 13] = [
    StatusMetric {
        name: "loaddensity_exporter_recorded_total",
        kind: "counter",
        help: "Requests recorded since the exporter's start",
        value: StatusValue::Exporter(Requests, |account| account.recorded),
    },
    StatusMetric {
        name: "loaddensity_exporter_sent_total",
        kind: "counter",
        help: "Of those, requests that the backend has",
        value: StatusValue::Exporter(Requests, |account| account.sent),
    },
    StatusMetric {
        name: "loaddensity_exporter_dropped_total",
        kind: "counter",
        help: "Of those, requests dropped, by cause",
        value: StatusValue::Dropped(Requests),
    },
    StatusMetric {
        name: "loaddensity_exporter_held",
        kind: "gauge",
        help: "Of those, requests that wait to be sent",
        value: StatusValue::Exporter(Requests, |account| account.held),
    },
    StatusMetric {
        name: "loaddensity_exporter_observations_recorded_total",
        kind: "counter",
        help: "Observations of the engine's own instruments since the exporter's start",
        value: StatusValue::Exporter(Observations, |account| account.recorded),
    },
    StatusMetric {
        name: "loaddensity_exporter_observations_sent_total",
        kind: "counter",
        help: "Of those, observations that the backend has",
        value: StatusValue::Exporter(Observations, |account| account.sent),
    },
    StatusMetric {
        name: "loaddensity_exporter_observations_dropped_total",
        kind: "counter",
        help: "Of those, observations dropped, by cause",
        value: StatusValue::Dropped(Observations),
    },
    StatusMetric {
        name: "loaddensity_exporter_observations_held",
        kind: "gauge",
        help: "Of those, observations that wait to be sent",
        value: StatusValue::Exporter(Observations, |account| account.held),
    },
    StatusMetric {
        name: "loaddensity_registry_series",
        kind: "gauge",
        help: "Series interned",
        value: StatusValue::Registry(|usage| usage.series as u64),
    },
    StatusMetric {
        name: "loaddensity_registry_series_capacity",
        kind: "gauge",
        help: "Series that the storage has room for",
        value: StatusValue::Registry(|usage| usage.series_capacity as u64),
    },
    StatusMetric {
        name: "loaddensity_registry_folded_total",
        kind: "counter",
        help: "Times a series was folded into the overflow series because the registry was full",
        value: StatusValue::Registry(|usage| usage.folded),
    },
    StatusMetric {
        name: "loaddensity_registry_names_cut_total",
        kind: "counter",
        help: "Series whose method or name was cut because it was too long",
        value: StatusValue::Registry(|usage| usage.names_cut),
    },
    StatusMetric {
        name: "loaddensity_registry_spill_recorders",
        kind: "gauge",
        help: "Recorders without a shard of their own",
        value: StatusValue::Registry(|usage| usage.spill_recorders as u64),
    },
];

impl StatusMetric {
    /// The lines before the samples.
    pub(super) fn header(&self, is_open_metrics: bool, out: &mut TextWriter<'_>) -> Result<(), Full> {
        let name = if is_open_metrics { self.name.strip_suffix("_total").unwrap_or(self.name) } else { self.name };
        for part in ["# HELP ", name, " ", self.help, "\n# TYPE ", name, " ", self.kind, "\n"] {
            out.put(part.as_bytes())?;
        }
        Ok(())
    }

    /// Writes line `line`, or nothing where its exporter was never started; returns whether there are more.
    pub(super) fn line(
        &self,
        status: &Status,
        line: usize,
        constant: &ConstantText,
        out: &mut TextWriter<'_>,
    ) -> Result<bool, Full> {
        if let Some(point) = self.point(status, line) {
            self.write(&point, constant, out)?;
        }
        Ok(line + 1 < self.points())
    }

    /// Whether the page has it, if only its name: that of observations only where there are some accounts of them.
    pub(super) fn is_shown(&self, status: &Status) -> bool {
        match self.value {
            StatusValue::Exporter(Observations, _) | StatusValue::Dropped(Observations) => {
                status.observations.iter().flatten().next().is_some()
            }
            _ => true,
        }
    }

    /// Name and help.
    pub(super) const fn about(&self) -> (&'static str, &'static str) {
        (self.name, self.help)
    }

    pub(super) fn is_counter(&self) -> bool {
        self.kind == "counter"
    }

    /// How many points it has at most.
    pub(super) const fn points(&self) -> usize {
        match self.value {
            StatusValue::Registry(_) => 1,
            StatusValue::Exporter(..) => Exporter::ALL.len(),
            StatusValue::Dropped(_) => Exporter::ALL.len() * DropReason::ALL.len(),
        }
    }

    /// One of its points; `None` where its exporter was never started.
    pub(super) fn point(&self, status: &Status, number: usize) -> Option<StatusPoint> {
        let account = |kind, number: usize| status.of(kind).get(number)?.as_ref();
        match self.value {
            StatusValue::Registry(value) => Some(StatusPoint { labels: ["", ""], value: value(&status.usage) }),
            StatusValue::Exporter(kind, value) => {
                let account = account(kind, number)?;
                Some(StatusPoint { labels: [account.exporter.as_str(), ""], value: value(account) })
            }
            StatusValue::Dropped(kind) => {
                let account = account(kind, number / DropReason::ALL.len())?;
                let cause = DropReason::ALL[number % DropReason::ALL.len()];
                let labels = [account.exporter.as_str(), cause.as_str()];
                Some(StatusPoint { labels, value: account.dropped.get(cause) })
            }
        }
    }

    fn write(&self, point: &StatusPoint, constant: &ConstantText, out: &mut TextWriter<'_>) -> Result<(), Full> {
        out.put(self.name.as_bytes())?;
        constant.put_after(point.labels(), out)?;
        out.put(b" ")?;
        out.put_integer(point.value)?;
        out.put(b"\n")
    }
}

/// A value about an exporter or the registry.
pub(super) struct StatusPoint {
    /// Exporter and cause, empty where there is none.
    labels: [&'static str; 2],
    pub(super) value: u64,
}

impl StatusPoint {
    /// Names and values; none needs to be escaped.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let all = ["exporter", "cause"].into_iter().zip(self.labels);
        all.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }
}
