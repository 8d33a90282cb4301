//! Documents of Action-JSON: bytes are a document.

use loaddensity_metrics_shell::actions::{ActionError, Arguments, Command, Document, JsonAction, Problem};
use serde_json::{Value, json};

use super::secrets::{SECRET, put_into};
use super::told::{is_fit, is_public, warned};

/// A document: it is read, its commands are read and checked as before a start, and so is what says the same in other words.
///
/// # Panics
/// If an error is too long, has control characters or shows a secret, or if the same document, written again, says
/// something else.
pub fn actions(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Else any value of it is a secret.
    if text.contains(SECRET) {
        return;
    }
    let document = match Document::parse(&text) {
        Ok(document) => document,
        Err(error) => return is_fit(&error.to_string()),
    };
    for action in &document.actions {
        match action {
            Ok(action) => _ = command_of(action),
            Err(error) => is_fit(&error.to_string()),
        }
    }
    is_the_same_again(&document);
    with_secrets(&document);
}

/// What an action asks for. What is told of it is looked at.
fn command_of(action: &JsonAction) -> Result<Command, ActionError> {
    let read = warned(|| Command::from_action(action));
    let checked = read.as_ref().map_or(Ok(()), |command| command.check(action));
    let errors = [read.as_ref().err(), checked.as_ref().err()];
    errors.into_iter().flatten().for_each(|error| is_fit(&error.to_string()));
    is_public(&format!("{read:?} {checked:?}"));
    read
}

/// Both forms of the document, written from what was read of it, ask for the same.
fn is_the_same_again(document: &Document) {
    let written = Value::from(document.actions.iter().map(written).collect::<Vec<_>>());
    let wrapped = json!({ "other": [], "load_density": &written });
    for text in [written.to_string(), format!("\u{feff}{wrapped:#}")] {
        let again = Document::parse(&text).expect(&text);
        assert_eq!(again.actions.len(), document.actions.len(), "{text}");
        for (one, other) in document.actions.iter().zip(&again.actions) {
            let (Ok(one), Ok(other)) = (one, other) else {
                assert!(one.is_err() && other.is_err(), "{text}");
                continue;
            };
            let said = [one, other].map(|action| Command::from_action(action).map_err(|error| error.to_string()));
            assert_eq!(said[0], said[1], "{text}");
        }
    }
}

fn written(action: &Result<JsonAction, ActionError>) -> Value {
    let Ok(JsonAction { command, arguments, .. }) = action else { return Value::Null };
    match arguments {
        Arguments::Named(named) => json!([command, named]),
        Arguments::Positional(values) => json!([command, values]),
    }
}

/// The same actions with secrets where they belong, and where a misspelt name may stand before one.
fn with_secrets(document: &Document) {
    for action in document.actions.iter().flatten() {
        let unknown = match Command::from_action(action) {
            Err(ActionError { problem: Problem::UnknownParameter { key, .. }, .. }) => Some(key),
            _ => None,
        };
        let mut value = written(&Ok(action.clone()));
        put_into(&mut value[1], unknown.as_deref());
        let text = json!([value]).to_string();
        let document = Document::parse(&text).expect(&text);
        is_public(&format!("{document:?}"));
        document.actions.iter().flatten().for_each(|action| _ = command_of(action));
    }
}
