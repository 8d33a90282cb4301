//! Builds without gzip: pages go out as they are.

use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;

use crate::prometheus::frames::Frames;

/// What pages are compressed with.
pub(in crate::prometheus) struct Compressors;

/// What one page is compressed with: there is none.
pub(in crate::prometheus) enum Compressor {}

impl Compressors {
    /// A start that asks for compression was refused before.
    pub(in crate::prometheus) const fn new(_is_on: bool) -> Self {
        Self
    }

    pub(in crate::prometheus) const fn is_on(&self) -> bool {
        false
    }

    pub(in crate::prometheus) const fn take(&self, _headers: &HeaderMap) -> Option<Compressor> {
        None
    }
}

impl Compressor {
    pub(in crate::prometheus) const fn poll_next(
        &mut self,
        _frames: &mut Frames,
        _cx: &Context<'_>,
    ) -> Poll<Option<Bytes>> {
        match *self {}
    }
}
