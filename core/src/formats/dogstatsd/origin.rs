//! Where messages come from, in the fields that protocols 1.2 to 1.6 have for it.
//!
//! The Agent honours them where `dogstatsd_origin_detection_client` is switched on. Source: DataDog/documentation,
//! dogstatsd datagram_shell.md.

use core::fmt;

use heapless::Vec;

use crate::wire::text::out::Full;

/// Longest container id and longest external data in bytes.
pub const ORIGIN_BYTES: usize = 256;

/// `|c:`, `|e:` and `|card:` of every message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'t> {
    /// `|c:` (protocol 1.2): a container id, `ci-<id>` or `in-<inode>`.
    pub container: Option<&'t str>,
    /// `|e:` (protocol 1.5): external data, as `DD_EXTERNAL_ENV` has them. What is no printable character, and `|`, is
    /// left out, as Datadog's clients do.
    pub external: Option<&'t str>,
    /// `|card:` (protocol 1.6): which tags the Agent adds.
    pub cardinality: Option<Cardinality>,
}

/// How many tags of the origin the Agent adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cardinality {
    /// None.
    None,
    /// Those of few values.
    Low,
    /// Those of an orchestrator as well: one for each pod or task.
    Orchestrator,
    /// All, one for each container.
    High,
}

impl Cardinality {
    /// All four.
    pub const ALL: [Self; 4] = [Self::None, Self::Low, Self::Orchestrator, Self::High];

    /// As the protocol spells it: `none`, `low`, `orchestrator`, `high`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Orchestrator => "orchestrator",
            Self::High => "high",
        }
    }

    /// The one of this name, whatever its case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cardinality| cardinality.as_str().eq_ignore_ascii_case(name))
    }
}

/// Why an origin cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// The container id is empty, longer than [`ORIGIN_BYTES`], or holds others than printable ASCII characters.
    Container,
    /// The external data are longer than [`ORIGIN_BYTES`].
    External,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container => write!(
                f,
                "a container id is 1 to {ORIGIN_BYTES} printable ASCII characters without `|`; leave it out where it is not known"
            ),
            Self::External => write!(f, "external data are at most {ORIGIN_BYTES} bytes"),
        }
    }
}

impl core::error::Error for OriginError {}

/// The fields as they are written: a timestamp comes between them, in the order of Datadog's Go client.
#[derive(Clone, Debug, Default)]
pub(super) struct OriginFields {
    pub(super) before_time: Vec<u8, { 2 * (ORIGIN_BYTES + 3) }>,
    pub(super) after_time: Vec<u8, 24>,
}

impl OriginFields {
    pub(super) fn new(origin: Origin<'_>) -> Result<Self, OriginError> {
        let mut fields = Self::default();
        if let Some(container) = origin.container {
            let is_good = |c: char| c.is_ascii_graphic() && c != '|';
            if container.is_empty() || container.len() > ORIGIN_BYTES || !container.chars().all(is_good) {
                return Err(OriginError::Container);
            }
            put(&mut fields.before_time, "|c:", container.chars()).map_err(|Full| OriginError::Container)?;
        }
        if let Some(external) = origin.external {
            if external.len() > ORIGIN_BYTES {
                return Err(OriginError::External);
            }
            let clean = external.chars().filter(|c| *c != '|' && !c.is_control());
            put(&mut fields.before_time, "|e:", clean).map_err(|Full| OriginError::External)?;
        }
        if let Some(cardinality) = origin.cardinality {
            // The longest name fits.
            let fits = put(&mut fields.after_time, "|card:", cardinality.as_str().chars());
            debug_assert_eq!(fits, Ok(()));
        }
        Ok(fields)
    }
}

/// Appends a field, unless it is empty.
fn put<const N: usize>(text: &mut Vec<u8, N>, key: &str, value: impl Iterator<Item = char>) -> Result<(), Full> {
    let mut value = value.peekable();
    if value.peek().is_none() {
        return Ok(());
    }
    text.extend_from_slice(key.as_bytes()).map_err(|_| Full)?;
    value.try_for_each(|c| text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()).map_err(|_| Full))
}
