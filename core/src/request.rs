//! A request, and the series that it belongs to.

pub(crate) mod error_kind;
pub(crate) mod key;
pub(crate) mod label;
pub(crate) mod sample;
pub(crate) mod series;
