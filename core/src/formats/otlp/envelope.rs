//! What stands around the metrics of a request: scope, resource, and gRPC's prefix.

use super::{GRPC_PREFIX, Resource, SCOPE, field};
use crate::labels::otlp as labels;
use crate::wire::protobuf::ReverseWriter;
use crate::wire::text::out::Full;

/// Puts what a transport wants before the message.
pub(super) type Frame = fn(&mut ReverseWriter<'_>) -> Result<(), Full>;

/// The most bytes that [`surround`] writes, without the resource's attributes.
pub(super) const LEVELS: usize = GRPC_PREFIX + 4 * 6 + 2 + 2 + SCOPE.len();

/// Puts scope, resource and frame before the metrics. Never fails: the room was kept.
pub(super) fn surround(resource: &Resource, back: &mut ReverseWriter<'_>, frame: Frame) {
    back.release_reserve();
    let fits = try_surround(resource, back).and_then(|()| frame(back));
    debug_assert_eq!(fits, Ok(()));
}

/// Puts gRPC's prefix before the message.
pub(super) fn grpc_prefix(back: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let length = back.since(back.end_mark()) as u32;
    back.put(&length.to_be_bytes())?;
    // Not compressed.
    back.put(&[0])
}

/// Puts nothing before the message.
pub(super) const fn bare(_: &mut ReverseWriter<'_>) -> Result<(), Full> {
    Ok(())
}

fn try_surround(resource: &Resource, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let whole = back.end_mark();
    let scope = back.mark();
    labels::put_string(back, field::SCOPE_NAME, SCOPE)?;
    back.length_since(scope, field::SCOPE)?;
    back.length_since(whole, field::SCOPE_METRICS)?;
    let attributes = back.mark();
    back.put(resource.as_bytes())?;
    back.length_since(attributes, field::RESOURCE)?;
    back.length_since(whole, field::RESOURCE_METRICS)
}
