//! Who exports: the attributes of the resource.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use loaddensity_metrics_core::otlp::{Resource, ResourceError};

use crate::config::OpenTelemetryConfig;
use crate::identity::Identity;
use crate::random;

/// An attribute that every resource has, unless the configuration gives one with the same key.
struct OwnAttribute {
    key: &'static str,
    value: OwnValue,
}

enum OwnValue {
    Fixed(&'static str),
    /// One that is made at a start, of at most so many bytes.
    Made(usize, fn() -> String),
}

/// The exporter's own attributes, a row each, in their order in the resource; before them come those of the configuration
/// and of the identity.
const OWN: &[OwnAttribute] = &[
    // What tells the streams of two processes apart (semantic conventions, "Service").
    OwnAttribute { key: "service.instance.id", value: OwnValue::Made(UUID_BYTES, instance) },
    // The program that exports. OpenTelemetry's own name is kept for its own SDKs (semantic conventions, "Telemetry SDK").
    OwnAttribute { key: "telemetry.sdk.name", value: OwnValue::Fixed("loaddensity-metrics") },
    OwnAttribute { key: "telemetry.sdk.language", value: OwnValue::Fixed("rust") },
    OwnAttribute { key: "telemetry.sdk.version", value: OwnValue::Fixed(env!("CARGO_PKG_VERSION")) },
];

/// The resource of all exports with this configuration.
pub(super) fn resource(config: &OpenTelemetryConfig, identity: &Identity) -> Result<Resource, ResourceError> {
    let mut resource = Resource::new(&config.service_name);
    for (key, value) in &identity.attributes(&config.resource_attributes) {
        resource.put(key, value)?;
    }
    for OwnAttribute { key, value } in OWN {
        if !resource.has(key) {
            resource.put(key, &value.text())?;
        }
    }
    Ok(resource)
}

impl OwnValue {
    fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Fixed(text) => Cow::Borrowed(text),
            Self::Made(longest, make) => {
                let text = make();
                debug_assert!(text.len() <= *longest, "{text}");
                Cow::Owned(text)
            }
        }
    }
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

/// Length of a UUID as text (RFC 9562, 4).
const UUID_BYTES: usize = 36;

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
    use loaddensity_metrics_core::otlp::{RESOURCE_BYTES, SERVICE_NAME_BYTES};

    use super::*;
    use crate::config::Configuration as _;
    use crate::identity::RUN_BYTES;

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

    /// A resource with these attributes, and all of ours whose key is not among them.
    fn with_ours(first: &[(&str, &str)]) -> Resource {
        let mut expected = Resource::new("loaddensity");
        let ours = OWN
            .iter()
            .map(|row| (row.key, row.value.text()))
            .filter(|(key, _)| !first.iter().any(|(other, _)| other == key));
        let first = first.iter().map(|(key, value)| (*key, Cow::Borrowed(*value)));
        first.chain(ours).for_each(|(key, value)| expected.put(key, &value).expect("room"));
        expected
    }

    #[test]
    fn what_a_configuration_gives_stands_in_the_place_of_ours() {
        let identity = Identity::default().with_run("8").and_then(|run| run.with_worker(3, None)).expect("an identity");
        for OwnAttribute { key, .. } in OWN {
            let resource_attributes = [("run", "7"), (*key, "mine")].into();
            let config = OpenTelemetryConfig { resource_attributes, ..OpenTelemetryConfig::default() };
            let expected = with_ours(&[("run", "7"), (key, "mine"), ("worker", "3")]);
            assert_eq!(resource(&config, &identity), Ok(expected), "{key}");
        }
        let attributes = resource(&OpenTelemetryConfig::default(), &identity);
        assert_eq!(attributes, Ok(with_ours(&[("run", "8"), ("worker", "3")])));
    }

    /// The configuration's check sets room aside for them (`OWN_RESOURCE_BYTES`).
    #[test]
    fn ours_have_room_beside_the_longest_attributes_that_are_taken() {
        let with = |bytes: usize| OpenTelemetryConfig {
            service_name: "n".repeat(SERVICE_NAME_BYTES),
            resource_attributes: [("k", "x".repeat(bytes))].into(),
            ..OpenTelemetryConfig::default()
        };
        let is_taken = |bytes: &usize| with(*bytes).check().is_ok();
        let longest = (0..RESOURCE_BYTES).rev().find(is_taken).expect("short ones are taken");
        let run = "r".repeat(RUN_BYTES);
        let identity = Identity::default().with_run(&run).and_then(|run| run.with_worker(u32::MAX, None));
        let mut resource = Resource::new(&with(longest).service_name);
        let given = identity.expect("an identity").attributes(&with(longest).resource_attributes);
        let ours = OWN.iter().map(|row| (row.key, "x".repeat(row.value.longest())));
        for (key, value) in given.iter().map(|(key, value)| (key, value.to_owned())).chain(ours) {
            assert_eq!(resource.put(key, &value), Ok(()), "no room for {key}: raise OWN_RESOURCE_BYTES");
        }
    }

    impl OwnValue {
        fn longest(&self) -> usize {
            match self {
                Self::Fixed(text) => text.len(),
                Self::Made(longest, _) => *longest,
            }
        }
    }
}
