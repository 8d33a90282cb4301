//! Units of an engine's own instruments, and how each format writes them.

/// The unit of a counter's or a histogram's numbers. That of times is milliseconds in every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// None: things that are counted.
    One,
    /// Bytes.
    Bytes,
}

/// The unit in which an instrument of the engine's own is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShownUnit {
    /// None.
    One,
    /// Bytes.
    Bytes,
    /// Milliseconds: a timer's.
    Milliseconds,
}

impl From<Unit> for ShownUnit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::One => Self::One,
            Unit::Bytes => Self::Bytes,
        }
    }
}

impl ShownUnit {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::Bytes, Self::Milliseconds];

    /// As OpenMetrics names it; empty where there is none.
    #[must_use]
    pub const fn prometheus(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Bytes => "bytes",
            Self::Milliseconds => "ms",
        }
    }

    /// What the names of Prometheus and of InfluxDB have after the instrument's name.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Bytes => "_bytes",
            Self::Milliseconds => "_ms",
        }
    }

    /// As OTLP names it, in UCUM's notation.
    #[must_use]
    pub const fn otlp(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Bytes => "By",
            Self::Milliseconds => "ms",
        }
    }
}
