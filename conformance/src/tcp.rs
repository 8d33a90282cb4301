//! TCP with the runtime on both sides.

use std::io;
use std::net::SocketAddr;

use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use loaddensity_metrics_shell::runtime::{Runtime, TcpListener as _};

use super::listen::listen;
use super::{Guard, LOOPBACK, ipv6_loopback, run, until};

/// 8 MiB in each direction at the same time. That is far more than the socket buffers hold, so both sides have to wait.
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

/// Sends `bytes` of one pattern and then ends this direction, while as many bytes of the other side's pattern come in.
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
        assert!(received == pattern(others, bytes), "the {} bytes that came are not those sent", received.len());
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

/// Closing ends only one direction: the peer sees the end, and its answer still arrives.
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

/// What a cancelled task owned is closed: its listener refuses connections, and its connection ends.
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
