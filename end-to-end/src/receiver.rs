//! A UDP receiver on a thread of its own.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::LOOPBACK;
use super::load::wait_until;

/// Keeps every datagram, in order, until it is told to finish.
pub struct DatagramReceiver {
    pub address: SocketAddr,
    datagrams: Arc<Mutex<Vec<String>>>,
    /// Returns the senders' addresses at the end.
    thread: JoinHandle<BTreeSet<SocketAddr>>,
}

impl DatagramReceiver {
    pub fn start() -> Self {
        let socket = UdpSocket::bind(LOOPBACK).expect("a free port");
        let address = socket.local_addr().expect("a bound address");
        let datagrams = Arc::new(Mutex::new(Vec::new()));
        let received = datagrams.clone();
        let thread = thread::spawn(move || {
            let (mut datagram, mut senders) = (vec![0; 65_536], BTreeSet::new());
            loop {
                let (bytes, sender) = socket.recv_from(&mut datagram).expect("a datagram");
                if bytes == 0 {
                    break senders;
                }
                senders.insert(sender);
                let text = String::from_utf8(datagram[..bytes].to_vec()).expect("UTF-8");
                received.lock().expect("no panic").push(text);
            }
        });
        Self { address, datagrams, thread }
    }

    pub fn wait_for(&self, arrived: impl Fn(&[String]) -> bool) {
        wait_until(|| self.has(&arrived));
    }

    pub fn has(&self, arrived: impl Fn(&[String]) -> bool) -> bool {
        arrived(&self.lock())
    }

    /// All datagrams. Over the loopback interface, what was sent before this call has arrived.
    pub fn finish(self) -> Vec<String> {
        self.finish_with_senders().0
    }

    /// The same, and the addresses that they came from.
    pub fn finish_with_senders(self) -> (Vec<String>, BTreeSet<SocketAddr>) {
        let end = UdpSocket::bind(LOOPBACK).expect("a free port");
        // An empty datagram marks the end: no exporter sends one. A full socket may drop it, so it is sent until it was
        // seen.
        wait_until(|| {
            let _ = end.send_to(b"", self.address);
            self.thread.is_finished()
        });
        let senders = self.thread.join().expect("the receiver's thread");
        (std::mem::take(&mut *self.datagrams.lock().unwrap_or_else(PoisonError::into_inner)), senders)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.datagrams.lock().expect("the receiver's thread did not panic")
    }
}

/// The lines of a datagram or body, without the newlines that fill it up.
pub fn lines(datagram: &str) -> impl Iterator<Item = &str> {
    datagram.trim_end_matches('\n').lines()
}
