//! The table of what recording costs, a column for each processor: `recording-costs.tsv`, which README.md shows.
//!
//! Rows and columns accumulate: whoever measures a processor replaces its column alone, and a row that is measured for the
//! first time is added. What was not measured is `-`.

use std::collections::BTreeSet;
use std::fmt;

/// A row that is measured: how it is called, and the contest and the contender that it is from.
pub type MeasuredRow = (&'static str, &'static str, &'static str);

const WAYS: &str = "ways to record, 100 series";
const HANDLE: &str = "record by handle, 100 series";
const STRINGS: &str = "record by strings, 100 series";

/// What is measured, the default storage first. Of 100 series where a row does not say how many.
pub const MEASURED: &[MeasuredRow] = &[
    ("by handle (the default: classic and exponential histograms)", WAYS, "by handle"),
    ("by handle, 10,000 series", "record by handle, 10,000 series", "ours, exponential histograms too"),
    ("by handle, through `LocalRecorder`", WAYS, "LocalRecorder, by handle"),
    ("by strings", WAYS, "by strings"),
    ("by handle, with one reading of the clock", WAYS, "by handle, with a reading of the clock"),
    ("claiming a recorder and giving it back, once per thread", "claiming a recorder", "claim and drop"),
    ("by handle, classic histograms only, as the peers", HANDLE, "ours, classic histograms"),
    ("by strings, classic histograms only", STRINGS, "ours, classic histograms"),
    ("`prometheus` 0.14, `local()` handles", HANDLE, "prometheus, local() handles"),
    ("`opentelemetry_sdk` 0.33, bound instruments", HANDLE, "opentelemetry_sdk, bound instruments"),
    ("`prometheus-client` 0.25, handles", HANDLE, "prometheus-client, handles"),
    ("`prometheus` 0.14, shared handles", HANDLE, "prometheus, shared handles"),
    ("`fast-telemetry` 0.10, handles", HANDLE, "fast-telemetry, series handles"),
    ("`measured` 0.0.25, label ids", HANDLE, "measured, label ids, dense"),
    ("`metrics` + `metrics-exporter-prometheus`, handles", HANDLE, "metrics + exporter, handles, with upkeep"),
    ("`prometheus` 0.14, `with_label_values`", STRINGS, "prometheus, with_label_values"),
];

/// Titles of the contests that [`MEASURED`] names, each once.
#[must_use]
pub fn titles() -> BTreeSet<&'static str> {
    MEASURED.iter().map(|(_, title, _)| *title).collect()
}

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostTable {
    comments: String,
    /// The first one names the processors; the first cell of each says what it is of.
    rows: Vec<Vec<String>>,
}

const NOT_MEASURED: &str = "-";

impl CostTable {
    /// Reads the file: comments, then rows with tabs in between.
    ///
    /// # Errors
    /// A row that has not as many cells as the first one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let comments = text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        let rows = text.lines().skip_while(|line| line.starts_with('#'));
        let rows: Vec<Vec<String>> = rows.map(|row| row.split('\t').map(String::from).collect()).collect();
        let columns = rows.first().ok_or("a table without rows")?.len();
        match rows.iter().find(|row| row.len() != columns) {
            Some(row) => Err(format!("{}: {} cells, where the first row has {columns}", row.join("\t"), row.len())),
            None => Ok(Self { comments, rows }),
        }
    }

    /// Replaces the column of `processor`, or adds it before the others. Rows come in the order of `costs`, then those that are
    /// measured no more, then those that say `how` it was measured; each is a label and a cell.
    pub fn set_column(&mut self, processor: &str, costs: &[(&str, String)], how: &[(&str, String)]) {
        let column = self.rows[0].iter().skip(1).position(|name| name == processor).map_or_else(
            || {
                self.rows.iter_mut().for_each(|row| row.insert(1, String::new()));
                processor.clone_into(&mut self.rows[0][1]);
                1
            },
            |found| found + 1,
        );
        let columns = self.rows[0].len();
        let mut old = self.rows.split_off(1);
        let mut take = |(label, cell): &(&str, String)| {
            let found = old.iter().position(|row| row[0] == *label).map(|at| old.remove(at));
            let mut row = found.unwrap_or_else(|| {
                let mut row = vec![NOT_MEASURED.to_owned(); columns];
                (*label).clone_into(&mut row[0]);
                row
            });
            row[column].clone_from(cell);
            row
        };
        let costs: Vec<_> = costs.iter().map(&mut take).collect();
        let how: Vec<_> = how.iter().map(&mut take).collect();
        old.iter_mut().for_each(|row| NOT_MEASURED.clone_into(&mut row[column]));
        old.retain(|row| row[1..].iter().any(|cell| cell != NOT_MEASURED));
        self.rows.extend(costs.into_iter().chain(old).chain(how));
    }

    /// As a document shows it.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let (head, rows) = (&self.rows[0], &self.rows[1..]);
        let rule = format!("|---|{}\n", "--:|".repeat(head.len() - 1));
        line(head) + &rule + &rows.iter().map(line).collect::<String>()
    }

    /// `document` with this table in place of the one that has the same first cell; `None` where it has none.
    #[must_use]
    pub fn put_into(&self, document: &str) -> Option<String> {
        let begin = document.find(&format!("\n| {} |", self.rows[0][0]))? + 1;
        let length: usize =
            document[begin..].split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
        Some([&document[..begin], &self.markdown(), &document[begin + length..]].concat())
    }
}

