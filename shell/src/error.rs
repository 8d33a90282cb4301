//! What can go wrong when an exporter is started or stopped.
//!
//! Each text names the exporter, the setting, its value and what would be right. None ever holds a password or a token.

use std::error::Error;
use std::fmt;
use std::io;

use loaddensity_metrics_core::{Account, Exporter};

/// Why an exporter, or the exporters as a whole, could not be started. Nothing was changed, and an exporter of the same
/// kind that ran with other settings runs on; [`StartError::Stopped`] is the one exception.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Another [`Exporters`](crate::Exporters) works on the same storage.
    StorageInUse,
    /// The operating system gave no thread or no resources for the runtime.
    Runtime(io::Error),
    /// These exporters have been shut down.
    ShutDown,
    /// The exporter was left out of this build.
    BuiltWithout {
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// A setting has a value that cannot work.
    Setting {
        /// Whose setting.
        exporter: Exporter,
        /// The field of the configuration, with those that it is in: `limits.connections`.
        field: &'static str,
        /// The value, without anything secret.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A host name has no address.
    Resolve {
        /// Whose host.
        exporter: Exporter,
        /// The field of the configuration that holds it.
        field: &'static str,
        /// The host as it was given.
        host: String,
        /// What the resolver answered.
        source: io::Error,
    },
    /// The local address cannot be listened on, or no socket could be had.
    Socket {
        /// Whose socket.
        exporter: Exporter,
        /// The address, `host:port`.
        address: String,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The exporter ran with other settings and had to be stopped first, for its own port was in the way; then the start
    /// failed all the same. It does not run now.
    Stopped {
        /// The account of the run that was ended; the report has it too.
        account: Box<Account>,
        /// Why the start failed.
        source: Box<Self>,
    },
}

impl StartError {
    /// The field of the configuration that cannot work; `None` where it is not for one field.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Setting { field, .. } | Self::Resolve { field, .. } => Some(field),
            Self::Stopped { source, .. } => source.field(),
            _ => None,
        }
    }

    /// The text, in which `name` stands for the field.
    pub(crate) fn write_with(&self, f: &mut fmt::Formatter<'_>, name: Option<&str>) -> fmt::Result {
        match self {
            Self::StorageInUse => f.write_str(
                "the storage is already served by other exporters: shut those down first, or give these a storage of their own",
            ),
            Self::Runtime(source) => write!(f, "no thread or runtime for the exporters: {source}"),
            Self::ShutDown => f.write_str("these exporters have been shut down: start new ones with Exporters::start"),
            Self::BuiltWithout { feature } => write_built_without(f, feature),
            Self::Setting { exporter, field, value, expected } => {
                let value = beginning(value);
                write!(f, "{}: `{}` is {value}; {expected}", exporter.as_str(), name.unwrap_or(field))
            }
            Self::Resolve { exporter, field, host, source } => {
                write!(
                    f,
                    "{}: `{}`: no address for host {} ({source}); give a host name that resolves here, or an address",
                    exporter.as_str(),
                    name.unwrap_or(field),
                    beginning(host)
                )
            }
            Self::Socket { exporter, address, source } if source.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{}: `port`: {address} is already in use; take another port, or 0 for a free one",
                exporter.as_str()
            ),
            Self::Socket { exporter, address, source } => {
                write!(f, "{}: {address}: {source}", exporter.as_str())?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; ports below 1024 are kept for the system's own services: take a higher one")
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("; this host has no such address: give one that it has, 127.0.0.1 or 0.0.0.0")
                    }
                    _ => Ok(()),
                }
            }
            Self::Stopped { account, source } => {
                source.write_with(f, name)?;
                write!(
                    f,
                    "; {} ran with other settings, was stopped to free its port and does not run now \
                     (recorded {}, sent {}, dropped {}): start it again",
                    account.exporter,
                    account.recorded,
                    account.sent,
                    account.dropped.total()
                )
            }
        }
    }
}

/// Most characters of a value that an error shows.
const SHOWN: usize = 200;

/// A value, quoted and escaped, as far as an error shows it.
fn beginning(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_with(f, None)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Runtime(source) | Self::Resolve { source, .. } | Self::Socket { source, .. } => Some(source),
            Self::Stopped { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a stop call could not be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopError {
    /// These exporters have been shut down, and with them every exporter.
    ShutDown,
    /// The exporter was left out of this build.
    BuiltWithout {
        /// The cargo feature that brings it.
        feature: &'static str,
    },
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => {
                f.write_str("these exporters have been shut down; their report was the answer to that call")
            }
            Self::BuiltWithout { feature } => write_built_without(f, feature),
        }
    }
}

impl Error for StopError {}

fn write_built_without(f: &mut fmt::Formatter<'_>, feature: &str) -> fmt::Result {
    write!(f, "built without feature \"{feature}\": switch it on for the loaddensity-metrics crate in Cargo.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shown_in_part() {
        let shown = |value: String| {
            let (exporter, expected) = (Exporter::Prometheus, "it must be a path".into());
            StartError::Setting { exporter, field: "path", value, expected }.to_string()
        };
        let whole = "é".repeat(200);
        assert_eq!(shown(whole.clone()), format!("prometheus: `path` is \"{whole}\"; it must be a path"));
        assert_eq!(shown("é".repeat(9_000)), format!("prometheus: `path` is \"{whole}\"…; it must be a path"));
    }

    #[test]
    fn error_texts_say_what_is_wrong_where_and_what_to_do() {
        let socket = |source: io::ErrorKind| StartError::Socket {
            exporter: Exporter::Prometheus,
            address: "192.0.2.1:80".into(),
            source: source.into(),
        };
        let cases: [(StartError, &[&str]); 6] = [
            (socket(io::ErrorKind::PermissionDenied), &["prometheus: 192.0.2.1:80: ", "take a higher one"]),
            (socket(io::ErrorKind::AddrNotAvailable), &["192.0.2.1:80: ", "give one that it has"]),
            (StartError::BuiltWithout { feature: "influxdb" }, &["built without feature \"influxdb\"", "Cargo.toml"]),
            (
                StartError::Socket {
                    exporter: Exporter::Prometheus,
                    address: "127.0.0.1:9646".into(),
                    source: io::ErrorKind::AddrInUse.into(),
                },
                &["prometheus", "port", "127.0.0.1:9646", "already in use", "another port"],
            ),
            (
                StartError::Setting {
                    exporter: Exporter::Statsd,
                    field: "datagram_bytes",
                    value: "70000".into(),
                    expected: "1 to 65507".into(),
                },
                &["statsd", "datagram_bytes", "70000", "1 to 65507"],
            ),
            (
                StartError::Resolve {
                    exporter: Exporter::Influxdb,
                    field: "host",
                    host: "nowhere.invalid".into(),
                    source: io::Error::other("not known"),
                },
                &["influxdb", "host", "nowhere.invalid", "not known"],
            ),
        ];
        for (error, parts) in cases {
            let text = error.to_string();
            for part in parts {
                assert!(text.contains(part), "{text:?} lacks {part:?}");
            }
        }
    }
}
