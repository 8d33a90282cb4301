//! What a runtime may leave out. The suite finds it out by calling the runtime.

use std::io::{self, ErrorKind, Write as _};
#[cfg(unix)]
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fmt, thread};

use loaddensity_metrics_shell::runtime::{Runtime, UdpOptions};

use super::{LOOPBACK, run, unused_port};

/// What a [`Runtime`] may leave out: its methods then return [`ErrorKind::Unsupported`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// [`Runtime::udp_connect`].
    Datagrams,
    /// [`Runtime::unix_datagram_connect`] and [`Runtime::unix_stream_connect`].
    Unix,
    /// [`Runtime::tcp_connect`].
    Connect,
    /// [`Runtime::tcp_listen`].
    Listen,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Datagrams => "UDP sockets",
            Self::Unix => "Unix sockets",
            Self::Connect => "TCP connections",
            Self::Listen => "TCP listeners",
        })
    }
}

/// Whether `R` is a runtime without one of these, which [`Runtime`] allows. If it is, this says so on standard error.
#[must_use]
pub fn lacks<R: Runtime>(needed: &[Capability]) -> bool {
    let lacking = needed.iter().find(|&&capability| !has::<R>(capability));
    if let Some(capability) = lacking {
        leave_out(&format!("this runtime has no {capability}"));
    }
    lacking.is_some()
}

static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);

/// Says on standard error that the case of this thread was left out, why, and how many were so far: the test harness, which
/// does not hide it, counts them as passed.
pub fn leave_out(why: &str) {
    let case = thread::current();
    let count = LEFT_OUT.fetch_add(1, Ordering::Relaxed) + 1;
    let name = case.name().unwrap_or("a case");
    let line = format!("LEFT OUT: {name}: {why} (left out so far, though counted as passed: {count})\n");
    // Not `eprintln`: the test harness hides its output if the test passes. In one call, so that it is not mixed with
    // what other threads write.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Whether `R` is a runtime with this.
#[must_use]
pub fn has<R: Runtime>(capability: Capability) -> bool {
    let refused = run(|runtime: R| async move {
        match capability {
            Capability::Datagrams => vec![runtime.udp_connect(UdpOptions::to(unused_port())).await.err()],
            Capability::Unix => without_unix(&runtime).await,
            Capability::Connect => vec![runtime.tcp_connect(unused_port()).await.err()],
            Capability::Listen => vec![runtime.tcp_listen(LOOPBACK).await.err()],
        }
    });
    !refused.iter().flatten().any(|error| error.kind() == ErrorKind::Unsupported)
}

/// The names of what `R` lacks, as `conformance!` takes them.
pub(super) fn what_lacks<R: Runtime>() -> String {
    let all = [Capability::Datagrams, Capability::Unix, Capability::Connect, Capability::Listen];
    let lacking = all.into_iter().filter(|&capability| !has::<R>(capability));
    lacking.map(|capability| format!("{capability:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(unix)]
async fn without_unix<R: Runtime>(runtime: &R) -> Vec<Option<io::Error>> {
    let nobody = Path::new("/nobody/listens/here");
    vec![runtime.unix_datagram_connect(nobody).await.err(), runtime.unix_stream_connect(nobody).await.err()]
}

#[cfg(not(unix))]
async fn without_unix<R: Runtime>(_: &R) -> Vec<Option<io::Error>> {
    vec![Some(ErrorKind::Unsupported.into())]
}
