//! Modelled sockets for datagrams and packets, and what arrives at their other end.

use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_core::export::datagrams::DatagramInput;
use loaddensity_metrics_core::export::{Fault, Id, Tick};

use crate::call;
use crate::shared::Shared;

/// What does not change while an exporter runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelNature {
    /// A Unix socket of a stream; else UDP.
    pub(crate) is_stream: bool,
    /// The receiver is on this machine: each refusal is told, and with the next call.
    pub(crate) is_near: bool,
    /// The socket takes several datagrams in a call.
    pub(crate) knows_offload: bool,
    /// Bytes of the largest datagram.
    pub(crate) largest: usize,
}

/// The sockets, and what has arrived.
#[derive(Debug)]
pub(crate) struct Kernel {
    nature: KernelNature,
    sockets: Vec<ModelSocket>,
    /// Requests, or observations, that a datagram stands for.
    counted_in: fn(&[u8]) -> Result<u64, String>,
    /// The address that the receiver has now.
    home: usize,
    refusal_told: Option<Tick>,
    /// What datagrams that have arrived stand for.
    pub(crate) received: u64,
    /// The same of those that were taken and never arrived, of which nobody is told where the receiver is far.
    pub(crate) lost: u64,
}

#[derive(Clone, Debug, Default)]
struct ModelSocket {
    is_open: bool,
    to: Option<SocketAddr>,
    /// Datagrams, of a stream bytes, that it holds.
    holds: usize,
    /// When it has got rid of them.
    empty_at: Tick,
    /// An earlier call was refused, which the next one is told from then on.
    refused_at: Option<Tick>,
    /// Of a stream: a packet with its length before it, and how much of it was written.
    frame: Vec<u8>,
    written: usize,
    is_broken: bool,
}

/// Bytes of a stream in the place of a datagram.
const BYTES: usize = 100;

impl Kernel {
    pub(crate) fn new(nature: KernelNature, sockets: usize, counted_in: fn(&[u8]) -> Result<u64, String>) -> Self {
        let sockets = vec![ModelSocket::default(); sockets];
        Self { nature, sockets, counted_in, home: 0, refusal_told: None, received: 0, lost: 0 }
    }

    /// What packets stand for that were begun and not yet written to their end.
    pub(crate) fn begun(&self) -> u64 {
        let frames = self.sockets.iter().filter_map(|socket| socket.frame.get(4..));
        frames.map(|packet| (self.counted_in)(packet).unwrap_or_default()).sum()
    }

    pub(crate) const fn is_stream(&self) -> bool {
        self.nature.is_stream
    }

    /// Whether what the kernel took has arrived, unless it tells otherwise.
    pub(crate) const fn is_exact(&self) -> bool {
        self.nature.is_near || self.nature.is_stream
    }

    /// The receiver's addresses now.
    pub(crate) fn addresses(&mut self, shared: &mut Shared<'_>) -> Vec<SocketAddr> {
        if shared.choices.happens(shared.weather.moves) {
            self.home = (self.home + 1) % 4;
        }
        let none = shared.choices.happens(shared.weather.no_name);
        if none { Vec::new() } else { vec![call::address(self.home)] }
    }

    pub(crate) fn connect(
        &mut self,
        number: usize,
        to: Option<SocketAddr>,
        shared: &mut Shared<'_>,
    ) -> Result<(), Fault> {
        if shared.choices.happens(shared.weather.refuses) {
            return Err(Fault::Away);
        }
        let Some(socket) = self.sockets.get_mut(number) else { return Err(Fault::Away) };
        let frame = std::mem::take(&mut socket.frame);
        *socket = ModelSocket { is_open: true, to, frame, ..ModelSocket::default() };
        Ok(())
    }

    pub(crate) fn close(&mut self, number: usize) {
        if let Some(socket) = self.sockets.get_mut(number) {
            (socket.is_open, socket.written) = (false, 0);
        }
    }

    /// When one of those sockets, a bit for each, takes more.
    pub(crate) fn writable_at(&self, sockets: u16) -> (Tick, usize) {
        let waited = self.sockets.iter().enumerate().filter(|(number, _)| sockets >> number & 1 != 0);
        waited.map(|(number, socket)| (socket.empty_at, number)).min().unwrap_or((Tick::NEVER, 0))
    }

