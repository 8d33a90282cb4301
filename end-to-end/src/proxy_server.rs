//! An HTTP proxy that makes tunnels, on threads of the standard library. It connects to this machine, whatever host
//! name the client asks for.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::LOOPBACK;

/// The answer to a `CONNECT`.
#[derive(Clone, Copy)]
pub(super) enum ProxyReply {
    /// A tunnel.
    Tunnel,
    /// These bytes; then the connection is closed.
    Says(&'static str),
}

/// The proxy. Dropping it closes its port.
pub(super) struct TestProxy {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
    ending: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl TestProxy {
    pub(super) fn start(reply: ProxyReply) -> Self {
        let listener = TcpListener::bind(LOOPBACK).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (heads, ending) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (store, end) = (heads.clone(), ending.clone());
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let store = store.clone();
                // The client may end the connection with an error.
                thread::spawn(move || serve(stream?, reply, &store));
            }
        });
        Self { address, heads, ending, accepting: Some(accepting) }
    }

    /// The lines of each request's head.
    pub(super) fn heads(&self) -> Vec<Vec<String>> {
        self.heads.lock().expect("no connection's thread panicked").clone()
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(mut client: TcpStream, reply: ProxyReply, store: &Mutex<Vec<Vec<String>>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let port = head.first().and_then(|line| line.split(' ').nth(1)?.rsplit_once(':')?.1.parse().ok());
    store.lock().expect("no connection's thread panicked").push(head);
    match (reply, port) {
        (ProxyReply::Tunnel, Some(port)) => {
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n")?;
            // Nothing of the tunnel can be in the reader: the client waits for the answer first.
            let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || carry(from_client, to_server));
            carry(server, client)
        }
        (ProxyReply::Tunnel, None) => client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        (ProxyReply::Says(bytes), _) => client.write_all(bytes.as_bytes()),
    }
}

/// Copies until one side ends, and ends the other.
fn carry(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
    copied.map(drop)
}
