//! The Prometheus exporter: an HTTP/1.1 server for the metrics page.
//!
//! A page is streamed through one small buffer, so a scrape takes constant memory, however many series there are and
//! however slowly the client reads. It counts as sent when its last byte is with the kernel.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_channel::Sender;
use futures_lite::{FutureExt as _, future};
use loaddensity_metrics_core::{DropReason, Exporter};

use crate::byte_budget::{BudgetedStream, ByteBudget};
use crate::config::{PageLimits, PrometheusConfig};
use crate::error::StartError;
use crate::host_port::host_port;
use crate::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use crate::linger::Scrapes;
use crate::network_errors;
use crate::running::{LaunchContext, PrepareContext, PreparedExporter, RunningExporter, resolve};
use crate::runtime::{Runtime, TcpListener};
use crate::status::StatusCell;
use crate::stop::StopSignal;
use crate::tls::{Acceptor, MaybeTlsStream};

mod access;
mod body;
mod compression;
mod connections;
mod delivery;
mod frames;
mod host_field;
mod page_service;
mod permits;
mod protobuf;
pub(crate) mod renderer;
mod responder;

use connections::{Admitted, Connections};
use delivery::{Delivered, DeliveryStream};
use page_service::PageService;
use responder::PageResponder;

/// Bytes of a page that are made at a time. hyper takes the next frame when it has less than its own buffer.
const FRAME: usize = 4_096;
/// Series without anything to show that are passed over before a frame or a metric, over one recorder's counters.
const PASSED_OVER: usize = 64;
/// Pause after an accept that failed, for instance because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Clients at a time that are told that there is no place for them; more are closed without a word.
const TURNED_AWAY: usize = 16;
/// How long a client may take for the handshake of TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Opens the port. Connections wait until the exporter is launched.
pub(crate) async fn prepare<R: Runtime>(
    PrepareContext { runtime, identity, .. }: PrepareContext<'_, R>,
    config: &PrometheusConfig,
) -> Result<PreparedExporter<R>, StartError> {
    if config.gzip && cfg!(not(feature = "gzip")) {
        return Err(StartError::BuiltWithout { feature: "gzip" });
    }
    let failed = |source| StartError::Socket {
        exporter: Exporter::Prometheus,
        address: host_port(&config.host, config.port),
        source,
    };
    let tls = config.tls.as_ref().map(|tls| Acceptor::new(Exporter::Prometheus, tls)).transpose()?;
    let listener = listen(runtime, config).await?.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let constant = PrometheusConfig::constant_of(&identity.labels(&config.constant_labels))?;
    let (config, info) = (config.clone(), identity.run_info());
    Ok(PreparedExporter::new(move |context: &mut LaunchContext<R>| {
        let is_observing = context.registry.has_room_for_instruments();
        context.accounts.open(Exporter::Prometheus);
        if is_observing {
            context.accounts.observations().open(Exporter::Prometheus);
        }
        let status_cell = StatusCell::new(Exporter::Prometheus, config.page_address().url(bound));
        let status_cell = Arc::new(status_cell.with_linger(config.linger));
        let scrapes = Arc::new(Scrapes::new(context.accounts));
        let stop = StopSignal::default();
        let options = config.options(&constant, info, context.clock.start_time());
        let server = PageServer {
            runtime: context.runtime.clone(),
            responder: Arc::new(PageResponder::new(&config, options, context.registry)),
            limits: config.limits,
            tls,
            status_cell: status_cell.clone(),
            scrapes: scrapes.clone(),
            connections: Connections::new(config.limits.connections),
            turned_away: Connections::new(TURNED_AWAY),
            stop: stop.clone(),
        };
        let running = RunningExporter::launch(&context.runtime, stop, status_cell, server.run(listener))
            .bound_to(bound)
            .scraped(scrapes);
        if is_observing { running.observing() } else { running }
    }))
}

/// A listener on the first address of the host that takes one.
async fn listen<R: Runtime>(runtime: &R, config: &PrometheusConfig) -> Result<io::Result<R::Listener>, StartError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolve(runtime, Exporter::Prometheus, "host", &config.host, config.port).await? {
        match runtime.tcp_listen(address).await {
            Ok(listener) => return Ok(Ok(listener)),
            Err(error) => last = error,
        }
    }
    Ok(Err(last))
}

