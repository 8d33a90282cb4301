//! What goes wrong, by where.

pub(crate) mod absence;
pub(crate) mod breaks;
mod illness;
pub(crate) mod kernel;
pub(crate) mod moving;
pub(crate) mod network;
pub(crate) mod nonsense;
pub(crate) mod silence;
pub(crate) mod clients;
pub(crate) mod lifecycle;
