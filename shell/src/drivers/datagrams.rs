//! Serves the machine of datagrams, for DogStatsD and for InfluxDB over UDP.

use std::time::Instant;

use futures_lite::FutureExt as _;
use loaddensity_metrics_core::Cause;
use loaddensity_metrics_core::export::Now;
use loaddensity_metrics_core::export::datagrams::{Action, Datagrams, Input, Route, To, Wait};

use super::lent::DatagramSource;
use super::sockets::{Destination, First, Made, SocketSettings, Sockets};
use crate::clock::ExporterClock;
use crate::random;
use crate::running::LaunchContext;
use crate::runtime::Runtime;
use crate::status::HealthReporter;
use crate::stop::StopSignal;

/// The driver.
pub(crate) struct DatagramDriver<R: Runtime, S> {
    clock: ExporterClock<R>,
    sockets: Sockets<R>,
    machine: Datagrams,
    source: S,
    /// Where datagrams are written.
    memory: Box<[u8]>,
    reporter: HealthReporter,
    stop: StopSignal,
    /// The deadline that the machine knows of.
    deadline: Option<Instant>,
}

impl<R: Runtime, S: DatagramSource> DatagramDriver<R, S> {
    pub(crate) fn new(
        place: &LaunchContext<R>,
        way: SocketSettings<R>,
        source: S,
        reporter: HealthReporter,
        stop: StopSignal,
    ) -> Self {
        let SocketSettings { to, first, sockets, resolve_interval, at_once, call_bytes } = way;
        let machines = if matches!(to, Destination::Unix(_)) { To::Path } else { To::Name { every: resolve_interval } };
        Self {
            clock: place.clock.clone(),
            sockets: Sockets::new(place.runtime.clone(), to, sockets, first),
            machine: Datagrams::new(Route { sockets, to: machines, at_once }, random::number()),
            source,
            memory: vec![0; call_bytes].into_boxed_slice(),
            reporter,
            stop,
            deadline: None,
        }
    }

    /// Runs until a stop has been carried out; why whatever is left was not sent.
    pub(crate) async fn run(mut self) -> Cause {
        loop {
            let now = self.clock.read();
            let input = match self.ask(now) {
                Action::Resolve { id } => {
                    self.sockets.resolve(id);
                    continue;
                }
                Action::Connect { id, socket, address } => {
                    self.sockets.connect(id, socket, address);
                    continue;
                }
                Action::Close { socket } => {
                    self.sockets.close(socket);
                    continue;
                }
                Action::Send { id, socket, range, segment, count } => {
                    match self.sockets.send(socket, (&self.memory[range], segment), count) {
                        Ok(datagrams) => Input::Sent { id, datagrams, offload: datagrams == count },
                        Err(fault) => Input::Failed { id, fault },
                    }
                }
                Action::Look { id, socket } => match self.sockets.look(socket) {
                    Ok(refused) => Input::Looked { id, refused },
                    Err(fault) => Input::Failed { id, fault },
                },
                Action::Wait(wait) => {
                    self.reporter.count(self.machine.traffic(), self.machine.learned_bytes());
                    self.wait(wait).await;
                    continue;
                }
                Action::Done { rest } => {
                    self.reporter.count(self.machine.traffic(), self.machine.learned_bytes());
                    return rest;
                }
            };
            self.machine.handle(now, input);
        }
    }

    fn ask(&mut self, now: Now) -> Action {
        let Self { machine, source, memory, sockets, reporter, .. } = self;
        let action = source.lend(|source| machine.poll(now, source, memory));
        reporter.tell(machine.health(), || sockets.words());
        action
    }

    /// Waits for what comes first: a stop, what was made, a socket that takes more, so many events, the moment.
    async fn wait(&mut self, Wait { until, events, writable }: Wait) {
        let Self { clock, sockets, source, stop, deadline, .. } = self;
        let stops = async { SocketsEvent::Stop(stop.nearer_than(*deadline).await) };
        let news = async { SocketsEvent::First(sockets.first_of(writable).await) };
        let due = async {
            clock.sleep_until(until).or(source.holds(events)).await;
            SocketsEvent::Nothing
        };
        match stops.or(news).or(due).await {
            SocketsEvent::Stop(asked) => {
                self.deadline = Some(asked);
                self.hear(Input::Stop { deadline: self.clock.tick_of(asked) });
            }
            SocketsEvent::First(First::Made(Made::Resolved { id, addresses })) => {
                let addresses = self.sockets.resolved(addresses);
                self.hear(Input::Resolved { id, addresses: &addresses });
            }
            SocketsEvent::First(First::Made(Made::Connected { id, socket, open })) => {
                match self.sockets.opened(socket, open) {
                    Ok(()) => self.hear(Input::Connected { id }),
                    Err(fault) => self.hear(Input::Failed { id, fault }),
                }
            }
            SocketsEvent::First(First::Writable(socket)) => self.hear(Input::Writable { socket }),
            SocketsEvent::Nothing => {}
        }
    }

    fn hear(&mut self, input: Input<'_>) {
        self.machine.handle(self.clock.read(), input);
    }
}

/// What was waited for and came first.
enum SocketsEvent<R: Runtime> {
    Stop(Instant),
    First(First<R>),
    Nothing,
}
