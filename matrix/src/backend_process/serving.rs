//! The process of the backends itself: does what it is told line by line, and ends with its standard input.

use std::fs;
use std::io::{self, BufRead as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use loaddensity_metrics_end_to_end::scraper::ScrapeClient;
use loaddensity_metrics_tokio::Tokio;

use crate::backends::{WellInfluxdb, WellReceiver};
use crate::items::{ItemCounts, SharedCounts, in_packet, is_of_own, on_page};
use crate::relay::Relay;
use crate::unix_agent::{SocketKind, UnixAgent};

/// Serves until standard input ends. The Unix sockets are in `folder`.
pub(crate) fn serve(folder: &Path) -> ExitCode {
    let mut serving = None;
    for line in io::stdin().lock().lines() {
        let answer = line.and_then(|line| match (line.split_once(' '), serving.as_mut()) {
            (Some(("listen", address)), _) => {
                let begun = Serving::start(folder, address.parse().map_err(io::Error::other)?)?;
                let addresses = begun.addresses();
                serving = Some(begun);
                addresses
            }
            (Some(("scrape", page)), Some(serving)) => {
                serving.scrape(page.parse().map_err(io::Error::other)?);
                Ok("asked".to_owned())
            }
            (Some(("busy", process)), _) => busy(process),
            (None, Some(serving)) if line == "counts" => Ok(serving.counts()),
            (None, Some(serving)) if line == "renew" => serving.renew().map(|()| "renewed".to_owned()),
            (None, None) if line == "hello" => Ok("hello".to_owned()),
            _ => Err(io::Error::other(format!("nobody knows what this is: {line}"))),
        });
        match answer {
            Ok(answer) => println!("{answer}"),
            Err(error) => {
                eprintln!("the backends: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

struct Serving {
    udp: SocketAddr,
    received: Arc<ReceivedCounts>,
    influxdb: WellInfluxdb,
    otlp: WellReceiver,
    /// Before the two, at the address that was asked for.
    relays: [Relay; 2],
    agents: Vec<(PathBuf, SocketKind, Option<UnixAgent>)>,
    /// What earlier agents had, by kind.
    had: [ItemCounts; 2],
}

#[derive(Default)]
struct ReceivedCounts {
    items: SharedCounts,
    datagrams: AtomicU64,
    own_datagrams: AtomicU64,
    scrapes: AtomicU64,
    scraped: SharedCounts,
}

impl Serving {
    fn start(folder: &Path, address: IpAddr) -> io::Result<Self> {
        let any = SocketAddr::new(address, 0);
        let socket = UdpSocket::bind(any)?;
        let (udp, received) = (socket.local_addr()?, Arc::new(ReceivedCounts::default()));
        let shared = received.clone();
        thread::spawn(move || {
            let mut datagram = vec![0; 65_536];
            while let Ok(length) = socket.recv(&mut datagram) {
                let datagram = &datagram[..length];
                shared.items.add(in_packet(datagram));
                shared.own_datagrams.fetch_add(u64::from(is_of_own(datagram)), Ordering::SeqCst);
                shared.datagrams.fetch_add(1, Ordering::SeqCst);
            }
        });
        let (influxdb, otlp) = (WellInfluxdb::start(), WellReceiver::start::<Tokio>());
        let relays = [Relay::start_at(any, influxdb.address())?, Relay::start_at(any, otlp.address())?];
        let agents = [("datagrams", SocketKind::Datagram), ("streams", SocketKind::Stream)].map(|(name, kind)| {
            let path = folder.join(name);
            UnixAgent::bind(kind, &path).map(|agent| (path, kind, Some(agent)))
        });
        let agents = agents.into_iter().collect::<io::Result<_>>()?;
        Ok(Self { udp, received, influxdb, otlp, relays, agents, had: [ItemCounts::default(); 2] })
    }

    fn addresses(&self) -> io::Result<String> {
        let [influxdb, otlp] = &self.relays;
        Ok(format!("{} {} {}", self.udp, influxdb.address(), otlp.address()))
    }

    /// The numbers of `BackendCounts`, in its order.
    fn counts(&self) -> String {
        let of = |number: &AtomicU64| number.load(Ordering::SeqCst);
        let unix = |at: usize| self.had[at] + self.agents[at].2.as_ref().map(UnixAgent::counts).unwrap_or_default();
        let received = &self.received;
        let scrapes = of(&received.scrapes);
        let numbers = [of(&received.datagrams), of(&received.own_datagrams), overflowed(self.udp), scrapes];
        let (influxdb, otlp) = (self.influxdb.counts(), self.otlp.counts());
        let items = [received.items.get(), unix(0), unix(1), influxdb, otlp, received.scraped.get()];
        format!("{} {}", numbers.map(|number| number.to_string()).join(" "), ItemCounts::as_words(&items))
    }

    fn renew(&mut self) -> io::Result<()> {
        self.relays.iter().for_each(Relay::cut);
        for ((path, kind, agent), had) in self.agents.iter_mut().zip(&mut self.had) {
            *had += agent.take().map(UnixAgent::close).unwrap_or_default();
            *agent = Some(UnixAgent::bind(*kind, path)?);
        }
        Ok(())
    }

    fn scrape(&self, page: SocketAddr) {
        let received = self.received.clone();
        thread::spawn(move || {
            let answer = ScrapeClient::connect(page).ask("GET", "/metrics");
            received.scraped.set(on_page(answer.text()));
            received.scrapes.fetch_add(1, Ordering::SeqCst);
        });
    }
}

/// Nanoseconds that each thread has run or waited for a processor (`schedstat`: the first two numbers).
fn busy(process: &str) -> io::Result<String> {
    let mut words = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?;
        // It may have ended meanwhile.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        let nanos: u64 = text.split_whitespace().take(2).filter_map(|number| number.parse::<u64>().ok()).sum();
        words.push(format!("{}:{nanos}", thread.file_name().display()));
    }
    Ok(words.join(" "))
}

/// How many datagrams the kernel has dropped at a full socket: the last number of its line in `/proc/net/udp`.
fn overflowed(socket: SocketAddr) -> u64 {
    let sockets = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let port = format!(":{:04X}", socket.port());
    let line = sockets.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|word| word.ends_with(&port)));
    line.and_then(|line| line.split_whitespace().last()).and_then(|number| number.parse().ok()).unwrap_or_default()
}
