//! The resource of an export: who sends it. Encoded once, copied into every request.
//!
//! Sources: opentelemetry-proto, `resource/v1/resource.proto`; semantic conventions, "Resource", `service.name`,
//! `service.instance.id` and `telemetry.sdk.*`.

use core::fmt;

use heapless::Vec;

use super::{MIN_ANY_REQUEST, MIN_OPTIONS_REQUEST, MIN_REQUEST, field};
use crate::labels::otlp as labels;
use crate::wire::protobuf::{ProtobufReader, ReverseWriter};

/// Longest `service.name` in bytes that is shown; a longer one is cut on a character boundary.
pub const SERVICE_NAME_BYTES: usize = 255;
/// Most bytes of all attributes of a resource as they are encoded: key, value and 7 to 11 bytes for each.
pub const RESOURCE_BYTES: usize = 8_192;
/// Bytes of attributes that the least lengths of requests have room for ([`MIN_ANY_REQUEST`](super::MIN_ANY_REQUEST),
/// [`MIN_OPTIONS_REQUEST`](super::MIN_OPTIONS_REQUEST)); each byte beyond makes them a byte longer.
pub(super) const USUAL_BYTES: usize = 1_536;

/// The key of the attribute that every resource has.
const SERVICE_NAME: &str = "service.name";
/// Bytes of a resource that has a name and nothing else, at most.
pub(super) const NAMED_BYTES: usize = labels::ATTRIBUTE_FRAME + SERVICE_NAME.len() + SERVICE_NAME_BYTES;

/// Attributes of what sends the export, `service.name` first.
///
/// ```
/// use loaddensity_metrics_core::otlp::{Resource, ResourceError};
///
/// let mut resource = Resource::new("checkout");
/// resource.put("deployment.environment.name", "staging")?;
/// assert_eq!(resource.put("service.name", "cart"), Err(ResourceError::Duplicate));
/// # Ok::<(), ResourceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Fields `attributes`, one after another.
    attributes: Vec<u8, RESOURCE_BYTES>,
}

impl Resource {
    /// The resource of a service; the name is cut to [`SERVICE_NAME_BYTES`].
    #[must_use]
    pub fn new(service_name: &str) -> Self {
        let mut resource = Self { attributes: Vec::new() };
        let fits = resource.append(SERVICE_NAME, cut(service_name));
        debug_assert_eq!(fits, Ok(()));
        resource
    }

    /// Adds an attribute, after those that are there.
    ///
    /// # Errors
    /// A key that is empty or there already, or no room; see [`ResourceError`]. Nothing was added then.
    pub fn put(&mut self, key: &str, value: &str) -> Result<(), ResourceError> {
        if key.is_empty() {
            return Err(ResourceError::Empty);
        }
        if self.has(key) {
            return Err(ResourceError::Duplicate);
        }
        self.append(key, value)
    }

    /// Whether there is an attribute with this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let mut reader = ProtobufReader::new(&self.attributes);
        while reader.varint().is_some() {
            let Some(attribute) = reader.bytes() else { break };
            if labels::key_of(attribute) == Some(key.as_bytes()) {
                return true;
            }
        }
        false
    }

    /// Whether attributes of so many bytes more would fit as they are encoded.
    #[must_use]
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.attributes.len() + bytes <= RESOURCE_BYTES
    }

    /// The length of a buffer that holds any single data point with all that must surround it, in bytes: of a cycle with
    /// [`ExportOptions::default`](super::ExportOptions) where `is_plain`, else with any options and of intervals. `to_come`
    /// bytes of attributes will be added.
    #[must_use]
    pub fn min_request(&self, is_plain: bool, to_come: usize) -> usize {
        let length = self.attributes.len() + to_come;
        let least = match is_plain {
            true if length <= NAMED_BYTES => MIN_REQUEST,
            true => MIN_ANY_REQUEST,
            false => MIN_OPTIONS_REQUEST,
        };
        least + length.saturating_sub(USUAL_BYTES)
    }

    /// The attributes as they are encoded.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.attributes
    }

    /// The room that is left serves as the writer's, which works from its end: no second room of this size on the stack.
    fn append(&mut self, key: &str, value: &str) -> Result<(), ResourceError> {
        let first = self.attributes.len();
        self.attributes.resize_default(RESOURCE_BYTES).map_err(|_| ResourceError::TooLong)?;
        let mut back = ReverseWriter::new(&mut self.attributes[first..], 0);
        let fits = labels::put_attribute(&mut back, field::RESOURCE_ATTRIBUTES, key, value);
        let written = if fits.is_ok() { back.since(back.end_mark()) } else { 0 };
        self.attributes.copy_within(RESOURCE_BYTES - written.., first);
        self.attributes.truncate(first + written);
        fits.map_err(|_| ResourceError::TooLong)
    }
}

/// Why a resource does not take an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceError {
    /// The key is empty.
    Empty,
    /// There is an attribute with this key.
    Duplicate,
    /// All attributes together would be longer than [`RESOURCE_BYTES`].
    TooLong,
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a resource attribute has an empty key; give it one, or leave it out"),
            Self::Duplicate => {
                f.write_str("the resource has an attribute with this key already; leave one of them out")
            }
            Self::TooLong => write!(
                f,
                "all attributes of the resource together take more than {RESOURCE_BYTES} bytes; shorten them or leave some out"
            ),
        }
    }
}

impl core::error::Error for ResourceError {}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(SERVICE_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn an_attribute_is_taken_once_and_whole() {
        let mut resource = Resource::new("shop");
        assert_eq!(resource.put("run", "7"), Ok(()));
        for (key, value, error) in [
            ("", "x", ResourceError::Empty),
            ("run", "8", ResourceError::Duplicate),
            ("service.name", "", ResourceError::Duplicate),
            ("long", &"x".repeat(RESOURCE_BYTES)[..], ResourceError::TooLong),
        ] {
            let before = resource.clone();
            assert_eq!(resource.put(key, value), Err(error), "{key}");
            assert_eq!(resource, before);
        }
        assert!(resource.has("run") && !resource.has("ru") && !resource.has("shop"));
    }

    #[test]
    fn a_resource_is_full_at_its_limit() {
        let mut resource = Resource::new("");
        let frame = "service.name".len() + 8;
        // A tag and a length of one byte in front, and two lengths of two bytes.
        let most = RESOURCE_BYTES - frame - "k".len() - 11;
        assert_eq!(resource.clone().put("k", &"x".repeat(most + 1)), Err(ResourceError::TooLong));
        assert_eq!(resource.put("k", &"x".repeat(most)), Ok(()));
        assert_eq!(resource.as_bytes().len(), RESOURCE_BYTES);
        assert!(resource.has_room_for(0) && !resource.has_room_for(1));
    }

    #[test]
    fn a_long_resource_asks_for_as_much_longer_requests() {
        let mut resource = Resource::new("shop");
        assert_eq!((resource.min_request(true, 0), resource.min_request(false, 0)), (MIN_REQUEST, MIN_OPTIONS_REQUEST));
        assert_eq!(resource.min_request(true, 1_000), MIN_ANY_REQUEST);
        assert_eq!(resource.put("k", &"x".repeat(7_000)), Ok(()));
        let beyond = resource.as_bytes().len() - USUAL_BYTES;
        assert_eq!(resource.min_request(true, 0), MIN_ANY_REQUEST + beyond);
        assert_eq!(resource.min_request(false, 10), MIN_OPTIONS_REQUEST + beyond + 10);
    }
}
