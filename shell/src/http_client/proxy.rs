//! Speaking to a server through an HTTP proxy.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_io::AsyncRead;
use futures_lite::io::{AsyncReadExt as _, AsyncWriteExt as _};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;

use super::{Secrets, USER_AGENT};
use crate::byte_budget::BudgetedStream;
use crate::config::{HttpProxy, Secret};

/// Most bytes of a proxy's answers to `CONNECT`, informational ones among them.
const ANSWER_BYTES: usize = 16 << 10;

/// A proxy on the way to a server.
#[derive(Clone)]
pub(crate) struct Via {
    pub(super) proxy: HttpProxy,
    /// Whether it makes a tunnel; else it reads requests in absolute form.
    pub(super) is_tunnel: bool,
    /// `Proxy-Authorization`.
    pub(super) authorization: Option<HeaderValue>,
}

impl Via {
    pub(super) fn new(proxy: HttpProxy, is_tunnel: bool) -> Self {
        let authorization = proxy.user.as_ref().and_then(|user| {
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(decoded(user)))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { proxy, is_tunnel, authorization }
    }

    /// Goes on from the proxy, which `stream` leads to, to `target` (`host:port`) if it makes a tunnel.
    pub(super) async fn go_through(&self, stream: &mut BudgetedStream, target: &str) -> io::Result<()> {
        if self.is_tunnel {
            stream.write_all(self.request(target).as_bytes()).await.map_err(|error| self.failed(&error))?;
            let status = read_status(stream).await.map_err(|error| self.failed(&error))?;
            self.judge(status, target)?;
        }
        Ok(())
    }

    /// Adds what the proxy is told and nobody else may see.
    pub(super) fn hide(&self, secrets: &mut Secrets) {
        let Some(user) = &self.proxy.user else { return };
        let decoded = String::from_utf8_lossy(&decoded(user)).into_owned();
        secrets.add(decoded.split_once(':').map_or("", |(_, password)| password));
        secrets.add(STANDARD.encode(&decoded));
    }

    /// `CONNECT` (RFC 9110, 9.3.6): the port is always named.
    fn request(&self, target: &str) -> String {
        let authorization = self.authorization.as_ref().and_then(|value| value.to_str().ok());
        let authorization = authorization.map_or(String::new(), |value| format!("Proxy-Authorization: {value}\r\n"));
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n{authorization}\r\n")
    }

    fn judge(&self, status: StatusCode, target: &str) -> io::Result<()> {
        let proxy = self.proxy.url();
        let says = match status {
            _ if status.is_success() => return Ok(()),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if self.authorization.is_some() => {
                "it does not take the user and the password in its URL".to_owned()
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => "give it as http://user:password@host:port".to_owned(),
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => {
                "it allows no tunnel there: have it allow this port, or name the host in no_proxy".to_owned()
            }
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                "it cannot reach the server".to_owned()
            }
            _ => "name the host in no_proxy if it can be reached without".to_owned(),
        };
        Err(io::Error::other(format!("the proxy {proxy} answered {status} to CONNECT {target}: {says}")))
    }

    /// `error`, on the way to it.
    pub(super) fn failed(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("the proxy {}: {error}", self.proxy.url()))
    }
}

/// `user:password`, as it was before it was put into a URL.
fn decoded(user: &Secret) -> Vec<u8> {
    percent_decode_str(user.reveal()).collect()
}

/// The status of the answer. What follows its head belongs to the tunnel and is left where it is, which is why bytes are
/// read one by one; there are some hundred, once in a connection's life.
async fn read_status(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<StatusCode> {
    let no_http = || io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP/1.1: compare its port");
    let mut left = ANSWER_BYTES;
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
            let mut byte = [0];
            if left == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer to CONNECT has no end"));
            }
            if stream.read(&mut byte).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection at CONNECT"));
            }
            left -= 1;
            head.push(byte[0]);
            let beginning = &head[..head.len().min(b"HTTP/1.".len())];
            if !b"HTTP/1.".starts_with(beginning) {
                return Err(no_http());
            }
        }
        let status = head.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok()).ok_or_else(no_http)?;
        if !status.is_informational() {
            return Ok(status);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use futures_lite::io::Cursor;

    use super::*;
    use crate::config::Proxy;

    fn via(url: &str) -> Via {
        let proxy = Proxy::new(url).ok().and_then(|proxy| proxy.of(true, "h", 443)).expect("a proxy");
        Via::new(proxy, true)
    }

    #[test]
    fn the_request_for_a_tunnel_has_the_form_that_http_demands() {
        let agent = USER_AGENT;
        let plain = format!("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nUser-Agent: {agent}\r\n\r\n");
        assert_eq!(via("http://p:1").request("h:443"), plain);
        // The example of RFC 7617, section 2.
        let told = via("http://Aladdin:open%20sesame@p:1");
        let basic = "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert!(
            told.request("[::1]:443").ends_with(basic) && told.request("[::1]:443").contains("Host: [::1]:443\r\n")
        );
        assert!(told.authorization.as_ref().is_some_and(HeaderValue::is_sensitive));
        let mut secrets = Secrets::default();
        told.hide(&mut secrets);
        let shown = secrets.excerpt(b"Aladdin open sesame QWxhZGRpbjpvcGVuIHNlc2FtZQ== open%20sesame");
        assert_eq!(shown, "Aladdin … … …");
    }

    #[test]
    fn only_the_answer_is_read_and_no_byte_after_it() {
        for (answer, status, rest) in [
            ("HTTP/1.1 200 Connection established\r\n\r\nrest", 200, "rest"),
            ("HTTP/1.0 200 OK\nVia: x\n\nrest", 200, "rest"),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 4\r\n\r\nrest", 200, "rest"),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n<html>", 407, "<html>"),
        ] {
            let mut stream = Cursor::new(answer.as_bytes());
            let read = block_on(read_status(&mut stream)).expect(answer);
            let mut left = String::new();
            block_on(stream.read_to_string(&mut left)).expect("text");
            assert_eq!((read.as_u16(), left.as_str()), (status, rest), "{answer}");
        }
        let endless = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10_000);
        for (answer, says) in [
            ("", "closed the connection"),
            ("HTTP/1.1 200 OK\r\n", "closed the connection"),
            ("\u{5}\u{0}", "does not speak HTTP/1.1"),
            ("HTTP/2 200\r\n\r\n", "does not speak HTTP/1.1"),
            ("HTTP/1.1 OK\r\n\r\n", "does not speak HTTP/1.1"),
            (&endless, "has no end"),
        ] {
            let error = block_on(read_status(&mut Cursor::new(answer.as_bytes()))).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn the_error_of_a_refusal_names_the_proxy_and_says_what_to_do() {
        for (url, status, says) in [
            ("http://p:1", 407, "give it as http://user:password@host:port"),
            ("http://me:hunter2@p:1", 407, "does not take the user and the password"),
            ("http://p:1", 403, "have it allow this port"),
            ("http://p:1", 502, "it cannot reach the server"),
            ("http://p:1", 504, "it cannot reach the server"),
            ("http://p:1", 302, "no_proxy"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let text = via(url).judge(status, "h:443").expect_err(says).to_string();
            let begins = format!("the proxy http://p:1 answered {status} to CONNECT h:443: ");
            assert!(text.starts_with(&begins) && text.contains(says) && !text.contains("hunter2"), "{text}");
        }
        assert!(via("p").judge(StatusCode::OK, "h:443").is_ok());
    }
}
