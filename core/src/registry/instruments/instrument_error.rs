//! Why an instrument cannot be declared.

use core::fmt;

use crate::metrics::InstrumentKind;
use crate::metrics::handles::{DESCRIPTION_BYTES, INSTRUMENT_NAME_BYTES};

/// Why there is no such instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstrumentError {
    /// The name has another form than `[a-z][a-z0-9_]{0,47}`, or has `__` in it or `_` at its end.
    Name,
    /// The name ends with a unit or with `total`, which formats add: the suffix would stand there twice.
    UnitInName,
    /// Some format would call it what the exporters call something of their own.
    Reserved,
    /// Some format would call it what it calls another instrument or a gauge.
    Taken,
    /// The description is longer than 128 bytes, or has a control character.
    Description,
    /// The storage has room for so many of this kind, and as many have other names.
    Full(InstrumentKind, usize),
}

impl fmt::Display for InstrumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "an instrument's name is 1 to {INSTRUMENT_NAME_BYTES} of a-z, 0-9 and _, begins with a letter, has no two _ \
                 beside each other and none at its end, such as checks_failed"
            ),
            Self::UnitInName => f.write_str(
                "the name ends with a unit or with total, which the formats add themselves: leave it out, and say the unit \
                 where the instrument is declared, such as sent with Unit::Bytes for sent_bytes",
            ),
            Self::Reserved => f.write_str(
                "the name belongs to the exporters in one of the formats: choose one that begins with neither exporter_ nor \
                 registry_ and is no metric, label or tag of requests, such as checks_failed",
            ),
            Self::Taken => f.write_str(
                "another instrument or gauge has this name, or would be shown under it in one of the formats: choose another, \
                 or declare it with the kind, unit and reach that it has already",
            ),
            Self::Description => {
                write!(f, "a description is at most {DESCRIPTION_BYTES} bytes long and has no control characters")
            }
            Self::Full(kind, room) => write_full(f, *kind, *room),
        }
    }
}

impl core::error::Error for InstrumentError {}

fn write_full(f: &mut fmt::Formatter<'_>, kind: InstrumentKind, room: usize) -> fmt::Result {
    let (name, storage, builder) = match kind {
        InstrumentKind::Counter => ("counters", "Storage<SERIES, SHARDS, RING, Exponential, ", ".counters("),
        InstrumentKind::Histogram => {
            ("histograms", "Storage<SERIES, SHARDS, RING, Exponential, COUNTERS, ", ".histograms(")
        }
    };
    let (more, end) = (room + 1, if kind == InstrumentKind::Counter { ", HISTOGRAMS>" } else { ">" });
    write!(
        f,
        "the storage was built for {room} {name}: build it for more, as {storage}{more}{end} or \
         HeapStorage::builder(series, shards, ring){builder}{more})"
    )
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_full_storage_says_which_line_builds_one_with_more() {
        assert_eq!(
            InstrumentError::Full(InstrumentKind::Counter, 2).to_string(),
            "the storage was built for 2 counters: build it for more, as Storage<SERIES, SHARDS, RING, Exponential, 3, \
             HISTOGRAMS> or HeapStorage::builder(series, shards, ring).counters(3)"
        );
        assert_eq!(
            InstrumentError::Full(InstrumentKind::Histogram, 0).to_string(),
            "the storage was built for 0 histograms: build it for more, as Storage<SERIES, SHARDS, RING, Exponential, \
             COUNTERS, 1> or HeapStorage::builder(series, shards, ring).histograms(1)"
        );
    }
}
