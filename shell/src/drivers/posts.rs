//! Drives the machine that posts points to InfluxDB.

use std::future::Future;

use loaddensity_metrics_core::DropReason;
use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::export::posts::{PostAction, PostMachine};

use super::backend_link::BackendLink;
use super::lender::Lender;
use crate::http_client::HttpBackend;
use crate::runtime::Runtime;

/// The driver.
pub(crate) struct PostDriver<R: Runtime, B: HttpBackend, L> {
    link: BackendLink<R, B>,
    machine: PostMachine,
    items: L,
}

impl<R: Runtime, B: HttpBackend, L: Lender> PostDriver<R, B, L>
where
    for<'a> L::Lent<'a>: Items,
{
    pub(crate) const fn new(link: BackendLink<R, B>, machine: PostMachine, items: L) -> Self {
        Self { link, machine, items }
    }

    /// Runs until a stop has been carried out. Returns the cause for whatever was not sent.
    #[expect(clippy::manual_async_fn, reason = "the future of an `async fn` has room for its arguments twice")]
    pub(crate) fn run(mut self) -> impl Future<Output = DropReason> + Send {
        async move {
            loop {
                let action = self.ask();
                let Self { link, machine, items } = &mut self;
                match action {
                    PostAction::Resolve { id } => link.client().resolve(id),
                    PostAction::Connect { id, address } => link.client().connect(id, address),
                    PostAction::Send { id, range } => link.send(id, range),
                    PostAction::Cancel { .. } => {
                        let (now, input) = link.cancel().await;
                        machine.handle(now, input);
                    }
                    PostAction::Wait { until, events } => {
                        if let Some((now, input)) = link.wait(until, items.wait_until_holds(events)).await {
                            machine.handle(now, input);
                        }
                    }
                    PostAction::Done { cause } => return cause,
                }
            }
        }
    }

    fn ask(&mut self) -> PostAction {
        let Self { link, machine, items } = self;
        let now = link.now();
        let action = items.lend(|items| machine.poll(now, items, link.memory()));
        link.tell(machine.attempts(), machine.learned_bytes());
        action
    }
}
