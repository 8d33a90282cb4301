//! What must hold in every scenario.

use std::time::{Duration, Instant};

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, DropReason, Exporter, Exporters, Report};

use crate::course::{Course, Trouble};

/// How much later than its deadline a stop may be over, on a machine that does something else besides.
pub(crate) const SLACK: Duration = Duration::from_secs(2);

/// Stops everything, and checks that the stop was over by its deadline, that nothing is held, and that as many requests were
/// accounted for as were recorded.
pub(crate) fn shut_down<R: Runtime>(
    course: &mut Course,
    exporters: Exporters<R>,
    deadline: Duration,
    recorded: u64,
) -> Result<Report, Trouble> {
    let begun = Instant::now();
    let report = exporters.shutdown(deadline);
    let took = begun.elapsed().saturating_sub(course.stood_still()?);
    if took > deadline + SLACK {
        return Err(format!("a stop took {took:?} where it had {deadline:?}").into());
    }
    course.saw(format!("{recorded} requests"));
    for account in &report.accounts {
        course.saw_account(account);
        check_settled(account, recorded)?;
    }
    Ok(report)
}

/// An account after a stop: `recorded` is sent and dropped, and nothing is held.
pub(crate) fn check_settled(account: &Account, recorded: u64) -> Result<(), Trouble> {
    if account.recorded == recorded && account.held == 0 && account.balanced() {
        return Ok(());
    }
    Err(format!("{recorded} requests were recorded: {account:?}").into())
}

/// What the backend has of an exporter's requests: sent ≤ stored ≤ sent + unconfirmed + held.
pub(crate) fn check_stored(account: &Account, stored: u64) -> Result<(), Trouble> {
    let most = account.sent + account.dropped.get(DropReason::Unconfirmed) + account.held;
    if account.sent <= stored && stored <= most {
        return Ok(());
    }
    Err(format!("the backend has {stored} requests: {account:?}").into())
}

/// Why a stop drops what has not got through.
pub(crate) const LATE: [DropReason; 3] = [DropReason::Unreachable, DropReason::Deadline, DropReason::Unconfirmed];

/// Every reason for which requests were dropped is among these.
pub(crate) fn check_reasons(account: &Account, allowed: &[DropReason]) -> Result<(), Trouble> {
    let dropped: u64 = allowed.iter().map(|reason| account.dropped.get(*reason)).sum();
    if dropped == account.dropped.total() {
        return Ok(());
    }
    Err(format!("dropped for another reason than {allowed:?}: {account:?}").into())
}

/// Over UDP, with a datagram for each message and three messages for each request: what is called sent has left, and
/// nothing else has.
pub(crate) fn check_datagrams(account: &Account, left: u64) -> Result<(), Trouble> {
    let most = account.sent + account.dropped.get(DropReason::Unconfirmed);
    if 3 * account.sent <= left && left <= 3 * most {
        return Ok(());
    }
    Err(format!("{left} datagrams have left: {account:?}").into())
}

/// The account of one exporter.
pub(crate) fn account_of(report: &Report, exporter: Exporter) -> Result<&Account, Trouble> {
    let account = report.accounts.iter().find(|account| account.exporter == exporter);
    account.ok_or_else(|| format!("{exporter} has no account").into())
}

/// Waits until something holds. An error after a minute.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Trouble> {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        if Instant::now() > end {
            return Err(format!("for a minute it did not come to this: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
