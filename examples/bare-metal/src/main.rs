//! An engine on a Cortex-M3 with 1 MiB of flash and 128 KiB of RAM: no operating system, no allocator. The storage is a `static`,
//! the timer's interrupt completes requests and records them, and `main` writes the Prometheus page meanwhile.
#![no_std]
#![no_main]

use core::fmt::Write as _;
use core::mem::size_of_val;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::{Peripherals, asm};
use cortex_m_rt::{STACK_PAINT_VALUE, entry, exception};
use cortex_m_semihosting::debug;
use cortex_m_semihosting::hio::{self, HostStream};
use loaddensity_metrics_core::prometheus::{MAX_LINE, Page};
use loaddensity_metrics_core::{Classic, Recorder, Sample, Series, Storage};

/// Room for seven series and one recorder. The ring is as small as can be, for no exporter here sends each request.
static STORAGE: Storage<8, 1, 2, Classic> = Storage::new();

const REQUESTS: u32 = 1_000;
static COMPLETED: AtomicU32 = AtomicU32::new(0);

/// Of the processor, between two requests.
const CYCLES: u32 = 20_000;

#[entry]
fn main() -> ! {
    end(if run().is_some() { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE })
}

/// `None` where the host does not take what is written.
fn run() -> Option<()> {
    let mut timer = Peripherals::take()?.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CYCLES - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();

    // While this waits, the first interrupt has the stack for itself.
    while COMPLETED.load(Ordering::Acquire) == 0 {
        asm::wfi();
    }
    let mut pages = 0;
    while COMPLETED.load(Ordering::Acquire) < REQUESTS {
        write_page(&mut |_| Some(()))?;
        pages += 1;
    }
    let mut host = hio::hstdout().ok()?;
    write_page(&mut |lines| host.write_all(lines).ok())?;
    writeln!(host, "{REQUESTS} requests, {} pages while they were recorded", if pages > 0 { "some" } else { "no" })
        .ok()?;
    show_memory(&mut host)
}

/// Hands over the page in pieces of whole lines. Compiled once, because a buffer is on the stack for each time.
#[inline(never)]
fn write_page(each: &mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()> {
    let mut buffer = [0; MAX_LINE];
    let mut page = Page::new(STORAGE.registry());
    loop {
        match page.fill(&mut buffer).ok()? {
            0 => return Some(()),
            length => each(&buffer[..length])?,
        }
    }
}

/// The timer's interrupt: a request has completed.
#[exception]
fn SysTick() {
    static mut ENGINE: Option<Engine> = None;

    let engine = ENGINE.get_or_insert_with(Engine::new);
    let number = COMPLETED.load(Ordering::Relaxed);
    if number < REQUESTS {
        let (series, status) = if number % 10 == 9 { (engine.orders, 503) } else { (engine.items, 200) };
        engine.recorder.record(series, Sample::http(status, Duration::from_micros(1_500)).response_bytes(512));
        COMPLETED.store(number + 1, Ordering::Release);
    }
}

/// What the interrupt records with.
struct Engine {
    recorder: Recorder<'static>,
    items: Series,
    orders: Series,
}

impl Engine {
    /// Interned once, for it takes more stack than all else: a name is made safe for four formats.
    fn new() -> Self {
        let mut recorder = STORAGE.registry().recorder();
        Self { items: recorder.series("GET", "/items"), orders: recorder.series("GET", "/orders"), recorder }
    }
}

unsafe extern "C" {
    // Of the linker script of cortex-m-rt: where constants end, and what of RAM is not the stack's.
    static __erodata: u32;
    static __sdata: u32;
    static __edata: u32;
    static _stack_end: u32;
    static _stack_start: u32;
}

/// What the program takes of flash and of RAM. The stack was painted at reset.
fn show_memory(host: &mut HostStream) -> Option<()> {
    let flash = (&raw const __erodata).addr() - FLASH + (&raw const __edata).addr() - (&raw const __sdata).addr();
    let (bottom, top) = ((&raw const _stack_end).addr(), (&raw const _stack_start).addr());
    let untouched = (bottom..top).step_by(4).take_while(|address| {
        // SAFETY: between the two lies the stack, whose words may be read whatever is in them.
        unsafe { ptr::with_exposed_provenance::<u32>(*address).read_volatile() == STACK_PAINT_VALUE }
    });
    let stack = top - bottom - 4 * untouched.count();
    writeln!(host, "flash: {flash} bytes").ok()?;
    writeln!(host, "RAM: {} bytes, {} of them the storage, and {stack} of stack", bottom - RAM, size_of_val(&STORAGE))
        .ok()
}

/// Where they begin (memory.x).
const FLASH: usize = 0x0800_0000;
const RAM: usize = 0x2000_0000;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if let Ok(mut host) = hio::hstderr() {
        let _ = writeln!(host, "{info}");
    }
    end(debug::EXIT_FAILURE)
}

fn end(status: debug::ExitStatus) -> ! {
    debug::exit(status);
    loop {
        asm::wfi();
    }
}
