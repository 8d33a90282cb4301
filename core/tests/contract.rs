//! The examples of the contract, byte for byte. LoadDensity's users depend on them in their dashboards.

use std::time::Duration;

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::prometheus::Page;
use loaddensity_metrics_core::{
    Classic, Event, EventEncoder, Exporter, Label, Packer, Registry, Sample, Sink, Storage, Timestamp,
};

const T: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);

fn sample(micros: u64, response_bytes: u64, status: u16) -> Sample {
    Sample::http(status, Duration::from_micros(micros)).response_bytes(response_bytes).completed_at(T)
}

fn record_reference(registry: Registry<'_>) {
    let mut recorder = registry.recorder();
    let x = recorder.series("GET", "/x");
    let login = recorder.series("POST", "/login");
    recorder.record(x, sample(42_000, 1024, 200));
    recorder.record(x, sample(7_900, 10, 200));
    recorder.record(login, sample(1_234_500, 0, 500));
}

fn page(registry: Registry<'_>) -> String {
    let (mut page, mut text, mut buffer) = (Page::new(registry), Vec::new(), [0; 2048]);
    loop {
        match page.fill(&mut buffer).unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            bytes => text.extend_from_slice(&buffer[..bytes]),
        }
    }
}

#[test]
fn the_page_shows_the_lines_of_the_python_product() {
    static STORAGE: Storage<10, 2, 16> = Storage::new();
    record_reference(STORAGE.registry());
    let page = page(STORAGE.registry());
    for line in [
        r#"loaddensity_requests_total{method="GET",name="/x",outcome="success"} 2"#,
        r#"loaddensity_requests_total{method="POST",name="/login",outcome="failure"} 1"#,
        r#"loaddensity_request_latency_ms_bucket{method="GET",name="/x",le="5.0"} 0"#,
        r#"loaddensity_request_latency_ms_bucket{method="GET",name="/x",le="10.0"} 1"#,
        r#"loaddensity_request_latency_ms_bucket{method="GET",name="/x",le="50.0"} 2"#,
        r#"loaddensity_request_latency_ms_bucket{method="POST",name="/login",le="1000.0"} 0"#,
        r#"loaddensity_request_latency_ms_bucket{method="POST",name="/login",le="+Inf"} 1"#,
        r#"loaddensity_request_latency_ms_sum{method="GET",name="/x"} 49.9"#,
        r#"loaddensity_request_latency_ms_count{method="GET",name="/x"} 2"#,
        r#"loaddensity_request_latency_ms_sum{method="POST",name="/login"} 1234.5"#,
        r#"loaddensity_response_bytes_bucket{method="GET",name="/x",le="64.0"} 1"#,
        r#"loaddensity_response_bytes_bucket{method="GET",name="/x",le="1024.0"} 2"#,
        r#"loaddensity_response_bytes_bucket{method="GET",name="/x",le="1.048576e+06"} 2"#,
        r#"loaddensity_response_bytes_sum{method="GET",name="/x"} 1034"#,
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line}\nis not on\n{page}");
    }
    let per_series = |name: &str| page.lines().filter(|line| line.contains(&format!("name=\"{name}\""))).count();
    assert_eq!((per_series("/x"), per_series("/login"), per_series("overflow")), (27, 27, 0));
}

