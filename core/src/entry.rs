//! The entry of a series: its key and its labels as each format writes them, made once when it is interned.

use heapless::Vec;

use crate::labels::{dogstatsd, influxdb, otlp, prometheus};
use crate::series::{Key, LABEL_BLOCK, METHOD_BYTES, NAME_BYTES};
use crate::sync::{AtomicU64, Ordering};
use crate::words;

/// The words of one entry, all zero at birth: 2,944 bytes.
pub(crate) type EntryWords = [AtomicU64; WORDS];

const STATE: usize = 0;
const HEADER: usize = 1;
const LENGTHS: usize = 2;
const FREE_LINK: usize = 3;
const METHOD: usize = 4;
const NAME: usize = METHOD + METHOD_BYTES.div_ceil(8);
const LABELS: usize = NAME + NAME_BYTES.div_ceil(8);
const PROMETHEUS: usize = LABELS + LABEL_BLOCK.div_ceil(8);
const INFLUXDB: usize = PROMETHEUS + prometheus::BYTES.div_ceil(8);
const DOGSTATSD: usize = INFLUXDB + influxdb::BYTES.div_ceil(8);
const OTLP: usize = DOGSTATSD + dogstatsd::BYTES.div_ceil(8);
const END: usize = OTLP + otlp::BYTES.div_ceil(8);
/// Rounded up to whole cache lines.
const WORDS: usize = END.next_multiple_of(8);

/// The state of an entry that readers may show.
const READY: u64 = 1;

/// A view of one entry.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a>(pub(crate) &'a EntryWords);

impl<'a> Entry<'a> {
    /// Fills the entry. It belongs to the caller alone until it is published, or every writer writes the same.
    pub(crate) fn write(self, key: &Key<'_>) {
        let labels = prometheus::encode(key);
        let (tags, split) = influxdb::encode(key);
        let dogstatsd = dogstatsd::encode(key);
        let attributes = otlp::encode(key);
        self.put(HEADER, header(key));
        let lengths = [labels.len(), tags.len(), dogstatsd.len(), attributes.len()];
        self.put(LENGTHS, lengths.iter().rev().fold(0, |word, &length| word << 16 | length as u64));
        self.put(FREE_LINK, split as u64);
        for (at, text) in [
            (METHOD, key.method.as_bytes()),
            (NAME, key.name.as_bytes()),
            (LABELS, key.labels),
            (PROMETHEUS, &labels),
            (INFLUXDB, &tags),
            (DOGSTATSD, &dogstatsd),
            (OTLP, &attributes),
        ] {
            words::store(&self.0[at..], text);
        }
    }

    /// Whether this is the entry of `key`.
    #[inline]
    pub(crate) fn is(self, key: &Key<'_>) -> bool {
        self.get(HEADER) == header(key)
            && words::equal(&self.0[METHOD..NAME], key.method.as_bytes())
            && words::equal(&self.0[NAME..LABELS], key.name.as_bytes())
            && words::equal(&self.0[LABELS..PROMETHEUS], key.labels)
    }

    /// Lets readers show the series. Release: they see the labels when they see this.
    pub(crate) fn publish(self) {
        if self.0[STATE].load(Ordering::Relaxed) != READY {
            self.0[STATE].store(READY, Ordering::Release);
        }
    }

    /// Whether readers may show the series. Acquire pairs with the release of `publish`.
    pub(crate) fn is_published(self) -> bool {
        self.0[STATE].load(Ordering::Acquire) == READY
    }

    /// The link to the next free entry, in a word that an unpublished entry does not need otherwise.
    pub(crate) fn free_link(self) -> &'a AtomicU64 {
        &self.0[FREE_LINK]
    }

    /// The labels in a Prometheus line: `method="GET",name="/x"`.
    pub(crate) fn prometheus(self) -> Text<'a> {
        self.text(PROMETHEUS, 0)
    }

    /// The tags in an InfluxDB line, `,method=GET,name=/x`, and how many bytes of them come before `outcome`.
    pub(crate) fn influxdb(self) -> (Text<'a>, usize) {
        (self.text(INFLUXDB, 1), self.get(FREE_LINK) as usize)
    }

    /// The tags in a DogStatsD message: `method:GET,name:/x`.
    pub(crate) fn dogstatsd(self) -> Text<'a> {
        self.text(DOGSTATSD, 2)
    }

    /// The attributes in an OTLP data point, as fields `KeyValue` with the tag of a number point.
    pub(crate) fn otlp(self) -> Text<'a> {
        self.text(OTLP, 3)
    }

    fn text(self, at: usize, which: u32) -> Text<'a> {
        let length = (self.get(LENGTHS) >> (16 * which)) as u16;
        Text { words: &self.0[at..], length: length.into() }
    }

    fn get(self, word: usize) -> u64 {
        self.0[word].load(Ordering::Relaxed)
    }

    fn put(self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Relaxed);
    }
}

/// A text of an entry.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    words: &'a [AtomicU64],
    length: usize,
}

impl Text<'_> {
    pub(crate) const fn len(self) -> usize {
        self.length
    }

    /// Copies the text to the front of `out`; returns its length, or nothing where it does not fit.
    #[inline]
    pub(crate) fn copy_to(self, out: &mut [u8]) -> Option<usize> {
        words::load(self.words, out.get_mut(..self.length)?);
        Some(self.length)
    }

    /// The text in memory of its own; empty where it is longer than `N`.
    pub(crate) fn to_vec<const N: usize>(self) -> Vec<u8, N> {
        let mut copy = Vec::new();
        if copy.resize_default(self.length).is_ok() {
            words::load(self.words, &mut copy);
        }
        copy
    }
}

/// The lengths of a key's parts; the labels' block is not longer than a byte tells.
fn header(key: &Key<'_>) -> u64 {
    (key.method.len() | key.name.len() << 8 | key.labels.len() << 16) as u64
}

const _: () = assert!(METHOD_BYTES < 256 && NAME_BYTES < 256 && LABEL_BLOCK < 256);
const _: () = assert!(prometheus::BYTES < 1 << 16 && influxdb::BYTES < 1 << 16);
