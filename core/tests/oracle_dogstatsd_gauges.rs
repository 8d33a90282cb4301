//! Gauges and telemetry as DogStatsD messages, checked by a strict parser of the grammar.

use loaddensity_metrics_core::dogstatsd::{
    Cardinality, ClientTransport, ConstantTags, GaugeMessageEncoder, MessageEncoder, Origin, Telemetry,
    TelemetryEncoder,
};
use loaddensity_metrics_core::{Full, ObservationsByKind, Registry, SampleRate, Storage, Written};
use loaddensity_metrics_vectors::dogstatsd::{MessageType, parse};

/// The longest message of [`dressed`]: the shortest decimal of the smallest number, its sign, and what stands around
/// it.
const LONGEST: usize = 420;

fn encoder<'a>(registry: Registry<'a>, prefix: &str) -> MessageEncoder<'a> {
    MessageEncoder::new(registry, prefix).expect("a prefix")
}

/// An encoder with every option. Only tags and origin appear in gauges.
fn dressed(registry: Registry<'_>) -> GaugeMessageEncoder<'_> {
    let origin = Origin { container: Some("ci-abc"), external: None, cardinality: Some(Cardinality::High) };
    encoder(registry, "load.test")
        .with_distributions()
        .with_sample_rate(SampleRate::new(0.5).expect("a rate"))
        .with_constant_tags(&ConstantTags::new([("run", "7"), ("alone", "")]).expect("good tags"))
        .with_origin(origin)
        .expect("a good origin")
        .gauges()
}

/// The names and numbers of all gauges, encoded in datagrams of `length` bytes with at most `most` messages.
fn sent(encoder: &GaugeMessageEncoder<'_>, length: usize, most: usize) -> Vec<(String, f64)> {
    let mut seen = Vec::new();
    loop {
        let mut datagram = vec![0xff; length];
        let written = encoder.encode(seen.len(), most, &mut datagram).expect("the longest message fits");
        let messages = match written.bytes {
            0 => return seen,
            bytes => parse(&datagram[..bytes]).unwrap_or_else(|error| panic!("{error}")),
        };
        assert_eq!(messages.len(), usize::from(written.items));
        assert!(messages.len() <= most, "{} messages", messages.len());
        for message in messages {
            assert_eq!((message.kind, message.rate, message.timestamp), (MessageType::Gauge, None, None));
            assert_eq!(message.tags, [("run", Some("7")), ("alone", None)]);
            assert_eq!(message.origin, ["c:ci-abc", "card:high"]);
            seen.push((message.name.to_owned(), message.numbers()[0]));
        }
    }
}

/// All gauges that a registry can have, with the longest numbers, in datagrams of any length that hold one.
#[test]
fn every_gauge_that_was_set_is_a_message() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    let encoder = dressed(registry);
    assert_eq!(encoder.encode(0, usize::MAX, &mut [0; 64]), Ok(Written::default()), "none was set");
    let numbers = [0.0, -0.5, 250.0, 1e300, -5e-324, f64::MAX, 0.1, 123_456.789];
    for number in 0..32 {
        registry.gauge(&format!("gauge_{number}")).expect("room for 32").set(numbers[number % numbers.len()]);
    }
    let shown = (0..32).map(|number| (format!("load.test.gauge_{number}"), numbers[number % numbers.len()]));
    let expected: Vec<_> = shown.collect();
    for (length, most) in [(LONGEST, 1), (LONGEST, usize::MAX), (1_432, 2), (1_432, usize::MAX), (65_507, usize::MAX)] {
        assert_eq!(sent(&encoder, length, most), expected, "{most} messages in {length} bytes");
    }
    assert!(encoder.encode(3, 1, &mut [0; 100]).is_err(), "1e300 does not fit");
}