#[test]
fn lines_and_messages_are_as_the_contract_says() {
    static STORAGE: Storage<10, 2, 16> = Storage::new();
    let registry = STORAGE.registry();
    let mut pump = registry.pump().unwrap();
    let mut events = Vec::new();
    pump.attach(Exporter::Influxdb);
    record_reference(registry);
    assert_eq!(pump.drain(|event| events.push(event)), 3);

    let lines = packed(LineEncoder::new(registry, "loaddensity_request").unwrap(), &events);
    assert_eq!(
        lines,
        "loaddensity_request,method=GET,name=/x,outcome=success status_code=200i,response_time_ms=42,response_length=1024i 1700000000000000000\n\
         loaddensity_request,method=GET,name=/x,outcome=success status_code=200i,response_time_ms=7.9,response_length=10i 1700000000000000004\n\
         loaddensity_request,method=POST,name=/login,outcome=failure status_code=500i,response_time_ms=1234.5,response_length=0i 1700000000000000008"
    );

    let messages = packed(MessageEncoder::new(registry, "loaddensity..").unwrap(), &events[..2]);
    assert_eq!(
        messages,
        "loaddensity.requests:1|c|#method:GET,name:/x,outcome:success\n\
         loaddensity.request.latency:42|ms|#method:GET,name:/x,outcome:success\n\
         loaddensity.response.size:1024|h|#method:GET,name:/x,outcome:success\n\
         loaddensity.requests:1|c|#method:GET,name:/x,outcome:success\n\
         loaddensity.request.latency:7.9|ms|#method:GET,name:/x,outcome:success\n\
         loaddensity.response.size:10|h|#method:GET,name:/x,outcome:success"
    );
}

#[test]
fn further_labels_are_in_every_format() {
    static STORAGE: Storage<10, 2, 16> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let labels = [Label { key: "region", value: "eu" }, Label { key: "app", value: "a b" }];
    let series = recorder.series_with_labels("GET", "/x", labels).unwrap();
    assert_ne!(series, recorder.series("GET", "/x"));
    recorder.record(series, sample(1_000, 1, 200));
    let event = Event::of(series, Sample::ok(Duration::ZERO).completed_at(T));
    assert!(
        page(registry).contains(
            r#"loaddensity_requests_total{method="GET",name="/x",app="a b",region="eu",outcome="success"} 1"#
        )
    );
    let line = packed(LineEncoder::new(registry, "m").unwrap(), &[event]);
    assert!(line.starts_with(r"m,app=a\ b,method=GET,name=/x,outcome=success,region=eu status_code=0i,"), "{line}");
    let message = packed(MessageEncoder::new(registry, "").unwrap(), &[event]);
    assert!(message.starts_with("requests:1|c|#method:GET,name:/x,app:a b,region:eu,outcome:success\n"), "{message}");
}

#[test]
fn the_handle_of_another_registry_counts_as_the_overflow_series() {
    static STORAGE: Storage<10, 2, 16> = Storage::new();
    static OTHER: Storage<100, 2, 16> = Storage::new();
    let (registry, mut other) = (STORAGE.registry(), OTHER.registry().recorder());
    // For the first handle this registry has room but no series yet. For the last one it has no room.
    let strangers: Vec<_> = (0..50).map(|number| other.series("GET", &format!("/{number}"))).collect();
    let mut recorder = registry.recorder();
    let own = recorder.series("GET", "/own");
    for stranger in [own, strangers[1], strangers[49]] {
        recorder.record(stranger, sample(1_000, 1, 200));
    }
    assert_eq!(registry.totals().requests(), 3);
    assert_eq!(registry.series_totals(own).requests(), 1);
    let event = Event::of(strangers[1], Sample::ok(Duration::ZERO).completed_at(T));
    let line = packed(LineEncoder::new(registry, "m").unwrap(), &[event]);
    assert!(line.starts_with("m,method=overflow,name=overflow,outcome=success "), "{line}");
}

fn packed(encoder: impl EventEncoder, events: &[Event]) -> String {
    // A ledger of another storage, because other tests may have the pump of the registry.
    let storage = Storage::<2, 1, 2, Classic>::new();
    let ledger = storage.registry().pump().expect("the only pump").accounts().ledger(Exporter::Influxdb);
    let mut sink = Sink::new([Event::default(); 16], ledger);
    events.iter().for_each(|event| assert!(sink.offer(*event)));
    let (mut packer, mut buffer) = (Packer::new(encoder), [0; 4096]);
    let packed = packer.pack(&mut sink, usize::MAX, &mut buffer);
    assert_eq!(packed.events, events.len());
    packer.confirm(&mut sink, packed);
    assert!(sink.is_empty());
    String::from_utf8(buffer[..packed.bytes].to_vec()).unwrap()
}
