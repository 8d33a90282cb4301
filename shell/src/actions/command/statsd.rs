//! What `LD_start_statsd_sink` says.

use loaddensity_metrics_core::SampleRate;
use loaddensity_metrics_core::dogstatsd::Cardinality;

use super::unsaid;
use super::values::{
    buffer_events, datagram_bytes, host, misplaced, observations, port, resolve_interval, segmentation_offload, size,
};
use crate::actions::arguments::{ArgumentReader, Signature, number};
use crate::actions::error::ActionError;
use crate::config::{Address, EXPECTED_URL, Observations, SOCKETS, StatsdConfig, StatsdOrigin, StatsdSocket};
use crate::environment::Environment;

/// Another name of `timestamps_of_counts`, with other values.
const TIMESTAMPS: &str = "timestamps";

/// Positional: LoadDensity's parameters in its order. Named: ours.
pub(super) static SIGNATURE: Signature = Signature::new(&["host", "port", "prefix"])
    .named(&[
        "url",
        "resolve_seconds",
        "sockets",
        "packed",
        "datagram_bytes",
        "newline",
        "segmentation_offload",
        "fill_datagrams",
        "buffer_events",
        "distributions",
        "sample_rate",
        "constant_labels",
        "timestamps_of_counts",
        "aggregate",
        "aggregation_seconds",
        "observations",
        "instruments_seconds",
        "interval_seconds",
        "telemetry",
        "container",
        "external",
        "cardinality",
    ])
    .aliases(&[("constant_tags", "constant_labels"), (TIMESTAMPS, "timestamps_of_counts")]);

/// Which parameter gives a field that has another name.
pub(super) static FIELDS: [(&str, &str); 7] = [
    ("socket", "url"),
    ("resolve_interval", "resolve_seconds"),
    ("aggregation_interval", "aggregation_seconds"),
    ("instruments_interval", "instruments_seconds"),
    ("interval", "interval_seconds"),
    ("origin.container", "container"),
    ("origin.external", "external"),
];

/// The variables that are not read where the action gives these. A host or a port of the action's is one of UDP's.
static VARIABLES: [(&str, &[&str]); 3] = [
    ("url", &["DD_DOGSTATSD_URL", "DD_AGENT_HOST", "DD_DOGSTATSD_PORT"]),
    ("host", &["DD_DOGSTATSD_URL", "DD_AGENT_HOST"]),
    ("port", &["DD_DOGSTATSD_PORT"]),
];

/// The configuration that an action gives; what it leaves out is as `environment` says.
pub(super) fn config(reader: ArgumentReader<'_>, environment: &Environment) -> Result<StatsdConfig, ActionError> {
    overlaid(reader, reader.environment(StatsdConfig::from_env(&unsaid(reader, &VARIABLES, environment)))?)
}

