//! A page of 100,000 series, read by a slow client, grows the heap by less than 64 KiB in total.
#![allow(unsafe_code, reason = "counting what is allocated takes a global allocator, and that trait is unsafe")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_tokio::{Exporters, PrometheusConfig, Sample, Settings};
use support::{PATIENCE, registry, wait_until};

const SERIES: usize = 100_000;
const MOST_GROWTH: usize = 64 << 10;

#[global_allocator]
static COUNTING: Counting = Counting { live: AtomicUsize::new(0), most: AtomicUsize::new(0) };

/// The system's allocator, with the bytes that are live and the most that ever were.
struct Counting {
    live: AtomicUsize,
    most: AtomicUsize,
}

impl Counting {
    fn grow(&self, bytes: usize) {
        let live = self.live.fetch_add(bytes, SeqCst) + bytes;
        self.most.fetch_max(live, SeqCst);
    }

    fn shrink(&self, bytes: usize) {
        self.live.fetch_sub(bytes, SeqCst);
    }
}

// SAFETY: every call is handed to the system's allocator unchanged; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.grow(layout.size());
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.grow(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist while the allocator copies.
        self.grow(size);
        // SAFETY: as above.
        let memory = unsafe { System.realloc(memory, layout, size) };
        self.shrink(layout.size());
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.shrink(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[test]
fn a_slow_scrape_of_100_000_series_takes_constant_memory() {
    let registry = registry(SERIES + 1, 1, 2);
    let exporters = Exporters::start(Settings::on(registry)).expect("free");
    let config = PrometheusConfig { port: 0, ..PrometheusConfig::default() };
    let address = exporters.start_prometheus_exporter(config).expect("starts");
    let mut recorder = exporters.recorder();
    for number in 0..SERIES {
        let series = recorder.series("GET", &format!("/{number}"));
        recorder.record(series, Sample::default());
    }
    let (mut buffer, mut lines, mut last) = (vec![0; 256 << 10], 0, 0);

    let before = COUNTING.live.load(SeqCst);
    COUNTING.most.store(before, SeqCst);
    let mut stream = TcpStream::connect(address).expect("listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("goes out");
    for round in 0.. {
        // Long enough for the server to fill every buffer there is, again and again in the beginning.
        if round < 20 {
            thread::sleep(Duration::from_millis(20));
        }
        let length = stream.read(&mut buffer).expect("more of the page");
        if length == 0 {
            break;
        }
        lines += buffer[..length].iter().filter(|&&byte| byte == b'\n').count();
        last = buffer[length - 1];
    }
    let growth = COUNTING.most.load(SeqCst) - before;

    // Twenty-seven lines of each series, and a few about the exporters and in the chunks.
    assert!(lines >= 27 * SERIES && last == b'\n', "{lines} lines");
    assert!(growth < MOST_GROWTH, "the heap grew by {growth} bytes");
    println!("{lines} lines, heap growth {growth} bytes");
    wait_until("the page counts as sent", || exporters.status()[0].account.sent == SERIES as u64);
}
