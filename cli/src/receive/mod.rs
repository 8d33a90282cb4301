//! `receive`: a receiver for each protocol on this host, for authors of engines who have no server at hand. What comes is
//! read by the parsers that judge the demo, and added up by series and metric.

mod arrivals;
mod flags;
mod reading;
mod report;
mod servers;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_cost::thousands;
use loaddensity_metrics_shell::runtime::Runtime;

use self::arrivals::{Arrivals, ReceiverName, lock};
pub(crate) use self::flags::ReceiveArgs;
use self::report::{ReceiveProgress, ReceiveReport, announcement};
use self::servers::OpenReceivers;
use crate::CommandError;
use crate::engine::TargetUrl;
use crate::interrupt::Interrupt;
use crate::receivers::scrape_url;
use crate::say::{self, ResultForm};

/// How long a signal may wait to be seen.
const LOOK: Duration = Duration::from_millis(50);

/// Receives until a signal comes or the time is over, and prints what came. Fails where something bad came.
pub(crate) fn run<R: Runtime>(args: &ReceiveArgs, form: ResultForm) -> ExitCode {
    match receive::<R>(args, form) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::failed(&*error),
    }
}

fn receive<R: Runtime>(args: &ReceiveArgs, form: ResultForm) -> Result<(), CommandError> {
    let interrupt = Interrupt::install("stopping")?;
    let arrivals = Arc::<Mutex<Arrivals>>::default();
    let receivers = OpenReceivers::open::<R>(args, &arrivals)?;
    let addresses = announce(&receivers, args.scrape.as_ref());
    let mut scraper = args.scrape.as_ref().map(|target| ReceiveScraper { target, complaint: None });
    let mut progress = ReceiveProgress::of(args.rows);
    let began = Instant::now();
    let mut next = began + args.every;
    let is_over = || interrupt.pressed() || args.duration.is_some_and(|duration| began.elapsed() >= duration);
    while !is_over() {
        thread::sleep(LOOK);
        if Instant::now() >= next {
            next = Instant::now() + args.every;
            if let Some(scraper) = &mut scraper {
                scraper.scrape::<R>(&arrivals);
            }
            let lines = progress.lines(&lock(&arrivals));
            lines.iter().try_for_each(|line| form.words(format_args!("{line}")))?;
        }
    }
    if let Some(scraper) = &mut scraper {
        scraper.scrape::<R>(&arrivals);
    }
    let (lasted, drops) = (began.elapsed(), receivers.close()?);
    let arrivals = lock(&arrivals);
    let report = ReceiveReport { arrivals: &arrivals, addresses: &addresses, drops, lasted };
    form.words(format_args!("{report}"))?;
    form.object(|| report.json())?;
    match arrivals.all_bad() {
        0 => Ok(()),
        bad => Err(format!("bad lines, messages, bodies or pages came: {}", thousands(bad)).into()),
    }
}

/// Says who listens where, and what ends it.
fn announce(receivers: &OpenReceivers, page: Option<&TargetUrl>) -> Vec<(ReceiverName, String)> {
    let mut addresses = Vec::new();
    for name in ReceiverName::ALL {
        if let Some(address) = receivers.address(name) {
            say::err(format_args!("{}", announcement(name, address)));
            addresses.push((name, address.to_string()));
        }
    }
    if let Some(page) = page {
        let address = format!("{}:{}{}", page.host(), page.port(), page.path().path());
        addresses.push((ReceiverName::Scraper, address));
    }
    say::err(format_args!("ready; Ctrl-C ends it and shows all that came"));
    addresses
}

/// Scrapes one page.
struct ReceiveScraper<'a> {
    target: &'a TargetUrl,
    /// Why the last scrape gave no page. It is said once.
    complaint: Option<String>,
}

impl ReceiveScraper<'_> {
    fn scrape<R: Runtime>(&mut self, arrivals: &Mutex<Arrivals>) {
        match scrape_url::<R>(self.target) {
            Ok(page) => {
                reading::page(&mut lock(arrivals), &page);
                self.complaint = None;
            }
            Err(error) => {
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    say::warning(format_args!("the page was not scraped: {complaint} (--scrape; is its exporter up?)"));
                }
                self.complaint = Some(complaint);
            }
        }
    }
}
