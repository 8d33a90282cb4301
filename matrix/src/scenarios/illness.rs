//! What the scenarios have in common whose servers are there, and do not answer as they should.

use std::thread;
use std::time::Duration;

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_shell::DropReason;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::course::{Course, Trouble};
use crate::law::{broken, wait_until};
use crate::memory::ProcessMemory;
use crate::observations_as::are_one_by_one;
use crate::relay::Manner;
use crate::server::ServerProtocol;
use crate::site::ServerSite;

/// What is wrong with a server for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Illness {
    pub(crate) manner: Manner,
    /// The exporter's complaint has one of these words. Empty: everything arrives all the same.
    pub(crate) says: &'static [&'static str],
    /// For what requests and observations may be dropped while it lasts.
    pub(crate) drops: &'static [DropReason],
    /// For what else they may be dropped if the stop comes during it.
    pub(crate) at_stop: &'static [DropReason],
}

/// What becomes of requests at a stop towards a server that does not answer: those that were sent may have arrived, others were
/// never tried.
const NO_ANSWER: &[DropReason] = &[DropReason::Unconfirmed, DropReason::Unreachable];
/// The most memory that may come to what a process has with well servers: full buffers of events, bodies on their way, and what
/// the backends keep.
const MOST_MEMORY: u64 = 48 << 20;
/// The most bytes that a server can say over one connection: what an exporter takes, and what the system's buffers hold.
const MOST_SAID: usize = 24 << 20;

impl Illness {
    /// Nothing is ever answered, and every requests waits.
    pub(crate) const fn without_an_answer(manner: Manner, says: &'static [&'static str]) -> Self {
        Self { manner, says, drops: &[], at_stop: NO_ANSWER }
    }
}

/// Servers that are well, fall ill once for each row, and get well again. On half of the seeds the stop comes during the last
/// illness. Exporters wait for an answer for `patience`.
pub(crate) fn fall_ill<R: Runtime>(
    course: &mut Course,
    patience: Duration,
    rounds: &[[Illness; 3]],
) -> Result<(), Trouble> {
    let site = ServerSite::<R>::start_well(patience)?;
    site.wait_for_arrival()?;
    let memory = ProcessMemory::now()?;
    let stops_ill = course.random.below(2) == 0;
    for (round, illnesses) in rounds.iter().enumerate() {
        let of = |protocol: ServerProtocol| illnesses[protocol as usize];
        for protocol in ServerProtocol::ALL {
            course.note(format!("round {round}: {protocol:?} has {:?}", of(protocol).manner));
        }
        let before = faults(&site)?;
        site.behave(|protocol| of(protocol).manner);
        for protocol in ServerProtocol::ALL {
            if of(protocol).says.is_empty() {
                site.wait_for_arrival_of(protocol)?;
            } else {
                site.wait_for_complaint(course, protocol, of(protocol).says)?;
            }
        }
        thread::sleep(course.between(200, 1_500));
        wait_for_faults(&site, before)?;
        if stops_ill && round + 1 == rounds.len() {
            return stop_ill(course, site, rounds, memory);
        }
        site.behave(|_| Manner::Well);
        site.wait_for_arrival()?;
    }
    site.stop(course, Duration::from_secs(10), |protocol| drops(rounds, protocol))?;
    check_memory(course, memory)
}

/// What was held when the stop came, which was not all, is dropped for the right reason.
fn stop_ill<R: Runtime>(
    course: &mut Course,
    site: ServerSite<R>,
    rounds: &[[Illness; 3]],
    memory: ProcessMemory,
) -> Result<(), Trouble> {
    course.saw("stopped while they are ill");
    let freezes = course.random.below(2) == 0;
    let last = |protocol: ServerProtocol| rounds[rounds.len() - 1][protocol as usize];
    let at_stop = |protocol: ServerProtocol| last(protocol).at_stop;
    let resets = |protocol: ServerProtocol| matches!(last(protocol).manner, Manner::ResetAfter(_));
    let deadline = if freezes { freeze(course)? } else { course.between(300, 1_500) };
    for (protocol, kind, account) in
        site.stop(course, deadline, |protocol| [&drops(rounds, protocol), at_stop(protocol)].concat())?
    {
        // What own instruments count in an interval is a short body, which may come through before a connection is reset.
        let is_sent_whole = protocol != ServerProtocol::Influxdb || !are_one_by_one();
        let is_short = kind == AccountKind::Observations && is_sent_whole && resets(protocol);
        if at_stop(protocol) == NO_ANSWER && !is_short && account.dropped.total() == 0 {
            return Err(broken(kind, format_args!("{protocol:?} had no answer, and dropped nothing"), &account));
        }
    }
    check_memory(course, memory)
}

/// Soon this process stands still, and goes on when the deadline that is returned has passed.
fn freeze(course: &mut Course) -> Result<Duration, Trouble> {
    course.saw("and the process is frozen meanwhile");
    course.freeze()?;
    Ok(Duration::from_millis(300))
}

fn drops(rounds: &[[Illness; 3]], protocol: ServerProtocol) -> Vec<DropReason> {
    rounds.iter().flat_map(|illnesses| illnesses[protocol as usize].drops).copied().collect()
}

fn faults<R: Runtime>(site: &ServerSite<R>) -> Result<Vec<usize>, Trouble> {
    site.servers.iter().map(|server| Ok(server.relay()?.faults())).collect()
}

/// Every server has had something to be ill with.
fn wait_for_faults<R: Runtime>(site: &ServerSite<R>, before: Vec<usize>) -> Result<(), Trouble> {
    for (server, before) in site.servers.iter().zip(before) {
        let relay = server.relay()?;
        wait_until(&format!("{:?} is ill", server.protocol), || relay.faults() > before)?;
        let said = relay.most_said();
        if said > MOST_SAID {
            return Err(format!("{:?} said {said} bytes over one connection", server.protocol).into());
        }
    }
    Ok(())
}

fn check_memory(course: &mut Course, before: ProcessMemory) -> Result<(), Trouble> {
    let more = ProcessMemory::now()?.most.saturating_sub(before.resident);
    course.note(format!("at most {} KiB more than with well servers", more >> 10));
    if more > MOST_MEMORY {
        return Err(format!("{more} bytes more than with well servers").into());
    }
    Ok(())
}
