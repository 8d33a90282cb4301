//! The variables that Datadog's own clients read.

use loaddensity_metrics_core::dogstatsd::Cardinality;

use super::StatsdConfig;
use super::address::{Address, EXPECTED, host_and_port};
use crate::environment::{Environment, EnvironmentError};

/// The tag that tells the Agent which pod a message comes from.
const ENTITY_ID: &str = "dd.internal.entity_id";

impl StatsdConfig {
    /// The defaults, with what the variables of Datadog's clients say.
    ///
    /// `DD_DOGSTATSD_URL` (`udp://host:port`, `unix:///path`, `unixgram:///path`, `unixstream:///path`) wins over
    /// `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT`; the latter is not read where the host names a port. `DD_ENTITY_ID`, `DD_ENV`, `DD_SERVICE`, `DD_VERSION` and `DD_TAGS` (`key:value`,
    /// separated by commas or spaces) become constant tags. `DD_CARDINALITY`, else `DATADOG_CARDINALITY`, and
    /// `DD_EXTERNAL_ENV` say where messages come from; `DD_ORIGIN_DETECTION_ENABLED=false` leaves the latter out.
    ///
    /// # Errors
    /// [`EnvironmentError`] for an address, a port or a cardinality that is none.
    pub fn from_env(environment: &Environment) -> Result<Self, EnvironmentError> {
        let mut config = Self::default();
        config.read_address(environment)?;
        config.read_tags(environment)?;
        config.read_origin(environment)?;
        Ok(config)
    }

    fn read_address(&mut self, environment: &Environment) -> Result<(), EnvironmentError> {
        if let Some(url) = environment.text("DD_DOGSTATSD_URL")? {
            let address = Address::of_url(url)
                .ok_or_else(|| EnvironmentError::shown("DD_DOGSTATSD_URL", url, format!("it must be {EXPECTED}")))?;
            match address {
                Address::Udp(host, port) => {
                    self.host = host;
                    self.port = port.unwrap_or(self.port);
                }
                Address::Unix(socket) => self.socket = Some(socket),
            }
            return Ok(());
        }
        if let Some(port) = environment.whole("DD_DOGSTATSD_PORT", 1..=65_535, "a port number")? {
            self.port = u16::try_from(port).unwrap_or(self.port);
        }
        if let Some(given) = environment.text("DD_AGENT_HOST")? {
            let expected = "it must be a host name or an address, with or without a port";
            let (host, port) =
                host_and_port(given).ok_or_else(|| EnvironmentError::shown("DD_AGENT_HOST", given, expected))?;
            self.host = host;
            self.port = port.unwrap_or(self.port);
        }
        Ok(())
    }

    fn read_tags(&mut self, environment: &Environment) -> Result<(), EnvironmentError> {
        for (variable, key) in
            [("DD_ENTITY_ID", ENTITY_ID), ("DD_ENV", "env"), ("DD_SERVICE", "service"), ("DD_VERSION", "version")]
        {
            if let Some(value) = environment.text(variable)? {
                self.constant_tags.push((key.into(), value.into()));
            }
        }
        let tags = environment.text("DD_TAGS")?.unwrap_or_default();
        let tags = tags.split([',', ' ']).filter(|tag| !tag.is_empty());
        self.constant_tags.extend(tags.map(|tag| {
            let (key, value) = tag.split_once(':').unwrap_or((tag, ""));
            (key.to_owned(), value.to_owned())
        }));
        Ok(())
    }

