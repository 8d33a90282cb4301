//! The way out of a sink, with what is to leave through it and what is known about the other end.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loaddensity_metrics_core::Cause;

use super::patient::patiently;
use super::peer::Peer;
use super::unix::UnixLink;
use crate::condition::Condition;
use crate::remedy;
use crate::runtime::{Runtime, UdpSocket};
use crate::stop::StopSignal;

/// How often one datagram is tried where the socket reports that earlier ones were refused.
const ATTEMPTS: u32 = 3;
/// The peer counts as listening when it has refused nothing for this long.
const REFUSAL_FORGOTTEN: Duration = Duration::from_secs(2);

pub(crate) struct Outlet<R: Runtime> {
    pub(crate) runtime: R,
    link: Link<R>,
    /// Calls until now: several sockets take turns, call by call.
    turn: usize,
    /// What is handed over in one call.
    pub(crate) memory: Box<[u8]>,
    refused_at: Option<Instant>,
    condition: Arc<Condition>,
    pub(crate) stop: StopSignal,
    has_given_up: bool,
}

/// Where it leads.
pub(crate) enum Link<R: Runtime> {
    Udp(Peer<R>),
    /// One or more connections to one socket.
    Unix(Vec<UnixLink>),
}

impl<R: Runtime> Link<R> {
    /// Says what is wrong with it already.
    pub(crate) fn tell(&self, condition: &Condition) {
        if let Self::Unix(links) = self {
            links.iter().for_each(|link| link.tell(condition));
        }
    }
}

/// What has become of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// The kernel has taken so many of them, from the front.
    Over(usize),
    /// It has taken the first of them, but not several in one call.
    Singly,
    /// The first is lost, for that cause.
    Lost(Cause),
    /// The deadline of a stop passed first.
    Overdue,
    /// Nobody was there when a stop was asked for.
    GivenUp,
}

impl<R: Runtime> Outlet<R> {
    pub(crate) fn new(runtime: R, link: Link<R>, memory: usize, condition: Arc<Condition>, stop: StopSignal) -> Self {
        let memory = vec![0; memory].into_boxed_slice();
        Self { runtime, link, turn: 0, memory, refused_at: None, condition, stop, has_given_up: false }
    }

    /// Hands over what is in `bytes` of the memory: one or more of the datagrams of `segment` bytes, of which the last
    /// may be shorter.
    pub(crate) async fn hand_over(&mut self, bytes: Range<usize>, segment: usize) -> Handed {
        let length = bytes.len();
        let turn = self.turn;
        self.turn = turn.wrapping_add(1);
        let handed = match &mut self.link {
            Link::Udp(peer) => {
                if peer.catch_up() {
                    self.condition.reconnected();
                }
                let (mut failure, mut others) = (None, peer.sockets() - 1);
                let sent = loop {
                    let sending = send(peer.socket(turn.wrapping_add(others)), &self.memory[bytes.clone()], segment);
                    match self.stop.unless_overdue(&self.runtime, sending).await {
                        // Another one may take it.
                        Some(Err(error)) if others != 0 => failure = Some(error),
                        sent => break sent,
                    }
                    others -= 1;
                };
                if let Some(error) = failure {
                    self.note_failure(remedy::cannot_send(&error));
                }
                self.judge(sent)
            }
            Link::Unix(links) => {
                let packet = &self.memory[bytes];
                let link = turn % links.len();
                links[link].hand_over(&self.runtime, &self.condition, &self.stop, packet).await
            }
        };
        let traffic = &self.condition.traffic;
        match handed {
            Handed::Over(datagrams) => traffic.sent(datagrams, length.min(datagrams * segment)),
            Handed::Singly => traffic.sent(1, length.min(segment)),
            Handed::Lost(_) => traffic.dropped(1, length.min(segment)),
            Handed::Overdue => {}
            Handed::GivenUp => self.has_given_up = true,
        }
        handed
    }

    /// What has become of datagrams for which the socket answered so.
    fn judge(&mut self, sent: Option<io::Result<Sent>>) -> Handed {
        match sent {
            Some(Ok(Sent { handed, refused_before })) => {
                if refused_before {
                    self.condition.refused();
                    self.note_failure(remedy::REFUSED.into());
                }
                handed
            }
            Some(Err(error)) => {
                self.note_failure(remedy::cannot_send(&error));
                Handed::Lost(Cause::Unreachable)
            }
            None => Handed::Overdue,
        }
    }

    /// Whether there is no use in going on: a stop was asked for, and nobody is there.
    pub(crate) const fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// Says that all is well once nothing was refused for a while.
    pub(crate) fn forget_refusal(&mut self) {
        if self.refused_at.is_some_and(|at| self.runtime.now().saturating_duration_since(at) >= REFUSAL_FORGOTTEN) {
            self.refused_at = None;
            self.condition.went_well();
        }
    }

