//! An Agent's end of a Unix socket.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

use super::receiver::lines;

/// An Agent that reads until it has seen so many messages, then closes its socket and removes the file.
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

    /// One that reads one connection, frame by frame.
    pub(super) fn of_a_stream(path: &Path, messages: usize) -> Self {
        let listener = UnixListener::bind(path).expect("a path that is free");
        let mut connection = None;
        Self::reading(path, messages, move || {
            let stream = connection.get_or_insert_with(|| listener.accept().expect("a connection").0);
            read_frame(stream).expect("a whole frame")
        })
    }

    /// One that reads so many messages, each a frame, from each of so many connections.
    pub(super) fn of_streams(path: &Path, connections: usize, messages: usize) -> Self {
        let (listener, path) = (UnixListener::bind(path).expect("a path that is free"), path.to_owned());
        Self(thread::spawn(move || {
            let readers = (0..connections).map(|_| {
                let (mut stream, _) = listener.accept().expect("a connection");
                thread::spawn(move || {
                    let mut frame = || String::from_utf8(read_frame(&mut stream).expect("a whole frame"));
                    let packets: Vec<_> = (0..messages).map(|_| frame().expect("UTF-8")).collect();
                    (stream, packets)
                })
            });
            let readers: Vec<_> = readers.collect();
            // All stay open until each has read its part.
            let read: Vec<_> =
                readers.into_iter().map(|reader| reader.join().expect("a connection's thread")).collect();
            drop(listener);
            fs::remove_file(path).expect("the socket's file");
            read.into_iter().flat_map(|(_, packets)| packets).collect()
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

    /// What it has read, once it is gone.
    pub(super) fn packets(self) -> Vec<String> {
        self.0.join().expect("the Agent's thread")
    }
}

/// A packet with its length, 32 bits, little-endian, in front of it.
pub(super) fn read_frame(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut packet)?;
    Ok(packet)
}
