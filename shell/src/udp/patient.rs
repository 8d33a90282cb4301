//! Sending that waits while a socket's buffer is full.

use std::io;

use crate::runtime::UdpSocket;

/// Makes `attempt` again, each time that `socket` may take something, until it would no longer block.
pub(crate) async fn patiently<S: UdpSocket>(
    socket: &S,
    attempt: impl Fn(&S) -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match attempt(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            sent => return sent,
        }
    }
}
