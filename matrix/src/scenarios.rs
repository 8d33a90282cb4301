//! What goes wrong, by where.

pub(crate) mod absence;
pub(crate) mod breaks;
pub(crate) mod clients;
mod illness;
pub(crate) mod kernel;
pub(crate) mod lifecycle;
pub(crate) mod moving;
pub(crate) mod network;
pub(crate) mod nonsense;
pub(crate) mod silence;
