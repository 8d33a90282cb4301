//! A table of verdicts: rows of data, and how an answer is looked up in them.

use core::fmt;
use core::time::Duration;

use super::{GrpcStatus, Hint, Said, Verdict};

/// A row of a table: what an answer must be like, and what it means then.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct VerdictRow {
    /// The status that it has.
    pub codes: Codes,
    /// What else it has.
    pub needs: Needs,
    /// What it means. Numbers are zero here; those of a [`Verdict`] come from the answer.
    pub said: Said,
    /// What a person should look at.
    pub hint: Option<Hint>,
    /// Where this is known from: a specification and its section, or the server that was seen to do it.
    pub source: &'static str,
}

/// The status of an answer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Codes {
    /// Any.
    Any,
    /// One of these HTTP statuses, each a first and a last one; of gRPC, where the answer has no `grpc-status`.
    Http(&'static [(u16, u16)]),
    /// Any `grpc-status`.
    AnyGrpc,
    /// One of these `grpc-status`.
    Grpc(&'static [GrpcStatus]),
}

/// What an answer must have besides its status.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A body without a single byte.
    EmptyBody,
    /// One of these in the words for what went wrong, in upper or lower case.
    Words(&'static [&'static str]),
    /// A body that says how many items, one at least, were not taken while the others were.
    Rejections,
    /// A body that cannot be read.
    UnreadableBody,
    /// A pause that the server asks for.
    Pause,
    /// The request not to be asked again.
    NoRetry,
}

/// What there is to know about an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence<'a> {
    pub(super) http: u16,
    pub(super) grpc: Option<GrpcStatus>,
    pub(super) has_empty_body: bool,
    pub(super) is_unreadable: bool,
    pub(super) words: &'a [u8],
    pub(super) rejected: u64,
    pub(super) asked: Option<Duration>,
    pub(super) refuses_retry: bool,
}

impl Evidence<'_> {
    /// The verdict of the first row of `table` that fits. The last row of a table fits everything.
    pub(super) fn verdict(&self, table: &[VerdictRow]) -> Verdict {
        match table.iter().find(|row| self.fits(row)) {
            Some(row) => Verdict { said: self.counted(row.said), hint: row.hint },
            None => Verdict { said: Said::Refused, hint: None },
        }
    }

    fn fits(&self, row: &VerdictRow) -> bool {
        let has_code = match row.codes {
            Codes::Any => true,
            Codes::Http(ranges) => {
                self.grpc.is_none() && ranges.iter().any(|(first, last)| (*first..=*last).contains(&self.http))
            }
            Codes::AnyGrpc => self.grpc.is_some(),
            Codes::Grpc(codes) => self.grpc.is_some_and(|code| codes.contains(&code)),
        };
        has_code
            && match row.needs {
                Needs::Nothing => true,
                Needs::EmptyBody => self.has_empty_body,
                Needs::Words(any) => any.iter().any(|words| says(self.words, words.as_bytes())),
                Needs::Rejections => self.rejected != 0,
                Needs::UnreadableBody => self.is_unreadable,
                Needs::Pause => self.asked.is_some(),
                Needs::NoRetry => self.refuses_retry,
            }
    }

    /// `said` with the numbers of this answer.
    fn counted(&self, said: Said) -> Said {
        match said {
            Said::Partial { .. } => Said::Partial { dropped: self.rejected },
            Said::Away { may_have_arrived, .. } => {
                Said::Away { at_least: self.asked.unwrap_or_default(), may_have_arrived }
            }
            said => said,
        }
    }
}

fn says(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|part| part.eq_ignore_ascii_case(words))
}

impl VerdictRow {
    /// A row without a hint.
    pub(super) const fn new(codes: Codes, needs: Needs, said: Said, source: &'static str) -> Self {
        Self { codes, needs, said, hint: None, source }
    }

    /// The same with one.
    pub(super) const fn hints(self, hint: Hint) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

impl fmt::Display for VerdictRow {
    /// As a row of a table in Markdown: the answer, what it means, what to look at, the source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {}{} | {} | ", self.codes, self.needs, self.said)?;
        if let Some(hint) = self.hint {
            write!(f, "{hint}")?;
        }
        write!(f, " | {} |", self.source)
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any status"),
            Self::AnyGrpc => f.write_str("any `grpc-status`"),
            Self::Http(ranges) => ranges.iter().enumerate().try_for_each(|(number, (first, last))| {
                write!(f, "{}{first}", if number == 0 { "HTTP " } else { ", " })?;
                if first == last { Ok(()) } else { write!(f, " to {last}") }
            }),
            Self::Grpc(codes) => codes.iter().enumerate().try_for_each(|(number, code)| {
                write!(f, "{}{} ({})", if number == 0 { "" } else { ", " }, code.name(), code.0)
            }),
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::EmptyBody => f.write_str(", an empty body"),
            Self::Words(any) => any.iter().enumerate().try_for_each(|(number, words)| {
                write!(f, "{} `{words}`", if number == 0 { ", the words" } else { " or" })
            }),
            Self::Rejections => f.write_str(", a body that counts what was not taken"),
            Self::UnreadableBody => f.write_str(", a body that cannot be read"),
            Self::Pause => f.write_str(", a pause asked for"),
            Self::NoRetry => f.write_str(", no other attempt wanted"),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "stored",
            Self::Partial { .. } => "stored in part",
            Self::Unclear => "unclear",
            Self::Refused => "refused",
            Self::TooLarge => "too large",
            Self::Away { may_have_arrived: false, .. } => "away",
            Self::Away { may_have_arrived: true, .. } => "away, may have arrived",
            Self::Ill => "ill",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GRPC, INFLUXDB, OTLP_HTTP};
    use super::*;

    #[test]
    fn the_last_row_of_each_table_fits_everything_and_each_row_has_a_source() {
        for table in [INFLUXDB, OTLP_HTTP, GRPC] {
            let last = table.last().expect("rows");
            assert!(matches!((last.codes, last.needs), (Codes::Any, Needs::Nothing)), "{last}");
            assert!(table.iter().all(|row| !row.source.is_empty()));
        }
    }

    #[test]
    fn words_are_found_in_upper_and_lower_case() {
        assert!(says(b"rpc error: Received Message Larger than max (1 vs. 0)", b"received message larger than max"));
        assert!(!says(b"received message", b"received message larger than max") && !says(b"", b"x"));
    }
}
