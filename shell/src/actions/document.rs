//! The shape of an Action-JSON document, before any command is looked at.

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};

use super::error::{ActionError, Problem, kind_of};

/// A parsed document.
#[derive(Debug)]
#[non_exhaustive]
pub struct Document {
    /// Its actions in order. One that is not shaped as an action is an error in its place, so that the others
    /// can still run.
    pub actions: Vec<Result<JsonAction, ActionError>>,
}

/// One action of a document.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct JsonAction {
    /// Position in the document, from 0.
    pub index: usize,
    /// Name of the command, as it was written.
    pub command: String,
    /// What was given to it.
    pub arguments: Arguments,
}

/// What was given to a command. An action of Action-JSON has these two forms, so that there will be no third.
#[derive(Clone, PartialEq)]
pub enum Arguments {
    /// By name. Empty where the action is its command alone.
    Named(Map<String, Value>),
    /// By position.
    Positional(Vec<Value>),
}

impl fmt::Debug for Arguments {
    /// Keys and kinds of values. The values may be secret; which of them are, only the command's signature knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(named) => {
                f.debug_map().entries(named.iter().map(|(key, value)| (key, KindOfValue(value)))).finish()
            }
            Self::Positional(values) => f.debug_list().entries(values.iter().map(KindOfValue)).finish(),
        }
    }
}

/// A value of which only the kind is shown.
struct KindOfValue<'a>(&'a Value);

impl fmt::Debug for KindOfValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(kind_of(self.0))
    }
}

impl Document {
    /// Reads `text`. A byte order mark at its start is skipped; keys other than `load_density` are ignored, as
    /// LoadDensity ignores them.
    ///
    /// # Errors
    /// [`DocumentError`] where `text` is no JSON, or neither a list nor an object with the list `load_density`.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = serde_json::from_str(text).map_err(|error| DocumentError::Syntax {
            line: error.line(),
            column: error.column(),
            what: without_position(&error.to_string()),
        })?;
        let actions = list_of(root)?.into_iter().enumerate().map(|(index, value)| action_of(index, value));
        Ok(Self { actions: actions.collect() })
    }
}

fn list_of(root: Value) -> Result<Vec<Value>, DocumentError> {
    match root {
        Value::Array(actions) => Ok(actions),
        Value::Object(mut object) => match object.remove("load_density") {
            Some(Value::Array(actions)) => Ok(actions),
            Some(other) => Err(DocumentError::Shape { found: format!("load_density is {}", kind_of(&other)) }),
            None => Err(DocumentError::Shape { found: "it is an object without load_density".into() }),
        },
        other => Err(DocumentError::Shape { found: format!("it is {}", kind_of(&other)) }),
    }
}

fn action_of(index: usize, value: Value) -> Result<JsonAction, ActionError> {
    let shape = |found: String| ActionError { index, command: String::new(), problem: Problem::Shape { found } };
    let Value::Array(parts) = value else {
        return Err(shape(kind_of(&value).into()));
    };
    let count = parts.len();
    let mut parts = parts.into_iter();
    let command = match parts.next() {
        Some(Value::String(command)) => command,
        Some(other) => return Err(shape(format!("a list that begins with {}", kind_of(&other)))),
        None => return Err(shape("an empty list".into())),
    };
    let arguments = match (parts.next(), parts.next()) {
        (None | Some(Value::Null), None) => Arguments::Named(Map::new()),
        (Some(Value::Object(named)), None) => Arguments::Named(named),
        (Some(Value::Array(positional)), None) => Arguments::Positional(positional),
        (Some(other), None) => {
            let problem = Problem::Shape { found: format!("a command followed by {}", kind_of(&other)) };
            return Err(ActionError { index, command, problem });
        }
        (_, Some(_)) => {
            let problem = Problem::Shape { found: format!("a list of {count} elements") };
            return Err(ActionError { index, command, problem });
        }
    };
    Ok(JsonAction { index, command, arguments })
}

