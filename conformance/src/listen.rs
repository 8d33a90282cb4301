//! TCP listeners, for clients of the standard library.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use loaddensity_metrics_shell::runtime::{Runtime, TcpListener as _};

use super::{LOOPBACK, run};

/// The listener knows the port that the system chose for it.
pub fn port_0_takes_a_free_port<R: Runtime>() {
    run(|runtime: R| async move {
        let (first, a) = listen(&runtime, LOOPBACK).await;
        let (_second, b) = listen(&runtime, LOOPBACK).await;
        assert_ne!(a.port(), 0);
        assert_ne!(a.port(), b.port());
        assert_eq!(a.ip(), LOOPBACK.ip());
        let client = StdTcpStream::connect(a).expect("a connection");
        let (_stream, peer) = first.accept().await.expect("a connection");
        assert_eq!(peer, client.local_addr().expect("an address"));
    });
}

/// A server of the runtime accepts a client of the standard library.
pub fn accepts_a_foreign_client<R: Runtime>() {
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, LOOPBACK).await;
        let client = thread::spawn(move || {
            let mut stream = StdTcpStream::connect(address).expect("a connection");
            stream.write_all(b"ping").expect("four bytes written");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("an answer, then its end");
            (stream.local_addr().expect("an address"), answer)
        });
        let (mut stream, peer) = listener.accept().await.expect("a connection");
        let mut question = [0; 4];
        stream.read_exact(&mut question).await.expect("four bytes");
        assert_eq!(&question, b"ping");
        stream.write_all(b"pong").await.expect("four bytes written");
        stream.close().await.expect("closed");
        let (client_address, answer) = client.join().expect("the client's side");
        assert_eq!((peer, &answer[..]), (client_address, &b"pong"[..]));
    });
}

/// If somebody listens on a port already, on this runtime or not, the error says so. The other listener is not
/// disturbed.
pub fn a_port_in_use_is_an_error<R: Runtime>() {
    run(|runtime: R| async move {
        let foreign = StdTcpListener::bind(LOOPBACK).expect("a free port");
        let (_own, own_address) = listen(&runtime, LOOPBACK).await;
        for taken in [foreign.local_addr().expect("a bound address"), own_address] {
            let error = runtime.tcp_listen(taken).await.err().expect("the port is taken");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
        StdTcpStream::connect(own_address).expect("the first listener still listens");
    });
}

/// The port is free as soon as the listener is dropped, again and again.
pub fn dropping_the_listener_frees_the_port<R: Runtime>() {
    run(|runtime: R| async move {
        let (mut listener, address) = listen(&runtime, LOOPBACK).await;
        for _ in 0..20 {
            drop(listener);
            let refused = StdTcpStream::connect(address).expect_err("nobody listens any more");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{refused}");
            listener = runtime.tcp_listen(address).await.expect("the port is free");
        }
    });
}

/// Connections that the server closed first stay in the kernel for a while (TIME_WAIT), but do not block the port.
pub fn a_port_with_lingering_connections_is_free<R: Runtime>() {
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, LOOPBACK).await;
        let mut client = StdTcpStream::connect(address).expect("a connection");
        let (mut server, _) = listener.accept().await.expect("a connection");
        server.close().await.expect("closed");
        drop(server);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).expect("the end");
        drop((client, listener));
        runtime.tcp_listen(address).await.expect("the port is free");
    });
}

/// Cancelling an `accept` leaves the listener as it was.
pub fn a_cancelled_accept_loses_nothing<R: Runtime>() {
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, LOOPBACK).await;
        for _ in 0..10 {
            let given_up = async {
                drop(listener.accept().await);
                panic!("nobody connects");
            };
            future::or(given_up, runtime.sleep(Duration::from_millis(1))).await;
        }
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(StdTcpStream::connect(address).expect("a connection"));
        }
        for _ in &clients {
            listener.accept().await.expect("a connection");
        }
    });
}

/// A listener on a free port, and its address.
pub(super) async fn listen<R: Runtime>(runtime: &R, local: SocketAddr) -> (R::Listener, SocketAddr) {
    let listener = runtime.tcp_listen(local).await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    (listener, address)
}
