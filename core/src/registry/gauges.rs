//! Gauges: numbers that an engine sets, such as its active users, which every format shows.
//!
//! A registry has room for 32, in fixed memory. A thread that makes a gauge writes its name word by word; a word that
//! is written never changes. Threads that write the same name at once help each other and get the same gauge. Nobody
//! waits, but for those who declare instruments of the engine's own: see `instruments/declared.rs`.

use core::fmt;

use heapless::String;

use crate::atomics::words;
use crate::atomics::{AtomicU64, Ordering, const_unless_loom, zeros};
use crate::metrics::{INSTRUMENTS, PROMETHEUS_NAMESPACE};
use crate::registry::Registry;
use crate::registry::instruments::reserved::{INFORMATION, STATUS_PREFIXES};

/// The most gauges that a registry has room for.
pub const GAUGES: usize = 32;
/// The most bytes of a gauge's name.
pub const GAUGE_NAME_BYTES: usize = 64;
/// Room for the longest number. Numbers are written without an exponent: 5e-324 has 326 characters, and a number with a
/// sign and 17 digits has up to 343.
pub(crate) const NUMBER_BYTES: usize = 352;

/// A number that the engine sets. Every exporter shows the value that the gauge has when the exporter reads it. A gauge
/// is `Copy`, and any thread may set it.
///
/// ```
/// use loaddensity_metrics_core::Storage;
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let active_users = STORAGE.registry().gauge("active_users")?;
/// active_users.set(250.0);
/// assert_eq!(STORAGE.registry().gauges().map(|(_, value)| value).next(), Some(250.0));
/// # Ok::<(), loaddensity_metrics_core::GaugeError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Gauge<'a> {
    words: &'a GaugeWords,
}

impl Gauge<'_> {
    /// Sets the gauge. NaN and the infinities are ignored, because not every format can show them: the last number
    /// stays.
    pub fn set(self, value: f64) {
        if value.is_finite() {
            // Relaxed: a reader needs the whole number, but no order between this gauge and others.
            self.words.value.store(!value.to_bits(), Ordering::Relaxed);
        }
    }

    /// Adds to the gauge, which counts as 0 before it is set: a negative number takes away. Threads that add at once lose
    /// nothing of each other's. Where the sum is NaN or infinite, the last number stays.
    pub fn add(self, by: f64) {
        let add = |word| {
            let sum = decoded(word).unwrap_or_default() + by;
            sum.is_finite().then(|| !sum.to_bits())
        };
        // Relaxed, as in `set`: the exchange alone sees to it that no addition is lost.
        let _ = self.words.value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The number that was set last, with what was added since; `None` if none was.
    #[must_use]
    pub fn get(self) -> Option<f64> {
        self.words.value()
    }
}

impl fmt::Debug for Gauge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").field("name", &self.words.name()).field("value", &self.get()).finish()
    }
}

impl<'a> Registry<'a> {
    /// The gauge with this name, made now if it is new. Every call with the same name returns the same gauge. Exporters
    /// show it as soon as it is set; for Prometheus it is called `loaddensity_<name>`. In storage with room for
    /// instruments of the engine's own, making a new one takes a lock for an instant.
    ///
    /// # Errors
    /// If the name is not `[a-z][a-z0-9_]{0,63}`, if it belongs to something else or to such an instrument, or if there is
    /// no room for another gauge.
    pub fn gauge(self, name: &str) -> Result<Gauge<'a>, GaugeError> {
        check(name)?;
        let (gauges, instruments) = (&self.parts.control.gauges, self.own_instruments());
        if !instruments.has_room() {
            return find_or_write(gauges, name).map(|words| Gauge { words }).ok_or(GaugeError::Full);
        }
        if let Some(words) = gauges.iter().find(|gauge| gauge.name().is_some_and(|known| known == name)) {
            return Ok(Gauge { words });
        }
        // Nobody declares an instrument between the look and the writing.
        let words = instruments.alone(|| match self.is_instrument(name) {
            true => Err(GaugeError::Taken),
            false => find_or_write(gauges, name).ok_or(GaugeError::Full),
        })?;
        Ok(Gauge { words })
    }

    /// The names of all gauges, whether they have been set or not.
    pub(crate) fn gauge_names(self) -> impl Iterator<Item = String<GAUGE_NAME_BYTES>> + use<'a> {
        self.parts.control.gauges.iter().map_while(GaugeWords::name)
    }

    /// The name and the number of each gauge that has been set, the oldest gauge first.
    pub fn gauges(self) -> impl Iterator<Item = (String<GAUGE_NAME_BYTES>, f64)> + use<'a> {
        self.parts.control.gauges.iter().filter_map(|gauge| Some((gauge.name()?, gauge.value()?)))
    }
}

