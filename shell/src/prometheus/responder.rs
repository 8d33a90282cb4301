//! What each request is answered with.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
    WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use loaddensity_metrics_core::prometheus::{Negotiated, ScrapeOptions, TARGET_LABELS, TargetLabels};
use loaddensity_metrics_core::{Exporter, Registry};

use super::access::Authenticator;
use super::body::PageBody;
use super::compression::Compressors;
use super::delivery::Delivered;
use super::frames::PageSource;
use super::host_field::has_right_host;
use super::permits::Permits;
use super::protobuf::PROTOBUF_PAGES;
use crate::config::{HEALTH_PATH, PrometheusConfig};

/// The path of the index, which has a link to the page.
const ROOT: &str = "/";

/// What all connections of a server answer from.
pub(super) struct PageResponder {
    registry: Registry<'static>,
    path: String,
    authenticator: Option<Authenticator>,
    options: ScrapeOptions,
    /// The labels that are warned of.
    renamed: Mutex<TargetLabels>,
    /// For bodies in protobuf.
    permits: Permits,
    compressors: Compressors,
}

impl PageResponder {
    pub(super) fn new(config: &PrometheusConfig, options: ScrapeOptions, registry: Registry<'static>) -> Self {
        for label in TARGET_LABELS {
            if config.constant_labels.has(label) {
                warn_of_label("a constant label", label);
            }
        }
        Self {
            registry,
            path: config.path.clone(),
            authenticator: Authenticator::new(&config.access),
            options,
            renamed: Mutex::default(),
            permits: Permits::new(PROTOBUF_PAGES),
            compressors: Compressors::new(config.gzip),
        }
    }

    /// Answers a request that has come whole.
    pub(super) fn answer(&self, request: &Request<Incoming>, delivered: &Arc<Delivered>) -> Response<PageBody> {
        delivered.asked();
        match self.words(request) {
            Some(words) => words.response(delivered.clone()),
            None => self.page(request, delivered),
        }
    }

    /// Tells a client that there is no place for it, where `most` others are being answered.
    pub(super) fn turn_away(
        &self,
        request: &Request<Incoming>,
        delivered: &Arc<Delivered>,
        most: usize,
    ) -> Response<PageBody> {
        delivered.asked();
        let words = if !has_right_host(request) {
            SmallAnswer::wrong_host()
        } else if request.uri().path() == HEALTH_PATH {
            SmallAnswer::text(StatusCode::OK, "ok\n")
        } else {
            delivered.turned_away(most);
            let body = format!("at most {most} connections are served at a time, and all are busy; try again later\n");
            SmallAnswer::text(StatusCode::SERVICE_UNAVAILABLE, body)
        };
        words.with(CONNECTION, HeaderValue::from_static("close")).response(delivered.clone())
    }

