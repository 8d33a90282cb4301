//! What can be wrong with an action, and how a value is shown without giving a secret away.

use std::error::Error;
use std::fmt;

use serde_json::Value;

use crate::environment::EnvironmentError;
use crate::error::{StartError, StopError};
use crate::public_url::public_url;

/// An action that was not carried out.
#[derive(Debug)]
#[non_exhaustive]
pub struct ActionError {
    /// Position of the action in its document, from 0.
    pub index: usize,
    /// Its command as it was written; empty where there is none.
    pub command: String,
    /// What was wrong.
    pub problem: Problem,
}

/// What was wrong with an action.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// It is not `["LD_name"]`, `["LD_name", {…}]` or `["LD_name", […]]`.
    Shape {
        /// What it is.
        found: String,
    },
    /// No command has this name.
    UnknownCommand {
        /// All that would be right.
        known: Vec<&'static str>,
        /// The one that is probably meant.
        near: Option<&'static str>,
    },
    /// The command has no parameter of this name. Its value is not shown: it may be a misspelt `password`.
    UnknownParameter {
        /// What was given.
        key: String,
        /// All that would be right.
        known: Vec<&'static str>,
        /// The one that is probably meant.
        near: Option<&'static str>,
    },
    /// More values were given by position than the command has parameters.
    TooManyValues {
        /// How many were given.
        given: usize,
        /// What can be given by position, in order.
        known: Vec<&'static str>,
    },
    /// A parameter without a default was not given.
    Missing {
        /// Its name.
        key: String,
        /// What it should be.
        expected: String,
    },
    /// A value of the wrong type, or outside of its range.
    WrongValue {
        /// The parameter.
        key: String,
        /// The value; of a secret, a list or an object only what kind of value it is.
        shown: String,
        /// What would be right.
        expected: String,
    },
    /// A parameter that has no meaning with what else was given.
    Misplaced {
        /// The parameter.
        key: String,
        /// Why, and what to do.
        reason: String,
    },
    /// An environment variable that was asked for cannot be used.
    Environment(EnvironmentError),
    /// The exporter could not be started with these settings.
    Start {
        /// Why.
        error: StartError,
        /// The parameter that gives what is refused, by the name that it was given by; `None` where it is not for one.
        key: Option<&'static str>,
    },
    /// The exporter could not be stopped.
    Stop(StopError),
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actions[{}]", self.index)?;
        if !self.command.is_empty() {
            write!(f, " {}", word(&self.command))?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl Error for ActionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Start { error, .. } => error.source(),
            Problem::Stop(source) => source.source(),
            _ => None,
        }
    }
}

impl Problem {
    /// A value that is not what `expected` says, shown as far as it may be.
    #[must_use]
    pub fn wrong_value(key: impl Into<String>, value: &Value, expected: impl Into<String>) -> Self {
        Self::WrongValue { key: key.into(), shown: shown(value), expected: expected.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { found } => write!(
                f,
                "no action: {found}; expected [\"LD_name\"], [\"LD_name\", {{\"key\": value}}] or [\"LD_name\", [value, …]]"
            ),
            Self::UnknownCommand { known, near } => {
                f.write_str("unknown command; ")?;
                known_words(f, near.as_ref(), "the commands are", known)
            }
            Self::UnknownParameter { key, known, near } => {
                write!(f, "unknown parameter {}; ", word(key))?;
                known_words(f, near.as_ref(), "the parameters are", known)
            }
            Self::TooManyValues { given, known } => {
                write!(f, "{given} values given by position; ")?;
                known_words(f, None, "at most, in this order:", known)
            }
            Self::Missing { key, expected } => write!(f, "{key} is not given; expected {expected}"),
            Self::WrongValue { key, shown, expected } => write!(f, "{key} is {shown}; expected {expected}"),
            Self::Misplaced { key, reason } => write!(f, "{key}: {reason}"),
            Self::Environment(error) => error.fmt(f),
            Self::Start { error, key } => error.write_with(f, *key),
            Self::Stop(error) => error.fmt(f),
        }
    }
}

fn known_words(f: &mut fmt::Formatter<'_>, near: Option<&&str>, heading: &str, known: &[&str]) -> fmt::Result {
    if let Some(near) = near {
        write!(f, "did you mean {near}? ")?;
    }
    if known.is_empty() { f.write_str("it takes none") } else { write!(f, "{heading} {}", known.join(", ")) }
}

/// What kind of value this is, with its article.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// `value` for an error text. Lists and objects are named by kind: a secret may be in them.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(&public_url(text)),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        other => kind_of(other).to_owned(),
    }
}

/// A name as it stands where it is one, else quoted.
fn word(text: &str) -> String {
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && (1..=SHOWN).contains(&text.len());
    if is_word { text.to_owned() } else { quoted(text) }
}

/// At most `SHOWN` characters, quoted and escaped.
fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

const SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_shown_as_they_were_written() {
        for (written, expected) in [("8.09e36", "8.09e+36"), ("0.1", "0.1"), ("1e-7", "1e-7"), ("-2.5", "-2.5")] {
            assert_eq!(shown(&serde_json::from_str(written).expect("a number")), expected);
        }
    }

    #[test]
    fn values_are_shown_without_secrets_and_in_bounded_length() {
        let cases = [
            (json!(70000), "70000"),
            (json!(1.5), "1.5"),
            (json!(true), "true"),
            (json!("udp"), "\"udp\""),
            (json!(""), "\"\""),
            (json!("a b\n"), "\"a b\\n\""),
            (json!(["hunter2"]), "a list"),
            (json!({"password": "hunter2"}), "an object"),
            (json!("http://me:hunter2@h:1/write?p=hunter2"), "\"http://…@h:1\""),
            (json!("me:hun/ter2@h"), "\"…@h\""),
            (json!("http://h:1/write?p=hunter2"), "\"http://h:1/write?…\""),
            (json!("http://h/a@b"), "\"http://…@b\""),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(&value), expected);
        }
        let long = shown(&json!("é ".repeat(500)));
        assert_eq!(long.chars().count(), 83);
        assert!(long.ends_with("\"…"));
    }
}
