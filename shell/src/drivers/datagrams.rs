//! Drives the machine of datagrams, for DogStatsD and for InfluxDB over UDP.

use std::future::Future;

use loaddensity_metrics_core::DropReason;
use loaddensity_metrics_core::export::Now;
use loaddensity_metrics_core::export::datagrams::{
    DatagramAction, DatagramInput, DatagramMachine, DatagramRoute, DatagramSource, Wait,
};

use super::lender::Lender;
use super::sockets::{DatagramOptions, SocketEvent, Sockets};
use super::wakeup::{Waiter, Wakeup};
use crate::random;
use crate::running::LaunchContext;
use crate::runtime::Runtime;
use crate::status::HealthReporter;
use crate::stop::StopSignal;

/// The driver.
pub(crate) struct DatagramDriver<R: Runtime, L> {
    waiter: Waiter<R>,
    sockets: Sockets<R>,
    machine: DatagramMachine,
    source: L,
    /// Where datagrams are written.
    memory: Box<[u8]>,
    reporter: HealthReporter,
}

impl<R: Runtime, L: Lender> DatagramDriver<R, L>
where
    for<'a> L::Lent<'a>: DatagramSource,
{
    pub(crate) fn new(
        context: &LaunchContext<R>,
        options: DatagramOptions<R>,
        source: L,
        reporter: HealthReporter,
        stop: StopSignal,
    ) -> Self {
        let DatagramOptions { to, first, sockets, at_once, call_bytes } = options;
        let route = DatagramRoute::new(to.target()).sockets(sockets).at_once(at_once);
        Self {
            waiter: Waiter::new(context.clock.clone(), stop),
            sockets: Sockets::new(context.runtime.clone(), to, sockets, first),
            machine: DatagramMachine::new(route, random::number()),
            source,
            memory: vec![0; call_bytes].into_boxed_slice(),
            reporter,
        }
    }

    /// Runs until a stop has been carried out. Returns the cause for whatever was not sent.
    #[expect(clippy::manual_async_fn, reason = "the future of an `async fn` has room for its arguments twice")]
    pub(crate) fn run(mut self) -> impl Future<Output = DropReason> + Send {
        async move {
            loop {
                let now = self.waiter.now();
                match self.ask(now) {
                    DatagramAction::Resolve { id } => self.sockets.resolve(id),
                    DatagramAction::Connect { id, socket, address } => self.sockets.connect(id, socket, address),
                    DatagramAction::Close { socket } => self.sockets.close(socket),
                    DatagramAction::Send { id, socket, range, segment, count } => {
                        let sent = self.sockets.send(socket, (&self.memory[range], segment), count);
                        let input = match sent {
                            Ok(datagrams) => DatagramInput::Sent { id, datagrams, offload: datagrams == count },
                            Err(fault) => DatagramInput::Failed { id, fault },
                        };
                        self.machine.handle(now, input);
                    }
                    DatagramAction::Look { id, socket } => {
                        let input = match self.sockets.look(socket) {
                            Ok(refused) => DatagramInput::Looked { id, refused },
                            Err(fault) => DatagramInput::Failed { id, fault },
                        };
                        self.machine.handle(now, input);
                    }
                    DatagramAction::Wait(wait) => {
                        self.count();
                        self.wait(wait).await;
                    }
                    DatagramAction::Done { cause } => {
                        self.count();
                        return cause;
                    }
                }
            }
        }
    }

    fn ask(&mut self, now: Now) -> DatagramAction {
        let Self { machine, source, memory, sockets, reporter, .. } = self;
        let action = source.lend(|source| machine.poll(now, source, memory));
        reporter.tell(machine.attempts().health, || sockets.words());
        action
    }

    fn count(&self) {
        self.reporter.count(self.machine.traffic(), self.machine.learned_bytes());
    }

    /// Waits for what comes first: a stop, what was made, a socket that takes more, so many events, the moment.
    async fn wait(&mut self, Wait { until, events, writable }: Wait) {
        let Self { waiter, sockets, source, .. } = self;
        let wakeup = waiter.first(sockets.next(writable), until, source.wait_until_holds(events)).await;
        let now = waiter.now();
        match wakeup {
            Wakeup::Stop { deadline } => self.machine.handle(now, DatagramInput::Stop { deadline }),
            Wakeup::Event(SocketEvent::Resolved { id, addresses }) => {
                let addresses = self.sockets.resolved(addresses);
                self.machine.handle(now, DatagramInput::Resolved { id, addresses: &addresses });
            }
            Wakeup::Event(SocketEvent::Connected { id, socket, open }) => {
                let input = match self.sockets.opened(socket, open) {
                    Ok(()) => DatagramInput::Connected { id },
                    Err(fault) => DatagramInput::Failed { id, fault },
                };
                self.machine.handle(now, input);
            }
            Wakeup::Event(SocketEvent::Writable { socket }) => {
                self.machine.handle(now, DatagramInput::Writable { socket });
            }
            Wakeup::Due => {}
        }
    }
}