    fn note_failure(&mut self, says: String) {
        self.refused_at = Some(self.runtime.now());
        self.condition.failed(says);
        if let Link::Udp(peer) = &self.link {
            peer.doubt();
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Sent {
    handed: Handed,
    /// Whether an earlier datagram was refused by the peer's host.
    refused_before: bool,
}

/// Hands one or more datagrams to the kernel.
///
/// A connected socket reports that the peer's host has refused an earlier one in place of taking the next, so that one
/// is sent again.
async fn send(socket: &impl UdpSocket, datagrams: &[u8], segment: usize) -> io::Result<Sent> {
    let mut refused_before = false;
    for _ in 0..ATTEMPTS {
        match send_some(socket, datagrams, segment).await {
            Ok(handed) => return Ok(Sent { handed, refused_before }),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => refused_before = true,
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::ConnectionRefused.into())
}

/// Hands over as many as the socket takes at once. Where it takes none of several, the first is tried alone, so that
/// no more than one is lost by one error.
async fn send_some(socket: &impl UdpSocket, datagrams: &[u8], segment: usize) -> io::Result<Handed> {
    if datagrams.len() <= segment {
        return patiently(socket, |socket| socket.try_send(datagrams)).await.map(|_| Handed::Over(1));
    }
    match patiently(socket, |socket| socket.try_send_segments(datagrams, segment)).await {
        Ok(0 | 1) => Ok(Handed::Singly),
        Ok(count) => Ok(Handed::Over(count)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(error),
        Err(_) => patiently(socket, |socket| socket.try_send(&datagrams[..segment])).await.map(|_| Handed::Over(1)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_lite::future::block_on;

    use super::*;

    /// Answers as it is told to and notes what it was asked: datagrams, or bytes for a single one.
    struct Scripted(Mutex<Script>);

    struct Script {
        answers: Vec<io::Result<usize>>,
        asked: Vec<String>,
    }

    impl Scripted {
        fn answer(&self, asked: String) -> io::Result<usize> {
            let mut script = self.0.lock().expect("no panic");
            script.asked.push(asked);
            script.answers.remove(0)
        }
    }

    impl UdpSocket for Scripted {
        fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
            self.answer(format!("one of {}", datagram.len()))
        }

        fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
            self.answer(format!("{} of {segment}", datagrams.len().div_ceil(segment)))
        }

        async fn writable(&self) -> io::Result<()> {
            self.0.lock().expect("no panic").asked.push("wait".into());
            Ok(())
        }

        fn take_error(&self) -> io::Result<Option<io::Error>> {
            Ok(None)
        }
    }

    fn full() -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn refused() -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    fn failed() -> io::Result<usize> {
        Err(io::ErrorKind::NetworkUnreachable.into())
    }

    /// What comes of sending 10 bytes in datagrams of `segment`, and what the socket was asked.
    fn sent(segment: usize, answers: Vec<io::Result<usize>>) -> (Result<(Handed, bool), io::ErrorKind>, String) {
        let socket = Scripted(Mutex::new(Script { answers, asked: Vec::new() }));
        let sent = block_on(send(&socket, &[b'x'; 10], segment));
        let script = socket.0.into_inner().expect("no panic");
        assert!(script.answers.is_empty(), "{} answers left", script.answers.len());
        let sent = sent.map(|sent| (sent.handed, sent.refused_before)).map_err(|error| error.kind());
        (sent, script.asked.join(", "))
    }

    #[test]
    fn one_datagram_needs_no_offload() {
        assert_eq!(sent(10, vec![Ok(10)]), (Ok((Handed::Over(1), false)), "one of 10".into()));
    }

    #[test]
    fn a_socket_that_is_full_is_waited_for() {
        let asked = "one of 10, wait, one of 10, wait, one of 10";
        assert_eq!(sent(10, vec![full(), full(), Ok(10)]), (Ok((Handed::Over(1), false)), asked.into()));
        let asked = "3 of 4, wait, 3 of 4";
        assert_eq!(sent(4, vec![full(), Ok(3)]), (Ok((Handed::Over(3), false)), asked.into()));
        let asked = "3 of 4, one of 4, wait, one of 4";
        assert_eq!(sent(4, vec![failed(), full(), Ok(4)]), (Ok((Handed::Over(1), false)), asked.into()));
    }

    #[test]
    fn as_many_are_sent_as_the_socket_takes() {
        assert_eq!(sent(4, vec![Ok(3)]), (Ok((Handed::Over(3), false)), "3 of 4".into()));
        assert_eq!(sent(4, vec![Ok(2)]), (Ok((Handed::Over(2), false)), "3 of 4".into()));
        assert_eq!(sent(4, vec![Ok(1)]), (Ok((Handed::Singly, false)), "3 of 4".into()));
    }

    #[test]
    fn the_fate_of_earlier_datagrams_is_noted_and_these_are_sent_again() {
        let thrice = "3 of 4, 3 of 4, 3 of 4";
        assert_eq!(sent(4, vec![refused(), refused(), Ok(3)]), (Ok((Handed::Over(3), true)), thrice.into()));
        let endless = vec![refused(), refused(), refused()];
        assert_eq!(sent(4, endless), (Err(io::ErrorKind::ConnectionRefused), thrice.into()));
    }

    #[test]
    fn an_error_with_several_is_one_only_if_the_first_meets_it_too() {
        let asked = "3 of 4, one of 4";
        assert_eq!(sent(4, vec![failed(), Ok(4)]), (Ok((Handed::Over(1), false)), asked.into()));
        assert_eq!(sent(4, vec![failed(), failed()]), (Err(io::ErrorKind::NetworkUnreachable), asked.into()));
    }
}