/// Why there is no such gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaugeError {
    /// The name is not `[a-z][a-z0-9_]{0,63}`.
    Name,
    /// The name belongs to something else, or would be mistaken for it in one of the formats.
    Reserved,
    /// An instrument of the engine's own has the name, or is shown under it in one of the formats.
    Taken,
    /// The registry has [`GAUGES`] gauges with other names.
    Full,
}

impl fmt::Display for GaugeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str(
                "a gauge's name is 1 to 64 of a-z, 0-9 and _, and begins with a letter, such as active_users",
            ),
            Self::Reserved => {
                f.write_str(
                    "the name belongs to another metric or to time: choose one that is not time, begins with \
                             neither exporter_ nor registry_, and is none of ",
                )?;
                own_names().chain(INFORMATION).try_for_each(|name| write!(f, "{name}, "))?;
                f.write_str("with or without _total, _bucket, _sum, _count or _created after it")
            }
            Self::Taken => f.write_str(
                "an instrument of the engine's own has this name, or is shown under it in one of the formats: choose another",
            ),
            Self::Full => write!(f, "the registry has {GAUGES} gauges, and has room for no more; use fewer names"),
        }
    }
}

impl core::error::Error for GaugeError {}

/// The words of one gauge, all zero at first.
#[derive(Debug)]
pub(crate) struct GaugeWords {
    /// A word is zero until it is decided. The words are decided in this order, each once.
    name: [AtomicU64; NAME_WORDS],
    /// The complement of the bits of the float. It is zero until the gauge is set: no finite number has zero as
    /// complement.
    value: AtomicU64,
}

const NAME_WORDS: usize = GAUGE_NAME_BYTES / 8;
/// The value of the words after the end of a name. No text contains such bytes.
const AFTER: u64 = u64::MAX;

impl GaugeWords {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self { name: zeros(), value: AtomicU64::new(0) }
        }
    }

    /// Whether the gauge has this name. If no name has been decided, the gauge gets it now.
    fn take_name(&self, name: &[u64; NAME_WORDS]) -> bool {
        self.name.iter().zip(name).all(|(word, &wanted)| {
            // Release publishes the words before this one, which were read or written here. Acquire on failure pairs
            // with the release of the thread that decided this word. So a thread that sees the last word sees all of
            // them.
            match word.compare_exchange(0, wanted, Ordering::Release, Ordering::Acquire) {
                Ok(_) => true,
                Err(decided) => decided == wanted,
            }
        })
    }

    /// The gauge's name; `None` until all words of a name have been decided.
    pub(crate) fn name(&self) -> Option<String<GAUGE_NAME_BYTES>> {
        // Acquire pairs with the release in `take_name`.
        if self.name[NAME_WORDS - 1].load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut bytes = heapless::Vec::new();
        bytes.resize_default(GAUGE_NAME_BYTES).ok()?;
        words::load(&self.name, &mut bytes);
        bytes.truncate(bytes.iter().position(|byte| !byte.is_ascii() || *byte == 0).unwrap_or(GAUGE_NAME_BYTES));
        String::from_utf8(bytes).ok()
    }

    pub(crate) fn value(&self) -> Option<f64> {
        // Relaxed, as in `set`.
        decoded(self.value.load(Ordering::Relaxed))
    }
}

/// The number that a gauge's word stands for.
fn decoded(word: u64) -> Option<f64> {
    (word != 0).then(|| f64::from_bits(!word))
}

/// The gauge with a name that was checked. Each word is decided once, and all threads look at the gauges and words in
/// the same order. So all threads that bring the same name find the same gauge.
pub(crate) fn find_or_write<'a>(gauges: &'a [GaugeWords], name: &str) -> Option<&'a GaugeWords> {
    let mut wanted = [AFTER; NAME_WORDS];
    for (word, value) in wanted.iter_mut().zip(words::values(name.as_bytes())) {
        *word = value;
    }
    gauges.iter().find(|gauge| gauge.take_name(&wanted))
}