/// What the action gives, over `base`.
fn overlaid(reader: ArgumentReader<'_>, base: StatsdConfig) -> Result<StatsdConfig, ActionError> {
    let (host, port, socket) = address(reader, base.host, base.port, base.socket)?;
    let prefix = reader.text("prefix")?.map(|prefix| prefix.trim_end_matches('.').to_owned());
    let aggregate = reader.flag("aggregate")?.unwrap_or(base.aggregate);
    let observations = observations(reader)?.unwrap_or(base.observations);
    check_messages(reader, aggregate, observations)?;
    let packed = packed(reader)?.unwrap_or(base.packed);
    let datagram_bytes = datagram_bytes(reader)?.or(base.datagram_bytes);
    let shares_packets = packed || aggregate || datagram_bytes.is_some();
    let segmentation_offload = segmentation_offload(reader)?.unwrap_or(base.segmentation_offload);
    let can_fill = shares_packets && !aggregate && socket.is_none() && segmentation_offload;
    Ok(StatsdConfig {
        host,
        port,
        socket,
        resolve_interval: resolve_interval(reader)?.unwrap_or(base.resolve_interval),
        sockets: size(reader, "sockets", &SOCKETS, "sockets")?.unwrap_or(base.sockets),
        prefix: prefix.unwrap_or(base.prefix),
        packed,
        datagram_bytes,
        newline: newline(reader, shares_packets)?.unwrap_or(base.newline),
        segmentation_offload,
        fill_datagrams: fill_datagrams(reader, can_fill)?.unwrap_or(base.fill_datagrams),
        buffer_events: buffer_events(reader)?.unwrap_or(base.buffer_events),
        distributions: reader.flag("distributions")?.unwrap_or(base.distributions),
        sample_rate: sample_rate(reader)?.unwrap_or(base.sample_rate),
        constant_labels: reader.labels("constant_labels")?.unwrap_or(base.constant_labels),
        timestamps_of_counts: timestamps_of_counts(reader, aggregate)?.unwrap_or(base.timestamps_of_counts),
        aggregate,
        aggregation_interval: reader.seconds("aggregation_seconds")?.unwrap_or(base.aggregation_interval),
        observations,
        instruments_interval: reader.seconds("instruments_seconds")?.unwrap_or(base.instruments_interval),
        interval: reader.seconds("interval_seconds")?.unwrap_or(base.interval),
        telemetry: reader.flag("telemetry")?.unwrap_or(base.telemetry),
        origin: origin(reader, base.origin)?,
    })
}

/// What only one kind of messages has.
fn check_messages(reader: ArgumentReader<'_>, aggregate: bool, observations: Observations) -> Result<(), ActionError> {
    if aggregate {
        let one_by_one: &[&str] = match observations {
            Observations::PerEvent => &["sample_rate"],
            _ => &["sample_rate", "segmentation_offload"],
        };
        return misplaced(reader, one_by_one, "is for messages per request; leave it out, or aggregate");
    }
    misplaced(reader, &["aggregation_seconds"], "is for messages per interval; say \"aggregate\": true with it")
}

/// `url`, or `host` and `port`. Either wins over what was there before.
fn address(
    reader: ArgumentReader<'_>,
    base_host: String,
    base_port: u16,
    base_socket: Option<StatsdSocket>,
) -> Result<(String, u16, Option<StatsdSocket>), ActionError> {
    let url = reader.read("url", EXPECTED_URL, |value| value.as_str().and_then(Address::of_url))?;
    if url.is_some() {
        misplaced(reader, &["host", "port"], "has no meaning beside url; leave it out, or leave out url")?;
    }
    let default = StatsdConfig::default();
    let (host, port, socket) = match url {
        Some(Address::Udp(host, port)) => (host, port.unwrap_or(default.port), None),
        Some(Address::Unix(socket)) => (default.host, default.port, Some(socket)),
        None => match (host(reader, "host")?, port(reader, 1)?) {
            (None, None) => (base_host, base_port, base_socket),
            (host, port) => (host.unwrap_or(base_host), port.unwrap_or(base_port), None),
        },
    };
    if socket.is_some() {
        let reason =
            "has no meaning over a Unix socket, which takes one packet at a time; leave it out, or send over UDP";
        misplaced(reader, &["segmentation_offload"], reason)?;
        let reason = "has no meaning over a Unix socket, which has no host; leave it out, or send over UDP";
        misplaced(reader, &["resolve_seconds"], reason)?;
    }
    Ok((host, port, socket))
}

fn packed(reader: ArgumentReader<'_>) -> Result<Option<bool>, ActionError> {
    let packed = reader.flag("packed")?;
    if packed == Some(false) {
        let reason = "is for packed messages; leave it out, or say \"packed\": true";
        misplaced(reader, &["datagram_bytes"], reason)?;
    }
    Ok(packed)
}