#[test]
fn without_options_a_gauge_is_bare() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    registry.gauge("active_users").expect("room").set(250.0);
    registry.gauge("target_rate").expect("room").set(12.5);
    for (prefix, text) in [
        ("loaddensity", "loaddensity.active_users:250|g\nloaddensity.target_rate:12.5|g"),
        ("", "active_users:250|g\ntarget_rate:12.5|g"),
    ] {
        let mut datagram = [0; 100];
        let written = encoder(registry, prefix).gauges().encode(0, usize::MAX, &mut datagram).expect("room");
        assert_eq!(std::str::from_utf8(&datagram[..written.bytes]), Ok(text));
    }
}

#[test]
fn a_name_that_datadog_would_not_take_is_refused() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    registry.gauge(&"g".repeat(40)).expect("room").set(1.0);
    registry.gauge(&"h".repeat(39)).expect("room").set(1.0);
    let encoder = encoder(registry, &"p".repeat(160)).gauges();
    let mut datagram = [0; 1_432];
    assert!(encoder.encode(0, 1, &mut datagram).is_err(), "201 bytes");
    assert_eq!(encoder.encode(1, 1, &mut datagram).map(|written| written.bytes), Ok(200 + ":1|g".len()));
}

/// The telemetry messages: name without the common prefix, metric type if there is one, and number.
fn told(encoder: &TelemetryEncoder, news: &Telemetry, (length, most): (usize, usize)) -> Vec<(String, f64)> {
    let mut told = Vec::new();
    loop {
        let mut datagram = vec![0xff; length];
        let written = encoder.encode(news, told.len(), most, &mut datagram).expect("each message fits");
        if written.items == 0 {
            return told;
        }
        let messages = parse(&datagram[..written.bytes]).unwrap_or_else(|error| panic!("{error}"));
        assert!(messages.len() <= most && messages.len() == usize::from(written.items));
        for message in messages {
            assert_eq!((message.kind, message.rate, message.timestamp), (MessageType::Count, None, None));
            assert_eq!(message.origin, ["c:ci-abc"]);
            let version = Some(env!("CARGO_PKG_VERSION"));
            assert_eq!(message.tag("client_version"), version);
            let tags = ["client", "client_transport", "run"].map(|key| message.tag(key));
            assert_eq!(tags, [Some("loaddensity-metrics"), Some("uds-stream"), Some("7")]);
            let name = message.name.strip_prefix("datadog.dogstatsd.client.").expect("Datadog's name");
            let kind = message.tag("metrics_type").map(|kind| format!(" {kind}")).unwrap_or_default();
            told.push((format!("{name}{kind}"), message.numbers()[0]));
        }
    }
}

/// Telemetry has the names and types of Datadog's clients, in datagrams of any length that hold a message.
#[test]
fn telemetry_says_what_was_done() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let plain = || {
        let origin = Origin { container: Some("ci-abc"), external: None, cardinality: None };
        let tags = ConstantTags::new([("run", "7")]).expect("a good tag");
        encoder(storage.registry(), "p").with_constant_tags(&tags).with_origin(origin).expect("a good origin")
    };
    let news = Telemetry {
        requests: 100,
        dropped_on_receive: 5,
        observations: ObservationsByKind { counters: 1_000, timers: 200, histograms: 30 },
        observations_dropped_on_receive: 7,
        gauges: 2,
        packets_sent: 30,
        bytes_sent: 40_000,
        packets_dropped: 3,
        bytes_dropped: 4_000,
        contexts: None,
    };
    let either = [
        ("metric_dropped_on_receive", 22.0),
        ("packets_sent", 30.0),
        ("packets_dropped", 3.0),
        ("packets_dropped_writer", 3.0),
        ("bytes_dropped", 4_000.0),
        ("bytes_sent", 40_000.0),
        ("bytes_dropped_writer", 4_000.0),
    ];
    let by_types = |name: &str, kinds: &[(&str, f64)]| -> Vec<(String, f64)> {
        kinds.iter().map(|(kind, value)| (format!("{name} {kind}"), *value)).collect()
    };
    for (encoder, received, contexts) in [
        (
            plain(),
            &[("count", 1_100.0), ("timing", 300.0), ("histogram", 130.0)][..],
            &[("count", 100.0), ("timing", 100.0), ("histogram", 100.0)][..],
        ),
        (
            plain().with_distributions(),
            &[("count", 1_100.0), ("distribution", 430.0)],
            &[("count", 100.0), ("distribution", 200.0)],
        ),
    ] {
        let encoder = encoder.telemetry(ClientTransport::UdsStream);
        let mut expected = vec![("metrics".to_owned(), 1_532.0), ("metrics_by_type gauge".to_owned(), 2.0)];
        expected.extend(by_types("metrics_by_type", received));
        expected.extend(either.map(|(name, value)| (name.to_owned(), value)));
        for packing in [(200, 1), (1_432, usize::MAX), (8_192, 4)] {
            assert_eq!(told(&encoder, &news, packing), expected);
        }
        let aggregated = Telemetry { contexts: Some(100), ..news };
        expected.push(("aggregated_context".to_owned(), 300.0));
        expected.extend(by_types("aggregated_context_by_type", contexts));
        assert_eq!(told(&encoder, &aggregated, (1_432, usize::MAX)), expected);
        assert!(encoder.encode(&news, 0, 1, &mut [0; 100]).is_err());
    }
}

