//! What a network does to packets, between two hosts that are network namespaces.

use std::thread;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporter, Report};

use crate::again::run;
use crate::backend_process::{BackendCounts, BackendProcess};
use crate::backends::{any_page, influxdb_at, otlp_at, statsd_at};
use crate::course::{Course, Trouble};
use crate::generators::PACE;
use crate::items::ItemCounts;
use crate::law::{LATE, check_arrived, check_backend, check_datagrams, check_reasons, wait_until};
use crate::load_generator::LoadGenerator;
use crate::namespace::{NEAR, backends_far_away, enter, filter, not_handed_over, packets, there};

/// A fifth of all packets is lost on either way. Over TCP all arrives in the end; over UDP, what is called sent has left, and
/// what has left was lost or has arrived. Every third time the exporters stop meanwhile.
pub(crate) fn packet_loss<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    enter()?;
    let mut backends = backends_far_away()?;
    let far = Some(backends.id());
    let udp = backends.udp().port();
    filter(
        None,
        &format!(
            "table ip matrix {{ counter left {{ }}\ncounter left_own {{ }}\nchain out {{ type filter hook output priority 0;\n\
             udp dport {udp} counter name left\nudp dport {udp} {NO_REQUEST} counter name left_own\n}}\n}}\n"
        ),
    )?;
    let generator = start::<R>(&backends)?;
    backends.wait_for("all is well", is_well)?;
    course.note("a fifth of all packets is lost");
    for (process, device) in [(None, "near"), (far, "far")] {
        filter(process, &loss(device, udp))?;
    }
    let at_first = backends.counts()?;
    backends.begin_scrape(generator.page()?)?;
    thread::sleep(course.between(1_000, 3_000));
    backends.wait_for("something arrives over TCP although packets are lost", |counts| {
        let more = |now: ItemCounts, before: ItemCounts| now.include(before + ItemCounts::of_engine(1));
        more(counts.influxdb, at_first.influxdb) && more(counts.otlp, at_first.otlp)
    })?;
    let stops_meanwhile = course.random.below(3) == 0;
    if !stops_meanwhile {
        for process in [None, far] {
            filter(process, "delete chain ip matrix in\n")?;
        }
        course.note("no packet is lost any more");
        let before = generator.recorded();
        backends.wait_for("over TCP all arrives", |counts| {
            counts.influxdb.include(before) && counts.otlp.include(before) && counts.scrapes == 1
        })?;
    }
    let lost_here = packets(None, "lost")?;
    let report = generator.stop(course, Duration::from_secs(3))?;
    let counts = backends.settled()?;
    let (left, lost_datagrams, lost_there) =
        (packets(None, "left")?, packets(far, "lost_datagrams")?, packets(far, "lost")?);
    course.saw(format!("{lost_here} and {lost_there} packets lost, {lost_datagrams} of them datagrams"));
    if lost_here == 0 || lost_there <= lost_datagrams || lost_datagrams == 0 {
        return Err("the scenario itself: no packet was lost".to_owned().into());
    }
    let late = if stops_meanwhile { &LATE[..] } else { &[] };
    for (exporter, reasons) in [(Exporter::Influxdb, late), (Exporter::OpenTelemetry, late), (Exporter::Statsd, &[])] {
        check_reasons(&report, exporter, reasons)?;
    }
    check_over_tcp(&report, &mut backends)?;
    let left_own = packets(None, "left_own")?;
    check_datagrams(&report, left, left_own..=left_own)?;
    check_arrived(&report, &backends.settled()?)?;
    let (arrived, kept) = (counts.datagrams + counts.overflowed, not_handed_over()?);
    if (arrived + lost_datagrams..=arrived + lost_datagrams + kept).contains(&left) {
        return Ok(());
    }
    Err(format!(
        "{left} datagrams left, {lost_datagrams} were lost, {kept} packets kept, {arrived} arrived: {counts:?}"
    )
    .into())
}

