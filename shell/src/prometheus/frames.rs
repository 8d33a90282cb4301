//! A page in small frames, as it is made.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use loaddensity_metrics_core::export::in_a_turn;
use loaddensity_metrics_core::prometheus::{ExpositionFormat, Families, MAX_LINE, Page, ScrapeOptions};
use loaddensity_metrics_core::{PageTotals, Registry};

use super::permits::Permit;
use super::protobuf::ProtobufPage;
use super::{FRAME, PASSED_OVER};

const _: () = assert!(FRAME >= MAX_LINE);

/// A page that is being read.
pub(super) struct Frames {
    source: PageSource,
    /// Where frames are made. The memory is used again as soon as hyper has let go of the last one.
    frame: BytesMut,
    in_a_turn: usize,
    in_this_turn: usize,
    /// Series without anything to show that may be passed over before a frame.
    passed_over: usize,
}

/// Where a page comes from.
pub(super) enum PageSource {
    /// Text.
    Page(Box<Page<'static>>),
    /// Protobuf.
    Families(Box<ProtobufPage>),
}

impl PageSource {
    /// The page of `registry` in `format`. A permit is for protobuf, where others may want pages at the same time.
    pub(super) fn new(
        registry: Registry<'static>,
        format: ExpositionFormat,
        options: ScrapeOptions,
        permit: Option<Permit>,
    ) -> Self {
        let page = match format {
            ExpositionFormat::Protobuf => {
                let families = Families::new(registry).with_options(options);
                return Self::Families(Box::new(ProtobufPage::new(families, registry.recorders_read(), permit)));
            }
            ExpositionFormat::OpenMetricsDraft | ExpositionFormat::OpenMetrics => Page::open_metrics(registry),
            ExpositionFormat::Text => Page::new(registry),
        };
        Self::Page(Box::new(page.with_options(options)))
    }
}

impl Frames {
    /// All of `source`, over so many recorders' counters. After some frames, `alone` over those of one, other tasks get their
    /// turn: a client that reads as fast as pages are made would otherwise hold up the pump.
    pub(super) fn new(source: PageSource, alone: usize, recorders: usize) -> Self {
        let (in_a_turn, passed_over) = (in_a_turn(alone, recorders), in_a_turn(PASSED_OVER, recorders));
        Self { source, frame: BytesMut::new(), in_a_turn, in_this_turn: 0, passed_over }
    }

    /// The next frame, `None` after the last.
    pub(super) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.in_this_turn < self.in_a_turn {
            self.in_this_turn += 1;
            let next = match &mut self.source {
                // Looking for something to show takes time, too.
                PageSource::Page(page) => page.look_ahead(self.passed_over).then(|| next_frame(page, &mut self.frame)),
                PageSource::Families(protobuf) => protobuf.next_frame(),
            };
            if let Some(frame) = next {
                return Poll::Ready(frame);
            }
        }
        self.in_this_turn = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// After the last frame: all that the page shows.
    pub(super) const fn totals(&self) -> PageTotals {
        match &self.source {
            PageSource::Page(page) => page.totals(),
            PageSource::Families(protobuf) => protobuf.totals(),
        }
    }
}

fn next_frame(page: &mut Page<'static>, frame: &mut BytesMut) -> Option<Bytes> {
    frame.resize(FRAME, 0);
    // A frame holds any line, so this cannot fail; if it ever did, the page would end here, and not be complete.
    let bytes = page.fill(frame).unwrap_or_default();
    if bytes == 0 {
        return None;
    }
    let whole = frame.split_to(bytes).freeze();
    frame.clear();
    Some(whole)
}
