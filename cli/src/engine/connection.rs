//! One kept-alive HTTP/1.1 connection of a user.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use loaddensity_metrics_shell::TraceContext;
use loaddensity_metrics_shell::hyper_io::HyperIo;
use loaddensity_metrics_shell::runtime::Runtime;

use super::measure::Answer;
use super::trace;

/// A server, its addresses known.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) authority: HeaderValue,
    pub(super) addresses: Vec<SocketAddr>,
}

/// An open connection. Dropping it closes it.
pub(super) struct Connection<R: Runtime> {
    sender: SendRequest<Empty<Bytes>>,
    /// Whether it has answered before: the server may have closed it since, which is no failure.
    used: bool,
    _driver: R::Task,
}

/// Why no answer came.
pub(super) enum Failure {
    /// The connection had been closed by the server before the request left. Another connection may do.
    Stale,
    /// Anything else.
    Lost,
}

impl<R: Runtime> Connection<R> {
    /// Connects to the first address that answers.
    pub(super) async fn open(runtime: &R, origin: &Origin) -> io::Result<Self> {
        let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in &origin.addresses {
            match runtime.tcp_connect(*address).await {
                Ok(stream) => return Self::over(runtime, stream).await,
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    async fn over(runtime: &R, stream: R::Tcp) -> io::Result<Self> {
        let shake = Builder::new().handshake(HyperIo::new(stream)).await;
        let (sender, driver) = shake.map_err(io::Error::other)?;
        // What ends the connection is seen by the request on it.
        let driver = runtime.spawn(async {
            let _ = driver.await;
        });
        Ok(Self { sender, used: false, _driver: driver })
    }

    /// Sends one request, with a header that names its trace if it has one, and reads its answer to the end.
    pub(super) async fn request(
        &mut self,
        method: &Method,
        path: &Uri,
        host: &HeaderValue,
        trace: TraceContext,
    ) -> Result<Answer, Failure> {
        let stale = if self.used { Failure::Stale } else { Failure::Lost };
        if self.sender.ready().await.is_err() {
            return Err(stale);
        }
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.clone();
        request.headers_mut().insert(HOST, host.clone());
        if let Some(traceparent) = trace::header(trace) {
            request.headers_mut().insert(trace::TRACEPARENT, traceparent);
        }
        let response = match self.sender.try_send_request(request).await {
            Ok(response) => response,
            // The request is handed back only where nothing of it was sent.
            Err(mut error) => {
                return Err(if error.take_message().is_some() { stale } else { Failure::Lost });
            }
        };
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut body_bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::Lost)?;
            body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        self.used = true;
        Ok(Answer { status, body_bytes })
    }
}
