//! A backend and the way to it, which is there or not.

use std::net::SocketAddr;
use std::process;

use loaddensity_metrics_shell::Exporter;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::backends::{WellHttpReceiver, WellInfluxdb, WellReceiver};
use crate::course::Trouble;
use crate::items::ItemCounts;
use crate::relay::Relay;

/// What an exporter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerProtocol {
    Influxdb,
    Grpc,
    OtlpHttp,
}

/// A backend and the way to it.
pub(crate) struct RelayedServer {
    pub(crate) protocol: ServerProtocol,
    backend: WellBackend,
    address: SocketAddr,
    /// `None` while nothing listens at the address.
    relay: Option<Relay>,
}

enum WellBackend {
    Influxdb(WellInfluxdb),
    Grpc(WellReceiver),
    OtlpHttp(WellHttpReceiver),
}

impl ServerProtocol {
    pub(crate) const ALL: [Self; 3] = [Self::Influxdb, Self::Grpc, Self::OtlpHttp];

    /// Which kind of exporter.
    pub(crate) const fn exporter(self) -> Exporter {
        match self {
            Self::Influxdb => Exporter::Influxdb,
            Self::Grpc | Self::OtlpHttp => Exporter::OpenTelemetry,
        }
    }

    /// Which of the site's exporters.
    pub(crate) const fn place(self) -> usize {
        matches!(self, Self::OtlpHttp) as usize
    }
}

impl WellBackend {
    const fn address(&self) -> SocketAddr {
        match self {
            Self::Influxdb(backend) => backend.address(),
            Self::Grpc(backend) => backend.address(),
            Self::OtlpHttp(backend) => backend.address(),
        }
    }

    fn counts(&self) -> ItemCounts {
        match self {
            Self::Influxdb(backend) => backend.counts(),
            Self::Grpc(backend) => backend.counts(),
            Self::OtlpHttp(backend) => backend.counts(),
        }
    }
}

impl RelayedServer {
    /// It gives its port back at once.
    pub(crate) fn absent<R: Runtime>(protocol: ServerProtocol) -> Result<Self, Trouble> {
        let backend = match protocol {
            ServerProtocol::Influxdb => WellBackend::Influxdb(WellInfluxdb::start()),
            ServerProtocol::Grpc => WellBackend::Grpc(WellReceiver::start::<R>()),
            ServerProtocol::OtlpHttp => WellBackend::OtlpHttp(WellHttpReceiver::start()),
        };
        // An address of this process's own, so that nobody takes the port while the server is away.
        let [_, _, one, other] = process::id().to_be_bytes();
        let free = SocketAddr::from(([127, 81, one, other], 0));
        let address = Relay::start_at(free, backend.address())?.address();
        Ok(Self { protocol, backend, address, relay: None })
    }

    pub(crate) fn come(&mut self) -> Result<(), Trouble> {
        self.relay = Some(Relay::start_at(self.address, self.backend.address())?);
        Ok(())
    }

    /// Closes its port and its connections.
    pub(crate) fn go(&mut self) {
        self.relay = None;
    }

    /// What the backend has.
    pub(crate) fn counts(&self) -> ItemCounts {
        self.backend.counts()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another way to the same backend, at another address.
    pub(crate) fn another_relay(&self) -> Result<Relay, Trouble> {
        Ok(Relay::start(self.backend.address())?)
    }

    pub(crate) fn relay(&self) -> Result<&Relay, Trouble> {
        self.relay.as_ref().ok_or_else(|| "the scenario itself: a server is away".to_owned().into())
    }
}
