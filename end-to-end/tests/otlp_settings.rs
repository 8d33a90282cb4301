//! Settings of OTLP over HTTP that cannot work are refused at the start, with the reason.

mod support;

use loaddensity_metrics_tokio::{
    Classic, Exporters, HistogramAggregation, Labels, OpenTelemetryConfig, Secret, Settings, Storage, Temporality,
};
use support::exporters;

#[test]
fn settings_that_cannot_work_are_refused() {
    let exporters = exporters();
    let pair = |key: &str, value: &str| Labels::from([(key, value)]);
    let with_attributes = |resource_attributes| OpenTelemetryConfig::http().resource_attributes(resource_attributes);
    let delta = |change: fn(&mut OpenTelemetryConfig)| {
        let mut config = OpenTelemetryConfig::http().temporality(Temporality::LowMemory);
        change(&mut config);
        config
    };
    let with_header = |name: &str| OpenTelemetryConfig::http().headers([(name, Secret::new("hunter2"))]);
    for (config, key, says) in [
        (OpenTelemetryConfig::http().service_name(String::new()), "service_name", "empty"),
        (with_attributes(pair("service.name", "x")), "resource_attributes", "use service_name"),
        (with_attributes(pair("telemetry.sdk.name", "x")), "resource_attributes", "choose another key"),
        (with_attributes(pair("", "x")), "resource_attributes", "must not be empty"),
        (with_attributes(pair("run", "7").with("run", "8")), "resource_attributes", "given twice"),
        (with_attributes(pair("long", &"x".repeat(8_000))), "resource_attributes", "too long"),
        (with_attributes(pair("long", &"x".repeat(8_300))), "resource_attributes", "too long"),
        (delta(|config| config.min_max = true), "min_max", "leave min_max out"),
        (delta(|config| config.exemplars = true), "exemplars", "leave exemplars out"),
        (
            OpenTelemetryConfig::http().histograms(HistogramAggregation::Exponential).http_client_duration(true),
            "http_client_duration",
            "leave http_client_duration out",
        ),
        (delta(|config| config.max_request_bytes = 8_192), "max_request_bytes", "16384 to 67108864"),
        (with_header("te"), "headers", "sets this header itself"),
        (with_header("a b"), "headers", "no name of an HTTP header"),
    ] {
        let text = exporters.start_opentelemetry_exporter(config).expect_err(says).to_string();
        assert!(text.contains(&format!("`{key}`")) && text.contains(says) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn storage_without_exponential_histograms_shows_none() {
    static STORAGE: Storage<8, 1, 16, Classic> = Storage::new();
    let exporters = Exporters::start(Settings::on(STORAGE.registry())).expect("free");
    for (config, key) in [
        (OpenTelemetryConfig::http().histograms(HistogramAggregation::Exponential), "histograms"),
        (OpenTelemetryConfig::http().min_max(true), "min_max"),
    ] {
        let text = exporters.start_opentelemetry_exporter(config).expect_err(key).to_string();
        assert!(text.contains(&format!("`{key}`")) && text.contains("storage of Exponential"), "{text}");
    }
}
