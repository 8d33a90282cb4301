//! Segmentation offload of a UDP socket: one system call, one trip through the network stack, many datagrams.
//!
//! Linux cuts a buffer into datagrams of one size where a control message says so (`UDP_SEGMENT`, udp(7), since 4.18).
//! An older kernel, and what imitates one, may overlook the message and send one huge datagram instead. Whether this
//! one understands it is therefore tried out first, from a loopback socket to itself. Where it does not, on other
//! systems, and once a socket has refused it, datagrams are sent one by one.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::SockRef;

/// Whether the offload works for one socket, and sending with it or without.
#[derive(Debug)]
pub struct SegmentationOffload {
    is_refused: AtomicBool,
}

impl SegmentationOffload {
    /// Tries the kernel out.
    #[must_use]
    pub fn new() -> Self {
        Self { is_refused: AtomicBool::new(!kernel::knows_segments()) }
    }

    /// One attempt, which never waits if `socket` does not, to hand over the `datagrams`, which follow one another,
    /// each of `segment` bytes (1 or more) but the last, which may be shorter. Returns how many the kernel has taken:
    /// all, or only the first.
    ///
    /// # Errors
    /// What the operating system answers: `WouldBlock` where the send buffer is full, and otherwise as
    /// [`UdpSocket::try_send`](super::UdpSocket::try_send) does. None was taken then. That the offload is refused is no error.
    pub fn send<'s>(&self, socket: impl Into<SockRef<'s>>, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        let socket = socket.into();
        if datagrams.len() > segment && !self.is_refused.load(Ordering::Relaxed) {
            match kernel::send_segments(&socket, datagrams, segment) {
                Ok(_) => return Ok(datagrams.len().div_ceil(segment.max(1))),
                Err(error) if !kernel::is_refusal(&error) => return Err(error),
                Err(error) => {
                    tracing::info!(%error, segment, "segmentation offload is refused; datagrams are sent one by one");
                    self.is_refused.store(true, Ordering::Relaxed);
                }
            }
        }
        socket.send(&datagrams[..segment.min(datagrams.len())]).map(|_| 1)
    }
}

impl Default for SegmentationOffload {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod kernel {
    use std::io::{self, IoSlice};
    use std::net::UdpSocket;

    use libc::{EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP, SOL_UDP, UDP_SEGMENT};
    use socket2::{MsgHdr, SockRef};

    /// Bytes of a machine word, to which control messages are aligned.
    const WORD: usize = size_of::<usize>();

    /// A control message with a `u16` in it (`struct cmsghdr`, include/linux/socket.h: a length in a word, two `int`s,
    /// the data), padded to whole words.
    struct Control([u8; 2 * WORD + 8]);

    impl Control {
        fn segments_of(bytes: u16) -> Self {
            let mut message = [0; 2 * WORD + 8];
            let mut rest = message.as_mut_slice();
            let length = WORD + 2 * size_of::<i32>() + size_of::<u16>();
            for part in
                [&length.to_ne_bytes()[..], &SOL_UDP.to_ne_bytes(), &UDP_SEGMENT.to_ne_bytes(), &bytes.to_ne_bytes()]
            {
                let (front, after) = rest.split_at_mut(part.len());
                front.copy_from_slice(part);
                rest = after;
            }
            Self(message)
        }
    }

    pub(super) fn send_segments(socket: &SockRef<'_>, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        let segment = u16::try_from(segment).map_err(|_| io::Error::from_raw_os_error(EINVAL))?;
        let control = Control::segments_of(segment);
        let buffers = [IoSlice::new(datagrams)];
        socket.sendmsg(&MsgHdr::new().with_buffers(&buffers).with_control(&control.0), 0)
    }

    /// Whether `error` is about the offload and not about the datagrams: more of them than the kernel takes in a call
    /// or larger than the path's MTU (EINVAL, EMSGSIZE), a device that computes no checksums or a transformation such
    /// as IPsec (EIO), an option or a message that the socket does not know.
    pub(super) fn is_refusal(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(EIO | EINVAL | EMSGSIZE | ENOPROTOOPT | EOPNOTSUPP))
    }

    /// Whether two datagrams that are sent in one call to oneself arrive as two.
    pub(super) fn knows_segments() -> bool {
        try_out().unwrap_or(false)
    }

    fn try_out() -> io::Result<bool> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(socket.local_addr()?)?;
        // Over the loopback interface, what was sent has arrived.
        socket.set_nonblocking(true)?;
        send_segments(&SockRef::from(&socket), b"two", 2)?;
        let mut datagram = [0; 4];
        Ok(socket.recv(&mut datagram)? == 2 && socket.recv(&mut datagram)? == 1)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod kernel {
    use std::io;

    use socket2::SockRef;

    pub(super) fn send_segments(_: &SockRef<'_>, _: &[u8], _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_refusal(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::Unsupported
    }

    pub(super) fn knows_segments() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let [from, to] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port"));
        from.connect(to.local_addr().expect("bound")).expect("connected");
        to.set_nonblocking(true).expect("a socket option");
        (from, to)
    }

    fn arrived(socket: &UdpSocket) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2_048];
        let next = || socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn after_the_kernel_refuses_a_call_datagrams_are_sent_one_by_one() {
        let ((from, to), offload) = (pair(), SegmentationOffload::new());
        let knows = kernel::knows_segments();
        let count = offload.send(&from, b"abcde", 2).expect("sent");
        assert_eq!(count, if knows { 3 } else { 1 });
        let expected: &[&[u8]] = &[b"ab", b"cd", b"e"];
        assert_eq!(arrived(&to), expected[..count]);

        // More datagrams than any kernel takes in one call.
        assert_eq!(offload.send(&from, &[b'x'; 2_000], 1).expect("sent"), 1);
        assert_eq!(arrived(&to), [b"x"], "none is lost, none is sent twice");
        assert!(offload.is_refused.load(Ordering::Relaxed));
        assert_eq!(offload.send(&from, b"abcde", 2).expect("sent"), 1);
        assert_eq!(arrived(&to), [b"ab"]);
    }

    #[test]
    fn an_error_of_the_socket_is_no_refusal() {
        let (from, to) = pair();
        drop(to);
        let offload = SegmentationOffload::new();
        let known = !offload.is_refused.load(Ordering::Relaxed);
        // Over the loopback interface, the refusal has arrived when the call returns.
        offload.send(&from, b"abcde", 2).expect("sent");
        let error = offload.send(&from, b"abcde", 2).expect_err("refused by the host");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(!offload.is_refused.load(Ordering::Relaxed), known);
    }
}
