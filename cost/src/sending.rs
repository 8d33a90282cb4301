//! What the kernel takes for a datagram over loopback, handed over alone or with others in one call, and delivered.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use loaddensity_metrics_shell::runtime::SegmentationOffload;

use crate::clock::Stopwatch;
use crate::exporters::DatagramKind;
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Datagrams that wait at most: the usual buffer of 208 KiB holds 90 full ones.
const BURST: usize = 64;
/// Bytes that wait at most, which is also what a call takes at most: the largest payload of UDP over IPv4.
const BURST_BYTES: usize = 65_507;
/// Datagrams of a round, at the least.
const LEAST: usize = 256;
/// Far longer than a delivery takes; it turns a lost datagram into an error.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends bursts, and takes them in between, which does not count.
pub(crate) struct SendDatagrams {
    kind: DatagramKind,
    sender: UdpSocket,
    receiver: UdpSocket,
    /// Of the rows with segmentation offload: a burst is one call then, where the system takes that.
    offload: Option<SegmentationOffload>,
    /// The datagrams of a burst, one after another.
    burst: Vec<u8>,
    datagram_bytes: usize,
    /// Where datagrams arrive: a byte longer than they are, so that none is cut to the right length.
    memory: Vec<u8>,
}

impl SendDatagrams {
    /// Datagrams of `datagram_bytes` each, 1 to 65,507.
    pub(crate) fn new(kind: DatagramKind, datagram_bytes: usize) -> io::Result<Self> {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        receiver.set_read_timeout(Some(PATIENCE))?;
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        sender.connect(receiver.local_addr()?)?;
        let datagrams = BURST.min(BURST_BYTES / datagram_bytes);
        let offload = kind.is_offloaded.then(SegmentationOffload::new);
        let burst = vec![b'\n'; datagrams * datagram_bytes];
        Ok(Self { kind, sender, receiver, offload, burst, datagram_bytes, memory: vec![0; datagram_bytes + 1] })
    }

    /// Sends a burst; returns how many datagrams the kernel took.
    fn send(&self) -> usize {
        let Some(offload) = &self.offload else {
            return self.burst.chunks(self.datagram_bytes).filter(|one| self.sender.send(one).is_ok()).count();
        };
        let mut taken = 0;
        while taken < self.datagrams() {
            match offload.send(&self.sender, &self.burst[taken * self.datagram_bytes..], self.datagram_bytes) {
                Ok(more) => taken += more,
                Err(_) => break,
            }
        }
        taken
    }

    /// Takes in a burst; returns how many datagrams arrived whole.
    fn receive(&mut self) -> usize {
        let (datagrams, whole) = (self.datagrams(), self.datagram_bytes);
        let mut arrived = || self.receiver.recv(&mut self.memory).is_ok_and(|bytes| bytes == whole);
        (0..datagrams).take_while(|_| arrived()).count()
    }

    /// Datagrams of a burst.
    fn datagrams(&self) -> usize {
        self.burst.len() / self.datagram_bytes
    }
}

impl CostMeasurement for SendDatagrams {
    fn row(&self) -> CostRow {
        CostRow::Datagram(self.kind)
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let datagrams = self.datagrams() as u64;
        let bursts = (LEAST as u64).div_ceil(datagrams);
        for _ in 0..bursts {
            let sent = watch.time(|| self.send());
            self.row().expect("datagrams sent", datagrams, sent as u64)?;
            self.row().expect("datagrams received", datagrams, self.receive() as u64)?;
        }
        let operations = bursts * datagrams;
        Ok(RoundResult { operations, bytes: operations * self.datagram_bytes as u64, times: operations })
    }
}
