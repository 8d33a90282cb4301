//! A system without buffers.

use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_end_to_end::staged::{Staged, StagedSockets};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{AsyncExporters, DropReason, Exporter, StatsdSocket};

use crate::again::run;
use crate::backends::{statsd_at, statsd_to};
use crate::course::{Course, Trouble};
use crate::generators::{PACE, at_the_stop_alone, own_datagrams_at_stop};
use crate::items::{ItemCounts, KINDS, in_packet};
use crate::law::{SLACK, account_of, broken, check_backend, check_datagrams, check_reasons, check_report};
use crate::load_generator::LoadGenerator;
use crate::namespace::{backends_far_away, enter, know_each_other, network_counter, number_after};
use crate::own_instruments::settings;
use crate::steady_load::SteadyLoad;

/// Two kinds of it. First a device whose queue is full: Linux counts such datagrams, and tells only sockets with `IP_RECVERR`,
/// which exporters do not have, so that they are called sent. Then ENOBUFS itself. No system gives it when it is asked to, so
/// it comes from staged sockets.
pub(crate) fn no_buffers<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    enter()?;
    full_device::<R>(course)?;
    staged_answers::<R>(course)
}

/// As many datagrams have left as were sent: some to the receiver, some into the full queue.
fn full_device<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let mut backends = backends_far_away()?;
    know_each_other()?;
    let config = at_the_stop_alone(statsd_at(backends.udp()).packed(false).segmentation_offload(false));
    let generator = LoadGenerator::<R>::start(PACE, |exporters| exporters.start_statsd_sink(config))?;
    backends.wait_for("datagrams arrive", |counts| counts.udp.requests > 0)?;
    course.note("the device's queue is two datagrams long");
    run("tc qdisc add dev near root tbf rate 200kbit burst 1600 limit 300")?;
    thread::sleep(course.between(500, 1_500));
    let report = generator.stop(course, Duration::from_secs(5))?;
    check_reasons(&report, Exporter::Statsd, &[])?;
    let counts = backends.settled()?;
    let lost = number_after(&run("tc -s qdisc show dev near")?, "dropped ")?;
    // What would have been ENOBUFS for a socket with `IP_RECVERR`.
    let told = network_counter("Udp", "SndbufErrors")?;
    if lost == 0 || told != lost {
        return Err(
            format!("the scenario itself: the queue lost {lost} datagrams, of which Linux counts {told}").into()
        );
    }
    course.saw(format!("a full queue lost {lost} datagrams"));
    check_datagrams(&report, counts.datagrams + counts.overflowed + lost, own_datagrams_at_stop(&report)?)
}

/// A socket answers ENOBUFS again and again, and every other time until the stop as well.
fn staged_answers<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let stops_without = course.random.below(2) == 0;
    let rounds = 3 + course.random.below(3);
    let (report, recorded, stored) = R::run(|inner| async move {
        let runtime = Staged::new(inner, StagedSockets::default());
        let exporters = AsyncExporters::start_on(runtime.clone(), settings(64)).map_err(|error| error.to_string())?;
        let socket = StatsdSocket::UnixDatagram("/staged".into());
        exporters.start_statsd_sink(statsd_to(socket)).await.map_err(|error| error.to_string())?;
        let load = SteadyLoad::start(exporters.registry(), PACE);
        for _ in 0..rounds {
            let before = load.recorded();
            runtime.stage().errors.extend([libc::ENOBUFS; MANY]);
            comes_to(&runtime, "something waits", || load.recorded().include(before + ItemCounts::of_engine(100)))
                .await?;
            check_pauses(&runtime)?;
            comes_to(&runtime, "what waited for buffers has left", || counts_of(&runtime.stage()).include(before))
                .await?;
        }
        if stops_without {
            runtime.stage().errors.extend([libc::ENOBUFS; MANY]);
            let before = counts_of(&runtime.stage()) + ItemCounts::of_engine(100);
            comes_to(&runtime, "something waits", || load.recorded().include(before)).await?;
        }
        let (recorded, _) = load.stop()?;
        let (deadline, begun) = (Duration::from_secs(1), Instant::now());
        let report = exporters.shutdown(deadline).await;
        if begun.elapsed() > deadline + SLACK {
            return Err(format!("a stop without buffers took {:?}", begun.elapsed()).into());
        }
        if stops_without {
            check_pauses(&runtime)?;
        }
        Ok::<_, Trouble>((report, recorded, counts_of(&runtime.stage())))
    })??;
    check_report(course, &report, recorded)?;
    let allowed = if stops_without { &[DropReason::Deadline, DropReason::Unconfirmed][..] } else { &[] };
    check_reasons(&report, Exporter::Statsd, allowed)?;
    for kind in KINDS {
        let account = account_of(&report, kind, Exporter::Statsd)?;
        if stops_without && account.dropped.total() == 0 {
            return Err(broken(kind, "a stop without buffers has dropped nothing", account));
        }
    }
    check_backend(&report, Exporter::Statsd, stored)
}

/// More answers than a socket is asked for, and than it may be.
const MANY: usize = 100_000;
const MOST_TRIES: usize = 1_000;

/// There are buffers again. Without them there were pauses between the tries.
fn check_pauses(runtime: &Staged<impl Runtime>) -> Result<(), Trouble> {
    let mut stage = runtime.stage();
    let tries = MANY - stage.errors.len();
    stage.errors.clear();
    if (1..=MOST_TRIES).contains(&tries) {
        return Ok(());
    }
    Err(format!("a socket without buffers was tried {tries} times").into())
}

/// Waits, on the thread of the runtime, until something holds. An error after a minute.
async fn comes_to(runtime: &impl Runtime, what: &str, holds: impl Fn() -> bool) -> Result<(), Trouble> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(format!("for a minute it did not come to this: {what}").into());
        }
        runtime.sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

fn counts_of(stage: &StagedSockets) -> ItemCounts {
    stage.datagrams.iter().map(|datagram| in_packet(datagram.as_bytes())).sum()
}
