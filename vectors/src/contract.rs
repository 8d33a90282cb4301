//! What the contract says each format shows, computed naively: the expectation that tests compare with.
//!
//! The rules are those of LoadDensity's contract (names of empty methods, bounds, the text of `le`) and of the four
//! formats (what is made safe and how). They are written here a second time, on `String`s and without an eye on speed,
//! so that an encoder and its expectation do not share a fault.

use crate::names::{METHOD_LIMIT, NAME_LIMIT};
use crate::otlp::OVERFLOW;
use loaddensity_metrics_core::Label;

/// A series as an engine spelled it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spelling {
    /// Method.
    pub method: String,
    /// Name.
    pub name: String,
    /// Further labels.
    pub labels: Vec<(String, String)>,
}

/// What tells series apart: method, name and labels, empty ones replaced or left out, before anything is cut.
pub type SeriesKey = (String, String, Vec<(String, String)>);

/// A series as a format shows it: label keys with values, sorted by key. See [`blur`] for names that were cut.
pub type ShownLabels = Vec<(String, String)>;

/// The four formats, as far as they differ in what they make of a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Every character survives, by escapes.
    Prometheus,
    /// Control characters and backslashes that a parser could take for an escape become `_`.
    Influxdb,
    /// `|`, `,`, `:`, `#` and control characters become `_`.
    Dogstatsd,
    /// Every character survives.
    Otlp,
}

/// `le` of the latency buckets, in every text format as LoadDensity writes it.
pub const LATENCY_LE: [&str; 12] =
    ["5.0", "10.0", "25.0", "50.0", "100.0", "250.0", "500.0", "1000.0", "2500.0", "5000.0", "10000.0", "+Inf"];
/// Upper bounds of the latency buckets, in milliseconds.
pub const LATENCY_BOUNDS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];
/// `le` of the size buckets.
pub const SIZE_LE: [&str; 9] =
    ["64.0", "256.0", "1024.0", "4096.0", "16384.0", "65536.0", "262144.0", "1.048576e+06", "+Inf"];
/// Upper bounds of the size buckets, in bytes.
pub const SIZE_BOUNDS: [u64; 8] = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];
/// `le` of the classic buckets of times of the engine's own: every second power of two of milliseconds, rounded down to whole
/// nanoseconds.
pub const OWN_TIME_LE: [&str; 17] = [
    "0.000976",
    "0.003906",
    "0.015625",
    "0.0625",
    "0.25",
    "1.0",
    "4.0",
    "16.0",
    "64.0",
    "256.0",
    "1024.0",
    "4096.0",
    "16384.0",
    "65536.0",
    "262144.0",
    "1.048576e+06",
    "+Inf",
];
/// `le` of the classic buckets of numbers of the engine's own.
pub const OWN_NUMBER_LE: [&str; 20] = [
    "0.0",
    "1.0",
    "4.0",
    "16.0",
    "64.0",
    "256.0",
    "1024.0",
    "4096.0",
    "16384.0",
    "65536.0",
    "262144.0",
    "1.048576e+06",
    "4.194304e+06",
    "1.6777216e+07",
    "6.7108864e+07",
    "2.68435456e+08",
    "1.073741824e+09",
    "4.294967296e+09",
    "1.7179869184e+10",
    "+Inf",
];

impl Spelling {
    /// A series without further labels.
    #[must_use]
    pub fn new(method: &str, name: &str) -> Self {
        Self { method: method.to_owned(), name: name.to_owned(), labels: Vec::new() }
    }

    /// The labels as the core takes them.
    #[must_use]
    pub fn as_labels(&self) -> Vec<Label<'_>> {
        self.labels.iter().map(|(key, value)| Label { key, value }).collect()
    }

    /// Whether both spell the same series: empty stands for its replacement, order of labels and labels without value
    /// don't count.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// What tells this series from others.
    #[must_use]
    pub fn identity(&self) -> SeriesKey {
        let labels = self.labels.iter().filter(|(_, value)| !value.is_empty());
        let mut labels: Vec<_> = labels.map(|(key, value)| (clean_key(key), value.clone())).collect();
        labels.sort();
        (or(&self.method, "REQ"), or(&self.name, "unknown"), labels)
    }

    /// What `format` shows of this series, `outcome` not among it.
    #[must_use]
    pub fn shown(&self, format: Format) -> ShownLabels {
        let (method, name, labels) = self.identity();
        let mut shown: ShownLabels = labels.iter().map(|(key, value)| (key.clone(), format.safe(value))).collect();
        if format == Format::Otlp && (method.as_str(), name.as_str()) == ("overflow", "overflow") {
            shown.push((OVERFLOW.to_owned(), "true".to_owned()));
            shown.sort();
            return shown;
        }
        shown.push(("method".to_owned(), blur(&format.safe(&cut(&method, METHOD_LIMIT)))));
        let name = cut(&name, NAME_LIMIT);
        let name = if format == Format::Dogstatsd { cut_for_datadog(name) } else { name };
        shown.push(("name".to_owned(), blur(&format.safe(&name))));
        shown.sort();
        shown
    }
}