/// The link is cut for some seconds, here or at the other end, then it is whole again. Every third time the exporters stop
/// meanwhile.
pub(crate) fn cut_link<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    enter()?;
    let mut backends = backends_far_away()?;
    let far = backends.id();
    let generator = start::<R>(&backends)?;
    backends.wait_for("all is well", is_well)?;
    let is_here = course.random.below(2) == 0;
    let set = |state: &str| {
        if is_here {
            run(&format!("ip link set near {state}"))
        } else {
            there(far, &format!("ip link set far {state}"))
        }
    };
    course.saw(if is_here { "cut here" } else { "cut at the other end" });
    set("down")?;
    wait_until("exporters say that nothing gets through", || {
        let tcp = [Exporter::Influxdb, Exporter::OpenTelemetry].iter().all(|one| !generator.error(*one).is_empty());
        // Of a link that is cut elsewhere nobody tells a sender of datagrams.
        tcp && (!is_here || !generator.error(Exporter::Statsd).is_empty())
    })?;
    thread::sleep(course.between(500, 3_000));
    if course.random.below(3) == 0 {
        let report = generator.stop(course, Duration::from_secs(1))?;
        for exporter in [Exporter::Influxdb, Exporter::OpenTelemetry, Exporter::Statsd] {
            check_reasons(&report, exporter, &LATE)?;
        }
        course.saw("stopped meanwhile");
        set("up")?;
        // What the kernel still has of closed connections may arrive now.
        thread::sleep(Duration::from_secs(3));
        check_arrived(&report, &backends.settled()?)?;
        return check_over_tcp(&report, &mut backends);
    }
    set("up")?;
    course.note("the link is whole again");
    let (before, udp) = (generator.recorded(), backends.counts()?.udp + ItemCounts::of_engine(100));
    backends.wait_for("all arrives that could wait, and datagrams again", |counts| {
        counts.influxdb.include(before) && counts.otlp.include(before) && counts.udp.include(udp)
    })?;
    backends.begin_scrape(generator.page()?)?;
    backends.wait_for("the page is read", |counts| counts.scrapes == 1)?;
    let report = generator.stop(course, Duration::from_secs(20))?;
    for exporter in [Exporter::Influxdb, Exporter::OpenTelemetry, Exporter::Statsd] {
        check_reasons(&report, exporter, &[])?;
    }
    check_arrived(&report, &backends.settled()?)?;
    check_over_tcp(&report, &mut backends)
}

/// Exporters of all kinds, from here to the backends.
fn start<R: Runtime>(backends: &BackendProcess) -> Result<LoadGenerator<R>, Trouble> {
    LoadGenerator::start(PACE, |exporters| {
        // Packets that are lost are sent again after 200 ms, then after twice as long each time.
        let patience = Duration::from_secs(5);
        exporters.start_influxdb_sink(influxdb_at(backends.influxdb()).timeout(patience))?;
        exporters.start_opentelemetry_exporter(otlp_at(backends.otlp()).timeout(patience))?;
        exporters.start_statsd_sink(statsd_at(backends.udp()).packed(false).segmentation_offload(false))?;
        exporters.start_prometheus_exporter(any_page().host(NEAR.to_string())).map(drop)
    })
}

/// Rules by which a fifth of what comes in through a device is lost, and counted. What a host refuses to send it tells the
/// sender, so loss is always at the other end.
fn loss(device: &str, udp: u16) -> String {
    format!(
        "table ip matrix {{ counter lost {{ }}\ncounter lost_datagrams {{ }}\n\
         chain loses {{ counter name lost; udp dport {udp} counter name lost_datagrams; drop\n}}\n\
         chain in {{ type filter hook prerouting priority 0;\niif {device} numgen random mod 100 < 20 jump loses\n}}\n}}\n"
    )
}

fn check_over_tcp(report: &Report, backends: &mut BackendProcess) -> Result<(), Trouble> {
    let counts = backends.settled()?;
    check_backend(report, Exporter::Influxdb, counts.influxdb)?;
    check_backend(report, Exporter::OpenTelemetry, counts.otlp)
}

/// Something has come over each transport.
fn is_well(counts: &BackendCounts) -> bool {
    [counts.udp, counts.influxdb, counts.otlp].iter().all(|counts| counts.include(ItemCounts::of_engine(1)))
}

/// Datagrams of DogStatsD that are of no request, for nftables: after eight bytes of UDP and `loaddensity.` there is no `r`, with
/// which all names of what is measured of requests begin.
const NO_REQUEST: &str = "@th,160,8 != 0x72";
