//! Environment variables. They are read only where the user asks for it, so that a packet of the contract is the same on
//! every host.
//!
//! ```
//! use loaddensity_metrics_shell::environment::Environment;
//!
//! // Environment::process() holds the variables of this process.
//! let environment = Environment::of([("DD_DOGSTATSD_PORT", "9125"), ("DD_AGENT_HOST", "")]);
//! assert_eq!(environment.whole("DD_DOGSTATSD_PORT", 1..=65_535, "a port number")?, Some(9_125));
//! assert_eq!(environment.text("DD_AGENT_HOST")?, None);
//! # Ok::<(), loaddensity_metrics_shell::environment::EnvironmentError>(())
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;

use crate::public_url::public_url;

/// Most characters of a value that an error shows.
const SHOWN: usize = 80;

#[cfg(all(test, feature = "opentelemetry-environment"))]
pub(crate) mod logged;

/// A snapshot of environment variables. A variable that is set to nothing counts as not set, as OpenTelemetry's
/// specification ("Environment Variable Specification", "Empty value") and Datadog's clients have it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// The variables of this process as they are now.
    #[must_use]
    pub fn process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// These variables and no others.
    pub fn of<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// Of these variables those that are set to something.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let is_one = |name: &OsString| names.iter().any(|known| name == known);
        let these = self.variables.iter().filter(|(name, value)| !value.is_empty() && is_one(name));
        Self { variables: these.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }

    /// The names of those that are set to something, in their order. Names that are not UTF-8 are left out.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| name.to_str())
    }

    /// All but those with these names.
    #[cfg(feature = "opentelemetry-environment")]
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let is_kept = |name: &OsString| !names.iter().any(|left_out| name.as_os_str() == *left_out);
        let kept = self.variables.iter().filter(|(name, _)| is_kept(name));
        Self { variables: kept.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }

    /// The value of `name`, if it is set to something.
    ///
    /// # Errors
    /// [`EnvironmentError`] for a value that is not UTF-8.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, EnvironmentError> {
        let Some(value) = self.variables.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        value.to_str().map(Some).ok_or_else(|| EnvironmentError::hidden(name, "it must be UTF-8"))
    }

    /// A whole number in `range`, blanks around it aside; `what` says in words what is expected.
    ///
    /// # Errors
    /// [`EnvironmentError`] for anything else.
    pub fn whole(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        what: &str,
    ) -> Result<Option<u64>, EnvironmentError> {
        let Some(text) = self.text(name)?.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| {
            let expected = format!("it must be {what} from {} to {}", range.start(), range.end());
            EnvironmentError::shown(name, text, expected)
        })
    }
}

impl fmt::Debug for Environment {
    /// The names alone: a value may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// A variable whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentError {
    /// Its name.
    pub variable: &'static str,
    /// Its value; `None` where it may be secret or is not UTF-8.
    pub value: Option<String>,
    /// What would be right.
    pub expected: String,
}

impl EnvironmentError {
    /// An error that shows the value without a user, a password and a query.
    pub(crate) fn shown(variable: &'static str, value: &str, expected: impl Into<String>) -> Self {
        let value = public_url(value).chars().take(SHOWN).collect();
        Self { variable, value: Some(value), expected: expected.into() }
    }

    /// An error that does not show the value.
    pub(crate) fn hidden(variable: &'static str, expected: impl Into<String>) -> Self {
        Self { variable, value: None, expected: expected.into() }
    }
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, value, expected } = self;
        match value {
            Some(value) => write!(f, "environment variable {variable} is {value:?}; {expected}"),
            None => write!(f, "environment variable {variable} (value not shown): {expected}"),
        }
    }
}

impl Error for EnvironmentError {}

/// Warns of a variable that cannot be used, and goes on with `instead`: an environment is made for other programs too, and
/// must not keep an exporter from starting.
pub(crate) fn ignored<T>(error: &EnvironmentError, instead: T) -> T {
    tracing::warn!(variable = error.variable, "{error}; it counts as not set");
    instead
}

/// Warns of `count` parts of a list that are left out, and names the first.
#[cfg(feature = "opentelemetry-environment")]
pub(crate) fn left_out(variable: &'static str, first: &str, count: usize, why: &str) {
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    tracing::warn!(variable, "environment variable {variable}: {first}{more} left out; {why}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_variable_and_what_is_expected() {
        let environment = Environment::of([("PORT", "0"), ("URL", "http://me:hunter2@h/?p=hunter2")]);
        let error = environment.whole("PORT", 1..=65_535, "a port number").expect_err("out of range");
        assert_eq!(error.to_string(), "environment variable PORT is \"0\"; it must be a port number from 1 to 65535");
        let error = environment.whole("URL", 1..=9, "a number").expect_err("no number").to_string();
        assert!(error.contains("URL") && !error.contains("hunter2"), "{error}");
        assert!(!format!("{environment:?}").contains("hunter2"));
        assert_eq!(environment.text("NOT_SET"), Ok(None));
        let padded = Environment::of([("PORT", " 80\n"), ("BLANK", " ")]);
        assert_eq!(padded.whole("PORT", 1..=65_535, "a port number"), Ok(Some(80)));
        assert_eq!(padded.whole("BLANK", 1..=65_535, "a port number"), Ok(None));
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf_8_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let environment = Environment::of([("TOKEN", OsString::from_vec(vec![0xff]))]);
        let error = environment.text("TOKEN").expect_err("not UTF-8").to_string();
        assert_eq!(error, "environment variable TOKEN (value not shown): it must be UTF-8");
    }
}
