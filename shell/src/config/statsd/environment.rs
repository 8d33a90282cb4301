//! The variables that Datadog's own clients read.

use loaddensity_metrics_core::dogstatsd::{Cardinality, ORIGIN_BYTES};

use super::StatsdConfig;
use super::address::{Address, EXPECTED, host_and_port};
use crate::environment::{self, Environment, EnvironmentError};

mod not_followed;
mod tags;

impl StatsdConfig {
    /// The defaults, with what the variables of Datadog's clients say.
    ///
    /// `DD_DOGSTATSD_URL` (`udp://host:port`, `unix:///path`, `unixgram:///path`, `unixstream:///path`) wins over
    /// `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT`; the latter is not read where the host names a port. `DD_ENTITY_ID`,
    /// `DD_ENV`, `DD_SERVICE`, `DD_VERSION` and `DD_TAGS` (`key:value`, separated by commas, or by spaces where there is no
    /// comma) become constant tags. `DD_CARDINALITY`, else `DATADOG_CARDINALITY`, and `DD_EXTERNAL_ENV` say where messages
    /// come from; `DD_ORIGIN_DETECTION_ENABLED=false` leaves the latter out.
    ///
    /// What cannot be used counts as not set, with a warning; an address is an error instead. A tag of which the key is taken, or
    /// does not begin with a letter, gets `tag_` in front; tags that find no room are left out.
    ///
    /// # Errors
    /// [`EnvironmentError`] for an address or a port that is not valid.
    pub fn from_env(environment: &Environment) -> Result<Self, EnvironmentError> {
        let mut config = Self::default();
        config.read_address(environment)?;
        let (tags, warnings) = tags::read(environment);
        config.constant_labels = tags;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        config.read_origin(environment);
        not_followed::warn(environment);
        Ok(config)
    }

    fn read_address(&mut self, environment: &Environment) -> Result<(), EnvironmentError> {
        if let Some(url) = environment.text("DD_DOGSTATSD_URL")? {
            let expected = || EnvironmentError::shown("DD_DOGSTATSD_URL", url, format!("it must be {EXPECTED}"));
            match Address::of_url(url.trim()).ok_or_else(expected)? {
                Address::Udp(host, port) => {
                    self.host = host;
                    self.port = port.unwrap_or(self.port);
                }
                Address::Unix(socket) => self.socket = Some(socket),
            }
            return Ok(());
        }
        let mut named_port = None;
        if let Some(given) = environment.text("DD_AGENT_HOST")? {
            let expected = "it must be a host name or an address, with or without a port; DD_DOGSTATSD_URL takes a URL";
            (self.host, named_port) =
                host_and_port(given.trim()).ok_or_else(|| EnvironmentError::shown("DD_AGENT_HOST", given, expected))?;
        }
        let port = match named_port {
            Some(port) => Some(port.into()),
            None => environment.whole("DD_DOGSTATSD_PORT", 1..=65_535, "a port number")?,
        };
        self.port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(self.port);
        Ok(())
    }

    fn read_origin(&mut self, environment: &Environment) {
        let cardinalities = ["DD_CARDINALITY", "DATADOG_CARDINALITY"];
        self.origin.cardinality = cardinalities.into_iter().find_map(|variable| cardinality(environment, variable));
        if is_origin_told(environment) {
            self.origin.external = external(environment);
        }
    }
}

