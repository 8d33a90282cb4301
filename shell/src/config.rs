//! Typed configurations of the four exporters. Each `Default` is LoadDensity's; setters are called as the fields.
//!
//! ```
//! use loaddensity_metrics_shell::PrometheusConfig;
//!
//! let config = PrometheusConfig::default().port(0).path("/load").constant_labels([("region", "eu")]);
//! assert_eq!((config.port, &*config.path), (0, "/load"));
//! ```
//!
//! Nobody else can write one out, so that a new field breaks nobody's code:
//!
//! ```compile_fail,E0639
//! use loaddensity_metrics_shell::PrometheusConfig;
//!
//! let config = PrometheusConfig { port: 0, ..PrometheusConfig::default() };
//! ```

use loaddensity_metrics_core::Exporter;
pub use loaddensity_metrics_core::influxdb::{Precision, StatusCode};

use crate::error::StartError;

mod check;
mod influxdb;
mod labels;
mod observations;
mod opentelemetry;
mod page_address;
mod prometheus;
mod proxy;
mod secret;
mod setters;
mod shown;
mod statsd;
mod tls;

#[cfg(feature = "opentelemetry-environment")]
pub(crate) use check::WAIT;
#[cfg(feature = "action-json")]
pub(crate) use check::{BUFFER_EVENTS, DATAGRAM_BYTES, SOCKETS};
#[cfg(feature = "action-json")]
pub(crate) use influxdb::{BATCH_BYTES, BATCH_POINTS};
pub use influxdb::{
    BatchLimits, Credentials, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, InfluxdbV1,
    InfluxdbV2, InfluxdbV3,
};
pub use labels::{Labels, LabelsIter};
pub use observations::Observations;
#[cfg(feature = "opentelemetry-http")]
pub(crate) use opentelemetry::is_reserved;
#[cfg(feature = "action-json")]
pub(crate) use opentelemetry::{Given, REQUEST_BYTES};
pub use opentelemetry::{OpenTelemetryConfig, OtlpProtocol, Temporality};
pub(crate) use page_address::PageAddress;
#[cfg(feature = "prometheus")]
pub(crate) use prometheus::HEALTH_PATH;
#[cfg(feature = "action-json")]
pub(crate) use prometheus::{CONNECTIONS, HEAD_BYTES};
pub use prometheus::{PageAccess, PageLimits, PrometheusConfig};
#[cfg(feature = "http-client")]
pub(crate) use proxy::HttpProxy;
pub use proxy::{Proxy, ProxyError};
pub use secret::Secret;
pub(crate) use setters::configuration;
#[cfg(feature = "action-json")]
pub(crate) use statsd::{Address, EXPECTED_URL};
pub use statsd::{StatsdConfig, StatsdOrigin, StatsdSocket};
pub use tls::{ClientCertificate, ClientTls, Roots, ServerTls};

/// What is asked of any exporter's configuration.
pub(crate) trait Configuration {
    /// Looks for values that cannot work, before anything is touched. What only an exporter can judge (a URL, a prefix, a
    /// host) it judges itself when it starts.
    fn check(&self) -> Result<(), StartError>;

    /// Refuses what needs TCP, for a runtime without.
    fn check_without_tcp(&self) -> Result<(), StartError>;

    /// Where its page is served; `None`: it listens nowhere.
    fn page(&self) -> Option<PageAddress<'_>>;

    /// Whether a start is to start nothing.
    fn is_disabled(&self) -> bool {
        false
    }
}

macro_rules! exporter_config {
    ($($exporter:ident: $folder:ident, feature $feature:literal {
        $(#[$start_doc:meta])* fn $start:ident($config:ident) -> $answer:ty = $Start:ident;
        $(#[$stop_doc:meta])* fn $stop:ident() = $Stop:ident;
    })*) => {
        /// The configuration of one exporter, whichever it is.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum ExporterConfig {
            $($exporter($config),)*
        }

        impl ExporterConfig {
            pub(crate) const fn exporter(&self) -> Exporter {
                match self {
                    $(Self::$exporter(_) => Exporter::$exporter,)*
                }
            }

            pub(crate) const fn as_configuration(&self) -> &dyn Configuration {
                match self {
                    $(Self::$exporter(config) => config,)*
                }
            }

            #[cfg(test)]
            fn defaults() -> Vec<Self> {
                vec![$(Self::$exporter($config::default()),)*]
            }
        }

        /// The cargo feature that an exporter needs, where this build was made without it.
        pub(crate) const fn missing_feature(exporter: Exporter) -> Option<&'static str> {
            let is_built_in = match exporter {
                $(Exporter::$exporter => cfg!(feature = $feature),)*
            };
            if is_built_in { None } else { Some(exporter.as_str()) }
        }
    };
}

