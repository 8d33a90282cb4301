//! What counts as lost.

use loaddensity_metrics_shell::{Account, DropReason, DropStage, Exporter, ExporterStatus};

/// Whether something that was recorded in a run was not delivered, as far as is known. One datagram that was refused is
/// enough: a host tells of few of its refusals, and those that it keeps to itself count as sent.
pub(crate) fn is_lossy(run: &ExporterStatus) -> bool {
    let accounts = [Some(&run.account), run.observations.as_ref()];
    let is_lossy = |account| losses(run, account).next().is_some();
    accounts.into_iter().flatten().any(is_lossy) || (run.refusals > 0 && run.account.recorded > 0)
}

/// Why requests or observations of a run, which `account` is of, did not get where they should have, with their numbers.
///
/// What sampling left out was to be left out. What a page showed after its last scrape is lost where it was asked to
/// linger for that, and where no scrape ever took anything: a test that ends between two scrapes is nothing unusual.
pub(crate) fn losses(run: &ExporterStatus, account: &Account) -> impl Iterator<Item = (DropReason, u64)> {
    // Of either: a page that was scraped before the first observation was scraped.
    let sent = run.account.sent + run.observations.map_or(0, |account| account.sent);
    let is_scraped = run.exporter == Exporter::Prometheus && run.linger.is_none() && sent > 0;
    account.dropped.iter().filter(move |(cause, count)| {
        let was_asked_for = cause.stage() == DropStage::Choosing;
        let is_usual = *cause == DropReason::Unscraped && is_scraped;
        *count > 0 && !was_asked_for && !is_usual
    })
}