/// What was on the wire, in the form of [`Spelling::shown`]: sorted, hashes blurred, without these keys.
pub fn observed<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>, without: &[&str]) -> ShownLabels {
    let kept = labels.into_iter().filter(|(key, _)| !without.contains(key));
    let mut shown: ShownLabels = kept
        .map(|(key, value)| {
            let value = if key == "method" || key == "name" { blur(value) } else { value.to_owned() };
            (key.to_owned(), value)
        })
        .collect();
    shown.sort();
    shown
}

impl Format {
    /// What this format shows for `text`.
    #[must_use]
    pub fn safe(self, text: &str) -> String {
        match self {
            Self::Prometheus | Self::Otlp => text.to_owned(),
            Self::Dogstatsd => {
                let unsafe_here = |c: char| "|,:#".contains(c) || c.is_control();
                text.chars().map(|c| if unsafe_here(c) { '_' } else { c }).collect()
            }
            Self::Influxdb => influx_safe(text),
        }
    }
}

fn influx_safe(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let safe = |(at, &c): (usize, &char)| match (c, chars.get(at + 1)) {
        ('\\', None | Some('\\' | ',' | '=' | ' ')) => '_',
        ('\0'..='\x1f' | '\x7f', _) => '_',
        (c, _) => c,
    };
    chars.iter().enumerate().map(safe).collect()
}

/// The decimal number of milliseconds: no exponent, no trailing zeros, exact to the nanosecond.
#[must_use]
pub fn millis(nanos: u64) -> String {
    let text = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Replaces the hash of a name that was cut by zeros, since only the core knows the hash.
#[must_use]
pub fn blur(text: &str) -> String {
    let Some((head, hash)) = text.rsplit_once('~') else {
        return text.to_owned();
    };
    let is_hash = hash.len() == 16 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_hash { format!("{head}~{:016}", 0) } else { text.to_owned() }
}

/// DogStatsD messages in which the hashes of names that were cut are zeros, as in the golden cases.
///
/// # Panics
/// Where they are not UTF-8.
#[must_use]
pub fn without_hashes(messages: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(messages).expect("UTF-8");
    text.split(',').map(blur).collect::<Vec<_>>().join(",").into_bytes()
}

/// A text over the limit is cut so that what is left, `~` and 16 hexadecimal digits keep the limit.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if kept.len() + c.len_utf8() + 17 > limit {
            break;
        }
        kept.push(c);
    }
    format!("{kept}~{:016}", 0)
}

/// Datadog takes tags of 200 characters, `name:` included.
fn cut_for_datadog(name: String) -> String {
    match name.chars().count() {
        ..=195 => name,
        _ => name.chars().take(195 - 17).chain(format!("~{:016}", 0).chars()).collect(),
    }
}

fn clean_key(key: &str) -> String {
    let clean: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if clean.starts_with(|c: char| c.is_ascii_digit()) { format!("_{clean}") } else { clean }
}

fn or(text: &str, empty: &str) -> String {
    if text.is_empty() { empty.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Format, Spelling, blur, millis};

    #[test]
    fn milliseconds_are_exact() {
        let cases = [(0, "0"), (1, "0.000001"), (7_900_000, "7.9"), (42_000_000, "42"), (100_000_000, "100")];
        for (nanos, text) in cases {
            assert_eq!(millis(nanos), text);
        }
    }

    #[test]
    fn influx_keeps_lone_backslashes_only() {
        let cases =
            [(r"a\b", r"a\b"), (r"a\", "a_"), (r"a\\b", r"a_\b"), (r"a\ b", "a_ b"), ("\\\n", "\\_"), ("\t\x7f", "__")];
        for (text, safe) in cases {
            assert_eq!(Format::Influxdb.safe(text), safe);
        }
    }

    #[test]
    fn a_series_is_shown_with_replacements_and_cut_names() {
        let long = Spelling { labels: vec![("9a".into(), "x|y".into())], ..Spelling::new("", &"é".repeat(128)) };
        let name = format!("{}~{:016}", "é".repeat(119), 0);
        let pairs = [("_9a", "x_y"), ("method", "REQ"), ("name", name.as_str())];
        let expected: Vec<_> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(long.shown(Format::Dogstatsd), expected);
        assert_eq!(blur(&name.replace("0000", "12af")), name);
        assert!(Spelling::new("REQ", "x").is_same(&Spelling::new("", "x")));
    }
}
