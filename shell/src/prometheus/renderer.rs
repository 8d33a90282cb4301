//! The page for an engine that serves it itself, from a server of its own or into a file.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use loaddensity_metrics_core::Registry;
use loaddensity_metrics_core::export::in_a_turn;
use loaddensity_metrics_core::prometheus::{ExpositionFormat, Families, MAX_LINE, MAX_METRIC, Page, ScrapeOptions};

use super::body::PLAIN_FRAMES;
use super::frames::{Frames, PageSource};
use super::protobuf::ProtobufPage;
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
        match self.text(format) {
            Some(text) => append_text(text, page),
            None => append_protobuf(Families::new(self.registry).with_options(self.options()), page),
        }
    }

    /// The page as a body that is made while it is read, in constant memory; in protobuf, in the memory of the largest family.
    #[must_use]
    pub fn body(&self, format: ExpositionFormat) -> RenderedPage {
        let recorders = self.registry.recorders_read();
        let source = match self.text(format) {
            Some(text) => PageSource::Page(Box::new(text)),
            None => {
                let families = Families::new(self.registry).with_options(self.options());
                PageSource::Families(Box::new(ProtobufPage::new(families, recorders, None)))
            }
        };
        RenderedPage { frames: Some(Frames::new(source, in_a_turn(PLAIN_FRAMES, recorders))) }
    }

    /// The page, unless it is in protobuf.
    fn text(&self, format: ExpositionFormat) -> Option<Page<'static>> {
        let page = match format {
            ExpositionFormat::Protobuf => return None,
            ExpositionFormat::OpenMetricsDraft | ExpositionFormat::OpenMetrics => Page::open_metrics(self.registry),
            ExpositionFormat::Text => Page::new(self.registry),
        };
        Some(page.with_options(self.options()))
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
        let next = std::task::ready!(frames.poll_next(cx));
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

fn append_text(mut text: Page<'static>, page: &mut Vec<u8>) {
    // Many lines at a time, and any line.
    let mut lines = vec![0; 8 * MAX_LINE];
    loop {
        // The room holds any line, so this cannot fail; if it ever did, the page would end here.
        let bytes = text.fill(&mut lines).unwrap_or_default();
        if bytes == 0 {
            return;
        }
        page.extend_from_slice(&lines[..bytes]);
    }
}

fn append_protobuf(mut families: Families<'static>, page: &mut Vec<u8>) {
    let (mut room, mut metrics) = (vec![0; MAX_METRIC], Vec::new());
    while !families.is_complete() {
        metrics.clear();
        // The room holds any metric and any head, so neither can fail.
        while let Ok(Some(metric)) = families.next_metric(&mut room) {
            metrics.extend_from_slice(metric);
        }
        let head = families.finish_family(metrics.len(), &mut room).unwrap_or_default();
        page.extend_from_slice(head);
        page.extend_from_slice(&metrics);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_lite::future::{block_on, poll_fn};
    use loaddensity_metrics_core::{Sample, Storage};

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

    #[test]
    fn a_body_is_the_page_that_is_rendered_in_every_format() {
        static STORAGE: Storage<200, 1, 2> = Storage::new();
        let settings = Settings::on(STORAGE.registry());
        let identity = Identity::default().with_run("nightly-7").expect("a run");
        let mut recorder = settings.registry.recorder();
        for number in 0..150 {
            let series = recorder.series("GET", &format!("/items/{number}"));
            recorder.record(series, Sample::http(200, Duration::from_millis(number)));
        }
        let config = PrometheusConfig::default().constant_labels([("region", "eu")]);
        let renderer = PageRenderer::new(&settings.identity(identity), &config).expect("labels that can be shown");
        for format in FORMATS {
            let mut rendered = b"kept".to_vec();
            renderer.render(format, &mut rendered);
            assert_eq!(&rendered[4..], read(renderer.body(format)), "{format:?}");
            for part in [&b"region"[..], b"nightly-7", b"/items/149"] {
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
