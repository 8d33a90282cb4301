//! Exporters and the engine that records for them.

use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, Exporter, ExporterStatus, Exporters, Report, StartError};

use crate::course::{Course, Trouble};
use crate::items::ItemCounts;
use crate::law::shut_down;
use crate::own_instruments::settings;
use crate::steady_load::SteadyLoad;

/// The longest time that the requests of a millisecond may take, on a machine that does something else besides.
const SLOWEST: Duration = Duration::from_secs(1);

/// One storage with its exporters, and an engine that records there.
pub(crate) struct LoadGenerator<R: Runtime> {
    exporters: Exporters<R>,
    load: SteadyLoad,
}

impl<R: Runtime> LoadGenerator<R> {
    /// Starts exporters as `start` says, then an engine with so many requests a millisecond.
    pub(crate) fn start(
        a_millisecond: u64,
        start: impl FnOnce(&Exporters<R>) -> Result<(), StartError>,
    ) -> Result<Self, Trouble> {
        let exporters = Exporters::start(settings(64)).map_err(|error| error.to_string())?;
        start(&exporters).map_err(|error| error.to_string())?;
        let load = SteadyLoad::start(exporters.registry(), a_millisecond);
        Ok(Self { exporters, load })
    }

    /// Until now.
    pub(crate) fn recorded(&self) -> ItemCounts {
        self.load.recorded()
    }

    /// What an exporter says of itself.
    pub(crate) fn status(&self, exporter: Exporter) -> Result<ExporterStatus, Trouble> {
        let status = self.exporters.status().into_iter().find(|status| status.exporter == exporter);
        status.ok_or_else(|| format!("{exporter} has no status").into())
    }

    /// What is wrong with an exporter at the moment. Empty where all is well.
    pub(crate) fn error(&self, exporter: Exporter) -> String {
        self.status(exporter).ok().and_then(|status| status.last_error).unwrap_or_default()
    }

    /// An exporter's account until now.
    pub(crate) fn account(&self, kind: AccountKind, exporter: Exporter) -> Account {
        let registry = self.exporters.registry();
        match kind {
            AccountKind::Observations => registry.observation_account(exporter),
            _ => registry.account(exporter),
        }
    }

    /// Where the page is.
    pub(crate) fn page(&self) -> Result<SocketAddr, Trouble> {
        page_of(&self.exporters)
    }

    /// Stops the engine, then the exporters. Checks the law, the deadline, and that the engine was not held up.
    pub(crate) fn stop(self, course: &mut Course, deadline: Duration) -> Result<Report, Trouble> {
        let (recorded, slowest) = self.load.stop()?;
        if slowest > SLOWEST {
            return Err(format!("the engine was held up for {slowest:?}").into());
        }
        shut_down(course, self.exporters, deadline, recorded)
    }
}

/// Where the page of these exporters is.
pub(crate) fn page_of<R: Runtime>(exporters: &Exporters<R>) -> Result<SocketAddr, Trouble> {
    let status = exporters.status().into_iter().find(|status| status.exporter == Exporter::Prometheus);
    let address = status.map(|status| status.address).unwrap_or_default();
    let host_and_port = address.split('/').nth(2).and_then(|text| text.parse().ok());
    host_and_port.ok_or_else(|| format!("no page, but {address:?}").into())
}