    /// What a request is answered with, if not with the page.
    fn words(&self, request: &Request<Incoming>) -> Option<SmallAnswer> {
        if !has_right_host(request) {
            return Some(SmallAnswer::wrong_host());
        }
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path();
        if path == HEALTH_PATH && is_read {
            return Some(SmallAnswer::text(StatusCode::OK, "ok\n"));
        }
        if let Some(authenticator) = &self.authenticator
            && !authenticator.accepts(request.headers().get(AUTHORIZATION))
        {
            let words = SmallAnswer::text(StatusCode::UNAUTHORIZED, "these metrics need other credentials\n");
            return Some(words.with(WWW_AUTHENTICATE, authenticator.challenge()));
        }
        let is_page = without_slash(path) == without_slash(&self.path);
        if !is_page && path != ROOT && path != HEALTH_PATH {
            let body = format!("not found; the metrics are at {}\n", self.path);
            return Some(SmallAnswer::text(StatusCode::NOT_FOUND, body));
        }
        if !is_read {
            let words = SmallAnswer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
            return Some(words.with(ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
        (!is_page).then(|| SmallAnswer::html(self.index()))
    }

    /// Says which labels of series Prometheus will rename.
    fn warn_of_labels(&self) {
        let mut renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(label) = renamed.find(self.registry) {
            warn_of_label("a label of a series", label);
        }
    }

    /// What a person finds who opens the server in a browser.
    fn index(&self) -> String {
        // The other characters that HTML minds cannot be in it.
        let path = self.path.replace('&', "&amp;");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>loaddensity-metrics</title></head>\n\
             <body>\n<h1>loaddensity-metrics</h1>\n<p>The <a href=\"{path}\">metrics</a> of this load generator, for \
             Prometheus.</p>\n</body>\n</html>\n"
        )
    }

    fn page(&self, request: &Request<Incoming>, delivered: &Arc<Delivered>) -> Response<PageBody> {
        self.warn_of_labels();
        // First: what it shows is read after this.
        let begun = delivered.begun();
        let accept: Vec<_> = request.headers().get_all(ACCEPT).iter().map(HeaderValue::as_bytes).collect();
        // Who finds no permit gets a dialect that needs none.
        let permit = self.permits.take();
        let negotiated = Negotiated::from_accept(&accept, permit.is_some());
        let source = PageSource::new(self.registry, negotiated.format, self.options.clone(), permit);
        let compressor = self.compressors.take(request.headers());
        let coding = compressor.as_ref().map(|_| (CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        let vary = if self.compressors.is_on() { "accept, accept-encoding" } else { "accept" };
        let mut response =
            Response::new(PageBody::page(source, begun, compressor, delivered.clone(), self.registry.recorders_read()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(negotiated.content_type()));
        headers.insert(VARY, HeaderValue::from_static(vary));
        headers.extend(coding);
        response
    }
}

fn warn_of_label(whose: &str, label: &str) {
    tracing::warn!(
        exporter = Exporter::Prometheus.as_str(),
        "{whose} is called {label}, which Prometheus sets itself: it will be exported_{label} there; choose another name, or \
         set honor_labels for the scrape"
    );
}

/// An answer other than the page.
struct SmallAnswer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    header: Option<(HeaderName, HeaderValue)>,
}

impl SmallAnswer {
    fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into(), header: None }
    }

    /// RFC 9112, section 3.2. What follows such a request may be meant otherwise than it is read.
    fn wrong_host() -> Self {
        Self::text(StatusCode::BAD_REQUEST, "a request has one Host field, with a host and perhaps a port\n")
            .with(CONNECTION, HeaderValue::from_static("close"))
    }

    fn html(body: String) -> Self {
        Self { content_type: "text/html; charset=utf-8", ..Self::text(StatusCode::OK, body) }
    }

    fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    fn response(self, delivered: Arc<Delivered>) -> Response<PageBody> {
        let mut response = Response::new(PageBody::text(self.body, delivered));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.extend(self.header);
        response
    }
}

/// `path` without the slash at its end, if there is one.
fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::fmt::{self, Write as _};

    use loaddensity_metrics_core::{Label, Storage};
    use tracing::field::{Field, Visit};
    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Overheard(Arc<Mutex<String>>);

    impl Subscriber for Overheard {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    impl Visit for Overheard {
        fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
            writeln!(self.0.lock().expect("no panic"), "{value:?}").expect("text");
        }
    }

    #[test]
    fn labels_that_prometheus_sets_are_warned_of() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let registry = STORAGE.registry();
        let log = Overheard::default();
        let said = || std::mem::take(&mut *log.0.lock().expect("no panic"));
        tracing::subscriber::with_default(log.clone(), || {
            let constant_labels = [("job", "a"), ("jobs", "b")].into();
            let config = PrometheusConfig { constant_labels, ..PrometheusConfig::default() };
            let responder = PageResponder::new(&config, ScrapeOptions::default(), registry);
            let text = said();
            assert_eq!(text.matches("a constant label is called").count(), 1, "{text}");
            assert!(text.contains("exported_job"), "{text}");
            responder.warn_of_labels();
            assert_eq!(said(), "");
            let label = Label { key: "instance", value: "x" };
            registry.series_with_labels("GET", "/", [label]).expect("a good label");
            responder.warn_of_labels();
            let text = said();
            assert!(text.contains("a label of a series is called instance"), "{text}");
            assert!(text.contains("exported_instance"), "{text}");
            responder.warn_of_labels();
            assert_eq!(said(), "");
        });
    }
}
