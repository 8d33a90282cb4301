//! Backends in a process of their own, which can be stopped, or stand in another network namespace.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_conformance::Folder;

use crate::again::{child, run};
use crate::course::Trouble;
use crate::items::ItemCounts;

mod serving;

pub(crate) use serving::serve;

/// All backends in one process. Dropping it kills them.
pub(crate) struct BackendProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: Folder,
    addresses: Vec<SocketAddr>,
}

/// What the backends have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BackendCounts {
    /// What came over UDP.
    pub(crate) udp: ItemCounts,
    /// Datagrams that came over UDP.
    pub(crate) datagrams: u64,
    /// Those of them that are of own instruments.
    pub(crate) own_datagrams: u64,
    /// Datagrams that the receiver's full socket could not take.
    pub(crate) overflowed: u64,
    /// What came in Unix datagrams.
    pub(crate) unix_datagrams: ItemCounts,
    /// What came over Unix streams.
    pub(crate) unix_streams: ItemCounts,
    pub(crate) influxdb: ItemCounts,
    pub(crate) otlp: ItemCounts,
    /// Pages that were read whole.
    pub(crate) scrapes: u64,
    /// What the last one shows.
    pub(crate) scraped: ItemCounts,
}

impl BackendProcess {
    /// Backends on the loopback interface.
    pub(crate) fn start(wrapper: &[&str]) -> Result<Self, Trouble> {
        let mut backends = Self::spawn(wrapper)?;
        backends.listen(IpAddr::from([127, 0, 0, 1]))?;
        Ok(backends)
    }

    /// The process, which listens nowhere yet.
    pub(crate) fn spawn(wrapper: &[&str]) -> Result<Self, Trouble> {
        let folder = Folder::new();
        let mut child = child(wrapper)?
            .arg("--backends")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the scenario itself: a child without pipes".to_owned().into());
        };
        let mut backends = Self { child, input, output: BufReader::new(output), folder, addresses: Vec::new() };
        // Then it is what it is to be, in the namespace where it is to be.
        backends.ask("hello")?;
        Ok(backends)
    }

    /// Has all backends listen at this address.
    pub(crate) fn listen(&mut self, address: IpAddr) -> Result<(), Trouble> {
        let said = self.ask(&format!("listen {address}"))?;
        let addresses: Result<Vec<_>, _> = said.split(' ').map(str::parse).collect();
        self.addresses = addresses.map_err(|error| format!("the scenario itself: {said}: {error}"))?;
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn udp(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn influxdb(&self) -> SocketAddr {
        self.addresses[1]
    }

    pub(crate) fn otlp(&self) -> SocketAddr {
        self.addresses[2]
    }

    pub(crate) fn unix_datagrams(&self) -> PathBuf {
        self.folder.path().join("datagrams")
    }

    pub(crate) fn unix_streams(&self) -> PathBuf {
        self.folder.path().join("streams")
    }

    pub(crate) fn counts(&mut self) -> Result<BackendCounts, Trouble> {
        let said = self.ask("counts")?;
        let numbers: Vec<u64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
        let ([datagrams, own_datagrams, overflowed, scrapes], rest) =
            numbers.split_first_chunk().ok_or_else(|| format!("the scenario itself: no counts: {said}"))?;
        let [udp, unix_datagrams, unix_streams, influxdb, otlp, scraped] = ItemCounts::from_numbers(rest)[..] else {
            return Err(format!("the scenario itself: no counts: {said}").into());
        };
        let [datagrams, own_datagrams, overflowed, scrapes] = [*datagrams, *own_datagrams, *overflowed, *scrapes];
        Ok(BackendCounts {
            udp,
            datagrams,
            own_datagrams,
            overflowed,
            unix_datagrams,
            unix_streams,
            influxdb,
            otlp,
            scrapes,
            scraped,
        })
    }

    /// Waits until `holds` is true of what the backends have. An error after a minute.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        holds: impl Fn(&BackendCounts) -> bool,
    ) -> Result<BackendCounts, Trouble> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let counts = self.counts()?;
            if holds(&counts) {
                return Ok(counts);
            }
            if Instant::now() > end {
                return Err(format!("for a minute it did not come to this: {what}: {counts:?}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the backends have once nothing more comes.
    pub(crate) fn settled(&mut self) -> Result<BackendCounts, Trouble> {
        let (mut last, mut same) = (self.counts()?, 0);
        while same < 10 {
            thread::sleep(Duration::from_millis(50));
            let now = self.counts()?;
            (same, last) = if now == last { (same + 1, last) } else { (0, now) };
        }
        Ok(last)
    }

    /// Closes all connections of TCP, and makes the Unix sockets anew.
    pub(crate) fn renew(&mut self) -> Result<(), Trouble> {
        self.ask("renew").map(drop)
    }

    /// Begins to read a page: [`BackendCounts::scrapes`] tells when that is done.
    pub(crate) fn begin_scrape(&mut self, page: SocketAddr) -> Result<(), Trouble> {
        self.ask(&format!("scrape {page}")).map(drop)
    }

    /// The time that each thread of another process has run or waited for a processor: seen from here, as that process may
    /// have no descriptor to look with.
    pub(crate) fn busy(&mut self, process: u32) -> Result<BTreeMap<u32, Duration>, Trouble> {
        let said = self.ask(&format!("busy {process}"))?;
        let mut threads = BTreeMap::new();
        for word in said.split(' ') {
            let numbers = word.split_once(':').and_then(|(id, nanos)| Some((id.parse().ok()?, nanos.parse().ok()?)));
            let (id, nanos) = numbers.ok_or_else(|| format!("the scenario itself: no times: {said}"))?;
            threads.insert(id, Duration::from_nanos(nanos));
        }
        Ok(threads)
    }

    /// Stops the process, as SIGSTOP does.
    pub(crate) fn halt(&self) -> Result<(), Trouble> {
        run(&format!("kill -STOP {}", self.id())).map(drop)
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<(), Trouble> {
        run(&format!("kill -CONT {}", self.id())).map(drop)
    }

    fn ask(&mut self, question: &str) -> Result<String, Trouble> {
        writeln!(self.input, "{question}")?;
        let mut answer = String::new();
        if self.output.read_line(&mut answer)? == 0 {
            return Err(format!("the scenario itself: the backends ended at: {question}").into());
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for BackendProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
