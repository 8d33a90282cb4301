//! Checks that settings of several exporters have in common.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_core::Exporter;

use crate::error::StartError;
use crate::public_url::public_url;

/// Most bytes in one UDP datagram over IPv4 (RFC 768: 65,535 less the headers of UDP and IP).
pub(crate) const DATAGRAM_BYTES: RangeInclusive<usize> = 1..=65_507;
/// Events that a sink's buffer may hold; the upper end is 512 MiB of them.
pub(crate) const BUFFER_EVENTS: RangeInclusive<usize> = 1..=16 << 20;
/// Sockets of one sink: as many as one thread has use for.
pub(crate) const SOCKETS: RangeInclusive<usize> = 1..=16;
/// Intervals and timeouts: anything beyond a day is a mistake in the unit.
pub(crate) const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);
/// How often a host name is resolved again, where nothing else is said.
pub(super) const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);

/// Checks settings of one exporter.
#[derive(Clone, Copy)]
pub(super) struct Check(pub(super) Exporter);

impl Check {
    pub(super) fn not_empty(self, field: &'static str, value: &str) -> Result<(), StartError> {
        if value.trim().is_empty() { Err(self.bad(field, value, "it must not be empty")) } else { Ok(()) }
    }

    pub(super) fn host(self, field: &'static str, value: &str) -> Result<(), StartError> {
        self.not_empty(field, value)?;
        let is_alone = !value.contains('@');
        is_alone
            .then_some(())
            .ok_or_else(|| self.bad(field, public_url(value), "it must be a host alone, without a user"))
    }

    pub(super) fn port(self, field: &'static str, port: u16) -> Result<(), StartError> {
        if port == 0 { Err(self.bad(field, port, "a port to send to is 1 to 65535")) } else { Ok(()) }
    }

    pub(super) fn range(
        self,
        field: &'static str,
        value: usize,
        range: &RangeInclusive<usize>,
    ) -> Result<(), StartError> {
        if range.contains(&value) {
            return Ok(());
        }
        let expected = match *range.end() {
            usize::MAX => format!("it must be {} or more", range.start()),
            end => format!("it must be {} to {end}", range.start()),
        };
        Err(self.bad(field, value, &expected))
    }

    pub(super) fn wait(self, field: &'static str, value: Duration) -> Result<(), StartError> {
        if WAIT.contains(&value) {
            return Ok(());
        }
        Err(self.bad(field, format_args!("{value:?}"), "it must be 1 millisecond to 1 day"))
    }

    /// Refuses `field`, since it needs TCP and the runtime has none. `or` says what would do without.
    pub(super) fn without_tcp<T>(
        self,
        field: &'static str,
        value: impl fmt::Display,
        or: &str,
    ) -> Result<T, StartError> {
        let expected = format!("this runtime has no TCP; {or}run the exporters on another shell");
        Err(self.bad(field, value, &expected))
    }

    pub(super) fn bad(self, field: &'static str, value: impl fmt::Display, expected: &str) -> StartError {
        StartError::Setting { exporter: self.0, field, value: value.to_string(), expected: expected.into() }
    }
}
