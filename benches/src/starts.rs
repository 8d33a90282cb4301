//! What contenders cost in one process and in the next: where memory lies is settled at the start of a process, so that at
//! 10,000 series the figures of one say little.

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::contests::record;
use crate::process::resident;
use crate::recording::RecordingContender;
use crate::runner;
use crate::spread::Spread;
use crate::trace::TraceWork;

/// What one process measured of one contender. As text: a line of name, nanoseconds and bytes, with tabs in between.
#[derive(Clone, Debug, PartialEq)]
pub struct StartCost {
    /// The contender.
    pub name: String,
    /// Nanoseconds of a request, the minimum of all rounds.
    pub nanos: f64,
    /// Resident bytes for each series after one pass over the trace, handles included. Only a process with one contender
    /// knows them.
    pub bytes: Option<f64>,
}

/// Checks and measures `recording`, the only one of this process.
///
/// # Errors
/// Where the kernel does not say what memory is resident.
pub fn alone(recording: RecordingContender, work: &'static TraceWork, rounds: usize) -> io::Result<Vec<StartCost>> {
    let before = resident()?;
    let (contender, after) = recording.into_contender_after(work, resident);
    let bytes = after?.saturating_sub(before) as f64 / work.names.len() as f64;
    let minima = runner::minima(record::of_contenders("alone", vec![contender]), rounds);
    Ok(costs(minima, Some(bytes)))
}

/// Checks and measures all of `recordings` in interleaved rounds.
#[must_use]
pub fn in_company(recordings: Vec<RecordingContender>, work: &'static TraceWork, rounds: usize) -> Vec<StartCost> {
    costs(runner::minima(record::contest("in company", recordings, work), rounds), None)
}

fn costs(minima: Vec<(&'static str, f64)>, bytes: Option<f64>) -> Vec<StartCost> {
    minima.into_iter().map(|(name, nanos)| StartCost { name: name.to_owned(), nanos, bytes }).collect()
}

impl fmt::Display for StartCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.map_or_else(String::new, |bytes| bytes.to_string());
        write!(f, "{}\t{}\t{bytes}", self.name, self.nanos)
    }
}

impl FromStr for StartCost {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<f64>().map_err(|error| format!("{line:?}: {error}"));
        let mut fields = line.split('\t');
        let (Some(name), Some(nanos), Some(bytes), None) = (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(format!("{line:?}: not a name, nanoseconds and bytes"));
        };
        let bytes = if bytes.is_empty() { None } else { Some(number(bytes)?) };
        Ok(Self { name: name.to_owned(), nanos: number(nanos)?, bytes })
    }
}

/// What all processes measured of one contender.
#[derive(Clone, Debug, Default)]
pub struct ContenderStarts {
    alone: Vec<f64>,
    in_company: Vec<f64>,
    bytes: Vec<f64>,
}

impl ContenderStarts {
    /// Takes in what one more process measured.
    pub fn add(&mut self, cost: &StartCost) {
        match cost.bytes {
            Some(bytes) => {
                self.alone.push(cost.nanos);
                self.bytes.push(bytes);
            }
            None => self.in_company.push(cost.nanos),
        }
    }

    /// Median, least and most: nanoseconds alone, in company, and bytes for each series; `-` where there are none.
    #[must_use]
    pub fn cells(&self) -> [String; 3] {
        let cell = |readings: &[f64], digits: usize| {
            Spread::of(readings.iter().copied()).map_or_else(|| "-".to_owned(), |spread| format!("{spread:.digits$}"))
        };
        [cell(&self.alone, 1), cell(&self.in_company, 1), cell(&self.bytes, 0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::work;

    #[test]
    fn what_a_process_prints_is_read_again() {
        let recordings = || record::by_handle(work(10)).into_iter();
        let floor = recordings().find(|recording| recording.name.starts_with("floor")).unwrap();
        let company = recordings().filter(|recording| recording.name.starts_with("floor")).collect();
        let measured = [alone(floor, work(10), 1).unwrap(), in_company(company, work(10), 1)].concat();
        assert!(measured.len() > 2 && measured.iter().all(|cost| cost.nanos > 0.0), "{measured:?}");
        for cost in measured {
            assert_eq!(cost.to_string().parse(), Ok(cost));
        }
        for line in ["", "a\t1", "a\tone\t", "a\t1\t2\t3", "a\t1\tmany"] {
            assert!(line.parse::<StartCost>().unwrap_err().contains(&format!("{line:?}")));
        }
    }

    #[test]
    fn a_row_has_the_median_and_the_range_of_all_starts() {
        let mut starts = ContenderStarts::default();
        assert_eq!(starts.cells(), ["-", "-", "-"]);
        for (nanos, bytes) in [(3.0, Some(100.0)), (1.0, Some(300.0)), (2.0, Some(200.0)), (9.5, None)] {
            starts.add(&StartCost { name: "x".into(), nanos, bytes });
        }
        assert_eq!(starts.cells(), ["2.0 (1.0 to 3.0)", "9.5 (9.5 to 9.5)", "200 (100 to 300)"]);
    }
}
