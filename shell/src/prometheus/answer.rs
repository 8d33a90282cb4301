//! What each request is answered with.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use loaddensity_metrics_core::prometheus::{Dialect, Families, Negotiated, Page};
use loaddensity_metrics_core::{ConstantLabels, Registry, Timestamp};

use super::access::Door;
use super::body::Answer;
use super::compression::Compressors;
use super::delivery::Delivered;
use super::frames::Source;
use super::held::{HELD_BODIES, Held};
use super::seats::Seats;
use crate::config::{HEALTH_PATH, PrometheusConfig};

/// What all connections of a server answer from.
pub(super) struct Desk {
    registry: Registry<'static>,
    path: String,
    door: Option<Door>,
    constant: ConstantLabels,
    /// For bodies in protobuf.
    seats: Seats,
    compressors: Compressors,
    /// Since when the registry counts, where that is shown.
    created: Option<Timestamp>,
}

impl Desk {
    pub(super) fn new(
        config: &PrometheusConfig,
        constant: ConstantLabels,
        registry: Registry<'static>,
        born: Timestamp,
    ) -> Self {
        let created = config.created_times.then_some(born);
        Self {
            registry,
            path: config.path.clone(),
            door: Door::new(&config.access),
            constant,
            seats: Seats::new(HELD_BODIES),
            compressors: Compressors::new(config.compression),
            created,
        }
    }

    pub(super) const fn registry(&self) -> Registry<'static> {
        self.registry
    }

    pub(super) fn answer(&self, request: &Request<Incoming>, delivered: &Arc<Delivered>) -> Response<Answer> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path();
        if path == HEALTH_PATH && is_read {
            return text(StatusCode::OK, "ok\n", None);
        }
        if let Some(door) = &self.door
            && !door.opens(request.headers().get(AUTHORIZATION))
        {
            let challenge = Some((WWW_AUTHENTICATE, door.challenge()));
            return text(StatusCode::UNAUTHORIZED, "these metrics need other credentials\n", challenge);
        }
        if path != self.path && path != HEALTH_PATH {
            let body = format!("not found; the metrics are at {}\n", self.path);
            return text(StatusCode::NOT_FOUND, body, None);
        }
        if !is_read {
            let allow = Some((ALLOW, HeaderValue::from_static("GET, HEAD")));
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n", allow);
        }
        self.page(request, delivered)
    }

    fn page(&self, request: &Request<Incoming>, delivered: &Arc<Delivered>) -> Response<Answer> {
        let accept: Vec<_> = request.headers().get_all(ACCEPT).iter().map(HeaderValue::as_bytes).collect();
        // Who finds no seat gets a dialect that needs none.
        let seat = self.seats.take();
        let negotiated = Negotiated::from_accept(&accept, seat.is_some());
        let source = match (negotiated.dialect, seat) {
            (Dialect::Protobuf, Some(seat)) => {
                let families = Families::new(self.registry, self.created).with_constant_labels(&self.constant);
                Source::Families(Box::new(Held::new(families, seat)))
            }
            (Dialect::OpenMetricsDraft | Dialect::OpenMetrics, _) => Source::Page(Box::new(
                Page::open_metrics(self.registry, self.created).with_constant_labels(&self.constant),
            )),
            (Dialect::Text | Dialect::Protobuf, _) => {
                Source::Page(Box::new(Page::new(self.registry).with_constant_labels(&self.constant)))
            }
        };
        let compressor = self.compressors.take(request.headers());
        let coding = compressor.as_ref().map(|_| (CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        let vary = if self.compressors.is_on() { "accept, accept-encoding" } else { "accept" };
        let mut response = Response::new(Answer::page(source, compressor, delivered.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(negotiated.content_type()));
        headers.insert(VARY, HeaderValue::from_static(vary));
        headers.extend(coding);
        response
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>, header: Option<(HeaderName, HeaderValue)>) -> Response<Answer> {
    let mut response = Response::new(Answer::text(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.extend(header);
    response
}