/// The value of a variable that need not be right.
fn text<'e>(environment: &'e Environment, variable: &'static str) -> Option<&'e str> {
    let text = environment.text(variable).unwrap_or_else(|error| environment::ignored(&error, None));
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn cardinality(environment: &Environment, variable: &'static str) -> Option<Cardinality> {
    let given = text(environment, variable)?;
    let expected = || EnvironmentError::shown(variable, given, "it must be none, low, orchestrator or high");
    Cardinality::of(given).or_else(|| environment::ignored(&expected(), None))
}

/// Truth as Datadog's clients for Go and Python read it.
fn is_origin_told(environment: &Environment) -> bool {
    let variable = "DD_ORIGIN_DETECTION_ENABLED";
    let Some(given) = text(environment, variable) else { return true };
    match given.to_ascii_lowercase().as_str() {
        "false" | "f" | "0" | "no" | "n" | "off" => false,
        "true" | "t" | "1" | "yes" | "y" | "on" => true,
        _ => environment::ignored(&EnvironmentError::shown(variable, given, "it must be true or false"), true),
    }
}

fn external(environment: &Environment) -> Option<String> {
    let variable = "DD_EXTERNAL_ENV";
    let given = text(environment, variable)?;
    if given.len() > ORIGIN_BYTES {
        let expected = format!("it must be at most {ORIGIN_BYTES} bytes");
        return environment::ignored(&EnvironmentError::hidden(variable, expected), None);
    }
    Some(given.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::StatsdSocket;
    use super::*;
    use crate::config::Configuration as _;

    fn read(variables: &[(&str, &str)]) -> Result<StatsdConfig, EnvironmentError> {
        StatsdConfig::from_env(&Environment::of(variables.iter().copied()))
    }

    #[test]
    fn without_variables_the_configuration_has_the_defaults() {
        assert_eq!(read(&[]), Ok(StatsdConfig::default()));
        assert_eq!(read(&[("DD_AGENT_HOST", ""), ("DD_TAGS", "")]), Ok(StatsdConfig::default()));
    }

    #[test]
    fn the_variables_of_addresses_have_an_order_of_precedence() {
        for (variables, host, port) in [
            (&[("DD_AGENT_HOST", "agent")][..], "agent", 8_125),
            (&[("DD_AGENT_HOST", "agent"), ("DD_DOGSTATSD_PORT", "9")], "agent", 9),
            (&[("DD_AGENT_HOST", "agent:7"), ("DD_DOGSTATSD_PORT", "9")], "agent", 7),
            (&[("DD_AGENT_HOST", "::1"), ("DD_DOGSTATSD_PORT", "9")], "::1", 9),
            (&[("DD_AGENT_HOST", "[::1]:7")], "::1", 7),
            (&[("DD_DOGSTATSD_PORT", "9")], "127.0.0.1", 9),
            (&[("DD_DOGSTATSD_URL", "udp://a:7"), ("DD_AGENT_HOST", "b"), ("DD_DOGSTATSD_PORT", "9")], "a", 7),
            (&[("DD_DOGSTATSD_URL", "udp://a"), ("DD_DOGSTATSD_PORT", "9")], "a", 8_125),
            // A port that is not needed is not read.
            (&[("DD_AGENT_HOST", "agent:7"), ("DD_DOGSTATSD_PORT", "none")], "agent", 7),
            (&[("DD_DOGSTATSD_URL", "udp://a:7"), ("DD_AGENT_HOST", "http://b")], "a", 7),
            // Blanks around a value are ignored.
            (&[("DD_AGENT_HOST", " agent "), ("DD_DOGSTATSD_PORT", " 9 ")], "agent", 9),
            (&[("DD_AGENT_HOST", "[fe80::1%eth0]")], "fe80::1%eth0", 8_125),
            (&[("DD_AGENT_HOST", "2001:db8::5")], "2001:db8::5", 8_125),
            (&[("DD_DOGSTATSD_URL", "udp://a:7/")], "a", 7),
            (&[("DD_DOGSTATSD_URL", "UDP://a:7 ")], "a", 7),
            (&[("DD_DOGSTATSD_URL", "udp://[2001:db8::5]:7")], "2001:db8::5", 7),
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
            ("DD_TAGS", "team:a:b, zone:eu west,alone"),
            ("DD_EXTERNAL_ENV", "it-false"),
            ("DD_CARDINALITY", "HIGH"),
            ("DATADOG_CARDINALITY", "low"),
        ])
        .expect("good variables");
        let tags: Vec<_> = config.constant_labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = [
            "dd.internal.entity_id=pod-1",
            "env=prod",
            "service=load",
            "version=1.2",
            "team=a:b",
            "zone=eu west",
            "alone=",
        ];
        assert_eq!(tags, expected);
        assert_eq!(config.origin.cardinality, Some(Cardinality::High));
        assert_eq!(config.origin.external.as_deref(), Some("it-false"));
        assert!(config.tags().is_ok());
        for (given, is_told) in [("False", false), ("0", false), ("off", false), ("1", true), ("maybe", true)] {
            let config = read(&[("DD_EXTERNAL_ENV", "it-false"), ("DD_ORIGIN_DETECTION_ENABLED", given)]);
            assert_eq!(config.expect("no address").origin.external.is_some(), is_told, "{given}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_refused() {
        for (variable, value) in [
            ("DD_DOGSTATSD_PORT", "0"),
            ("DD_DOGSTATSD_PORT", "70000"),
            ("DD_DOGSTATSD_PORT", "8125/udp"),
            ("DD_DOGSTATSD_URL", "unix://dsd.socket"),
            ("DD_DOGSTATSD_URL", "unix:/dsd.socket"),
            ("DD_DOGSTATSD_URL", "agent:8125"),
            ("DD_DOGSTATSD_URL", "udp://agent:8125/path"),
            ("DD_DOGSTATSD_URL", r"\\.\pipe\dsd"),
            ("DD_DOGSTATSD_URL", "udp://:1"),
            ("DD_AGENT_HOST", "http://agent"),
            ("DD_AGENT_HOST", "udp://agent:8125"),
            ("DD_AGENT_HOST", "agent:port"),
        ] {
            let text = read(&[(variable, value)]).expect_err(value).to_string();
            assert!(text.contains(variable) && text.contains(&format!("{value:?}")), "{text}");
        }
    }

    /// Because an environment is often made for a whole fleet of programs.
    #[test]
    fn variables_other_than_addresses_count_as_not_set_if_they_cannot_be_used() {
        let long = "x".repeat(300);
        for variables in [
            &[("DD_CARDINALITY", "all")][..],
            &[("DD_EXTERNAL_ENV", &long)],
            &[("DD_ORIGIN_DETECTION_ENABLED", "perhaps"), ("DD_DOGSTATSD_DISABLE", "true")],
            &[("DD_ENV", " "), ("DD_TAGS", ", ,")],
        ] {
            assert_eq!(read(variables), Ok(StatsdConfig::default()), "{variables:?}");
        }
        let second = read(&[("DD_CARDINALITY", "all"), ("DATADOG_CARDINALITY", "low")]).expect("no address");
        assert_eq!(second.origin.cardinality, Some(Cardinality::Low));
        for tags in ["name:checkout", "1team:x", &format!("a:b,long:{}", "x".repeat(1_200))] {
            let config = read(&[("DD_TAGS", tags)]).expect("no address");
            assert_eq!(config.constant_labels.len(), 1, "{tags}");
            assert!(config.check().is_ok(), "fit to start with {tags}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf_8_counts_as_not_set_except_for_an_address() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt as _;
        let of = |variable: &str| {
            StatsdConfig::from_env(&Environment::of([(OsString::from(variable), OsString::from_vec(vec![0xff]))]))
        };
        for variable in ["DD_TAGS", "DD_ENV", "DD_CARDINALITY", "DD_EXTERNAL_ENV", "DD_ORIGIN_DETECTION_ENABLED"] {
            assert_eq!(of(variable), Ok(StatsdConfig::default()), "{variable}");
        }
        for variable in ["DD_AGENT_HOST", "DD_DOGSTATSD_URL", "DD_DOGSTATSD_PORT"] {
            assert!(of(variable).is_err(), "{variable}");
        }
    }
}
