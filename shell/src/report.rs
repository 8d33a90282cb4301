//! The report at the end: what became of every request, for each exporter.

use std::fmt;

use loaddensity_metrics_core::{Account, FullRing};

/// What became of every request. One account for each exporter that ran, in the order of
/// [`Exporter::ALL`](loaddensity_metrics_core::Exporter::ALL), of its last run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// `recorded = sent + dropped` in each of them, once recording has paused.
    pub accounts: Vec<Account>,
    /// The recorders whose rings refused events, since the storage's birth, and the ring size that would have held.
    pub full_rings: Vec<FullRing>,
}

impl fmt::Display for Report {
    /// A table: exporter, recorded, sent, dropped, and the drops by cause; then the full rings, if any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.accounts.is_empty() {
            return f.write_str("no exporter was running");
        }
        write!(f, "{:<14} {:>12} {:>12} {:>12}", "exporter", "recorded", "sent", "dropped")?;
        self.accounts.iter().try_for_each(|account| write_row(f, account))?;
        self.full_rings.iter().try_for_each(|ring| write!(f, "\n{ring}"))
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, account: &Account) -> fmt::Result {
    let dropped = account.dropped.total();
    write!(f, "\n{:<14} {:>12} {:>12} {:>12}", account.exporter.as_str(), account.recorded, account.sent, dropped)?;
    let mut separator = "  ";
    for (cause, count) in account.dropped.iter().filter(|&(_, count)| count > 0) {
        write!(f, "{separator}{} {count}", cause.as_str())?;
        separator = ", ";
    }
    if account.held > 0 {
        write!(f, "{separator}still held {}", account.held)?;
    }
    Ok(())
}
