//! The page for an engine that serves it itself, from a server of its own or into a file.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use loaddensity_metrics_core::Registry;
use loaddensity_metrics_core::prometheus::{ExpositionFormat, ScrapeOptions};

use super::body::PLAIN_FRAMES;
use super::frames::{Frames, PageSource};
use crate::clock;
use crate::config::PrometheusConfig;
use crate::error::StartError;
use crate::settings::Settings;

/// Writes the Prometheus page of a registry, as an exporter with the same configuration would answer it. Cheap to clone.
///
/// No account counts what it writes, since nobody here knows whether it arrives. Where every request must be accounted for, and
/// for TLS, credentials, limits and the last scrape, let
/// [`start_prometheus_exporter`](crate::Exporters::start_prometheus_exporter) serve it.
///
/// [`Negotiated::from_accept`](crate::Negotiated::from_accept) chooses the format by a request's `Accept` headers, and has
/// the `Content-Type` of the answer.
///
/// ```
/// use loaddensity_metrics_shell::{ExpositionFormat, PageRenderer, PrometheusConfig, Sample, Settings};
///
/// let settings = Settings::default();
/// settings.registry.recorder().record_request("GET", "/items", Sample::http(200, std::time::Duration::from_millis(3)));
/// let renderer = PageRenderer::new(&settings, &PrometheusConfig::default().constant_labels([("region", "eu")]))?;
/// let mut page = Vec::new();
/// renderer.render(ExpositionFormat::OpenMetrics, &mut page);
/// assert!(page.ends_with(b"# EOF\n"));
/// # Ok::<(), loaddensity_metrics_shell::StartError>(())
/// ```
#[derive(Clone)]
pub struct PageRenderer {
    registry: Registry<'static>,
    options: ScrapeOptions,
    has_created_times: bool,
}

impl PageRenderer {
    /// Pages of the registry and the identity of `settings`, with the constant labels and the creation times of `config`; what
    /// else `config` has is of a server.
    ///
    /// # Errors
    /// [`StartError::Setting`] where the labels cannot be shown.
    pub fn new(settings: &Settings, config: &PrometheusConfig) -> Result<Self, StartError> {
        let Settings { registry, identity, .. } = *settings;
        let constant = PrometheusConfig::constant_of(&identity.labels(&config.constant_labels))?;
        let options = ScrapeOptions::default().constant_labels(&constant).run_info(identity.run_info());
        Ok(Self { registry, options, has_created_times: config.created_times })
    }

    /// Appends the page as it is now to `page`: some 3 KB for each series.
    pub fn render(&self, format: ExpositionFormat, page: &mut Vec<u8>) {
        let (mut frames, cx) = (self.frames(format), Context::from_waker(Waker::noop()));
        loop {
            match frames.poll_next(&cx) {
                Poll::Ready(Some(bytes)) => page.extend_from_slice(&bytes),
                Poll::Ready(None) => return,
                // It lets others have their turn, and goes on at once.
                Poll::Pending => {}
            }
        }
    }

    /// The page as a body that is made while it is read, in constant memory; in protobuf, in the memory of the largest family.
    #[must_use]
    pub fn body(&self, format: ExpositionFormat) -> RenderedPage {
        RenderedPage { frames: Some(self.frames(format)) }
    }

    fn frames(&self, format: ExpositionFormat) -> Frames {
        let source = PageSource::new(self.registry, format, self.options(), None);
        Frames::new(source, PLAIN_FRAMES, self.registry.recorders_read())
    }

    fn options(&self) -> ScrapeOptions {
        let created = self.has_created_times.then(|| clock::start_time_of(self.registry)).flatten();
        self.options.clone().created(created)
    }
}

impl fmt::Debug for PageRenderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRenderer").finish_non_exhaustive()
    }
}

/// A page as the body of an HTTP answer.
pub struct RenderedPage {
    /// `None` after the last one.
    frames: Option<Frames>,
}

