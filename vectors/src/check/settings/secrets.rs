//! Secrets are put where users put them, so that whatever shows them is found out.

use serde_json::Value;

/// What stands for a password or a token. What has it already is not given another.
pub(super) const SECRET: &str = "hunter2";

/// Where in a value its secret is.
#[derive(Clone, Copy, Debug)]
pub(super) enum SecretPlace {
    /// Anywhere: it is a password or a token.
    All,
    /// It is a URL, or stands where somebody may put one: before an `@` after the scheme, and in the query.
    Url,
    /// In the values of a list, `name=value,name=value`.
    List,
}

impl SecretPlace {
    /// `text` with the secret.
    pub(super) fn put(self, text: &str) -> String {
        match self {
            Self::All => format!("{text}{SECRET}"),
            Self::Url => {
                let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
                let query = if rest.contains('?') { SECRET } else { "" };
                format!("{scheme}me:{SECRET}@{rest}{query}")
            }
            Self::List => text.split(',').map(|part| format!("{part}{SECRET}")).collect::<Vec<_>>().join(","),
        }
    }
}

/// Where the parameters of commands have secrets.
const PARAMETERS: [(&str, SecretPlace); 9] = [
    ("token", SecretPlace::All),
    ("bearer_token", SecretPlace::All),
    ("username", SecretPlace::Url),
    ("password", SecretPlace::All),
    ("headers", SecretPlace::All),
    ("proxy", SecretPlace::Url),
    ("url", SecretPlace::Url),
    ("endpoint", SecretPlace::Url),
    ("host", SecretPlace::Url),
];

/// Puts secrets into the arguments of an action that are given by name, `also` among them.
pub(super) fn put_into(arguments: &mut Value, also: Option<&str>) {
    for (key, value) in arguments.as_object_mut().into_iter().flatten() {
        let place = PARAMETERS.iter().find(|(known, _)| known == key).map(|(_, place)| *place);
        let place = place.or_else(|| (also == Some(key)).then_some(SecretPlace::All));
        match (place, value) {
            (Some(place), Value::String(text)) => *text = place.put(text),
            (Some(place), Value::Object(values)) => {
                for value in values.values_mut() {
                    *value = Value::from(place.put(value.as_str().unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
}
