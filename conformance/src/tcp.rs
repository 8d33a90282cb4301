//! TCP, both sides of it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::thread;
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use loaddensity_metrics_shell::runtime::{Runtime, TcpListener as _};

use super::{Guard, LOOPBACK, ipv6_loopback, run, until, unused_port};

/// The listener knows the port that the system chose for it.
pub fn port_0_takes_a_free_port<R: Runtime>() {
    run(|runtime: R| async move {
        let (first, a) = listen(&runtime, LOOPBACK).await;
        let (_second, b) = listen(&runtime, LOOPBACK).await;
        assert_ne!(a.port(), 0);
        assert_ne!(a.port(), b.port());
        assert_eq!(a.ip(), LOOPBACK.ip());
        let client = runtime.tcp_connect(a);
        let (accepted, connected) = future::zip(first.accept(), client).await;
        let (_stream, peer) = accepted.expect("a connection");
        assert!(peer.ip().is_loopback() && peer.port() != 0, "{peer}");
        connected.expect("a connection");
    });
}

/// A client of the runtime, a server of the standard library.
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

/// A server of the runtime, a client of the standard library.
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

/// 8 MiB in each direction at the same time, far more than the socket buffers hold: full buffers wait, both ways.
pub fn large_transfers_both_ways_at_once<R: Runtime>() {
    large_transfers::<R>(LOOPBACK);
}

/// The same over IPv6.
pub fn large_transfers_over_ipv6<R: Runtime>() {
    if let Some(loopback) = ipv6_loopback() {
        large_transfers::<R>(loopback);
    }
}

fn large_transfers<R: Runtime>(loopback: SocketAddr) {
    const BYTES: usize = 8 << 20;
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, loopback).await;
        let (accepted, connected) = future::zip(listener.accept(), runtime.tcp_connect(address)).await;
        let (server, client) = (accepted.expect("a connection").0, connected.expect("a connection"));
        let (done, ended) = async_channel::bounded(1);
        let _server = runtime.spawn(async move {
            done.send(exchange(server, BYTES, 3, 5).await).await.expect("main listens");
        });
        exchange(client, BYTES, 5, 3).await.expect("the client's side");
        ended.recv().await.expect("the server reports").expect("the server's side");
    });
}

/// Sends `bytes` of a pattern and then the end, while as many of the other side's pattern come in.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes: usize,
    own: usize,
    others: usize,
) -> io::Result<()> {
    let (mut read, mut write) = futures_lite::io::split(stream);
    let send = async {
        write.write_all(&pattern(own, bytes)).await?;
        write.close().await
    };
    let receive = async {
        let mut received = Vec::with_capacity(bytes);
        read.read_to_end(&mut received).await?;
        assert!(received == pattern(others, bytes), "{} bytes came, not the ones sent", received.len());
        Ok(())
    };
    future::try_zip(send, receive).await.map(|_| ())
}

fn pattern(step: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(step) % 251) as u8).collect()
}

/// A hundred clients are open together, and each is answered.
pub fn many_connections_at_once<R: Runtime>() {
    const CLIENTS: u8 = 100;
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, LOOPBACK).await;
        let spawner = runtime.clone();
        let _server = runtime.spawn(async move {
            let mut echoes = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                echoes.push(spawner.spawn(async move {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
                }));
            }
        });
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(runtime.tcp_connect(address).await.expect("a connection"));
        }
        for (number, client) in (0..).zip(&mut clients) {
            client.write_all(&[number]).await.expect("a byte written");
        }
        for (number, client) in (0..).zip(&mut clients) {
            let mut echo = [0];
            client.read_exact(&mut echo).await.expect("a byte back");
            assert_eq!(echo, [number]);
        }
    });
}

/// Closing ends one direction: the peer sees the end, and its answer still arrives.
pub fn a_closed_side_reads_on<R: Runtime>() {
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, LOOPBACK).await;
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            let mut question = Vec::new();
            stream.read_to_end(&mut question).await?;
            stream.write_all(&question).await?;
            stream.close().await
        };
        let client = async {
            let mut stream = runtime.tcp_connect(address).await?;
            stream.write_all(b"the whole question").await?;
            stream.close().await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(answer)
        };
        let ((), answer) = future::try_zip(server, client).await.expect("both sides");
        assert_eq!(answer, b"the whole question");
    });
}

/// Nobody listens.
pub fn a_refused_connection_is_an_error<R: Runtime>() {
    let address = unused_port();
    run(|runtime: R| async move {
        let refused = runtime.tcp_connect(address).await.err().expect("nobody listens there");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{refused}");
    });
}

/// A port that somebody listens on, of this runtime or not, is reported as such; he is not disturbed.
pub fn a_port_in_use_is_an_error<R: Runtime>() {
    run(|runtime: R| async move {
        let foreign = StdTcpListener::bind(LOOPBACK).expect("a free port");
        let (_own, own_address) = listen(&runtime, LOOPBACK).await;
        for taken in [foreign.local_addr().expect("a bound address"), own_address] {
            let error = runtime.tcp_listen(taken).await.err().expect("the port is taken");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
        runtime.tcp_connect(own_address).await.expect("the first listener still listens");
    });
}

/// The port is free as soon as the listener is dropped, again and again.
pub fn dropping_the_listener_frees_the_port<R: Runtime>() {
    run(|runtime: R| async move {
        let (mut listener, address) = listen(&runtime, LOOPBACK).await;
        for _ in 0..20 {
            drop(listener);
            let refused = runtime.tcp_connect(address).await.err().expect("nobody listens any more");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{refused}");
            listener = runtime.tcp_listen(address).await.expect("the port is free");
        }
    });
}

/// Connections that the server closed first linger in the kernel (TIME_WAIT) and do not keep the port.
pub fn a_port_with_lingering_connections_is_free<R: Runtime>() {
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, LOOPBACK).await;
        let (accepted, connected) = future::zip(listener.accept(), runtime.tcp_connect(address)).await;
        let (mut server, mut client) = (accepted.expect("a connection").0, connected.expect("a connection"));
        server.close().await.expect("closed");
        drop(server);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("the end");
        drop((client, listener));
        runtime.tcp_listen(address).await.expect("the port is free");
    });
}

/// Giving up an `accept` leaves the listener as it was.
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
            clients.push(runtime.tcp_connect(address).await.expect("a connection"));
        }
        for _ in &clients {
            listener.accept().await.expect("a connection");
        }
    });
}

/// What a cancelled task held is closed: its listener refuses, its connection ends.
pub fn a_cancelled_task_closes_its_connection<R: Runtime>() {
    run(|runtime: R| async move {
        let (listener, address) = listen(&runtime, LOOPBACK).await;
        let (guard, watch) = Guard::new();
        let (accepted, acceptance) = async_channel::bounded(1);
        let task = runtime.spawn(async move {
            let _guard = guard;
            let (mut stream, _) = listener.accept().await.expect("a connection");
            accepted.send(()).await.expect("main listens");
            let _ = stream.read(&mut [0]).await;
            drop(listener.accept().await);
        });
        let mut client = runtime.tcp_connect(address).await.expect("a connection");
        acceptance.recv().await.expect("the task accepts");
        drop(task);
        assert_eq!(client.read(&mut [0]).await.expect("an end, not an error"), 0);
        until(&runtime, || watch.dropped()).await;
        let refused = runtime.tcp_connect(address).await.err().expect("nobody listens any more");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{refused}");
    });
}

async fn listen<R: Runtime>(runtime: &R, local: SocketAddr) -> (R::Listener, SocketAddr) {
    let listener = runtime.tcp_listen(local).await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    (listener, address)
}
