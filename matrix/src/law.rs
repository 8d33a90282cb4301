//! What must hold in every scenario.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, DropReason, Exporter, ExporterStatus, Exporters, Report};

use crate::backend_process::BackendCounts;
use crate::course::{Course, Trouble};
use crate::items::{ItemCounts, KINDS, word};
use crate::observations_as::are_one_by_one;

/// How much later than its deadline a stop may be over, on a machine that does something else besides.
pub(crate) const SLACK: Duration = Duration::from_secs(2);

/// Stops everything, and checks that the stop was over by its deadline, that nothing is held, and that as many requests and
/// observations were accounted for as were recorded, of which the exporters know before the stop.
pub(crate) fn shut_down<R: Runtime>(
    course: &mut Course,
    exporters: Exporters<R>,
    deadline: Duration,
    recorded: ItemCounts,
) -> Result<Report, Trouble> {
    for status in exporters.status() {
        check_running(&status, recorded)?;
    }
    let begun = Instant::now();
    let report = exporters.shutdown(deadline);
    let took = begun.elapsed().saturating_sub(course.stood_still()?);
    if took > deadline + SLACK {
        return Err(format!("a stop took {took:?} where it had {deadline:?}").into());
    }
    check_report(course, &report, recorded)?;
    Ok(report)
}

/// All accounts of a stop, in each of which is what was recorded.
pub(crate) fn check_report(course: &mut Course, report: &Report, recorded: ItemCounts) -> Result<(), Trouble> {
    course.saw(format!("{} requests, {} observations", recorded.requests, recorded.observations));
    for kind in KINDS {
        for account in accounts(report, kind) {
            course.saw_account(kind, account);
            check_settled(kind, account, recorded.of(kind))?;
        }
    }
    // An account of observations is there where there were any.
    if recorded.observations != 0 && report.observations.len() != report.accounts.len() {
        return Err(format!("{recorded:?}, and not each exporter has both accounts: {report:?}").into());
    }
    Ok(())
}

/// While nothing more is recorded, an exporter knows how much was.
fn check_running(status: &ExporterStatus, recorded: ItemCounts) -> Result<(), Trouble> {
    for kind in KINDS {
        let account = account_in(status, kind)?;
        if account.recorded != recorded.of(kind) {
            return Err(broken(kind, format_args!("{} were recorded, before the stop", recorded.of(kind)), &account));
        }
    }
    Ok(())
}

/// An account after a stop: `recorded` is sent and dropped, and nothing is held.
pub(crate) fn check_settled(kind: AccountKind, account: &Account, recorded: u64) -> Result<(), Trouble> {
    if account.recorded == recorded && account.held == 0 && account.balanced() {
        return Ok(());
    }
    Err(broken(kind, format_args!("{recorded} were recorded"), account))
}

/// What the backend has of what an exporter sent, of both kinds.
pub(crate) fn check_backend(report: &Report, exporter: Exporter, stored: ItemCounts) -> Result<(), Trouble> {
    KINDS.into_iter().try_for_each(|kind| check_stored(kind, account_of(report, kind, exporter)?, stored.of(kind)))
}

/// What the backend has of an exporter's requests or observations: sent ≤ stored ≤ sent + unconfirmed + held.
pub(crate) fn check_stored(kind: AccountKind, account: &Account, stored: u64) -> Result<(), Trouble> {
    let most = account.sent + account.dropped.get(DropReason::Unconfirmed) + account.held;
    if account.sent <= stored && stored <= most {
        return Ok(());
    }
    Err(broken(kind, format_args!("the backend has {stored}"), account))
}

/// Everything was sent.
pub(crate) fn check_all_sent(report: &Report, exporter: Exporter, recorded: ItemCounts) -> Result<(), Trouble> {
    for kind in KINDS {
        let account = account_of(report, kind, exporter)?;
        if account.sent != recorded.of(kind) {
            return Err(broken(kind, format_args!("{} should have been sent", recorded.of(kind)), account));
        }
    }
    Ok(())
}

/// Why a stop drops what has not got through.
pub(crate) const LATE: [DropReason; 3] = [DropReason::Unreachable, DropReason::Deadline, DropReason::Unconfirmed];

/// Every reason for which an exporter's requests and observations were dropped is among these.
pub(crate) fn check_reasons(report: &Report, exporter: Exporter, allowed: &[DropReason]) -> Result<(), Trouble> {
    for kind in KINDS {
        let account = account_of(report, kind, exporter)?;
        if account.dropped.iter().any(|(reason, count)| count != 0 && !allowed.contains(&reason)) {
            return Err(broken(kind, format_args!("dropped for another reason than {allowed:?}"), account));
        }
    }
    Ok(())
}

/// Over UDP, with a datagram for each message and three messages for each request: what is called sent has left, and
/// nothing else has. So many of the datagrams are of own instruments: where those are sent one by one, each is an observation.
pub(crate) fn check_datagrams(report: &Report, left: u64, own: RangeInclusive<u64>) -> Result<(), Trouble> {
    let account = account_of(report, AccountKind::Requests, Exporter::Statsd)?;
    let most = account.sent + account.dropped.get(DropReason::Unconfirmed);
    if left < 3 * account.sent + own.start() || 3 * most + own.end() < left {
        let left = format_args!("{left} datagrams have left, {own:?} of which are of own instruments");
        return Err(broken(AccountKind::Requests, left, account));
    }
    let account = account_of(report, AccountKind::Observations, Exporter::Statsd)?;
    let most = account.sent + account.dropped.get(DropReason::Unconfirmed);
    if are_one_by_one() && (*own.end() < account.sent || most < *own.start()) {
        return Err(broken(AccountKind::Observations, format_args!("{own:?} have left, one by one"), account));
    }
    Ok(())
}

/// Over UDP, with a datagram for each message: no more datagrams of requests have arrived than were sent, and no more
/// observations.
pub(crate) fn check_arrived(report: &Report, counts: &BackendCounts) -> Result<(), Trouble> {
    let of_requests = counts.datagrams - counts.own_datagrams;
    for (kind, each, arrived) in
        [(AccountKind::Requests, 3, of_requests), (AccountKind::Observations, 1, counts.udp.observations)]
    {
        let account = account_of(report, kind, Exporter::Statsd)?;
        if arrived > each * (account.sent + account.dropped.get(DropReason::Unconfirmed)) {
            return Err(broken(kind, format_args!("{arrived} have arrived, {each} of each"), account));
        }
    }
    Ok(())
}

/// The account of one exporter.
pub(crate) fn account_of(report: &Report, kind: AccountKind, exporter: Exporter) -> Result<&Account, Trouble> {
    let account = accounts(report, kind).iter().find(|account| account.exporter == exporter);
    account.ok_or_else(|| format!("{exporter} has no account of {}", word(kind)).into())
}

/// The account of an exporter that runs.
pub(crate) fn account_in(status: &ExporterStatus, kind: AccountKind) -> Result<Account, Trouble> {
    let account = if kind == AccountKind::Observations { status.observations } else { Some(status.account) };
    account.ok_or_else(|| format!("{} has no account of {}", status.exporter, word(kind)).into())
}

/// All accounts of one kind.
pub(crate) fn accounts(report: &Report, kind: AccountKind) -> &[Account] {
    if kind == AccountKind::Observations { &report.observations } else { &report.accounts }
}

/// Says which account is not as it must be.
pub(crate) fn broken(kind: AccountKind, what: impl Display, account: &Account) -> Trouble {
    format!("{} of {}: {what}: {account:?}", word(kind), account.exporter).into()
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
