//! How bytes are written and read, whatever the format: text, protobuf, JSON.

pub(crate) mod json;
pub(crate) mod protobuf;
pub(crate) mod text;
