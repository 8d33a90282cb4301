//! A neighbour that burns a core: what other work on the machine takes from the exporters' thread.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// A thread of ordinary priority that computes without a pause until this is dropped. A thread, because it can't outlive the
/// process, however that ends.
#[derive(Debug)]
pub struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbour {
    /// Name of the thread.
    pub const THREAD: &str = "neighbour";

    /// Begins to burn.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn start() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let burn = move || {
            let mut burnt = 0_u64;
            // Relaxed: nothing else is published through this.
            while !seen.load(Ordering::Relaxed) {
                burnt = black_box(burnt.wrapping_add(1));
            }
        };
        let thread = thread::Builder::new().name(Self::THREAD.into()).spawn(burn)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nothing to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::process::CpuTimes;

    #[test]
    fn a_neighbour_burns_until_it_is_dropped() {
        let burnt = || CpuTimes::now().unwrap().of(Neighbour::THREAD);
        let neighbour = Neighbour::start().unwrap();
        while burnt().as_millis() < 5 {
            thread::yield_now();
        }
        let stop = neighbour.stop.clone();
        drop(neighbour);
        assert_eq!(Arc::strong_count(&stop), 1, "its thread still lives");
    }
}
