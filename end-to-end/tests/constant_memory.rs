//! A page of 100,000 series that a slow client reads makes the heap grow by less than 64 KiB. With gzip it grows by
//! less than 640 KiB, however long the page is.
#![allow(unsafe_code, reason = "counting what is allocated takes a global allocator, and that trait is unsafe")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use loaddensity_metrics_tokio::{Exporters, PrometheusConfig, Sample, Settings};
use support::{PATIENCE, registry, wait_until};

const MOST_GROWTH: usize = 64 << 10;
/// A compressor takes a third of a megabyte. It gives out up to 64 KiB at once, which go through two growing buffers.
const MOST_GROWTH_IN_GZIP: usize = 640 << 10;

#[global_allocator]
static COUNTING: Counting = Counting { live: AtomicUsize::new(0), most: AtomicUsize::new(0) };

/// The system's allocator. It counts the bytes that are allocated now, and the most that ever were.
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
        // The old and the new memory both exist while the allocator copies.
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

/// One test for both, because the allocator counts for the whole process.
#[test]
fn a_slow_scrape_takes_constant_memory() {
    a_plain_scrape_takes_constant_memory();
    a_compressed_scrape_takes_constant_memory();
}

fn a_plain_scrape_takes_constant_memory() {
    let (mut lines, mut last) = (0, 0);
    let growth = slow_scrape(100_000, "", |bytes| {
        lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
        last = bytes[bytes.len() - 1];
    });
    // 27 lines for each series, and a few about the exporters.
    assert!(lines >= 27 * 100_000 && last == b'\n', "{lines} lines");
    assert!(growth < MOST_GROWTH, "the heap grew by {growth} bytes");
    println!("{lines} lines, heap growth {growth} bytes");
}

/// The same with gzip.
fn a_compressed_scrape_takes_constant_memory() {
    let mut answer = Vec::with_capacity(16 << 20);
    let growth = slow_scrape(20_000, "Accept-Encoding: gzip\r\n", |bytes| answer.extend_from_slice(bytes));
    assert!(answer.len() > 2 * MOST_GROWTH_IN_GZIP, "{} bytes are too few to tell", answer.len());
    assert!(growth < MOST_GROWTH_IN_GZIP, "the heap grew by {growth} bytes");
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let mut page = String::new();
    GzDecoder::new(&answer[body..]).read_to_string(&mut page).expect("a whole page in gzip");
    assert!(page.lines().count() >= 27 * 20_000 && page.ends_with('\n'), "{} lines", page.lines().count());
    println!("{} bytes, {} on the wire, heap growth {growth} bytes", page.len(), answer.len());
}

/// Hands the answer to `take` piece by piece. Returns by how much the heap grew meanwhile.
fn slow_scrape(series: usize, head: &str, mut take: impl FnMut(&[u8])) -> usize {
    let registry = registry(series + 1, 1, 2);
    let exporters = Exporters::start(Settings::on(registry)).expect("free");
    let config = PrometheusConfig::default().port(0);
    let address = exporters.start_prometheus_exporter(config).expect("starts");
    let mut recorder = exporters.recorder();
    for number in 0..series as u64 {
        // Names that do not compress well.
        let digits = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).rotate_left(64);
        let series = recorder.series("GET", &format!("/{digits:032x}"));
        recorder.record(series, Sample::ok(Duration::ZERO));
    }
    let request = format!("GET /metrics HTTP/1.0\r\n{head}\r\n");
    let mut buffer = vec![0; 256 << 10];

    let before = COUNTING.live.load(SeqCst);
    COUNTING.most.store(before, SeqCst);
    let mut stream = TcpStream::connect(address).expect("listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(request.as_bytes()).expect("goes out");
    for round in 0.. {
        // Long enough for the server to fill every buffer, several times at the beginning.
        if round < 20 {
            thread::sleep(Duration::from_millis(20));
        }
        let length = stream.read(&mut buffer).expect("more of the page");
        if length == 0 {
            break;
        }
        take(&buffer[..length]);
    }
    let growth = COUNTING.most.load(SeqCst) - before;
    wait_until("the page counts as sent", || exporters.status()[0].account.sent == series as u64);
    growth
}
