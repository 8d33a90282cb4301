//! A scraper of the metrics page: it reads page after page in pieces, and not every page to its end.

use std::time::Duration;

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::prometheus::{MAX_LINE, Page};
use loaddensity_metrics_core::{AccountKind, Begun, DropReason, Exporter, Linger, Lingering};

use crate::instruments::ShownCalls;
use crate::shared::{RecordedTotals, Shared};

/// The page, its scraper, and what it has read.
pub(crate) struct ModelledScrape<'a> {
    page: Option<PageInRead<'a>>,
    /// When it reads on, or begins the next page.
    due: Tick,
    interval: Duration,
    /// What was counted before the start.
    before: RecordedTotals,
    /// The largest totals of pages that were read to their ends, as their bytes say.
    delivered: RecordedTotals,
    linger: Option<(Linger, Tick)>,
    done: Option<DropReason>,
}

struct PageInRead<'a> {
    page: Page<'a>,
    begun: Begun,
    bytes: Vec<u8>,
}

impl<'a> ModelledScrape<'a> {
    pub(crate) fn new(shared: &mut Shared<'a>) -> Self {
        shared.pump.accounts().open(Exporter::Prometheus);
        if shared.has_instruments() {
            shared.pump.accounts().observations().open(Exporter::Prometheus);
        }
        let interval = shared.choices.one_of(&[1, 5, 15].map(Duration::from_secs));
        let (before, delivered) = (shared.counted(), RecordedTotals::default());
        Self { page: None, due: shared.tick(), interval, before, delivered, linger: None, done: None }
    }

    /// Requests, or observations, since the start that a scraper has seen.
    pub(crate) fn stored(&self, kind: AccountKind) -> u64 {
        self.delivered.of(kind).saturating_sub(self.before.of(kind))
    }

    pub(crate) const fn done(&self) -> Option<DropReason> {
        self.done
    }

    pub(crate) fn due(&self, shared: &Shared<'a>) -> Tick {
        match &self.linger {
            _ if self.done.is_some() => Tick::NEVER,
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
            None => self.done = Some(DropReason::Unscraped),
        }
    }

    pub(crate) fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        if let Some((linger, stopped)) = &self.linger
            && !matches!(linger.poll(shared.tick().since(*stopped)), Lingering::Serve(_))
        {
            self.done = Some(DropReason::Unscraped);
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
        let (shown, totals) = (totals_in(&reading.bytes)?, reading.page.totals());
        if (shown.requests, shown.observations) != (totals.requests, totals.observations) {
            return Err(format!("a page shows {shown:?} and says {totals:?}"));
        }
        shared.note(|| format!("page: {totals:?}"));
        let counted = self.linger.as_mut().map_or(totals, |(linger, _)| linger.delivered(totals, reading.begun));
        self.delivered.requests = self.delivered.requests.max(shown.requests);
        self.delivered.observations = self.delivered.observations.max(shown.observations);
        shared.pump.accounts().delivered(Exporter::Prometheus, counted);
        Ok(())
    }
}

const TURN: Duration = Duration::from_micros(1);

/// The sum of the counter's lines, and the observations that the lines of own instruments stand for.
fn totals_in(page: &[u8]) -> Result<RecordedTotals, String> {
    let page = str::from_utf8(page).map_err(|error| error.to_string())?;
    let (mut requests, mut shown) = (0, ShownCalls::default());
    for line in page.lines() {
        let Some(line) = line.strip_prefix("loaddensity_") else { continue };
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let value = line.rsplit(' ').next().unwrap_or_default();
        if name == "requests_total" {
            requests += value.parse::<u64>().map_err(|error| format!("{line}: {error}"))?;
        } else if let Ok(value) = value.parse() {
            shown.add(name, value);
        }
    }
    Ok(RecordedTotals { requests, observations: shown.all()? })
}
