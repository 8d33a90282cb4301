//! A `tower` layer that records one request for each call of an HTTP client or server.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use loaddensity_metrics_shell::{LocalRecorder, Storage};
//! use loaddensity_metrics_tower::{RequestLayer, RouteTemplate, by_route};
//! use tower_layer::Layer;
//! use tower_service::Service;
//! # #[derive(Clone)]
//! # struct Client;
//! # impl Service<Request<()>> for Client {
//! #     type Response = Response<Full<Bytes>>;
//! #     type Error = std::convert::Infallible;
//! #     type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
//! #         std::task::Poll::Ready(Ok(()))
//! #     }
//! #     fn call(&mut self, _: Request<()>) -> Self::Future {
//! #         std::future::ready(Ok(Response::new(Full::from("forty-two"))))
//! #     }
//! # }
//!
//! # futures_lite::future::block_on(async {
//! static STORAGE: Storage<100, 4, 1_024> = Storage::new();
//! let registry = STORAGE.registry();
//! let recorder = LocalRecorder::new(registry); // where there are exporters: exporters.local_recorder()
//! let mut client = RequestLayer::new(recorder, by_route).layer(Client);
//!
//! let request = Request::get("/items/42").extension(RouteTemplate::new("/items/{id}")).body(())?;
//! let response = client.call(request).await?;
//! assert_eq!(registry.requests(), 0, "the body has not ended");
//! response.into_body().collect().await?;
//! let item = registry.series_totals(recorder.series("GET", "/items/{id}"));
//! assert_eq!((item.requests(), item.sizes[0].sum), (1, 9));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What is recorded
//!
//! One request for each `call` of the service, exactly once, when it ends: see [`Ending`]. An error of `poll_ready` is no
//! request, because there was no call.
//!
//! | | |
//! |---|---|
//! | latency | from the call to the end of the body. In a server that is when the last frame was handed to the HTTP library, not when the client has it |
//! | size | the bytes of the body's data frames, without headers and trailers |
//! | status | that of the response; 0 without one |
//! | outcome | [`by_status`], or your own rule: [`RequestLayer::outcome`] |
//! | kind of failure | by how it ended; that of a service's error: [`RequestLayer::error_kinds`] |
//! | series | what a function says of the request: [`by_route`], or your own |
//!
//! # Names
//!
//! A series is for ever, and a registry has room for a fixed number of them. **Never name one by the raw path**, where `/items/1` and
//! `/items/2` are two series: what comes when the room is full counts in the overflow series. A client says the template with the request
//! ([`RouteTemplate`]); a server takes it from its router, for instance with axum:
//!
//! ```ignore
//! let layer = RequestLayer::new(exporters.local_recorder(), |recorder, request: &Request<Body>| {
//!     let route = request.extensions().get::<MatchedPath>().map_or("no route", MatchedPath::as_str);
//!     recorder.series(method_name(request.method()), route)
//! });
//! let app = Router::new().route("/items/{id}", get(item)).layer(layer);
//! ```
//!
//! The function may also use labels (`recorder.series_with_labels`), or return a handle that it has from before.
//!
//! # Where it stands among other layers
//!
//! It measures what is inside: above a layer that retries or follows redirects it sees one request, below it sees each attempt.
//! A timeout above it drops the call, which is recorded as a failure ([`Ending::Cancelled`]); one below it is an error of the
//! service ([`Ending::ServiceError`]).

// Bad input never panics: whoever calls what may must say why that cannot happen.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

mod completed;
mod layer;
mod naming;
mod pending;
mod recorded_body;
mod recorded_future;

pub use completed::{AnyServiceError, Completed, Ending, ErrorKindRule, OutcomeRule, by_status};
pub use layer::{RecordedService, RequestLayer};
pub use naming::{RouteTemplate, by_route, method_name};
pub use recorded_body::RecordedBody;
pub use recorded_future::RecordedFuture;

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