impl Body for RenderedPage {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(frames) = &mut self.frames else { return Poll::Ready(None) };
        let next = ready!(frames.poll_next(cx));
        if next.is_none() {
            self.frames = None;
        }
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_none()
    }
}

impl fmt::Debug for RenderedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedPage").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_lite::future::{block_on, poll_fn};
    use loaddensity_metrics_core::prometheus::{Families, MAX_LINE, MAX_METRIC, Page};
    use loaddensity_metrics_core::{Exponential, Sample, Storage};

    use super::*;
    use crate::identity::Identity;

    const FORMATS: [ExpositionFormat; 4] = [
        ExpositionFormat::Text,
        ExpositionFormat::OpenMetricsDraft,
        ExpositionFormat::OpenMetrics,
        ExpositionFormat::Protobuf,
    ];

    fn read(mut body: RenderedPage) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(frame) = block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))) {
            let Ok(frame) = frame;
            assert!(!body.is_end_stream());
            whole.extend_from_slice(&frame.into_data().expect("data"));
        }
        assert!(body.is_end_stream());
        assert!(block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).is_none(), "it ended once");
        whole
    }

    /// What the core writes, whole.
    fn page_of(registry: Registry<'static>, options: ScrapeOptions, format: ExpositionFormat) -> Vec<u8> {
        let mut whole = Vec::new();
        if format == ExpositionFormat::Protobuf {
            let mut families = Families::new(registry).with_options(options);
            while !families.is_complete() {
                let (mut room, mut metrics) = ([0; MAX_METRIC], Vec::new());
                while let Some(metric) = families.next_metric(&mut room).expect("room for any metric") {
                    metrics.extend_from_slice(metric);
                }
                whole.extend_from_slice(families.finish_family(metrics.len(), &mut room).expect("room for a head"));
                whole.extend(metrics);
            }
            return whole;
        }
        let page = if format == ExpositionFormat::Text { Page::new(registry) } else { Page::open_metrics(registry) };
        let (mut page, mut room) = (page.with_options(options), [0; MAX_LINE]);
        while let Some(bytes) = page.fill(&mut room).ok().filter(|bytes| *bytes != 0) {
            whole.extend_from_slice(&room[..bytes]);
        }
        whole
    }

    #[test]
    fn a_body_is_the_page_that_is_rendered_in_every_format() {
        static STORAGE: Storage<200, 1, 2, Exponential, 0, 1> = Storage::new();
        let settings = Settings::on(STORAGE.registry());
        let identity = Identity::default().with_run("nightly-7").expect("a run");
        let mut recorder = settings.registry.recorder();
        for number in 0..150 {
            let series = recorder.series("GET", &format!("/items/{number}"));
            recorder.record(series, Sample::http(200, Duration::from_millis(number)));
        }
        // More series show nothing of it than are passed over in a turn.
        let first_byte = settings.registry.timer("first_byte", "To the first byte").expect("room for one");
        let late = recorder.series("GET", "/items/140");
        recorder.observe(first_byte, late, Duration::from_millis(1));
        let config = PrometheusConfig::default().constant_labels([("region", "eu")]);
        let renderer = PageRenderer::new(&settings.identity(identity), &config).expect("labels that can be shown");
        for format in FORMATS {
            let mut rendered = b"kept".to_vec();
            renderer.render(format, &mut rendered);
            assert_eq!(&rendered[4..], page_of(settings.registry, renderer.options(), format), "{format:?}");
            assert_eq!(&rendered[4..], read(renderer.body(format)), "{format:?}");
            for part in [&b"region"[..], b"nightly-7", b"/items/149", b"loaddensity_first_byte_ms"] {
                assert!(rendered.windows(part.len()).any(|window| window == part), "{format:?}");
            }
        }
    }

    #[test]
    fn labels_that_cannot_be_shown_are_an_error() {
        static STORAGE: Storage<2, 1, 2> = Storage::new();
        let config = PrometheusConfig::default().constant_labels([("le", "1")]);
        assert!(PageRenderer::new(&Settings::on(STORAGE.registry()), &config).is_err());
    }
}