crate::each_exporter!(exporter_config);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loaddensity_metrics_core::SampleRate;

    use super::*;

    #[test]
    fn the_default_configurations_can_start() {
        for config in ExporterConfig::defaults() {
            assert!(config.as_configuration().check().is_ok(), "{config:?}");
        }
    }

    #[test]
    fn the_error_of_an_impossible_value_names_its_field() {
        let statsd = |change: fn(&mut StatsdConfig)| {
            let mut config = StatsdConfig::default();
            change(&mut config);
            ExporterConfig::Statsd(config)
        };
        let statsd_over = |path: &str, change: fn(&mut StatsdConfig)| {
            let socket = Some(StatsdSocket::Unix(path.into()));
            let mut config = StatsdConfig { socket, ..StatsdConfig::default() };
            change(&mut config);
            ExporterConfig::Statsd(config)
        };
        let influxdb = |change: fn(&mut InfluxdbConfig)| {
            let mut config = InfluxdbConfig::default();
            change(&mut config);
            ExporterConfig::Influxdb(config)
        };
        let telemetry = |change: fn(&mut OpenTelemetryConfig)| {
            let mut config = OpenTelemetryConfig::default();
            change(&mut config);
            ExporterConfig::OpenTelemetry(config)
        };
        for (config, parts) in [
            (statsd(|c| c.host = " ".into()), ["statsd", "`host`", "not be empty"]),
            (statsd(|c| c.host = "root:hunter2@h".into()), ["`host`", "\"…@h\"", "without a user"]),
            (statsd(|c| c.port = 0), ["statsd", "`port`", "1 to 65535"]),
            (statsd(|c| c.resolve_interval = Some(Duration::ZERO)), ["statsd", "`resolve_interval`", "1 millisecond"]),
            (influxdb(|c| c.resolve_interval = Some(Duration::ZERO)), ["influxdb", "`resolve_interval`", "1 day"]),
            (statsd_over("/run/dsd", |c| c.host = "agent".into()), ["`host`", "\"agent\"", "or send over UDP"]),
            (statsd_over("/run/dsd", |c| c.port = 9), ["`port`", "\"9\"", "a Unix socket has none"]),
            (statsd_over("", |_| ()), ["`socket`", "\"unix://\"", "must name a file"]),
            #[cfg(unix)]
            (statsd_over(&"/long".repeat(30), |_| ()), ["`socket`", "long/long", "no socket can have this path"]),
            #[cfg(unix)]
            (statsd_over("/a\0b", |_| ()), ["`socket`", "unix:///a", "no socket can have this path"]),
            #[cfg(not(unix))]
            (statsd_over("/run/dsd", |_| ()), ["`socket`", "this system has no Unix sockets", "give host and port"]),
            (statsd(|c| c.datagram_bytes = Some(70_000)), ["`datagram_bytes`", "70000", "1 to 65507"]),
            (
                statsd(|c| c.constant_labels = Labels::from([("name", "x")])),
                ["`constant_labels`", "\"name\"", "take another"],
            ),
            (
                statsd(|c| {
                    c.aggregate = true;
                    c.sample_rate = SampleRate::new(0.5).expect("a rate");
                }),
                ["`sample_rate`", "\"0.5\"", "leave out sample_rate, or aggregate"],
            ),
            (
                statsd(|c| c.timestamps_of_counts = true),
                ["`timestamps_of_counts`", "Datadog keeps the last; aggregate", "or leave out timestamps_of_counts"],
            ),
            (
                statsd(|c| c.aggregation_interval = Duration::ZERO),
                ["`aggregation_interval`", "\"0ns\"", "1 millisecond"],
            ),
            (statsd(|c| c.sockets = 0), ["`sockets`", "\"0\"", "1 to 16"]),
            (statsd_over("/run/dsd", |c| c.sockets = 17), ["`sockets`", "\"17\"", "1 to 16"]),
            (statsd(|c| c.buffer_events = 0), ["`buffer_events`", "\"0\"", "1 to"]),
            (influxdb(|c| c.timeout = Duration::ZERO), ["influxdb", "`timeout`", "1 millisecond"]),
            (influxdb(|c| c.batch.points = 0), ["`batch.points`", "\"0\"", "1 or more"]),
            (influxdb(|c| c.batch.bytes = 100), ["`batch.bytes`", "100", "4096"]),
            (telemetry(|c| c.interval = Duration::ZERO), ["opentelemetry", "`interval`", "1 day"]),
            (telemetry(|c| c.max_request_bytes = 1), ["`max_request_bytes`", "\"1\"", "16384"]),
        ] {
            let text = config.as_configuration().check().expect_err("must be refused").to_string();
            for part in parts {
                assert!(text.contains(part), "{text:?} lacks {part:?}");
            }
        }
    }

    /// Every field that may hold a secret holds one here, also where it should not. Neither the settings nor the errors
    /// show it.
    #[test]
    fn no_secret_is_shown_by_settings_or_errors() {
        let secret = || Some(Secret::new("hunter2\n"));
        let url = || String::from("http://me:hunter2@h/write?p=hunter2#hunter2");
        let (username, database) = (|| Some(String::from("me:hunter2")), || String::from("load"));
        let credentials = Credentials::Query;
        let targets = [
            InfluxdbTarget::Udp(InfluxdbUdp::new("me:hunter2@h", 1)),
            InfluxdbTarget::Http(InfluxdbHttp {
                host: "me:hunter2@h".into(),
                port: 1,
                database: None,
                username: username(),
                password: secret(),
            }),
            InfluxdbTarget::Url(InfluxdbUrl { url: url(), token: secret() }),
            InfluxdbTarget::V1(InfluxdbV1 {
                server: url(),
                database: database(),
                retention_policy: None,
                username: username(),
                password: secret(),
                credentials,
            }),
            InfluxdbTarget::V2(InfluxdbV2 { server: url(), org: "o".into(), bucket: "b".into(), token: secret() }),
            InfluxdbTarget::V3(InfluxdbV3 {
                server: url(),
                database: database(),
                token: secret(),
                no_sync: false,
                accept_partial: true,
            }),
        ];
        let influxdb = targets.map(|target| InfluxdbConfig { target, ..InfluxdbConfig::default() });
        let headers = vec![("authorization".into(), Secret::new("Bearer hunter2\n"))];
        let otlp = [OpenTelemetryConfig::default(), OpenTelemetryConfig::http()].map(|base| OpenTelemetryConfig {
            endpoint: url(),
            headers: headers.clone(),
            ..base
        });
        let basic = PageAccess::Basic { username: "me:hunter2".into(), password: Secret::new("hunter2\n") };
        let pages = [basic, PageAccess::Bearer(Secret::new("hunter2\n"))]
            .map(|access| PrometheusConfig { access, ..PrometheusConfig::default() });
        let (host, path) = (|| String::from("me:hunter2@h"), || String::from("/metrics?token=hunter2"));
        let places = [
            PrometheusConfig { host: host(), ..PrometheusConfig::default() },
            PrometheusConfig { path: path(), ..PrometheusConfig::default() },
        ];
        let socket = Some(StatsdSocket::Unix("/run/dsd".into()));
        let sinks = [None, socket].map(|socket| StatsdConfig { host: host(), socket, ..StatsdConfig::default() });
        let configs = (influxdb.map(ExporterConfig::Influxdb).into_iter())
            .chain(otlp.map(ExporterConfig::OpenTelemetry))
            .chain(pages.map(ExporterConfig::Prometheus))
            .chain(places.map(ExporterConfig::Prometheus))
            .chain(sinks.map(ExporterConfig::Statsd));
        for config in configs {
            let refused = config.as_configuration().check();
            let shown = format!("{config:?} {refused:?} {:?}", refused.as_ref().map_err(ToString::to_string));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let good = OpenTelemetryConfig { endpoint: "http://h".into(), headers, ..OpenTelemetryConfig::default() };
        assert!(format!("{good:?}").contains("authorization"), "names are shown: {good:?}");
    }
}
