//! Where datagrams go, as the configurations say it, and what that asks of the machine and of a socket.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_core::export::datagrams::DatagramTarget;

#[cfg(feature = "statsd")]
use crate::config::StatsdConfig;
use crate::config::StatsdSocket;
#[cfg(feature = "influxdb")]
use crate::config::{InfluxdbConfig, InfluxdbUdp};
use crate::host_port::host_port;
use crate::runtime::UdpOptions;

/// Where datagrams go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Udp(UdpDestination),
    Unix(StatsdSocket),
}

/// A host and a port, with the options of the sockets that send there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UdpDestination {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// How often a name is asked again; never where `None`.
    pub(crate) resolve_interval: Option<Duration>,
}

impl Destination {
    /// The UDP listener of an InfluxDB.
    #[cfg(feature = "influxdb")]
    pub(crate) fn of_influxdb(to: &InfluxdbUdp, config: &InfluxdbConfig) -> Self {
        let (InfluxdbUdp { host, port }, resolve_interval) = (to.clone(), config.resolve_interval);
        Self::Udp(UdpDestination { host, port, resolve_interval })
    }

    /// The Agent.
    #[cfg(feature = "statsd")]
    pub(crate) fn of_statsd(config: &StatsdConfig) -> Self {
        let StatsdConfig { host, port, socket, resolve_interval, .. } = config.clone();
        socket.map_or(Self::Udp(UdpDestination { host, port, resolve_interval }), Self::Unix)
    }

    /// As the machine is told of it.
    pub(super) const fn target(&self) -> DatagramTarget {
        match self {
            Self::Udp(to) => DatagramTarget::Name { every: to.resolve_interval },
            Self::Unix(_) => DatagramTarget::UnixSocket,
        }
    }
}

impl UdpDestination {
    /// A socket towards `address`, one of the host's.
    pub(super) fn options(&self, address: SocketAddr) -> UdpOptions {
        UdpOptions::to(address)
    }
}

impl fmt::Display for Destination {
    /// As a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(to) => write!(f, "udp://{}", host_port(&to.host, to.port)),
            Self::Unix(socket) => socket.fmt(f),
        }
    }
}

#[cfg(all(test, feature = "influxdb", feature = "statsd"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_configuration_says_reaches_the_machine_and_the_socket() {
        let often = Some(Duration::from_secs(5));
        let influxdb =
            |to: &InfluxdbUdp, every| Destination::of_influxdb(to, &InfluxdbConfig::default().resolve_interval(every));
        let statsd = |every| StatsdConfig::default().host("agent").port(2).resolve_interval(every);
        let unix = StatsdConfig::default().socket(StatsdSocket::UnixStream("/dsd".into()));
        for (to, url, target) in [
            (influxdb(&InfluxdbUdp::new("db", 1), often), "udp://db:1", DatagramTarget::Name { every: often }),
            (influxdb(&InfluxdbUdp::new("::1", 1), None), "udp://[::1]:1", DatagramTarget::Name { every: None }),
            (Destination::of_statsd(&statsd(often)), "udp://agent:2", DatagramTarget::Name { every: often }),
            (Destination::of_statsd(&unix), "unixstream:///dsd", DatagramTarget::UnixSocket),
        ] {
            assert_eq!((to.to_string().as_str(), to.target()), (url, target));
            let Destination::Udp(to) = to else { continue };
            let address = ([127, 0, 0, 1], to.port).into();
            assert_eq!(to.options(address), UdpOptions::to(address));
        }
    }
}
