//! Servers that are not there.

use std::time::Duration;

use loaddensity_metrics_shell::DropReason;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::backends::SHORT_PATIENCE;
use crate::course::{Course, Trouble};
use crate::law::broken;
use crate::site::ServerSite;

/// What a refused connection is called.
const REFUSED: &[&str] = &["nothing listens there"];

/// Servers that are absent at first, come, go while bodies are on their way, and come again at the same address. On half of
/// the seeds the stop comes while they are away.
pub(crate) fn absent_and_back<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let mut site = ServerSite::<R>::start(SHORT_PATIENCE)?;
    let rounds = course.random.below(3);
    for round in 0..rounds {
        site.wait_for_complaints(course, REFUSED)?;
        std::thread::sleep(course.between(100, 1_500));
        course.note(format!("round {round}: servers come"));
        site.come()?;
        site.wait_for_arrival()?;
        restart(course, &mut site)?;
        course.note("servers go");
        site.go();
    }
    let stops_without = course.random.below(2) == 0;
    if !stops_without {
        site.come()?;
        site.wait_for_arrival()?;
        site.stop(course, Duration::from_secs(10), |_| Vec::new())?;
        return Ok(());
    }
    site.wait_for_complaints(course, REFUSED)?;
    let deadline = course.between(300, 1_500);
    course.saw(format!("stopped while they are away, after {rounds} visits"));
    // What had begun to be sent when the servers went may have arrived. Where none was ever there, nothing can have.
    let reasons = if rounds == 0 {
        vec![DropReason::Unreachable]
    } else {
        vec![DropReason::Unreachable, DropReason::Unconfirmed]
    };
    for (protocol, kind, account) in site.stop(course, deadline, |_| reasons.clone())? {
        if account.dropped.get(DropReason::Unreachable) == 0 {
            return Err(broken(kind, format_args!("{protocol:?} has dropped nothing as unreachable"), &account));
        }
    }
    Ok(())
}

/// Servers go while bodies are on their way, and are back at once, or only their connections go, several times.
fn restart<R: Runtime>(course: &mut Course, site: &mut ServerSite<R>) -> Result<(), Trouble> {
    for _ in 0..3 {
        std::thread::sleep(course.between(5, 120));
        if course.random.below(3) == 0 {
            site.cut();
        } else {
            site.go();
            site.come()?;
        }
    }
    site.wait_for_arrival()
}
