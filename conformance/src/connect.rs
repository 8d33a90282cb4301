//! TCP connections to servers of the standard library.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener as StdTcpListener;
use std::thread;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use loaddensity_metrics_shell::runtime::Runtime;

use super::{LOOPBACK, run, unused_port};

/// A client of the runtime connects to a server of the standard library.
pub fn connects_to_a_foreign_listener<R: Runtime>() {
    let listener = StdTcpListener::bind(LOOPBACK).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut question = [0; 4];
        stream.read_exact(&mut question).expect("four bytes");
        assert_eq!(&question, b"ping");
        stream.write_all(b"pong").expect("four bytes written");
    });
    run(|runtime: R| async move {
        let mut stream = runtime.tcp_connect(address).await.expect("a connection");
        stream.write_all(b"ping").await.expect("four bytes written");
        stream.flush().await.expect("flushed");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer, then its end");
        assert_eq!(answer, b"pong");
    });
    server.join().expect("the server's side");
}

/// If nobody listens at the address, connecting is an error.
pub fn a_refused_connection_is_an_error<R: Runtime>() {
    let address = unused_port();
    run(|runtime: R| async move {
        let refused = runtime.tcp_connect(address).await.err().expect("nobody listens there");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{refused}");
    });
}