impl fmt::Display for CostTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.comments)?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", row.join("\t")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contests::record;
    use crate::options::RatioOptions;

    const FILE: &str =
        "# what\nns\told\tolder\nby handle\t7.0\t9.0\ngone\t3.0\t4.0\nonly old\t5.0\t-\nmeasured\t1999\t1998\n";

    fn set(processor: &str) -> String {
        let mut table = CostTable::parse(FILE).unwrap();
        let cells = [("by handle", "6.0".to_owned()), ("new", "1.0".to_owned())];
        table.set_column(processor, &cells, &[("measured", "2026".to_owned())]);
        table.to_string()
    }

    #[test]
    fn a_further_processor_leaves_the_columns_of_others() {
        let expected = "# what\nns\tnewest\told\tolder\nby handle\t6.0\t7.0\t9.0\nnew\t1.0\t-\t-\ngone\t-\t3.0\t4.0\n\
                        only old\t-\t5.0\t-\nmeasured\t2026\t1999\t1998\n";
        assert_eq!(set("newest"), expected);
    }

    #[test]
    fn a_processor_that_is_measured_again_keeps_nothing_of_before() {
        let expected = "# what\nns\told\tolder\nby handle\t6.0\t9.0\nnew\t1.0\t-\ngone\t-\t4.0\nmeasured\t2026\t1998\n";
        assert_eq!(set("old"), expected);
    }

    #[test]
    fn a_table_of_uneven_rows_is_refused() {
        assert!(CostTable::parse("ns\ta\nx\t1\t2\n").unwrap_err().contains("x\t1\t2: 3 cells"));
        assert!(CostTable::parse("# nothing\n").is_err());
    }

    #[test]
    fn a_document_gets_the_table_in_place_of_its_own() {
        let table = CostTable::parse("ns\ta\nx\t1\n").unwrap();
        let document = "before\n\n| ns | b |\n|---|--:|\n| y | 2 |\n\nafter\n\n| other |\n";
        let expected = "before\n\n| ns | a |\n|---|--:|\n| x | 1 |\n\nafter\n\n| other |\n";
        assert_eq!(table.put_into(document).as_deref(), Some(expected));
        assert_eq!(table.put_into("nothing"), None);
    }

    #[test]
    fn every_row_is_of_a_contender() {
        for title in titles() {
            // The same contenders as with 10,000, which take a minute to build.
            let small = title.replace("10,000 series", "100 series");
            let options = RatioOptions { only: Some(small.clone()), ..RatioOptions::default() };
            let contests = record::contests(&options);
            let contest = contests.iter().find(|contest| contest.title == small);
            let contest = contest.unwrap_or_else(|| panic!("no contest {small:?}"));
            for (label, _, contender) in MEASURED.iter().filter(|(_, of, _)| *of == title) {
                let found = contest.contenders.iter().any(|other| other.name == *contender);
                assert!(found, "{label}: no contender {contender:?}");
            }
        }
    }

    #[test]
    fn peers_are_named_with_the_version_that_is_built() {
        let manifest = include_str!("../Cargo.toml");
        let mut versions = 0;
        for (label, ..) in MEASURED {
            let words: Vec<_> = label.split([' ', ',']).collect();
            let [name, version, ..] = words[..] else { continue };
            let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else { continue };
            if version.starts_with(|first: char| first.is_ascii_digit()) {
                let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = ")));
                assert!(line.is_some_and(|line| line.contains(&format!("\"{version}\""))), "{label}: {line:?}");
                versions += 1;
            }
        }
        assert!(versions >= 6, "{versions}");
    }
}
