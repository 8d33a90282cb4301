//! Receivers that the kernel does not run.

use std::thread;
use std::time::Duration;

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporter};

use crate::backend_process::BackendProcess;
use crate::course::{Course, Trouble};
use crate::generators::GeneratorSet;
use crate::law::{check_reasons, wait_until};
use crate::load_generator::LoadGenerator;

/// The process of all receivers is stopped for some seconds, and goes on. Every other time the exporters stop meanwhile.
pub(crate) fn stopped_receiver<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let mut backends = BackendProcess::start(&[])?;
    let generators = GeneratorSet::<R>::start(&mut backends)?;
    course.note("the receivers' process is stopped");
    backends.halt()?;
    wait_until("Unix sockets are full, and servers do not answer", || {
        let of_requests = |one: &LoadGenerator<R>| one.account(AccountKind::Requests, Exporter::Statsd).held;
        let held = [&generators.datagrams, &generators.streams].map(of_requests);
        let errors = [Exporter::Influxdb, Exporter::OpenTelemetry].map(|exporter| generators.tcp.error(exporter));
        held.iter().all(|held| *held > 1_000) && errors.iter().all(|error| error.contains("no answer"))
    })?;
    thread::sleep(course.between(100, 2_000));
    if course.random.below(2) == 0 {
        let reports = generators.stop(course, Duration::from_secs(1))?;
        for report in &reports.unix {
            // Of one request a part may have left.
            check_reasons(report, Exporter::Statsd, &[DropReason::Deadline, DropReason::Unconfirmed])?;
        }
        backends.resume()?;
        course.saw("it goes on after their stop");
        return reports.check(&mut backends);
    }
    course.note("it goes on");
    backends.resume()?;
    generators.catch_up(&mut backends)?;
    let reports = generators.stop(course, Duration::from_secs(20))?;
    reports.check_all_sent()?;
    reports.check(&mut backends)
}
