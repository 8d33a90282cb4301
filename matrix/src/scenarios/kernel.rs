//! What a kernel does to sockets and processes.

mod buffers;
mod descriptors;
mod lengths;
mod receivers;
mod unix_sockets;

pub(crate) use buffers::no_buffers;
pub(crate) use descriptors::no_descriptors;
pub(crate) use lengths::message_too_long;
pub(crate) use receivers::stopped_receiver;
pub(crate) use unix_sockets::unix_socket_anew;