/// serde_json puts the position at the end of its text; it has fields of its own here.
fn without_position(text: &str) -> String {
    text.split_once(" at line ").map_or(text, |(what, _)| what).to_owned()
}

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is not JSON.
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 at the end of a line.
        column: usize,
        /// What the parser says.
        what: String,
    },
    /// It is JSON, but neither a list nor an object with the list `load_density`.
    Shape {
        /// What it is.
        found: String,
    },
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column, what } => write!(f, "no JSON: line {line}, column {column}: {what}"),
            Self::Shape { found } => write!(
                f,
                "no Action-JSON document: {found}; expected a list of actions or {{\"load_density\": [action, …]}}"
            ),
        }
    }
}

impl Error for DocumentError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> Vec<String> {
        let show = |action: &Result<JsonAction, ActionError>| match action {
            Ok(action) => match &action.arguments {
                Arguments::Named(named) => format!("{} {}", action.command, Value::from(named.clone())),
                Arguments::Positional(values) => {
                    format!("{} {}", action.command, Value::from(values.clone()))
                }
            },
            Err(error) => error.to_string(),
        };
        Document::parse(document).expect(document).actions.iter().map(show).collect()
    }

    #[test]
    fn debug_shows_the_keys_and_the_kinds_of_values_but_no_values() {
        let list = r#"[["LD_a", {"password": "hunter2", "more": {"k": "hunter2"}}], ["LD_b", ["hunter2", 5]], ["LD_c", "hunter2"]]"#;
        let document = Document::parse(list).expect("a document");
        let shown = format!("{document:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains(r#"{"more": an object, "password": a string}"#), "{shown}");
        assert!(shown.contains("[a string, a number]"), "{shown}");
    }

    #[test]
    fn both_forms_of_documents_and_all_forms_of_actions_are_read() {
        let list = r#"[["LD_a"], ["LD_b", {"k": 1}], ["LD_c", [1, null]], ["LD_d", null], ["LD_e", {}], ["LD_f", []]]"#;
        let expected = ["LD_a {}", r#"LD_b {"k":1}"#, "LD_c [1,null]", "LD_d {}", "LD_e {}", "LD_f []"];
        assert_eq!(texts(list), expected);
        assert_eq!(texts(&format!(r#"{{"other": 1, "load_density": {list}}}"#)), expected);
        assert_eq!(texts(&format!("\u{feff} \n{list}\n")), expected);
        assert!(texts("[]").is_empty());
    }

    #[test]
    fn an_action_of_the_wrong_form_is_an_error_at_its_position() {
        let list = r#"[["LD_a"], "LD_b", 7, [], [1], ["LD_c", "secret"], ["LD_d", {}, {}], {"LD_e": 1}, ["LD_f"]]"#;
        let right = r#"expected ["LD_name"], ["LD_name", {"key": value}] or ["LD_name", [value, …]]"#;
        let expected = [
            "LD_a {}".to_owned(),
            format!("actions[1]: no action: a string; {right}"),
            format!("actions[2]: no action: a number; {right}"),
            format!("actions[3]: no action: an empty list; {right}"),
            format!("actions[4]: no action: a list that begins with a number; {right}"),
            format!("actions[5] LD_c: no action: a command followed by a string; {right}"),
            format!("actions[6] LD_d: no action: a list of 3 elements; {right}"),
            format!("actions[7]: no action: an object; {right}"),
            "LD_f {}".to_owned(),
        ];
        assert_eq!(texts(list), expected);
    }

    #[test]
    fn the_error_of_a_wrong_document_says_where_and_what_is_expected() {
        let shape = "expected a list of actions or {\"load_density\": [action, …]}";
        let cases = [
            ("", "no JSON: line 1, column 0: EOF while parsing a value".to_owned()),
            ("[\n  [\"LD_a\",]\n]", "no JSON: line 2, column 11: trailing comma".to_owned()),
            ("[[\"LD_a\"]] x", "no JSON: line 1, column 12: trailing characters".to_owned()),
            ("7", format!("no Action-JSON document: it is a number; {shape}")),
            ("null", format!("no Action-JSON document: it is null; {shape}")),
            (
                r#"{"load_densty": []}"#,
                format!("no Action-JSON document: it is an object without load_density; {shape}"),
            ),
            (r#"{"load_density": {}}"#, format!("no Action-JSON document: load_density is an object; {shape}")),
        ];
        for (text, expected) in cases {
            assert_eq!(Document::parse(text).expect_err(text).to_string(), expected, "{text}");
        }
    }
}
