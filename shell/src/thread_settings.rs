//! The exporters' thread, as its user wants it.

use std::any::Any;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;

/// Stacks that are large enough for all exporters, and small enough to be meant. All four of them, built without
/// optimisation, ran over the end of 256 KiB, which ends the process, and not of 384 KiB. What of a stack is not touched takes
/// no memory.
const STACKS: RangeInclusive<usize> = (1 << 20)..=(1 << 30);

/// The thread that [`Exporters::start`](crate::Exporters::start) makes: name, stack, and what else its user does to it.
/// [`AsyncExporters::start_on`](crate::AsyncExporters::start_on) makes none, and reads none of this.
///
/// A runtime may make further threads, which the hook does not reach; `docs/threads.md` says which.
///
/// ```
/// use loaddensity_metrics_shell::{Settings, ThreadSettings};
///
/// let settings = Settings::default().thread(ThreadSettings::default().name("metrics").on_start(&|| {
///     // Affinity and priority, with the crate of your choice.
///     Ok(())
/// }));
/// # let _ = settings;
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ThreadSettings {
    /// Its name, `loaddensity-metrics` by default. Linux shows the first 15 bytes.
    pub name: &'static str,
    /// Bytes of its stack, 1 MiB to 1 GiB. By default what Rust gives a thread: 2 MiB, or what `RUST_MIN_STACK` says.
    pub stack_bytes: Option<usize>,
    /// Runs first on the thread, before there is a runtime: the place to set affinity and priority.
    ///
    /// Where it fails or panics, the start fails with that, and the thread ends.
    pub on_start: Option<&'static (dyn Fn() -> io::Result<()> + Send + Sync)>,
}

impl ThreadSettings {
    pub(crate) const DEFAULT: Self = Self { name: "loaddensity-metrics", stack_bytes: None, on_start: None };

    /// Sets [`name`](Self::name).
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets [`stack_bytes`](Self::stack_bytes).
    #[must_use]
    pub const fn stack_bytes(mut self, stack_bytes: usize) -> Self {
        self.stack_bytes = Some(stack_bytes);
        self
    }

    /// Sets [`on_start`](Self::on_start). A hook that holds something is leaked, as storage is:
    /// `Box::leak(Box::new(move || …))`.
    #[must_use]
    pub const fn on_start(mut self, hook: &'static (dyn Fn() -> io::Result<()> + Send + Sync)) -> Self {
        self.on_start = Some(hook);
        self
    }

    /// Who makes the thread.
    ///
    /// # Errors
    /// What is wrong with these settings. (The standard library would panic.)
    pub(crate) fn builder(&self) -> io::Result<Builder> {
        let wrong = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.name.contains('\0') {
            return wrong(format!("`thread.name` is {:?}; expected a name without zero bytes", self.name));
        }
        let builder = Builder::new().name(self.name.to_owned());
        match self.stack_bytes {
            None => Ok(builder),
            Some(bytes) if STACKS.contains(&bytes) => Ok(builder.stack_size(bytes)),
            Some(bytes) => {
                let (least, most) = (STACKS.start(), STACKS.end());
                wrong(format!("`thread.stack_bytes` is {bytes}; expected {least} to {most}"))
            }
        }
    }

    /// Runs the hook, on the thread.
    ///
    /// # Errors
    /// What it answers, or says when it panics.
    pub(crate) fn enter(&self) -> io::Result<()> {
        let Some(hook) = self.on_start else { return Ok(()) };
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("`thread.on_start` failed: {error}"));
        // A hook that has panicked is not run again by this thread, which ends.
        match catch_unwind(AssertUnwindSafe(hook)) {
            Ok(result) => result.map_err(failed),
            Err(panic) => Err(io::Error::other(format!("`thread.on_start` panicked: {}", words(&*panic)))),
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("no text")
}

impl Default for ThreadSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for ThreadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, stack_bytes, on_start } = self;
        let mut shown = f.debug_struct("ThreadSettings");
        shown.field("name", name).field("stack_bytes", stack_bytes).field("on_start", &on_start.map(|_| "…")).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_library_would_panic_of_is_an_error() {
        let thread = ThreadSettings::default();
        for (thread, part) in [
            (thread.name("a\0b"), "`thread.name` is \"a\\0b\""),
            (thread.stack_bytes(0), "`thread.stack_bytes` is 0; expected 1048576 to 1073741824"),
            (thread.stack_bytes((1 << 20) - 1), "expected 1048576"),
            (thread.stack_bytes((1 << 30) + 1), "to 1073741824"),
            (thread.stack_bytes(usize::MAX), "to 1073741824"),
        ] {
            let error = thread.builder().expect_err("it cannot work");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(part), "{error}");
        }
        for thread in [thread, thread.name("…"), thread.stack_bytes(1 << 20), thread.stack_bytes(1 << 30)] {
            assert!(thread.builder().is_ok(), "{thread:?}");
        }
    }

    #[test]
    fn a_hook_says_what_went_wrong() {
        let of = |hook| ThreadSettings::default().on_start(hook).enter().map_err(|error| error.to_string());
        assert_eq!(ThreadSettings::default().enter().map_err(|error| error.to_string()), Ok(()));
        assert_eq!(of(&|| Ok(())), Ok(()));
        assert_eq!(of(&|| Err(io::Error::other("no right"))), Err("`thread.on_start` failed: no right".into()));
        assert_eq!(of(&|| panic!("no core")), Err("`thread.on_start` panicked: no core".into()));
        assert_eq!(of(&|| panic!("no core {}", 7)), Err("`thread.on_start` panicked: no core 7".into()));
        assert_eq!(of(&|| std::panic::panic_any(7)), Err("`thread.on_start` panicked: no text".into()));
    }
}