/// Only datagrams that leave together are.
fn fill_datagrams(reader: ArgumentReader<'_>, can_fill: bool) -> Result<Option<bool>, ActionError> {
    let fill = reader.flag("fill_datagrams")?;
    if fill == Some(true) && !can_fill {
        let reason = "is for packed messages per request over UDP with segmentation offload; leave it out, or say \
                      \"packed\": true";
        misplaced(reader, &["fill_datagrams"], reason)?;
    }
    Ok(fill)
}

fn sample_rate(reader: ArgumentReader<'_>) -> Result<Option<SampleRate>, ActionError> {
    let expected = format!("a number from {} to 1", SampleRate::LEAST);
    reader.read("sample_rate", &expected, |value| number(value).and_then(SampleRate::new))
}

/// Single messages have it on request, and those that share packets always.
fn newline(reader: ArgumentReader<'_>, shares_packets: bool) -> Result<Option<bool>, ActionError> {
    let newline = reader.flag("newline")?;
    if newline == Some(false) && shares_packets {
        misplaced(reader, &["newline"], "messages that share packets all end with one; leave it out")?;
    }
    Ok(newline)
}

/// `timestamps_of_counts`, or what stood for it before: `timestamps`, in words.
fn timestamps_of_counts(reader: ArgumentReader<'_>, aggregate: bool) -> Result<Option<bool>, ActionError> {
    let expected = "\"counts\" or \"none\": the Agent reads timestamps of counts and gauges only, not of timings, \
                    histograms and distributions";
    let timestamps = if reader.name("timestamps_of_counts") == TIMESTAMPS {
        reader.read(TIMESTAMPS, expected, |value| match value.as_str()? {
            "counts" => Some(true),
            "none" => Some(false),
            _ => None,
        })?
    } else {
        reader.flag("timestamps_of_counts")?
    };
    if timestamps == Some(true) && !aggregate {
        let reason = "are for messages per interval: of several counts that a series has in one second Datadog keeps the \
                      last; say \"aggregate\": true with it";
        misplaced(reader, &["timestamps_of_counts"], reason)?;
    }
    Ok(timestamps)
}