/// The names of the instruments that every request is counted in, without the prefix that Prometheus shows. Gauges have
/// names of the same form.
fn own_names() -> impl Iterator<Item = &'static str> {
    INSTRUMENTS.into_iter().filter_map(|instrument| instrument.prometheus.strip_prefix(PROMETHEUS_NAMESPACE))
}

fn check(name: &str) -> Result<(), GaugeError> {
    let is_usual = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    if !begins || name.len() > GAUGE_NAME_BYTES || !name.as_bytes().iter().all(is_usual) {
        return Err(GaugeError::Name);
    }
    // InfluxDB would read a field with this name as the time of the point.
    let is_time = name == "time";
    let of_another = STATUS_PREFIXES.iter().any(|start| name.starts_with(start)) || INFORMATION.contains(&name);
    let is_another = own_names().any(|other| {
        name.strip_prefix(other)
            .is_some_and(|rest| ["", "_total", "_bucket", "_sum", "_count", "_created"].contains(&rest))
    });
    if is_time || of_another || is_another { Err(GaugeError::Reserved) } else { Ok(()) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::registry::storage::{Classic, Storage};
    use std::format;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn gauges_are_shown_once_they_are_set_and_keep_their_last_finite_number() {
        let storage = Storage::<2, 1, 2, Classic>::new();
        let registry = storage.registry();
        let shown = || registry.gauges().map(|(name, value)| (name.to_string(), value)).collect::<Vec<_>>();
        let users = registry.gauge("active_users").unwrap();
        assert_eq!((users.get(), shown()), (None, std::vec![]));
        for value in [0.0, -1.5, f64::MAX, f64::MIN_POSITIVE] {
            users.set(value);
            for ignored in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::from_bits(u64::MAX)] {
                users.set(ignored);
            }
            assert_eq!(shown(), [("active_users".to_string(), value)]);
        }
        registry.gauge("target_rate").unwrap().set(1e9);
        registry.gauge("active_users").unwrap().set(7.0);
        assert_eq!(shown(), [("active_users".to_string(), 7.0), ("target_rate".to_string(), 1e9)]);
    }

    #[test]
    fn what_threads_add_to_a_gauge_at_once_is_its_sum() {
        let storage = Storage::<2, 1, 2, Classic>::new();
        let users = storage.registry().gauge("active_users").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| [2.5, -2.0].into_iter().for_each(|by| users.add(by))));
            }
        });
        assert_eq!(users.get(), Some(2_000.0));
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().for_each(|by| users.add(by));
        assert_eq!(users.get(), Some(2_000.0));
        users.set(f64::MAX);
        users.add(f64::MAX);
        assert_eq!(users.get(), Some(f64::MAX));
    }

    #[test]
    fn names_of_every_length_are_told_apart() {
        for length in 1..=GAUGE_NAME_BYTES {
            let storage = Storage::<2, 1, 2, Classic>::new();
            let registry = storage.registry();
            let name = "a".repeat(length);
            let other = format!("{}b", &name[1..]);
            let shorter = "a".repeat(length.max(2) - 1);
            for (i, name) in [&name, &other, &shorter].into_iter().enumerate() {
                registry.gauge(name).unwrap().set(i as f64);
            }
            let shown: Vec<_> = registry.gauges().map(|(name, _)| name.to_string()).collect();
            let mut expected = std::vec![name, other, shorter];
            expected.dedup();
            if length == 1 {
                expected.pop();
            }
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn names_that_cannot_be_shown_are_refused() {
        let storage = Storage::<2, 1, 2, Classic>::new();
        let registry = storage.registry();
        let too_long = "a".repeat(65);
        for name in ["", "_a", "1a", "A", "aB", "a-b", "a.b", "é", "a\0", &too_long] {
            assert_eq!(registry.gauge(name).err(), Some(GaugeError::Name), "{name}");
        }
        for name in ["time", "requests", "requests_total", "response_bytes_sum", "exporter_held", "registry_series"] {
            assert_eq!(registry.gauge(name).err(), Some(GaugeError::Reserved), "{name}");
        }
        assert!(registry.gauge("request_rate").is_ok());
        assert!((1..GAUGES).all(|i| registry.gauge(&format!("g{i}")).is_ok()));
        assert_eq!(registry.gauge("one_more").err(), Some(GaugeError::Full));
        assert!(registry.gauge("request_rate").is_ok() && registry.gauge("g31").is_ok());
    }
}
