//! A small HTTP/1.1 server on threads of the standard library. It keeps what is posted to it.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use flate2::read::GzDecoder;
use futures_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::LOOPBACK;

/// A request that was received, and its answer.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The number of the connection, from 0.
    pub connection: usize,
    /// The request line.
    pub line: String,
    head: Vec<String>,
    /// As text. A body that is none is in `bytes`.
    pub body: String,
    pub bytes: Vec<u8>,
    /// `None` if no answer was given.
    pub status: Option<u16>,
}

impl Posted {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.iter().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// The answer to a request.
#[derive(Clone, Copy)]
pub enum HttpReply {
    /// This status and no body.
    Status(u16),
    /// This status and this body.
    Says(u16, &'static str),
    /// This status, further lines of the head (each with its line end), and this body.
    Headed(u16, &'static str, &'static str),
    /// This status, and the head of the request as the body.
    Echo(u16),
    /// This status; then the connection is closed.
    StatusAndClose(u16),
    /// No answer; the connection stays open until the client closes it.
    Silence,
}

type Answers = dyn Fn(&Posted, usize) -> HttpReply + Send + Sync;

/// The server. Dropping it closes its port.
pub struct HttpServer {
    pub address: SocketAddr,
    posts: Arc<Mutex<Vec<Posted>>>,
    ending: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Starts a server that calls `answers` for every request, with the request's number from 0.
    pub fn start(answers: impl Fn(&Posted, usize) -> HttpReply + Send + Sync + 'static) -> Self {
        Self::start_with(None, answers)
    }

    /// The same over TLS, if `tls` is given.
    pub fn start_with(
        tls: Option<Arc<ServerConfig>>,
        answers: impl Fn(&Posted, usize) -> HttpReply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(LOOPBACK).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (posts, ending) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (store, end, answers): (_, _, Arc<Answers>) = (posts.clone(), ending.clone(), Arc::new(answers));
        let accepting = thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let (store, answers, tls) = (store.clone(), answers.clone(), tls.clone());
                // The thread ends when the client closes the connection, which may show as an error.
                thread::spawn(move || match tls {
                    None => serve(stream?, connection, &store, &*answers),
                    Some(tls) => {
                        let session = ServerConnection::new(tls).map_err(io::Error::other)?;
                        serve(StreamOwned::new(session, stream?), connection, &store, &*answers)
                    }
                });
            }
        });
        Self { address, posts, ending, accepting: Some(accepting) }
    }

    /// The requests that were received so far.
    pub fn posts(&self) -> Vec<Posted> {
        self.posts.lock().expect("no connection's thread panicked").clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve<S>(stream: S, connection: usize, store: &Mutex<Vec<Posted>>, answers: &Answers) -> io::Result<()>
where
    S: io::Read + io::Write,
{
    let mut stream = BufReader::new(stream);
    while let Some(mut posted) = read_request(&mut stream, connection)? {
        let head = format!("no such thing: {}, {}", posted.line, posted.head.join(", "));
        let reply = {
            let mut posts = store.lock().expect("no connection's thread panicked");
            let reply = answers(&posted, posts.len());
            posted.status = match reply {
                HttpReply::Status(status)
                | HttpReply::Says(status, _)
                | HttpReply::Headed(status, ..)
                | HttpReply::Echo(status)
                | HttpReply::StatusAndClose(status) => Some(status),
                HttpReply::Silence => None,
            };
            posts.push(posted);
            reply
        };
        match reply {
            HttpReply::Status(status) => write_answer(stream.get_mut(), status, "", "")?,
            HttpReply::Says(status, body) => write_answer(stream.get_mut(), status, "", body)?,
            HttpReply::Headed(status, more, body) => write_answer(stream.get_mut(), status, more, body)?,
            HttpReply::Echo(status) => write_answer(stream.get_mut(), status, "", &head)?,
            HttpReply::StatusAndClose(status) => {
                return write_answer(stream.get_mut(), status, "connection: close\r\n", "");
            }
            HttpReply::Silence => {}
        }
    }
    Ok(())
}

fn read_request(stream: &mut BufReader<impl io::Read>, connection: usize) -> io::Result<Option<Posted>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let line = lines.remove(0);
    let mut posted = Posted { connection, line, head: lines, body: String::new(), bytes: Vec::new(), status: None };
    let length = posted.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    // A server that takes a part of a body for all of it would store half a line.
    if body.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut plain = Vec::new();
    match posted.header("content-encoding") {
        None => plain = body,
        Some("gzip") => {
            GzDecoder::new(&body[..]).read_to_end(&mut plain)?;
        }
        Some(other) => panic!("no server reads {other}"),
    }
    posted.body = String::from_utf8_lossy(&plain).into_owned();
    posted.bytes = plain;
    Ok(Some(posted))
}

fn write_answer(stream: &mut impl io::Write, status: u16, more: &str, body: &str) -> io::Result<()> {
    // 204 has no body and no length (RFC 9110, 8.6).
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    stream.write_all(format!("HTTP/1.1 {status} Answer\r\n{length}{more}\r\n{body}").as_bytes())
}
