//! Drives the machine of periodic exports, for receivers of OTLP.

use std::future::{Future, pending};

use loaddensity_metrics_core::DropReason;
use loaddensity_metrics_core::export::periodic::{ExportAction, ExportCursor, ExportMachine, ExportSource};

use super::backend_link::BackendLink;
use super::lender::Lender;
use crate::http_client::HttpBackend;
use crate::runtime::Runtime;

/// The driver.
pub(crate) struct ExportDriver<R: Runtime, B: HttpBackend, L> {
    link: BackendLink<R, B>,
    machine: ExportMachine<ExportCursor>,
    points: L,
}

impl<R: Runtime, B: HttpBackend, L: Lender> ExportDriver<R, B, L>
where
    for<'a> L::Lent<'a>: ExportSource<Cursor = ExportCursor>,
{
    pub(crate) fn new(link: BackendLink<R, B>, machine: ExportMachine<ExportCursor>, points: L) -> Self {
        Self { link: link.keeping_failed_bodies(), machine, points }
    }

    /// Runs until a stop has been carried out. Returns the cause for whatever was not sent.
    #[expect(clippy::manual_async_fn, reason = "the future of an `async fn` has room for its arguments twice")]
    pub(crate) fn run(mut self) -> impl Future<Output = DropReason> + Send {
        async move {
            loop {
                let action = self.ask();
                let Self { link, machine, .. } = &mut self;
                match action {
                    ExportAction::Resolve { id } => link.client().resolve(id),
                    ExportAction::Connect { id, address } => link.client().connect(id, address),
                    ExportAction::Send { id, range } => link.send(id, range),
                    ExportAction::Again { id, .. } => link.send_again(id),
                    ExportAction::GrowBuffer(bytes) => link.lend(bytes),
                    ExportAction::Cancel { .. } => {
                        let (now, input) = link.cancel().await;
                        machine.handle(now, input);
                    }
                    ExportAction::Wait { until } => {
                        if let Some((now, input)) = link.wait(until, pending()).await {
                            machine.handle(now, input);
                        }
                    }
                    ExportAction::Done { cause } => return cause,
                }
            }
        }
    }

    fn ask(&mut self) -> ExportAction {
        let Self { link, machine, points } = self;
        let now = link.now();
        let action = points.lend(|points| machine.poll(now, points, link.memory()));
        link.tell(machine.attempts(), machine.learned_bytes());
        action
    }
}