struct PageServer<R: Runtime> {
    runtime: R,
    responder: Arc<PageResponder>,
    limits: PageLimits,
    tls: Option<Acceptor>,
    status_cell: Arc<StatusCell>,
    scrapes: Arc<Scrapes>,
    connections: Connections,
    /// Those that are told that there is no place for them.
    turned_away: Connections,
    stop: StopSignal,
}

impl<R: Runtime> PageServer<R> {
    async fn run(self, listener: R::Listener) -> DropReason {
        let tasks = HyperTasks::new(self.runtime.clone());
        let (alive, all_ended) = async_channel::bounded(1);
        loop {
            let asked = async {
                self.stop.asked().await;
                None
            };
            match asked.or(async { Some(listener.accept().await) }).await {
                None => break,
                Some(Ok((stream, _))) => {
                    self.serve(&tasks, stream, &alive);
                    // A connection that makes room for this one is closed by its own task: before the next is accepted, or
                    // there would be more of them than places.
                    future::yield_now().await;
                }
                Some(Err(error)) => {
                    self.status_cell.failed(network_errors::cannot_accept(&error));
                    self.stop.cuts_short(self.runtime.sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
        // Frees the port; then what is under way may end.
        drop((listener, alive));
        self.stop.unless_overdue(&self.runtime, all_ended.recv()).await;
        DropReason::Unscraped
    }

    /// Finds a place for a connection. Where there is none it is told so, or closed without an answer.
    fn serve(&self, tasks: &HyperTasks, stream: R::Tcp, alive: &Sender<Infallible>) {
        if let Some(admitted) = self.connections.admit() {
            tasks.spawn(self.connection(stream, admitted, true, alive.clone()));
        } else if let Some(admitted) = self.turned_away.admit() {
            tasks.spawn(self.connection(stream, admitted, false, alive.clone()));
        } else {
            self.status_cell.turned_away(self.limits.connections);
        }
    }

    /// Serves one connection until its client ends it, or a stop, or another connection that needs its place. Without
    /// `has_place`, it only answers that there is none.
    fn connection(
        &self,
        stream: R::Tcp,
        admitted: Admitted,
        has_place: bool,
        alive: Sender<Infallible>,
    ) -> impl Future<Output = ()> + Send + use<R> {
        let (runtime, responder, stop, limits) =
            (self.runtime.clone(), self.responder.clone(), self.stop.clone(), self.limits);
        let (status_cell, tls) = (self.status_cell.clone(), self.tls.clone());
        let delivered = Arc::new(Delivered::new(self.scrapes.clone(), status_cell.clone(), admitted));
        let makes_room = delivered.makes_room();
        let budget = ByteBudget::of_client();
        let work = budget.clone().turns(async move {
            let _alive = alive;
            let stream = budget.on(stream);
            let stream = match tls {
                None => MaybeTlsStream::Plain(stream),
                Some(tls) => match shake_hands(&runtime, &stop, &tls, stream).await {
                    Some(Ok(stream)) => stream,
                    Some(Err(error)) => {
                        status_cell.failed(format!("a client was closed in the TLS handshake: {error}"));
                        return;
                    }
                    None => return,
                },
            };
            let stream = DeliveryStream::new(HyperIo::new(stream), delivered.clone());
            let page = PageService { responder, delivered: delivered.clone(), has_place, limits };
            let served = page.serve(stream, HyperTimer::new(runtime.clone()), stop);
            served.or(delivered.idle(&runtime, limits.idle_timeout)).await;
        });
        // In this order: what lost its place before its first turn is not answered with the beginning of a page.
        makes_room.or(work)
    }
}

/// Shakes hands for TLS. `None`: a stop was asked for before it was done.
async fn shake_hands<R: Runtime>(
    runtime: &R,
    stop: &StopSignal,
    tls: &Acceptor,
    stream: BudgetedStream,
) -> Option<io::Result<MaybeTlsStream>> {
    let asked = async {
        stop.asked().await;
        None
    };
    let late = async {
        runtime.sleep(HANDSHAKE_TIME).await;
        Some(Err(io::ErrorKind::TimedOut.into()))
    };
    asked.or(async { Some(tls.accept(stream).await) }).or(late).await
}

/// Bytes that have moved on a connection, in either direction.
#[derive(Default)]
struct Moved(AtomicU64);

impl Moved {
    fn note(&self, bytes: usize) {
        // Relaxed: it is only compared with itself.
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
