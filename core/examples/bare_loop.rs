//! Sends requests to DogStatsD over UDP by hand: no async runtime, no shell, one thread, one loop.
//!
//! `cargo run -p loaddensity-metrics-core --example bare_loop` sends 10,000 requests to a receiver in the same process, and
//! shows what it got. With an address as its argument it sends them there: `… --example bare_loop 127.0.0.1:8125`.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant, SystemTime};
use std::{env, io};

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::export::datagrams::{
    DatagramAction, DatagramInput, DatagramMachine, DatagramRoute, DatagramTarget, EventDatagrams, EventPacking,
};
use loaddensity_metrics_core::export::{Now, SendKind, Tick, fault, pace};
use loaddensity_metrics_core::{Event, Exporter, Pump, Sample, Sink, Storage, Timestamp};

const REQUESTS: u64 = 10_000;

// 1. The memory is a static: 100 series, one recorder, a ring of 16,384 events.
static STORAGE: Storage<100, 1, 16_384> = Storage::new();

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    receiver.set_read_timeout(Some(Duration::from_millis(300)))?;
    let address =
        env::args().nth(1).map_or_else(|| receiver.local_addr(), |to| to.parse().map_err(io::Error::other))?;
    let receiver = spawn(move || received(&receiver));
    let registry = STORAGE.registry();
    // 2. The pump empties the rings, the sink holds what waits, the encoder writes it, the machine decides.
    let mut pump = registry.pump().ok_or("another pump reads this storage")?;
    let sink = Sink::new(vec![Event::default(); 16_384], pump.attach(Exporter::Statsd));
    let encoder = MessageEncoder::new(registry, "bare")?.with_newlines();
    let route = DatagramRoute::new(DatagramTarget::Name { every: None }).at_once(true);
    let mut bare = BareLoop {
        machine: DatagramMachine::new(route, 42),
        sink,
        packing: EventPacking::new(encoder, usize::MAX, 1_432, [0; 0]),
        buffer: vec![0; 1_432],
        address,
        socket: None,
        started: Instant::now(),
    };
    // 3. The engine records, as fast as it likes. Here it takes turns with the loop.
    let mut recorder = registry.recorder();
    let orders = recorder.series("GET", "/orders");
    for number in 0..REQUESTS {
        recorder.record(orders, Sample::ok(Duration::from_micros(1_000 + number)).response_bytes(512));
        if number % 100 == 0 {
            bare.turn(&mut pump);
        }
    }
    // 4. The last events leave the ring; then a stop, which sends what waits within its deadline.
    bare.turn(&mut pump);
    let deadline = bare.now().tick.after(Duration::from_secs(2));
    bare.machine.handle(bare.now(), DatagramInput::Stop { deadline });
    while !bare.turn(&mut pump) {}
    let account = pump.detach(Exporter::Statsd);
    println!("{} recorded, {} sent, {} dropped", account.recorded, account.sent, account.dropped.total());
    println!("{:?}, {:?}", bare.machine.traffic(), bare.machine.attempts());
    println!("{}", receiver.join().map_err(|_| "the receiver panicked")?);
    Ok(())
}

type Encoder = MessageEncoder<'static>;

struct BareLoop {
    machine: DatagramMachine,
    sink: Sink<'static, Vec<Event>>,
    packing: EventPacking<Encoder, [u8; 0]>,
    buffer: Vec<u8>,
    address: SocketAddr,
    socket: Option<UdpSocket>,
    started: Instant,
}

impl BareLoop {
    /// Empties the rings, and does what the machine says until it would wait longer than the rings do. Whether it is done.
    fn turn(&mut self, pump: &mut Pump<'_>) -> bool {
        let sink = &mut self.sink;
        let events = pump.drain_slices(|events| {
            sink.offer_all(events);
        });
        let next_look = self.now().tick.after(pace::pause_after(events));
        loop {
            let now = self.now();
            let mut source = EventDatagrams::new(&mut self.sink, &mut self.packing);
            match self.machine.poll(now, &mut source, &mut self.buffer) {
                DatagramAction::Done { .. } => return true,
                // A socket that is full is tried again after the pause: nobody tells this loop when it is not.
                DatagramAction::Wait(wait) => {
                    sleep(wait.until.min(next_look).since(now.tick));
                    if wait.writable != 0 {
                        self.machine.handle(self.now(), DatagramInput::Writable { socket: 0 });
                    }
                    if self.now().tick >= next_look {
                        return false;
                    }
                }
                action => self.perform(action),
            }
        }
    }

    /// Does one thing, and tells what came of it.
    fn perform(&mut self, action: DatagramAction) {
        let addresses = [self.address];
        let input = match action {
            DatagramAction::Resolve { id } => DatagramInput::Resolved { id, addresses: &addresses },
            DatagramAction::Connect { id, address, .. } => {
                match address.map_or(Err(io::ErrorKind::NotFound.into()), connect) {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        DatagramInput::Connected { id }
                    }
                    Err(error) => DatagramInput::Failed { id, fault: fault(name(&error), SendKind::Udp) },
                }
            }
            DatagramAction::Send { id, range, .. } => {
                match self.socket.as_ref().map(|socket| socket.send(&self.buffer[range])) {
                    Some(Ok(_)) => DatagramInput::Sent { id, datagrams: 1, offload: false },
                    Some(Err(error)) => DatagramInput::Failed { id, fault: fault(name(&error), SendKind::Udp) },
                    None => DatagramInput::Failed { id, fault: fault("", SendKind::Udp) },
                }
            }
            DatagramAction::Look { id, .. } => {
                let error = self.socket.as_ref().and_then(|socket| socket.take_error().ok().flatten());
                DatagramInput::Looked { id, refused: error.is_some() }
            }
            DatagramAction::Close { .. } => {
                self.socket = None;
                return;
            }
            DatagramAction::Wait(_) | DatagramAction::Done { .. } => return,
        };
        self.machine.handle(self.now(), input);
    }

    fn now(&self) -> Now {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { tick: Tick::from_nanos(nanos(self.started.elapsed())), wall: Timestamp::from_unix_nanos(nanos(wall)) }
    }
}

fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What the table of faults calls it; any other has no name of its own.
fn name(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::WouldBlock => "EAGAIN",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        _ => "",
    }
}

/// What arrives until nothing more does: the first message, and how many there are.
fn received(receiver: &UdpSocket) -> String {
    let (mut datagram, mut first, mut datagrams, mut messages) = ([0; 2_000], String::new(), 0, 0);
    while let Ok(length) = receiver.recv(&mut datagram) {
        let text = String::from_utf8_lossy(&datagram[..length]);
        if first.is_empty() {
            text.lines().next().unwrap_or_default().clone_into(&mut first);
        }
        datagrams += 1;
        messages += text.lines().count();
    }
    format!("{messages} messages in {datagrams} datagrams, the first: {first}")
}