fn origin(reader: ArgumentReader<'_>, base: StatsdOrigin) -> Result<StatsdOrigin, ActionError> {
    let cardinality = "\"none\", \"low\", \"orchestrator\" or \"high\"";
    let cardinality = reader.read("cardinality", cardinality, |value| value.as_str().and_then(Cardinality::of))?;
    Ok(StatsdOrigin {
        container: reader.text("container")?.map(str::to_owned).or(base.container),
        external: reader.text("external")?.map(str::to_owned).or(base.external),
        cardinality: cardinality.or(base.cardinality),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::actions::command::Command;
    use crate::actions::command::tests::{parsed, refused};
    use crate::actions::{Arguments, JsonAction};

    const COMMAND: &str = "LD_start_statsd_sink";

    fn unix(path: &str) -> StatsdConfig {
        StatsdConfig { socket: Some(StatsdSocket::Unix(path.into())), ..StatsdConfig::default() }
    }

    #[test]
    fn addresses_of_each_kind_are_read() {
        let default = StatsdConfig::default;
        let agent = || StatsdConfig { host: "agent".into(), ..default() };
        let with = |socket| StatsdConfig { socket: Some(socket), ..default() };
        for (arguments, expected) in [
            (json!({"url": "udp://agent:9"}), StatsdConfig { port: 9, ..agent() }),
            (json!({"url": "udp://agent/"}), agent()),
            (json!({"url": "udp://[::1]:9"}), StatsdConfig { host: "::1".into(), port: 9, ..default() }),
            (json!({"url": "unix:///run/dsd socket"}), unix("/run/dsd socket")),
            (json!({"url": "unixgram:///dsd"}), with(StatsdSocket::UnixDatagram("/dsd".into()))),
            (json!({"url": "unixstream:///dsd"}), with(StatsdSocket::UnixStream("/dsd".into()))),
            (json!({"resolve_seconds": 0}), StatsdConfig { resolve_interval: None, ..default() }),
            (
                json!({"resolve_seconds": 2.5}),
                StatsdConfig { resolve_interval: Some(Duration::from_millis(2_500)), ..default() },
            ),
            (json!({"sockets": 4}), StatsdConfig { sockets: 4, ..default() }),
            (json!({"url": "unix:///dsd", "sockets": 16}), StatsdConfig { sockets: 16, ..unix("/dsd") }),
            (
                json!({"packed": true, "fill_datagrams": true}),
                StatsdConfig { packed: true, fill_datagrams: true, ..default() },
            ),
            (json!({"url": "unix:///dsd", "packed": true}), StatsdConfig { packed: true, ..unix("/dsd") }),
            (
                json!({"url": "unix:///dsd", "datagram_bytes": 4096, "packed": true}),
                StatsdConfig { packed: true, datagram_bytes: Some(4_096), ..unix("/dsd") },
            ),
        ] {
            assert_eq!(parsed(COMMAND, &arguments).unwrap(), Command::StartStatsd(expected), "{arguments}");
        }
    }

    #[test]
    fn given_arguments_win_over_the_configuration_before_them() {
        let agent = |port| StatsdConfig { host: "agent".into(), port, ..StatsdConfig::default() };
        let socket_of_old = unix("/old");
        for (base, arguments, expected) in [
            (socket_of_old.clone(), json!({}), socket_of_old.clone()),
            (socket_of_old.clone(), json!({"host": "agent", "port": 9}), agent(9)),
            (socket_of_old.clone(), json!({"url": "udp://agent:9"}), agent(9)),
            (socket_of_old, json!({"url": "unix:///new"}), unix("/new")),
            (agent(9), json!({"url": "unix:///new"}), unix("/new")),
            (agent(9), json!({"port": 10}), agent(10)),
        ] {
            let Value::Object(named) = arguments.clone() else { panic!("{arguments} has no names") };
            let action = JsonAction { index: 0, command: COMMAND.into(), arguments: Arguments::Named(named) };
            let reader = ArgumentReader::new(&action, &SIGNATURE).expect("known parameters");
            assert_eq!(overlaid(reader, base).unwrap(), expected, "{arguments}");
        }
    }

    #[test]
    fn arguments_that_do_not_fit_the_socket_are_refused() {
        let urls = "expected udp://host:port, unix:///path, unixgram:///path or unixstream:///path";
        let reason = "has no meaning beside url; leave it out, or leave out url";
        let offload =
            "has no meaning over a Unix socket, which takes one packet at a time; leave it out, or send over UDP";
        refused(
            COMMAND,
            &[
                (json!({"url": "unix://dsd.socket"}), &format!("url is \"unix://dsd.socket\"; {urls}")),
                (json!({"url": "tcp://agent:1"}), &format!("url is \"tcp://agent:1\"; {urls}")),
                (json!({"url": "udp://agent:0"}), &format!("url is \"udp://agent:0\"; {urls}")),
                (json!({"url": "udp://me:hunter2@agent"}), &format!("url is \"udp://…@agent\"; {urls}")),
                (json!({"url": "udp://agent", "host": "agent"}), &format!("host: {reason}")),
                (json!({"url": "unix:///dsd", "port": 9}), &format!("port: {reason}")),
                (
                    json!({"url": "unix:///dsd", "segmentation_offload": true}),
                    &format!("segmentation_offload: {offload}"),
                ),
                (
                    json!({"url": "unix:///dsd", "resolve_seconds": 5}),
                    "resolve_seconds: has no meaning over a Unix socket, which has no host; leave it out, or send over UDP",
                ),
                (
                    json!({"resolve_seconds": 0.0001}),
                    "resolve_seconds is 0.0001; expected a number of seconds from 0.001 to 86400, or 0 for never",
                ),
                (
                    json!({"packed": false, "datagram_bytes": 512}),
                    "datagram_bytes: is for packed messages; leave it out, or say \"packed\": true",
                ),
            ],
        );
    }
}
