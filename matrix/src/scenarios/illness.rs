//! What the scenarios have in common whose servers are there, and do not answer as they should.

use std::thread;
use std::time::Duration;

use loaddensity_metrics_shell::DropReason;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::course::{Course, Trouble};
use crate::relay::Manner;
use crate::site::{Protocol, Site};

/// What is wrong with a server for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Illness {
    pub(crate) manner: Manner,
    /// The exporter's complaint has one of these words.
    pub(crate) says: &'static [&'static str],
    /// For what requests may be dropped while it lasts.
    pub(crate) drops: &'static [DropReason],
}

/// What may become of requests at a stop towards a server that does not answer: those that were sent may have arrived, and
/// others were never tried, or only the stop ended the attempt.
const AT_STOP: [DropReason; 3] = [DropReason::Unconfirmed, DropReason::Unreachable, DropReason::Deadline];

/// Servers that are well, fall ill once for each row, and get well again. On half of the seeds the stop comes during the last
/// illness.
pub(crate) fn fall_ill<R: Runtime>(course: &mut Course, rounds: &[[Illness; 3]]) -> Result<(), Trouble> {
    let site = Site::<R>::start_well()?;
    site.wait_for_arrival()?;
    let stops_ill = course.random.below(2) == 0;
    for (round, illnesses) in rounds.iter().enumerate() {
        let of = |protocol: Protocol| illnesses[protocol as usize];
        let faults = faults(&site)?;
        course.note(format!("round {round}: {illnesses:?}"));
        site.behave(|protocol| of(protocol).manner);
        site.wait_for_complaints(course, |protocol| of(protocol).says)?;
        thread::sleep(course.between(200, 1_500));
        check_faults(&site, faults)?;
        if stops_ill && round + 1 == rounds.len() {
            course.saw("stopped while they are ill");
            let deadline = course.between(300, 1_500);
            site.stop(course, deadline, |protocol| [&AT_STOP[..], &drops(rounds, protocol)].concat())?;
            return Ok(());
        }
        site.behave(|_| Manner::Well);
        site.wait_for_arrival()?;
    }
    site.stop(course, Duration::from_secs(10), |protocol| drops(rounds, protocol))?;
    Ok(())
}

fn drops(rounds: &[[Illness; 3]], protocol: Protocol) -> Vec<DropReason> {
    rounds.iter().flat_map(|illnesses| illnesses[protocol as usize].drops).copied().collect()
}

fn faults<R: Runtime>(site: &Site<R>) -> Result<Vec<usize>, Trouble> {
    site.servers.iter().map(|server| Ok(server.relay()?.faults())).collect()
}

/// Every server has had something to be ill with.
fn check_faults<R: Runtime>(site: &Site<R>, before: Vec<usize>) -> Result<(), Trouble> {
    for (server, before) in site.servers.iter().zip(before) {
        if server.relay()?.faults() == before && server.relay()?.manner() != Manner::Silent {
            return Err(format!("the scenario itself: {:?} was not ill", server.protocol).into());
        }
    }
    Ok(())
}
