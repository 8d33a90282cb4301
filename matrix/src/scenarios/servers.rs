//! Servers of TCP that are away, ill or strange.

use std::thread;
use std::time::Duration;

use loaddensity_metrics_end_to_end::load::settings;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporter, Exporters};

use crate::backends::{WellInfluxdb, WellReceiver, influxdb_at, otlp_at};
use crate::course::{Course, Trouble};
use crate::law::{account_of, check_stored, shut_down, wait_until};
use crate::relay::Relay;
use crate::traffic::Traffic;

/// Servers that are absent at first, come, go, and come again at the same address.
pub(crate) fn absent_and_back<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let (influxdb, receiver) = (WellInfluxdb::start(), WellReceiver::start::<R>());
    // They give their ports back at once.
    let [influxdb_port, otlp_port] =
        [Relay::start(influxdb.address())?.address(), Relay::start(receiver.address())?.address()];
    let settings = settings(64);
    let exporters = Exporters::<R>::start(settings).map_err(|error| error.to_string())?;
    exporters.start_influxdb_sink(influxdb_at(influxdb_port)).map_err(|error| error.to_string())?;
    exporters.start_opentelemetry_exporter(otlp_at(otlp_port)).map_err(|error| error.to_string())?;
    let traffic = Traffic::start(exporters.registry(), 5);
    for round in 0..3 {
        thread::sleep(course.between(200, 1_500));
        course.note(format!("round {round}: servers come"));
        let relays =
            [Relay::start_at(influxdb_port, influxdb.address())?, Relay::start_at(otlp_port, receiver.address())?];
        let before = traffic.recorded();
        wait_until("both servers have what was recorded while they were away", || {
            influxdb.requests() >= before && receiver.requests() >= before
        })?;
        drop(relays);
        course.note("servers go");
    }
    let relays = [Relay::start_at(influxdb_port, influxdb.address())?, Relay::start_at(otlp_port, receiver.address())?];
    let (recorded, _) = traffic.stop()?;
    let report = shut_down(course, exporters, Duration::from_secs(20), recorded)?;
    check_stored(account_of(&report, Exporter::Influxdb)?, influxdb.requests())?;
    check_stored(account_of(&report, Exporter::OpenTelemetry)?, receiver.requests())?;
    drop(relays);
    Ok(())
}
