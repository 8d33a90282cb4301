//! Whether a page is compressed, and how.

#[cfg(not(feature = "gzip"))]
mod absent;
#[cfg(feature = "gzip")]
mod gzip;

#[cfg(not(feature = "gzip"))]
pub(super) use absent::{Compressor, Compressors};
#[cfg(feature = "gzip")]
pub(super) use gzip::{Compressor, Compressors};
