//! TLS over connections of the runtime, as the exporters use it (futures-rustls). The server uses rustls with blocking
//! sockets of the standard library.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use futures_rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use futures_rustls::rustls::crypto::ring::default_provider;
use futures_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use loaddensity_metrics_shell::runtime::Runtime;
use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::{LOOPBACK, run};

/// A mebibyte is sent and comes back, and then the session ends. That is more than records and buffers hold.
pub fn a_session_carries_every_byte<R: Runtime>() {
    const BYTES: usize = 1 << 20;
    let (server, address, client) = server(|mut session| {
        let mut question = vec![0; BYTES];
        session.read_exact(&mut question)?;
        session.write_all(&question)?;
        session.conn.send_close_notify();
        session.flush()
    });
    run(|runtime: R| async move {
        let session = connect(&runtime, address, client).await.expect("a session");
        let question: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8).collect();
        let (mut read, mut write) = futures_lite::io::split(session);
        let mut answer = Vec::new();
        let ask = async {
            write.write_all(&question).await?;
            write.flush().await
        };
        future::try_zip(ask, read.read_to_end(&mut answer)).await.expect("an answer, then its end");
        assert!(answer == question, "other bytes came back than were sent");
    });
    server.join().expect("the server's thread").expect("the server's side");
}

/// If a connection ends before the end of the TLS session, it was cut. That is an error, not a normal end.
pub fn a_session_that_is_cut_is_an_error<R: Runtime>() {
    let (server, address, client) = server(|mut session| {
        let mut question = [0; 4];
        session.read_exact(&mut question)?;
        session.write_all(b"half")?;
        session.flush()
    });
    run(|runtime: R| async move {
        let mut session = connect(&runtime, address, client).await.expect("a session");
        session.write_all(b"ping").await.expect("four bytes written");
        session.flush().await.expect("flushed");
        let mut answer = Vec::new();
        let cut = session.read_to_end(&mut answer).await.expect_err("the session has no end");
        assert_eq!((cut.kind(), &answer[..]), (io::ErrorKind::UnexpectedEof, &b"half"[..]));
    });
    server.join().expect("the server's thread").expect("the server's side");
}

type Session = StreamOwned<ServerConnection, std::net::TcpStream>;

/// A server for one session, its address, and the configuration of a client that trusts it.
fn server(
    serve: impl FnOnce(Session) -> io::Result<()> + Send + 'static,
) -> (JoinHandle<io::Result<()>>, SocketAddr, ClientConfig) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a root");
    let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let client = client.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
    let config = Arc::new(config.expect("a key that fits"));
    let listener = StdTcpListener::bind(LOOPBACK).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        serve(StreamOwned::new(ServerConnection::new(config).map_err(io::Error::other)?, stream))
    });
    (thread, address, client)
}

async fn connect<R: Runtime>(runtime: &R, address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<R::Tcp>> {
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, runtime.tcp_connect(address).await?).await
}
