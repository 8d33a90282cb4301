//! What counts as lost.

use loaddensity_metrics_shell::{DropReason, DropStage, Exporter, ExporterStatus};

/// Whether something that was recorded in a run was not delivered, as far as is known. One datagram that was refused is
/// enough: a host tells of few of its refusals, and those that it keeps to itself count as sent.
pub(crate) fn is_lossy(run: &ExporterStatus) -> bool {
    losses(run).next().is_some() || (run.refusals > 0 && run.account.recorded > 0)
}

/// Why requests of a run did not get where they should have, with their numbers.
///
/// What sampling left out was to be left out. What a page showed after its last scrape is lost where it was asked to
/// linger for that, and where no scrape ever took anything: a test that ends between two scrapes is nothing unusual.
pub(crate) fn losses(run: &ExporterStatus) -> impl Iterator<Item = (DropReason, u64)> {
    let is_scraped = run.exporter == Exporter::Prometheus && run.linger.is_none() && run.account.sent > 0;
    run.account.dropped.iter().filter(move |(cause, count)| {
        let was_asked_for = cause.stage() == DropStage::Choosing;
        let is_usual = *cause == DropReason::Unscraped && is_scraped;
        *count > 0 && !was_asked_for && !is_usual
    })
}
