//! Datagrams that are longer than the system takes.

use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use loaddensity_metrics_conformance::Folder;
use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporter, Labels, StatsdSocket};

use crate::again::run;
use crate::backends::{statsd_at, statsd_to};
use crate::course::{Course, Trouble};
use crate::generators::PACE;
use crate::items::{ItemCounts, KINDS, word};
use crate::law::{account_of, broken, check_backend, check_reasons, wait_until};
use crate::load_generator::LoadGenerator;
use crate::namespace::{backends_far_away, enter, network_counter};
use crate::observations_as::are_one_by_one;
use crate::short_buffers::{self, ShortBuffers};
use crate::unix_agent::{SocketKind, UnixAgent};

/// The MTU of a link shrinks and grows below datagrams over UDP; so does the send buffer of a Unix socket.
pub(crate) fn message_too_long<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    enter()?;
    changing_mtu::<R>(course)?;
    changing_buffer::<R>(course)?;
    begun_over_a_stream::<R>(course)
}

/// Datagrams arrive at each MTU, in fragments where they are longer.
fn changing_mtu<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let mut backends = backends_far_away()?;
    let config = statsd_at(backends.udp());
    let generator = LoadGenerator::<R>::start(2 * PACE, |exporters| exporters.start_statsd_sink(config))?;
    for mtu in [1_500, 600, 1_500, 300, 1_500] {
        run(&format!("ip link set near mtu {mtu}"))?;
        let before = backends.counts()?.udp + ItemCounts::of_engine(1_000);
        backends.wait_for("datagrams arrive whatever the MTU is", |counts| counts.udp.include(before))?;
        thread::sleep(course.between(100, 500));
        let fragments = network_counter("Ip", "FragCreates")?;
        course.note(format!("MTU {mtu}: {}, {fragments} fragments", generator.status(Exporter::Statsd)?.state()));
    }
    let fragments = network_counter("Ip", "FragCreates")?;
    if fragments == 0 {
        return Err("the scenario itself: no datagram was longer than the MTU".to_owned().into());
    }
    course.saw(format!("{fragments} fragments"));
    let report = generator.stop(course, Duration::from_secs(20))?;
    check_reasons(&report, Exporter::Statsd, &[])?;
    let counts = backends.settled()?;
    // A far end that is busy loses some, and of those that share a call or are in fragments nothing tells how many.
    // `packet_loss` counts exactly; here it is seen that they arrive at each MTU, and that none is invented.
    for kind in KINDS {
        let (account, arrived) = (account_of(&report, kind, Exporter::Statsd)?, counts.udp.of(kind));
        course.saw(format!("{} {} lost on the way", account.sent.saturating_sub(arrived), word(kind)));
        if arrived > account.sent {
            return Err(broken(kind, format_args!("{counts:?}"), account));
        }
    }
    Ok(())
}

/// A load that is sent to a Unix socket in packets of up to 60,000 bytes, of which a short send buffer takes less than 5,000.
fn long_packets<R: Runtime>(socket: StatsdSocket) -> Result<LoadGenerator<ShortBuffers<R>>, Trouble> {
    let tags = ["one", "two", "three"].iter().fold(Labels::new(), |tags, key| tags.with(*key, "x".repeat(250)));
    let config = statsd_to(socket).datagram_bytes(60_000).constant_labels(tags);
    LoadGenerator::start(2 * PACE, |exporters| exporters.start_statsd_sink(config))
}

/// The buffer of a socket shrinks while it is open.
fn changing_buffer<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let folder = Folder::new();
    let generator = long_packets::<R>(StatsdSocket::UnixDatagram(folder.socket()))?;
    let (mut had, mut agent) = (ItemCounts::default(), None);
    for _ in 0..3 {
        // The limit that was learned is kept for a minute, but for a new socket.
        had += agent.take().map(UnixAgent::close).unwrap_or_default();
        short_buffers::set(100_000)?;
        let agent = agent.insert(UnixAgent::bind(SocketKind::Datagram, &folder.socket())?);
        let before = generator.recorded();
        wait_until("all arrives in long packets", || (had + agent.counts()).include(before))?;
        let refused = short_buffers::too_long();
        short_buffers::set(1)?;
        wait_until("a packet is too long", || short_buffers::too_long() > refused)?;
        let learned = || generator.status(Exporter::Statsd).is_ok_and(|status| status.learned_bytes.is_some());
        wait_until("the exporter says what is taken", learned)?;
        let before = generator.recorded();
        wait_until("all arrives in shorter packets", || (had + agent.counts()).include(before))?;
    }
    course.saw(format!("{} packets were too long", short_buffers::too_long()));
    let report = generator.stop(course, Duration::from_secs(20))?;
    check_reasons(&report, Exporter::Statsd, &[])?;
    check_backend(&report, Exporter::Statsd, had + agent.map(UnixAgent::close).unwrap_or_default())
}

/// A packet is begun over a stream that nobody reads, and the Agent comes again with a socket of datagrams that does not take it:
/// it is lost, alone and under its reason.
fn begun_over_a_stream<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let folder = Folder::new();
    let silent = UnixListener::bind(folder.socket())?;
    let generator = long_packets::<R>(StatsdSocket::Unix(folder.socket()))?;
    let accounts = || KINDS.map(|kind| generator.account(kind, Exporter::Statsd));
    let many = ItemCounts::of_engine(2_000);
    let waits =
        || KINDS.iter().zip(accounts()).all(|(kind, account)| account.sent > 0 && account.held > many.of(*kind));
    wait_until("a packet was begun, and others wait", waits)?;
    let before = accounts();
    short_buffers::set(1)?;
    fs::remove_file(folder.socket())?;
    let agent = UnixAgent::bind(SocketKind::Datagram, &folder.socket())?;
    drop(silent);
    wait_until("what was recorded since arrives", || agent.counts().include(ItemCounts::of_engine(4_000)))?;
    let report = generator.stop(course, Duration::from_secs(20))?;
    check_reasons(&report, Exporter::Statsd, &[DropReason::TooLarge])?;
    let [requests, observations] = KINDS.map(|kind| account_of(&report, kind, Exporter::Statsd));
    let [requests, observations] = [requests?, observations?];
    let lost = requests.dropped.get(DropReason::TooLarge);
    course.saw(format!("{lost} requests were in the packet that was begun"));
    // A packet has a message of 800 bytes for each of three measurements of a request, so that it ends two at most in the middle.
    // The same where each observation is a message.
    let had = agent.close();
    for (account, kind) in [requests, observations].into_iter().zip(KINDS) {
        let (before, had) = (before[kind as usize].sent, had.of(kind));
        if account.sent != before + had {
            return Err(broken(kind, format_args!("the Agents had {before} and {had}"), account));
        }
    }
    let of_a_packet = 1..=60_000 / 800;
    if !of_a_packet.contains(&lost) {
        return Err(broken(AccountKind::Requests, "they are more than a packet has", requests));
    }
    if are_one_by_one() && !of_a_packet.contains(&observations.dropped.get(DropReason::TooLarge)) {
        return Err(broken(AccountKind::Observations, "they are more than a packet has", observations));
    }
    Ok(())
}
