//! Who exports: the attributes of the resource.

use std::sync::{Mutex, PoisonError};

use loaddensity_metrics_core::otlp::{Resource, ResourceError};

use crate::config::OpenTelemetryConfig;
use crate::identity::Identity;
use crate::random;

/// What tells the streams of two processes apart (semantic conventions, "Service").
const INSTANCE: &str = "service.instance.id";
/// The program that exports. OpenTelemetry's own name is kept for its own SDKs (semantic conventions, "Telemetry SDK").
const SDK: [(&str, &str); 3] = [
    ("telemetry.sdk.name", "loaddensity-metrics"),
    ("telemetry.sdk.language", "rust"),
    ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
];

/// The resource of all exports with this configuration.
pub(super) fn resource(config: &OpenTelemetryConfig, identity: &Identity) -> Result<Resource, ResourceError> {
    let mut resource = Resource::new(&config.service_name);
    for (key, value) in identity.attributes(&config.resource_attributes) {
        resource.put(&key, &value)?;
    }
    if !resource.has(INSTANCE) {
        resource.put(INSTANCE, &instance())?;
    }
    SDK.into_iter().try_for_each(|(key, value)| resource.put(key, value))?;
    Ok(resource)
}

/// A random UUID, the same as long as this process lives. A fork is another process.
fn instance() -> String {
    static INSTANCE: Mutex<Option<(u32, String)>> = Mutex::new(None);
    of_process(&mut INSTANCE.lock().unwrap_or_else(PoisonError::into_inner), std::process::id())
}

/// The one that is `known`, where it is this process's; else a new one.
fn of_process(known: &mut Option<(u32, String)>, process: u32) -> String {
    match known {
        Some((whose, instance)) if *whose == process => instance.clone(),
        _ => known.insert((process, uuid(random::number(), random::number()))).1.clone(),
    }
}

/// A UUID of version 4 (RFC 9562, 5.4).
fn uuid(high: u64, low: u64) -> String {
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{high:016x}{low:016x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_uuid_of_version_4_that_stays() {
        assert_eq!(uuid(u64::MAX, u64::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(0, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210), "01234567-89ab-4def-bedc-ba9876543210");
        assert_eq!(instance(), instance());
        let mut known = None;
        let (first, again) = (of_process(&mut known, 7), of_process(&mut known, 7));
        assert_eq!(first, again);
        assert_ne!(of_process(&mut known, 8), first, "a fork is another");
    }

    #[test]
    fn a_given_instance_id_is_kept() {
        let attributes = [("run", "7"), (INSTANCE, "mine")].into();
        let config = OpenTelemetryConfig { resource_attributes: attributes, ..OpenTelemetryConfig::default() };
        let mut expected = Resource::new("loaddensity");
        for (key, value) in [("run", "7"), (INSTANCE, "mine"), ("worker", "3")].into_iter().chain(SDK) {
            expected.put(key, value).expect("room");
        }
        let identity = Identity::default().with_run("8").and_then(|run| run.with_worker(3, None)).expect("an identity");
        assert_eq!(resource(&config, &identity), Ok(expected));
    }
}
