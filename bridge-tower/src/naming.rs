//! Which series a request counts in.

use std::borrow::Cow;

use http::{Method, Request};
use loaddensity_metrics_shell::{LocalRecorder, Series};

/// The template of a request's path, such as `/items/{id}`: an extension of the request, for [`by_route`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTemplate(Cow<'static, str>);

impl RouteTemplate {
    /// This template.
    pub fn new(template: impl Into<Cow<'static, str>>) -> Self {
        Self(template.into())
    }

    /// The template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The series of the method and of the [`RouteTemplate`] that the request has as an extension. Those without one share the
/// name `no route`, because their paths may be without number.
pub fn by_route<B>(recorder: &LocalRecorder, request: &Request<B>) -> Series {
    let route = request.extensions().get::<RouteTemplate>().map_or("no route", RouteTemplate::as_str);
    recorder.series(method_name(request.method()), route)
}

/// The method's name, or `_OTHER` (the word of OpenTelemetry's conventions) for one that HTTP does not define: a server's clients may
/// send any word.
#[must_use]
pub fn method_name(method: &Method) -> &str {
    let is_defined = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::PATCH,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ]
    .contains(method);
    if is_defined { method.as_str() } else { "_OTHER" }
}
