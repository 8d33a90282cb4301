//! HTTP/1.1 on one connection to the page.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use futures_lite::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::body::PageBody;
use super::delivery::{Delivered, DeliveryStream};
use super::responder::PageResponder;
use crate::boxed::BoxedFuture;
use crate::config::PageLimits;
use crate::hyper_io::HyperTimer;
use crate::stop::StopSignal;

/// What answers on one connection.
pub(super) struct PageService {
    pub(super) responder: Arc<PageResponder>,
    pub(super) delivered: Arc<Delivered>,
    /// Without one, a request is only told that there is none.
    pub(super) has_place: bool,
    pub(super) limits: PageLimits,
}

impl PageService {
    /// Answers until the client ends the connection, or a stop does. Boxed where it is no longer generic over the runtime.
    pub(super) fn serve(self, stream: DeliveryStream, timer: HyperTimer, stop: StopSignal) -> BoxedFuture<'static, ()> {
        let PageLimits { head_timeout, head_bytes, .. } = self.limits;
        Box::pin(async move {
            let service = service_fn(|request| {
                let answer = self.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.timer(timer).header_read_timeout(head_timeout).max_buf_size(head_bytes);
            let mut connection = pin!(http.serve_connection(stream, service));
            let asked = async {
                stop.asked().await;
                true
            };
            let ended = async {
                // An error is the client's: it went away, or what it sent was no HTTP, which it was told.
                let _ = connection.as_mut().await;
                false
            };
            if asked.or(ended).await {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        })
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<PageBody> {
        if self.has_place {
            self.responder.answer(request, &self.delivered)
        } else {
            self.responder.turn_away(request, &self.delivered, self.limits.connections)
        }
    }
}