    /// One attempt; how many were taken, and whether the socket takes several.
    pub(crate) fn send(
        &mut self,
        number: usize,
        (bytes, segment, count): (&[u8], usize, usize),
        shared: &mut Shared<'_>,
    ) -> Result<Result<(usize, bool), Fault>, String> {
        let tick = shared.tick();
        match self.sockets.get_mut(number) {
            Some(socket) if socket.is_open => socket.drain(tick),
            _ => return Err("a datagram is sent through a socket that is not open".into()),
        }
        if shared.choices.happens(shared.weather.no_buffers) {
            return Ok(Err(Fault::NoBuffers));
        }
        if self.nature.is_stream {
            return Ok(self.write(number, bytes, shared)?.map(|()| (1, true)));
        }
        if self.take_refusal(number, tick) {
            return Ok(Err(Fault::RefusedBefore));
        }
        if segment.min(bytes.len()) > self.nature.largest {
            return Ok(Err(Fault::TooLarge));
        }
        let room = shared.weather.room.saturating_sub(self.sockets[number].holds);
        if room == 0 {
            return Ok(Err(Fault::WouldBlock));
        }
        let (mut taken, mut offload) = (count.min(room), true);
        if count > 1 && !self.nature.knows_offload {
            if shared.choices.happens(500) {
                return Ok(Err(Fault::NoOffload));
            }
            (taken, offload) = (1, false);
        }
        let socket = &mut self.sockets[number];
        (socket.holds, socket.empty_at) = (socket.holds + taken, tick.after(shared.weather.drains_in));
        let is_home = socket.to == Some(call::address(self.home));
        for datagram in bytes.chunks(segment.max(1)).take(taken) {
            let counted = (self.counted_in)(datagram)?;
            if is_home && !shared.weather.dead_receiver {
                self.received += counted;
            } else {
                self.lost += counted;
                self.refuse(number, tick);
            }
        }
        Ok(Ok((taken, offload)))
    }

    /// Reads the socket's error; of a stream, goes on with a packet.
    pub(crate) fn look(
        &mut self,
        id: Id,
        number: usize,
        shared: &mut Shared<'_>,
    ) -> Result<DatagramInput<'static>, String> {
        let tick = shared.tick();
        if self.nature.is_stream {
            self.sockets[number].drain(tick);
            return Ok(match self.write_rest(number, shared)? {
                Ok(()) => DatagramInput::Looked { id, refused: false },
                Err(fault) => DatagramInput::Failed { id, fault },
            });
        }
        Ok(DatagramInput::Looked { id, refused: self.take_refusal(number, tick) })
    }

    fn refuse(&mut self, number: usize, tick: Tick) {
        if self.nature.is_near {
            self.sockets[number].refused_at = Some(tick);
        } else if self.refusal_told.is_none_or(|told| tick.since(told) >= Duration::from_secs(1)) {
            self.refusal_told = Some(tick);
            self.sockets[number].refused_at = Some(tick.after(Duration::from_millis(30)));
        }
    }

    fn take_refusal(&mut self, number: usize, tick: Tick) -> bool {
        self.sockets[number].refused_at.take_if(|at| *at <= tick).is_some()
    }

    /// As the machine's documentation tells a driver of streams to.
    fn write(&mut self, number: usize, packet: &[u8], shared: &mut Shared<'_>) -> Result<Result<(), Fault>, String> {
        if let Err(fault) = self.write_rest(number, shared)? {
            return Ok(Err(fault));
        }
        if packet.len() > self.nature.largest {
            return Ok(Err(Fault::TooLarge));
        }
        self.sockets[number].frame = [&(packet.len() as u32).to_le_bytes(), packet].concat();
        Ok(match self.write_rest(number, shared)? {
            Err(fault) if self.sockets[number].written == 0 => {
                self.sockets[number].frame.clear();
                Err(fault)
            }
            _ => Ok(()),
        })
    }

    fn write_rest(&mut self, number: usize, shared: &mut Shared<'_>) -> Result<Result<(), Fault>, String> {
        let (tick, weather) = (shared.tick(), shared.weather);
        let socket = &mut self.sockets[number];
        if socket.frame.is_empty() {
            return Ok(Ok(()));
        }
        socket.is_broken |= shared.choices.happens(weather.breaks / 4);
        if socket.is_broken {
            return Ok(Err(Fault::Away));
        }
        let room = (weather.room * BYTES).saturating_sub(socket.holds);
        let taken = (socket.frame.len() - socket.written).min(room);
        socket.written += taken;
        if taken != 0 {
            (socket.holds, socket.empty_at) = (socket.holds + taken, tick.after(weather.drains_in));
        }
        if socket.written < socket.frame.len() {
            return Ok(Err(Fault::WouldBlock));
        }
        let frame = std::mem::take(&mut socket.frame);
        socket.written = 0;
        self.received += (self.counted_in)(&frame[4..])?;
        Ok(Ok(()))
    }
}

impl ModelSocket {
    /// Everything has left by then.
    fn drain(&mut self, tick: Tick) {
        if tick >= self.empty_at {
            self.holds = 0;
        }
    }
}
