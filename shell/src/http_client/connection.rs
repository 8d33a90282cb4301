//! One connection to a server: TCP, what a proxy and TLS want, then HTTP/1.1 or HTTP/2.

use std::error::Error;
#[cfg(not(feature = "http2"))]
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;
use hyper::{Request, Response};
use loaddensity_metrics_core::verdict::Language;

use super::stream_notes::{NotedStream, StreamNotes};
use super::{Advice, OutgoingBody, RemoteServer, in_full};
use crate::boxed::BoxedFuture;
use crate::byte_budget::ByteBudget;
#[cfg(feature = "http2")]
use crate::byte_budget::TOO_MUCH;
use crate::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use crate::network_errors;
use crate::runtime::Runtime;
use crate::status::StatusCell;
use crate::tls::HttpVersion;

/// One connection. Dropping it closes it.
pub(crate) struct HttpConnection {
    requests: RequestSender,
    budget: ByteBudget,
    notes: StreamNotes,
    /// Whether a request was answered over it.
    pub(super) is_kept: bool,
    /// Drive it; dropped with it.
    _tasks: HyperTasks,
}

/// Hyper's handle of a connection.
enum RequestSender {
    Http1(http1::SendRequest<OutgoingBody>),
    #[cfg(feature = "http2")]
    Http2(http2::SendRequest<OutgoingBody>),
}

impl HttpConnection {
    /// Connects to the first hop on the way to `server`, which has this `address`, and from there on.
    ///
    /// # Errors
    /// What kept it from that, in words.
    pub(super) async fn open<R: Runtime>(
        runtime: &R,
        (server, protocol): (&RemoteServer, HttpVersion),
        address: SocketAddr,
        status_cell: Arc<StatusCell>,
    ) -> Result<Self, String> {
        let budget = ByteBudget::of_server();
        let (notes, tasks) = (StreamNotes::default(), HyperTasks::budgeted(runtime.clone(), &budget));
        let requests = budget.turns(async {
            let stream = server.connect(runtime, address, &budget).await;
            let stream = HyperIo::new(notes.of(stream.map_err(|error| network_errors::cannot_connect(&error))?));
            match protocol {
                HttpVersion::Http1 => shake_hands(stream, &tasks).await,
                HttpVersion::Http2 => {
                    let timer = HyperTimer::new(runtime.clone());
                    shake_hands_for_http2(stream, timer, &tasks, &budget, status_cell).await
                }
            }
        });
        let requests = requests.await?;
        Ok(Self { requests, budget, notes, is_kept: false, _tasks: tasks })
    }

    /// Whether it is known to be closed. One that seems open may prove closed when it is used.
    pub(super) fn is_closed(&self) -> bool {
        match &self.requests {
            RequestSender::Http1(requests) => requests.is_closed(),
            #[cfg(feature = "http2")]
            RequestSender::Http2(requests) => requests.is_closed(),
        }
    }

    /// Sends `request`; the answer, whose body is yet to come.
    pub(crate) async fn send(&mut self, request: Request<OutgoingBody>) -> hyper::Result<Response<Incoming>> {
        match &mut self.requests {
            RequestSender::Http1(requests) => {
                // A server that speaks first ends the connection before anything was asked.
                requests.ready().await?;
                self.budget.begin_request();
                requests.send_request(request).await
            }
            #[cfg(feature = "http2")]
            RequestSender::Http2(requests) => {
                requests.ready().await?;
                self.budget.begin_request();
                requests.send_request(request).await
            }
        }
    }

    /// The text for a connection that broke with this `error`.
    pub(crate) fn broke(&self, error: &dyn Error, advice: &Advice) -> String {
        let expected = match self.requests {
            RequestSender::Http1(_) => Language::Http1,
            #[cfg(feature = "http2")]
            RequestSender::Http2(_) => Language::Http2,
        };
        advice.on_break(self.notes.with_error(in_full(error)), self.notes.first_bytes(), expected)
    }
}

/// What hyper reads and writes.
type HyperStream = HyperIo<NotedStream>;

/// A handshake, boxed where it is no longer generic over the runtime.
type Handshake<'a> = BoxedFuture<'a, Result<RequestSender, String>>;

fn shake_hands(stream: HyperStream, tasks: &HyperTasks) -> Handshake<'_> {
    Box::pin(async move {
        let (requests, connection) = http1::handshake(stream).await.map_err(|error| in_full(&error))?;
        tasks.spawn(async move {
            // Its error reaches the request that waits for it.
            let _ = connection.await;
        });
        Ok(RequestSender::Http1(requests))
    })
}

#[cfg(feature = "http2")]
fn shake_hands_for_http2<'a>(
    stream: HyperStream,
    timer: HyperTimer,
    tasks: &'a HyperTasks,
    budget: &ByteBudget,
    status_cell: Arc<StatusCell>,
) -> Handshake<'a> {
    let budget = budget.clone();
    Box::pin(async move {
        let mut http = http2::Builder::new(tasks.executor());
        let handshake = http.timer(timer).handshake(stream).await;
        let (requests, connection) = handshake.map_err(|error| in_full(&error))?;
        tasks.spawn(async move {
            // Its error reaches the request that waits for it; but a server may also send too much while none does.
            let _ = connection.await;
            if budget.is_exceeded() {
                status_cell.failed(TOO_MUCH);
            }
        });
        Ok(RequestSender::Http2(requests))
    })
}

#[cfg(not(feature = "http2"))]
fn shake_hands_for_http2<'a>(
    _: HyperStream,
    _: HyperTimer,
    _: &'a HyperTasks,
    _: &ByteBudget,
    _: Arc<StatusCell>,
) -> Handshake<'a> {
    Box::pin(ready(Err("this build has no HTTP/2".into())))
}
