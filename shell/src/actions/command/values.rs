//! Kinds of values that several commands take.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use crate::actions::arguments::{ArgumentReader, number};
use crate::actions::error::{ActionError, Problem};
use crate::config::{BUFFER_EVENTS, ClientCertificate, ClientTls, DATAGRAM_BYTES, Observations, Proxy, Roots, WAIT};

pub(super) fn port(reader: ArgumentReader<'_>, least: u64) -> Result<Option<u16>, ActionError> {
    let port = reader.whole("port", least..=65_535, "a port number")?;
    Ok(port.and_then(|port| u16::try_from(port).ok()))
}

/// A host without scheme, port or path. The brackets of an IPv6 address are taken off.
pub(super) fn host(reader: ArgumentReader<'_>, key: &str) -> Result<Option<String>, ActionError> {
    let expected = "a host name or an address, without scheme, port or path";
    reader.read(key, expected, |value| {
        let text = value.as_str()?;
        let host = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '[' | ']' | '?');
        let has_port = host.matches(':').count() == 1;
        (!host.is_empty() && !host.contains(strange) && !has_port).then(|| host.to_owned())
    })
}

/// An absolute URL. Whether its scheme can be used is for the exporter to say, which knows how it was built.
pub(super) fn url(reader: ArgumentReader<'_>, key: &str) -> Result<Option<String>, ActionError> {
    reader.read(key, "a complete URL, http://host:port/…", |value: &Value| {
        let text = value.as_str()?.trim();
        let (scheme, rest) = text.split_once("://")?;
        let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let has_host = !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']);
        let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        (web && has_host && clean).then(|| text.to_owned())
    })
}

pub(super) fn datagram_bytes(reader: ArgumentReader<'_>) -> Result<Option<usize>, ActionError> {
    size(reader, "datagram_bytes", &DATAGRAM_BYTES, "bytes")
}

/// How often a host name is resolved again; 0 is never.
pub(super) fn resolve_interval(reader: ArgumentReader<'_>) -> Result<Option<Option<Duration>>, ActionError> {
    let (least, most) = (WAIT.start().as_secs_f64(), WAIT.end().as_secs_f64());
    let expected = format!("a number of seconds from {least} to {most}, or 0 for never");
    reader.read("resolve_seconds", &expected, |value| match number(value)? {
        0.0 => Some(None),
        seconds => Duration::try_from_secs_f64(seconds).ok().filter(|wait| WAIT.contains(wait)).map(Some),
    })
}

pub(super) fn segmentation_offload(reader: ArgumentReader<'_>) -> Result<Option<bool>, ActionError> {
    reader.flag("segmentation_offload")
}

/// How observations are sent.
pub(super) fn observations(reader: ArgumentReader<'_>) -> Result<Option<Observations>, ActionError> {
    reader.read("observations", "\"interval\" or \"event\"", |value| match value.as_str()? {
        "interval" => Some(Observations::PerInterval),
        "event" => Some(Observations::PerEvent),
        _ => None,
    })
}

pub(super) fn buffer_events(reader: ArgumentReader<'_>) -> Result<Option<usize>, ActionError> {
    size(reader, "buffer_events", &BUFFER_EVENTS, "events")
}

pub(super) fn size(
    reader: ArgumentReader<'_>,
    key: &str,
    range: &RangeInclusive<usize>,
    unit: &str,
) -> Result<Option<usize>, ActionError> {
    let end = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let size = reader.whole(key, end(*range.start())..=end(*range.end()), &format!("a number of {unit}"))?;
    Ok(size.and_then(|size| usize::try_from(size).ok()))
}

pub(super) fn misplaced(reader: ArgumentReader<'_>, keys: &[&str], reason: &str) -> Result<(), ActionError> {
    match keys.iter().find(|key| reader.value(key).is_some()) {
        Some(key) => {
            Err(reader.error(Problem::Misplaced { key: reader.name(key).to_owned(), reason: reason.to_owned() }))
        }
        None => Ok(()),
    }
}

/// `ca_file`, `client_certificate` and `client_key`: how a server is proven, and what it is shown.
pub(super) fn client_tls(reader: ArgumentReader<'_>, base: ClientTls) -> Result<ClientTls, ActionError> {
    let roots = reader.text("ca_file")?.map_or(base.roots, |file| Roots::Pem(file.into()));
    let identity = match (reader.text("client_certificate")?, reader.text("client_key")?) {
        (Some(certificate), Some(key)) => Some(ClientCertificate { certificate: certificate.into(), key: key.into() }),
        (None, None) => base.identity,
        _ => {
            let reason = "has no meaning alone; give client_certificate and client_key";
            misplaced(reader, &["client_certificate", "client_key"], reason)?;
            base.identity
        }
    };
    Ok(ClientTls { roots, identity })
}

/// `proxy` and `no_proxy`: the HTTP proxy that requests go through, and the hosts that are reached without.
pub(super) fn proxy(reader: ArgumentReader<'_>, base: Option<Proxy>) -> Result<Option<Proxy>, ActionError> {
    let expected = "the URL of an HTTP proxy, http://[user:password@]host[:port]; others are not spoken to";
    let given = reader.read("proxy", expected, |value| Proxy::new(value.as_str()?).ok())?.or(base);
    Ok(match (given, reader.text("no_proxy")?) {
        (Some(proxy), Some(hosts)) => Some(proxy.except(hosts)),
        (given, _) => given,
    })
}