    fn read_origin(&mut self, environment: &Environment) -> Result<(), EnvironmentError> {
        for variable in ["DD_CARDINALITY", "DATADOG_CARDINALITY"] {
            if let (Some(given), None) = (environment.text(variable)?, self.origin.cardinality) {
                let expected = "it must be none, low, orchestrator or high";
                let cardinality = Cardinality::of(given);
                self.origin.cardinality =
                    Some(cardinality.ok_or_else(|| EnvironmentError::shown(variable, given, expected))?);
            }
        }
        let is_off = |text: &str| text.eq_ignore_ascii_case("false");
        if !environment.text("DD_ORIGIN_DETECTION_ENABLED")?.is_some_and(is_off) {
            self.origin.external = environment.text("DD_EXTERNAL_ENV")?.map(str::to_owned);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::StatsdSocket;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<StatsdConfig, EnvironmentError> {
        StatsdConfig::from_env(&Environment::of(variables.iter().copied()))
    }

    #[test]
    fn nothing_set_is_the_contract() {
        assert_eq!(read(&[]), Ok(StatsdConfig::default()));
        assert_eq!(read(&[("DD_AGENT_HOST", ""), ("DD_TAGS", "")]), Ok(StatsdConfig::default()));
    }

    #[test]
    fn addresses_have_their_precedence() {
        for (variables, host, port) in [
            (&[("DD_AGENT_HOST", "agent")][..], "agent", 8_125),
            (&[("DD_AGENT_HOST", "agent"), ("DD_DOGSTATSD_PORT", "9")], "agent", 9),
            (&[("DD_AGENT_HOST", "agent:7"), ("DD_DOGSTATSD_PORT", "9")], "agent", 7),
            (&[("DD_AGENT_HOST", "::1"), ("DD_DOGSTATSD_PORT", "9")], "::1", 9),
            (&[("DD_AGENT_HOST", "[::1]:7")], "::1", 7),
            (&[("DD_DOGSTATSD_PORT", "9")], "127.0.0.1", 9),
            (&[("DD_DOGSTATSD_URL", "udp://a:7"), ("DD_AGENT_HOST", "b"), ("DD_DOGSTATSD_PORT", "9")], "a", 7),
            (&[("DD_DOGSTATSD_URL", "udp://a"), ("DD_DOGSTATSD_PORT", "9")], "a", 8_125),
        ] {
            let config = read(variables).expect("good variables");
            assert_eq!((config.host.as_str(), config.port), (host, port), "{variables:?}");
        }
    }

    #[test]
    fn a_unix_socket_wins_over_a_host() {
        let path = "/var/run/datadog/dsd.socket";
        for (scheme, socket) in [
            ("unix", StatsdSocket::Unix as fn(PathBuf) -> _),
            ("unixgram", StatsdSocket::UnixDatagram),
            ("unixstream", StatsdSocket::UnixStream),
        ] {
            let config = read(&[("DD_DOGSTATSD_URL", &format!("{scheme}://{path}")), ("DD_AGENT_HOST", "b")]);
            assert_eq!(config, Ok(StatsdConfig { socket: Some(socket(path.into())), ..StatsdConfig::default() }));
        }
    }

    #[test]
    fn tags_and_origin_are_read() {
        let config = read(&[
            ("DD_ENV", "prod"),
            ("DD_SERVICE", "load"),
            ("DD_VERSION", "1.2"),
            ("DD_ENTITY_ID", "pod-1"),
            ("DD_TAGS", "team:a:b, zone:eu alone"),
            ("DD_EXTERNAL_ENV", "it-false"),
            ("DD_CARDINALITY", "HIGH"),
            ("DATADOG_CARDINALITY", "low"),
        ])
        .expect("good variables");
        let tags: Vec<_> = config.constant_tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected =
            ["dd.internal.entity_id=pod-1", "env=prod", "service=load", "version=1.2", "team=a:b", "zone=eu", "alone="];
        assert_eq!(tags, expected);
        assert_eq!(config.origin.cardinality, Some(Cardinality::High));
        assert_eq!(config.origin.external.as_deref(), Some("it-false"));
        assert!(config.tags().is_ok());
        let off = read(&[("DD_EXTERNAL_ENV", "it-false"), ("DD_ORIGIN_DETECTION_ENABLED", "False")]);
        assert_eq!(off.expect("good variables").origin.external, None);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (variable, value) in [
            ("DD_DOGSTATSD_PORT", "0"),
            ("DD_DOGSTATSD_URL", "unix://dsd.socket"),
            ("DD_DOGSTATSD_URL", r"\\.\pipe\dsd"),
            ("DD_DOGSTATSD_URL", "udp://:1"),
            ("DD_AGENT_HOST", "http://agent"),
            ("DD_CARDINALITY", "all"),
        ] {
            let text = read(&[(variable, value)]).expect_err(value).to_string();
            assert!(text.contains(variable) && text.contains(&format!("{value:?}")), "{text}");
        }
    }
}
