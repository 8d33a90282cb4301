//! The Datadog Agent's end of a Unix socket, for a known number of messages.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::receiver::lines;

/// An Agent that reads a given number of messages, then closes its socket and removes the file.
pub(super) struct Agent(JoinHandle<Vec<String>>);

impl Agent {
    pub(super) fn of_datagrams(path: &Path, messages: usize) -> Self {
        let socket = UnixDatagram::bind(path).expect("a path that is free");
        Self::reading(path, messages, move || {
            let mut packet = vec![0; 65_536];
            let length = socket.recv(&mut packet).expect("a datagram");
            packet.truncate(length);
            packet
        })
    }

    /// An Agent that reads one connection, frame by frame.
    pub(super) fn of_a_stream(path: &Path, messages: usize) -> Self {
        let listener = UnixListener::bind(path).expect("a path that is free");
        let mut connection = None;
        Self::reading(path, messages, move || {
            let stream = connection.get_or_insert_with(|| listener.accept().expect("a connection").0);
            read_frame(stream).expect("a whole frame")
        })
    }

    /// An Agent that reads a given number of connections until it has seen a given number of messages on all of them
    /// together.
    pub(super) fn of_streams(path: &Path, connections: usize, messages: usize) -> Self {
        let (listener, path) = (UnixListener::bind(path).expect("a path that is free"), path.to_owned());
        Self(thread::spawn(move || {
            let accept = |_| {
                let (stream, _) = listener.accept().expect("a connection");
                stream.set_nonblocking(true).expect("a socket option");
                (stream, Vec::new())
            };
            let mut streams: Vec<_> = (0..connections).map(accept).collect();
            let (mut packets, mut seen) = (Vec::new(), 0);
            while seen < messages {
                for (stream, bytes) in &mut streams {
                    // If no more bytes are there now, this returns an error. The bytes that came are in `bytes`.
                    let _ = stream.read_to_end(bytes);
                    while let Some(packet) = first_frame(bytes) {
                        seen += lines(&packet).count();
                        packets.push(packet);
                    }
                }
                thread::sleep(Duration::from_millis(1));
            }
            drop((listener, streams));
            fs::remove_file(path).expect("the socket's file");
            packets
        }))
    }

    fn reading(path: &Path, messages: usize, mut read: impl FnMut() -> Vec<u8> + Send + 'static) -> Self {
        let path = path.to_owned();
        Self(thread::spawn(move || {
            let (mut packets, mut seen) = (Vec::new(), 0);
            while seen < messages {
                let packet = String::from_utf8(read()).expect("UTF-8");
                seen += lines(&packet).count();
                packets.push(packet);
            }
            drop(read);
            fs::remove_file(path).expect("the socket's file");
            packets
        }))
    }

    /// Waits until the Agent has ended, and returns what it has read.
    pub(super) fn packets(self) -> Vec<String> {
        self.0.join().expect("the Agent's thread")
    }
}

/// Takes the first packet off `bytes`, if it is there whole.
fn first_frame(bytes: &mut Vec<u8>) -> Option<String> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let packet = bytes.get(4..4 + length)?.to_vec();
    bytes.drain(..4 + length);
    Some(String::from_utf8(packet).expect("UTF-8"))
}

/// A packet with its length, 32 bits, little-endian, in front of it.
pub(super) fn read_frame(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut packet)?;
    Ok(packet)
}
