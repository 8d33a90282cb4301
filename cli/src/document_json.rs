//! What came of a document, for programs (`--json`; docs/command-line.md).

use loaddensity_metrics_shell::{Account, ExporterStatus, Report};
use serde_json::{Map, Value, json};

use crate::losses::is_lossy;
use crate::source::DocumentSource;

/// The object of a document. Without a report it could not be read.
pub(crate) fn object(
    source: &DocumentSource,
    load_tests: &[Value],
    mut runs: Vec<ExporterStatus>,
    report: Option<&Report>,
    errors: &[String],
) -> Value {
    // As in the table.
    runs.sort_by_key(|run| run.exporter);
    json!({
        "kind": "document",
        "document": source.name,
        "load_tests": load_tests,
        "exporters": runs.iter().map(exporter).collect::<Vec<_>>(),
        "storage": report.map(storage),
        "errors": errors,
    })
}

/// A run of an exporter.
fn exporter(run: &ExporterStatus) -> Value {
    let account = &run.account;
    json!({
        "exporter": run.exporter.as_str(),
        "address": run.address,
        "recorded": account.recorded,
        "sent": account.sent,
        "held": account.held,
        "dropped": dropped(account),
        "observations": run.observations.as_ref().map(observations),
        "delivered": !is_lossy(run),
        "reconnects": run.reconnects,
        "refusals": run.refusals,
        "last_error": run.last_error,
    })
}

/// The account of observations.
fn observations(account: &Account) -> Value {
    json!({
        "recorded": account.recorded,
        "sent": account.sent,
        "held": account.held,
        "dropped": dropped(account),
    })
}

fn dropped(account: &Account) -> Map<String, Value> {
    account.dropped.iter().map(|(reason, count)| (reason.as_str().to_owned(), count.into())).collect()
}

/// What the storage had no room for.
fn storage(report: &Report) -> Value {
    let exceeded = &report.exceeded;
    json!({
        "ring_dropped": report.full_rings.iter().map(|ring| ring.dropped).sum::<u64>(),
        "ring_would_have_held": report.full_rings.iter().map(|ring| ring.would_have_held).max(),
        "series_folded": exceeded.folded.as_ref().map_or(0, |folded| folded.times),
        "names_cut": exceeded.cut.as_ref().map_or(0, |cut| cut.series),
        "recorders_spilled": exceeded.spilled.map_or(0, |spilled| spilled.most),
    })
}
