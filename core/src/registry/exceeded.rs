//! Limits of a storage that were exceeded, and what to do about it. No request is lost, but fewer series can be told
//! apart.

use core::fmt;

use heapless::String;

use crate::request::key::{METHOD_BYTES, NAME_BYTES};

/// Limits that were exceeded since the storage was made. The text of each field says what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exceeded {
    /// Series that the registry had no room for.
    pub folded: Option<FoldedSeries>,
    /// Series whose method or name was too long.
    pub cut: Option<CutNames>,
    /// Recorders that found no shard of their own.
    pub spilled: Option<SpilledRecorders>,
}

/// Series that the registry had no room for. What is recorded for them goes into the series `overflow`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldedSeries {
    /// How often somebody asked for such a series: once per handle, and once per request that is recorded by strings.
    pub times: u64,
    /// The first of these series. `None` while another thread is just noting it.
    pub first: Option<SeriesName>,
    /// Series that there is room for, without the overflow series.
    pub room: usize,
}

/// Series whose method or name was longer than its limit and was cut. A hash of the whole text tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutNames {
    /// How many series.
    pub series: u64,
    /// The first of these series, as it is shown.
    pub first: SeriesName,
}

/// Recorders that found no shard of their own. They share one, which is slower: each request costs read-modify-writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpilledRecorders {
    /// The most such recorders at the same time.
    pub most: usize,
    /// Shards that the storage was built for.
    pub shards: usize,
}

/// Method and name of a series.
///
/// The text is one short line. Control characters are escaped, the query of a URL is left out (it may contain a secret
/// key), and a long name is shortened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeriesName {
    /// Method.
    pub method: String<METHOD_BYTES>,
    /// Name.
    pub name: String<NAME_BYTES>,
}

/// Characters of a name that the text shows at most.
const SHOWN: usize = 80;

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, name } = self;
        let (path, query) = name.split_once('?').map_or((name.as_str(), ""), |(path, _)| (path, "?…"));
        write!(f, "{} ", method.escape_debug())?;
        match path.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}…", path[..end].escape_debug()),
            None => write!(f, "{}{query}", path.escape_debug()),
        }
    }
}

impl fmt::Display for FoldedSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { times, first, room } = self;
        write!(f, "{times} requests for series beyond the storage's {room} were folded into the series overflow")?;
        if let Some(first) = first {
            write!(f, ", the first was {first}")?;
        }
        write!(f, "; name requests by route, or build the storage for more series (HeapStorage::new)")
    }
}

impl fmt::Display for CutNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { series, first } = self;
        write!(
            f,
            "{series} series have a method over {METHOD_BYTES} bytes or a name over {NAME_BYTES}, which was cut and \
             marked with a hash, the first is {first}; give shorter names"
        )
    }
}

impl fmt::Display for SpilledRecorders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { most, shards } = self;
        write!(
            f,
            "{most} recorders found none of the storage's {shards} shards free and shared one, which is slower; build \
             the storage for {} recorders (HeapStorage::new), or record from fewer threads",
            shards + most
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use std::format;
    use std::string::{String as Text, ToString as _};

    use super::*;

    #[test]
    fn a_name_is_shown_on_one_line_without_its_query() {
        let long = "é".repeat(120);
        for (method, name, shown) in [
            ("GET", "/items/512", "GET /items/512".into()),
            ("GET", "http://h/x?api_key=hunter2", "GET http://h/x?…".into()),
            ("PO\u{1b}ST", "a\nb\u{1b}[2J", "PO\\u{1b}ST a\\nb\\u{1b}[2J".into()),
            ("GET", &long, format!("GET {}…", "é".repeat(SHOWN))),
        ] as [(&str, &str, Text); 4]
        {
            let series = SeriesName { method: method.parse().unwrap(), name: name.parse().unwrap() };
            assert_eq!(series.to_string(), shown);
        }
    }
}
