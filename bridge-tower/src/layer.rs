//! The layer, and the service that it makes.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use loaddensity_metrics_shell::{ErrorKind, LocalRecorder, Outcome, Series, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

use crate::completed::{AnyServiceError, Completed, ErrorKindRule, OutcomeRule, by_status};
use crate::pending::Pending;
use crate::recorded_body::RecordedBody;
use crate::recorded_future::RecordedFuture;

/// Records each call of the services that it is laid around.
///
/// `N` says which series a request counts in, `O` whether it is a success, `K` what kind of failure an error of the service is.
#[derive(Clone, Copy)]
pub struct RequestLayer<N, O = fn(Completed) -> Outcome, K = AnyServiceError> {
    recorder: &'static LocalRecorder,
    naming: N,
    rule: O,
    kinds: K,
    clock: Option<fn() -> Timestamp>,
}

impl<N> RequestLayer<N> {
    /// A layer that records with `recorder`, in the series that `naming` says: [`by_route`](crate::by_route) or a closure.
    /// Successes are by the rule [`by_status`].
    pub fn new<B>(recorder: LocalRecorder, naming: N) -> Self
    where
        N: Fn(&LocalRecorder, &Request<B>) -> Series,
    {
        Self { recorder: shared(recorder), naming, rule: by_status, kinds: AnyServiceError, clock: None }
    }
}

impl<N, O, K> RequestLayer<N, O, K> {
    /// With a rule of your own for what is a success.
    ///
    /// ```
    /// # use loaddensity_metrics_shell::{LocalRecorder, Outcome, Storage};
    /// # use loaddensity_metrics_tower::{RequestLayer, by_route, by_status};
    /// # static STORAGE: Storage<100, 4, 1_024> = Storage::new();
    /// # let recorder = LocalRecorder::new(STORAGE.registry());
    /// let probes = recorder.series("GET", "/gone");
    /// let layer = RequestLayer::new(recorder, by_route::<()>).outcome(move |completed| {
    ///     let is_expected = completed.series == probes && completed.status == 404;
    ///     if is_expected { Outcome::Success } else { by_status(completed) }
    /// });
    /// ```
    pub fn outcome<R: OutcomeRule>(self, rule: R) -> RequestLayer<N, R, K> {
        RequestLayer { recorder: self.recorder, naming: self.naming, rule, kinds: self.kinds, clock: self.clock }
    }

    /// With the kinds of the service's errors, which are shown while the registry's label `error_type` is on. A body that breaks off is
    /// [`ErrorKind::Reset`](loaddensity_metrics_shell::ErrorKind::Reset) whatever they say, a call that is cancelled
    /// [`ErrorKind::Timeout`](loaddensity_metrics_shell::ErrorKind::Timeout).
    ///
    /// ```
    /// # use loaddensity_metrics_shell::{ErrorKind, LocalRecorder, Storage};
    /// # use loaddensity_metrics_tower::{RequestLayer, by_route};
    /// # static STORAGE: Storage<100, 4, 1_024> = Storage::new();
    /// # let recorder = LocalRecorder::new(STORAGE.registry());
    /// let layer = RequestLayer::new(recorder, by_route::<()>).error_kinds(|error: &std::io::Error| match error.kind() {
    ///     std::io::ErrorKind::ConnectionRefused => ErrorKind::Connect,
    ///     std::io::ErrorKind::TimedOut => ErrorKind::Timeout,
    ///     _ => ErrorKind::Other,
    /// });
    /// ```
    pub fn error_kinds<E, R>(self, kinds: R) -> RequestLayer<N, O, R>
    where
        R: Fn(&E) -> ErrorKind + Clone,
    {
        RequestLayer { recorder: self.recorder, naming: self.naming, rule: self.rule, kinds, clock: self.clock }
    }

    /// With a clock for the time of completion, which InfluxDB shows: `runtime::system_time` or `runtime::coarse_time` of the
    /// exporters' crate. Without one it is the time at which the exporters see the request, some milliseconds later.
    #[must_use]
    pub fn completed_at(mut self, clock: fn() -> Timestamp) -> Self {
        self.clock = Some(clock);
        self
    }
}

impl<S, N: Clone, O: Clone, K: Clone> Layer<S> for RequestLayer<N, O, K> {
    type Service = RecordedService<S, N, O, K>;

    fn layer(&self, inner: S) -> Self::Service {
        RecordedService { inner, layer: self.clone() }
    }
}

impl<N, O, K> fmt::Debug for RequestLayer<N, O, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLayer").finish_non_exhaustive()
    }
}

/// A service of which each call is recorded; see [`RequestLayer`].
#[derive(Clone, Copy, Debug)]
pub struct RecordedService<S, N, O = fn(Completed) -> Outcome, K = AnyServiceError> {
    inner: S,
    layer: RequestLayer<N, O, K>,
}

impl<S, N, O, K, B, R> Service<Request<B>> for RecordedService<S, N, O, K>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
    N: Fn(&LocalRecorder, &Request<B>) -> Series,
    O: OutcomeRule,
    K: ErrorKindRule<S::Error>,
{
    type Response = Response<RecordedBody<R, O>>;
    type Error = S::Error;
    type Future = RecordedFuture<S::Future, O, K>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let RequestLayer { recorder, naming, rule, kinds, clock } = &self.layer;
        let series = naming(recorder, &request);
        // Before the inner service is called, which may panic.
        let pending = Pending::begin(recorder, series, rule.clone(), *clock, request.method());
        RecordedFuture::new(self.inner.call(request), pending, kinds.clone())
    }
}

/// One recorder for each registry, kept for ever as the registry is. A recorder has 256 bytes, which each future and body would carry.
fn shared(recorder: LocalRecorder) -> &'static LocalRecorder {
    static SHARED: Mutex<Vec<&'static LocalRecorder>> = Mutex::new(Vec::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = shared.iter().copied().find(|known| known.registry() == recorder.registry());
    known.unwrap_or_else(|| {
        let new = &*Box::leak(Box::new(recorder));
        shared.push(new);
        new
    })
}
