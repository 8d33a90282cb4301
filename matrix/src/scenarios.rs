//! What goes wrong, by where.

pub(crate) mod servers;
