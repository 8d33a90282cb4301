//! The core in a program without std and without an allocator: it links, runs, and its storage costs no file size.
//!
//! The program is in the folder `no-std-proof` next to this one. The cargo that runs this test builds it in release
//! mode.
#![cfg(target_os = "linux")]

#[path = "common/proof.rs"]
mod proof;

use loaddensity_metrics_core::DefaultStorage;
use loaddensity_metrics_vectors::{dogstatsd, influx, otlp, prometheus};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The program with a storage of a few kilobytes, and with the default storage.
static PROGRAMS: LazyLock<[PathBuf; 2]> =
    LazyLock::new(|| [build("small", &[]), build("default", &["default-storage"])]);

/// Builds the program and keeps it under `name`.
fn build(name: &str, features: &[&str]) -> PathBuf {
    let program = proof::link("loaddensity-metrics-no-std-proof", features).unwrap_or_else(|linker| panic!("{linker}"));
    let kept = program.with_file_name(name);
    std::fs::copy(program, &kept).expect("the program was built");
    kept
}

/// What the program wrote, by format: `p`, `i`, `d`, `o`.
fn run(program: &Path) -> Vec<(u8, Vec<u8>)> {
    let output = Command::new(program).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (mut pieces, mut rest) = (Vec::new(), output.stdout.as_slice());
    while let Some(([name, length @ ..], tail)) = rest.split_first_chunk::<5>() {
        let (piece, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        pieces.push((*name, piece.to_vec()));
        rest = tail;
    }
    assert!(rest.is_empty(), "{rest:?}");
    pieces
}

#[test]
fn the_program_records_and_encodes_all_four_formats() {
    for program in PROGRAMS.iter() {
        let pieces = run(program);
        let of = |wanted| {
            let pieces = pieces.iter().filter(|(name, _)| *name == wanted).map(|(_, piece)| piece.as_slice());
            pieces.collect::<Vec<_>>()
        };
        let bytes = of(b'p').concat();
        let page = prometheus::parse(&bytes).expect("a page");
        let labels = [("method", "GET"), ("name", "/items \"quoted\""), ("outcome", "success")];
        let requests = page.sample("loaddensity_requests_total", &labels).map(|sample| sample.value);
        assert_eq!(requests, Some(3.0));
        let sum = page.sample("loaddensity_request_latency_ms_sum", &labels[..2]).map(|sample| sample.text);
        assert_eq!(sum, Some("23.7"));
        let lines: Vec<_> = of(b'i').iter().flat_map(|body| influx::parse(body).expect("lines")).collect();
        assert_eq!(lines.iter().filter(|point| point.tag("name") == Some("/items \"quoted\"")).count(), 3);
        let messages: usize = of(b'd').iter().map(|payload| dogstatsd::parse(payload).expect("messages").len()).sum();
        assert_eq!(messages, 9);
        let requests = of(b'o');
        let points = requests.iter().flat_map(|frame| {
            let message = otlp::unframe(frame).expect("a frame");
            otlp::canonical(message).expect("canonical");
            otlp::decode(message).expect("a request")
        });
        assert_eq!(points.filter(|point| point.value == otlp::DecodedValue::Sum(3)).count(), 1);
    }
}

/// Parts of symbols that only std, an allocator, or what std calls can bring into a program.
const FOREIGN: [&str; 10] = [
    "_ZN3std",
    "_3std",
    "_ZN5alloc",
    "_5alloc",
    "__rust_alloc",
    "__rdl_alloc",
    "malloc",
    "pthread_",
    "clock_gettime",
    "rust_eh_personality",
];

#[test]
fn neither_std_nor_an_allocator_is_linked() {
    for program in PROGRAMS.iter() {
        assert_eq!(proof::symbols_in(program, &FOREIGN), Vec::<&str>::new());
        // A stripped program would prove nothing.
        let own = ["rust_begin_unwind", "loaddensity_metrics_core"];
        assert_eq!(proof::symbols_in(program, &own), own);
    }
    // This test itself is a program with std, so the check must find its symbols.
    let this = std::env::current_exe().expect("this program's path");
    assert!(proof::symbols_in(&this, &FOREIGN).len() >= 5);
}

#[test]
fn storage_adds_nothing_to_the_size_of_a_program() {
    let [small, default] = &*PROGRAMS;
    let size = |program: &Path| std::fs::metadata(program).expect("the program was built").len();
    let (small, default) = (size(small), size(default));
    const {
        assert!(DefaultStorage::SIZE > 8 << 20, "the default storage is too small to prove anything");
    };
    assert!(default.abs_diff(small) < 8 << 10, "{small} bytes with a small storage, {default} with the default");
}
