//! What the command line asks for.

/// Options of `ratios`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RatioOptions {
    /// `--only TEXT`: contests whose title contains it.
    pub only: Option<String>,
    /// `--quick` or `--test`: the answer checks and one pass of each contender, nothing timed.
    pub quick: bool,
    /// `--markdown`: tables for a document.
    pub markdown: bool,
    /// `--rounds N`: interleaved rounds of each contest.
    pub rounds: Option<usize>,
}

/// Rounds by default.
const ROUNDS: usize = 25;

impl RatioOptions {
    /// From the arguments after the program's name. `--bench`, which cargo passes, says nothing.
    ///
    /// # Errors
    /// An argument that is not one of ours.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut options, mut arguments) = (Self::default(), arguments.into_iter());
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--quick" | "--test" => options.quick = true,
                "--markdown" => options.markdown = true,
                "--only" => options.only = Some(arguments.next().ok_or("--only: give a part of a contest's title")?),
                "--rounds" => {
                    let rounds = arguments.next().and_then(|text| text.parse().ok()).filter(|rounds| *rounds != 0);
                    options.rounds = Some(rounds.ok_or("--rounds: give a number of rounds, such as 25")?);
                }
                other => {
                    return Err(format!("{other}: not an option; there are --only, --quick, --markdown, --rounds"));
                }
            }
        }
        Ok(options)
    }

    /// Interleaved rounds of each contest.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(ROUNDS)
    }

    /// Whether a contest of this title is asked for. Ask before building it: its memory and its checks take time.
    #[must_use]
    pub fn wants(&self, title: &str) -> bool {
        self.only.as_ref().is_none_or(|part| title.contains(part.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<RatioOptions, String> {
        RatioOptions::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn options_are_read_and_wrong_ones_named() {
        let all = parse("--bench --only record --markdown --rounds 7").unwrap();
        assert_eq!(
            all,
            RatioOptions { only: Some("record".into()), markdown: true, rounds: Some(7), ..RatioOptions::default() }
        );
        assert!(parse("--test").unwrap().quick && parse("--quick").unwrap().quick);
        assert!(all.wants("record, 100 series") && !all.wants("otlp"));
        assert!(parse("--nly x").unwrap_err().contains("--nly"));
        assert!(parse("--rounds 0").is_err() && parse("--only").is_err());
    }
}
