//! A scraper of the metrics page: it reads page after page in pieces, and not every page to its end.

use std::time::Duration;

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::prometheus::{MAX_LINE, Page};
use loaddensity_metrics_core::{Begun, DropReason, Exporter, Linger, Lingering};

use crate::shared::Shared;

/// The page, its scraper, and what it has read.
pub(crate) struct ModelledScrape<'a> {
    page: Option<PageInRead<'a>>,
    /// When it reads on, or begins the next page.
    due: Tick,
    interval: Duration,
    /// Requests that were counted before the start.
    before: u64,
    /// The largest total of a page that was read to its end, as its bytes say.
    delivered: u64,
    linger: Option<(Linger, Tick)>,
    is_done: bool,
}

struct PageInRead<'a> {
    page: Page<'a>,
    begun: Begun,
    bytes: Vec<u8>,
}

impl<'a> ModelledScrape<'a> {
    pub(crate) fn new(shared: &mut Shared<'a>) -> Self {
        shared.pump.accounts().open(Exporter::Prometheus);
        let interval = shared.choices.one_of(&[1, 5, 15].map(Duration::from_secs));
        let before = shared.registry.requests();
        Self { page: None, due: shared.tick(), interval, before, delivered: 0, linger: None, is_done: false }
    }

    /// Requests since the start that a scraper has seen.
    pub(crate) const fn stored(&self) -> u64 {
        self.delivered.saturating_sub(self.before)
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.is_done
    }

    pub(crate) fn due(&self, shared: &Shared<'a>) -> Tick {
        match &self.linger {
            _ if self.is_done => Tick::NEVER,
            Some((linger, stopped)) => match linger.poll(shared.tick().since(*stopped)) {
                Lingering::Serve(left) => self.due.min(shared.clock.after(left)),
                Lingering::Seen | Lingering::Over => shared.tick(),
            },
            None => self.due,
        }
    }

    /// The page is served for as long as that, or until its last values were seen.
    pub(crate) fn stop(&mut self, limit: Duration, shared: &mut Shared<'a>) {
        match shared.pump.accounts().linger(Exporter::Prometheus, limit) {
            Some(linger) => self.linger = Some((linger, shared.tick())),
            None => self.end(shared),
        }
    }

    pub(crate) fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        if let Some((linger, stopped)) = &self.linger
            && !matches!(linger.poll(shared.tick().since(*stopped)), Lingering::Serve(_))
        {
            self.end(shared);
            return Ok(());
        }
        if shared.tick() < self.due {
            return Ok(());
        }
        let Some(mut reading) = self.page.take() else {
            self.page = Some(self.begin(shared));
            self.due = shared.clock.after(TURN);
            return Ok(());
        };
        let mut room = [0; 2 * MAX_LINE];
        let length = MAX_LINE + shared.choices.below(MAX_LINE);
        let written = reading.page.fill(&mut room[..length]).map_err(|error| error.to_string())?;
        reading.bytes.extend_from_slice(&room[..written]);
        if written != 0 {
            // A scraper that goes away in mid-page has seen nothing.
            let leaves = shared.choices.happens(shared.weather.breaks / 50);
            self.page = (!leaves).then_some(reading);
            self.due = shared.clock.after(TURN + shared.choices.time(shared.weather.latency / 20));
            return Ok(());
        }
        self.due = shared.clock.after(self.interval);
        self.deliver(&reading, shared)
    }

    fn begin(&self, shared: &mut Shared<'a>) -> PageInRead<'a> {
        let page =
            if shared.choices.happens(500) { Page::open_metrics(shared.registry) } else { Page::new(shared.registry) };
        let begun = if self.linger.is_some() { Begun::AfterStop } else { Begun::BeforeStop };
        PageInRead { page, begun, bytes: Vec::new() }
    }

    /// The kernel has the last byte.
    fn deliver(&mut self, reading: &PageInRead<'a>, shared: &mut Shared<'a>) -> Result<(), String> {
        let (shown, totals) = (total_in(&reading.bytes)?, reading.page.totals());
        let total = totals.requests;
        if shown != total {
            return Err(format!("a page shows {shown} requests and says {total}"));
        }
        shared.note(|| format!("page: {total} requests"));
        let counted = self.linger.as_mut().map_or(totals, |(linger, _)| linger.delivered(totals, reading.begun));
        self.delivered = self.delivered.max(total);
        shared.pump.accounts().delivered(Exporter::Prometheus, counted);
        Ok(())
    }

    fn end(&mut self, shared: &mut Shared<'a>) {
        shared.pump.accounts().close(Exporter::Prometheus, DropReason::Unscraped);
        self.is_done = true;
    }
}

const TURN: Duration = Duration::from_micros(1);

/// The sum of the counter's lines.
fn total_in(page: &[u8]) -> Result<u64, String> {
    let page = str::from_utf8(page).map_err(|error| error.to_string())?;
    let lines = page.lines().filter(|line| line.starts_with("loaddensity_requests_total{"));
    let values = lines.map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()));
    values.sum::<Option<u64>>().ok_or_else(|| "a counter is no number".into())
}