#[test]
fn telemetry_counts_what_was_sent_since_the_last_one() {
    let at = |n: u64, contexts: Option<u64>| Telemetry {
        requests: n,
        dropped_on_receive: 2 * n,
        observations: ObservationsByKind { counters: 8 * n, timers: 9 * n, histograms: 10 * n },
        observations_dropped_on_receive: 11 * n,
        gauges: 3 * n,
        packets_sent: 4 * n,
        bytes_sent: 5 * n,
        packets_dropped: 6 * n,
        bytes_dropped: 7 * n,
        contexts,
    };
    assert_eq!(at(10, Some(80)).since(&at(7, Some(50))), at(3, Some(30)));
    assert_eq!(at(10, None).since(&Telemetry::default()), at(10, None));
}

/// If newlines are asked for, the last message ends with one too. It needs exactly one byte more, and a message that
/// does not fit leaves nothing.
#[test]
fn the_last_message_ends_with_a_newline_where_asked_for() {
    let storage = Box::new(Storage::<2, 1, 2>::new());
    let registry = storage.registry();
    for name in ["a", "b"] {
        registry.gauge(name).expect("a good name").set(1.0);
    }
    let text = "p.a:1|g\np.b:1|g\n";
    for (newlines, room, expected) in [
        (false, text.len() - 1, Ok(&text[..text.len() - 1])),
        (false, text.len() - 2, Ok("p.a:1|g")),
        (true, text.len(), Ok(text)),
        (true, text.len() - 1, Ok("p.a:1|g\n")),
        (true, "p.a:1|g\n".len(), Ok("p.a:1|g\n")),
        (true, "p.a:1|g".len(), Err(Full)),
        (true, 0, Err(Full)),
    ] {
        let encoder = encoder(registry, "p");
        let encoder = if newlines { encoder.with_newlines() } else { encoder };
        let mut out = vec![b'?'; room];
        let written = encoder.gauges().encode(0, usize::MAX, &mut out);
        let seen = written.map(|Written { bytes, .. }| str::from_utf8(&out[..bytes]).expect("UTF-8"));
        assert_eq!(seen, expected, "{room} bytes");
        let mut packet = [b'?'; 4_096];
        let telemetry = encoder.telemetry(ClientTransport::Udp);
        let written = telemetry.encode(&Telemetry::default(), 0, usize::MAX, &mut packet).expect("it holds them");
        assert_eq!(packet[written.bytes - 1] == b'\n', newlines);
        assert_eq!(telemetry.encode(&Telemetry::default(), usize::MAX, 1, &mut packet), Ok(Written::default()));
    }
}
