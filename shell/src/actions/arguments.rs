//! Reading the arguments of an action, whether they were given by name or by position.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::document::{Arguments, JsonAction};
use super::error::{ActionError, Problem, kind_of, shown};
use super::suggestion::nearest;
use crate::config::{Labels, WAIT};
use crate::environment::EnvironmentError;

/// The parameters of a command.
///
/// ```
/// use loaddensity_metrics_shell::actions::Signature;
///
/// static SIGNATURE: Signature =
///     Signature::new(&["port", "addr"]).named(&["password"]).secret(&["password"]).aliases(&[("addr", "host")]);
/// assert!(SIGNATURE.parameters().eq(["port", "host", "password"]));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Signature {
    /// Those that can be given by position, in their order, or by name.
    pub positional: &'static [&'static str],
    /// Those that can be given by name only.
    pub named: &'static [&'static str],
    /// Which of them are passwords or tokens: no error shows their values.
    pub secret: &'static [&'static str],
    /// Other names of parameters, and what they are names of.
    pub aliases: &'static [(&'static str, &'static str)],
}

impl Signature {
    /// Parameters that can be given by position, in their order, or by name.
    #[must_use]
    pub const fn new(positional: &'static [&'static str]) -> Self {
        Self { positional, named: &[], secret: &[], aliases: &[] }
    }

    /// Those that can be given by name only.
    #[must_use]
    pub const fn named(self, named: &'static [&'static str]) -> Self {
        Self { named, ..self }
    }

    /// Which of them are passwords or tokens: no error shows their values.
    #[must_use]
    pub const fn secret(self, secret: &'static [&'static str]) -> Self {
        Self { secret, ..self }
    }

    /// Other names of parameters, each with what it is a name of. Where a position has such a name, a value that is given
    /// by position goes by it.
    #[must_use]
    pub const fn aliases(self, aliases: &'static [(&'static str, &'static str)]) -> Self {
        Self { aliases, ..self }
    }

    /// The names of the parameters, each by its first one.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.positional.iter().chain(self.named).map(|key| self.first_name(key))
    }

    /// What `key` is another name of, or else itself.
    fn first_name(&self, key: &'static str) -> &'static str {
        self.aliases.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, of)| of)
    }

    /// Parameters and their other names.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.parameters().chain(self.aliases.iter().map(|(alias, _)| *alias))
    }
}

/// The arguments of one action, checked against a [`Signature`].
///
/// `null` is read as not given. Each method that reads a value returns `None` for one that was not given, and an
/// error that names the value and what would be right for one of the wrong type. Asking for a parameter that the
/// signature does not have gives `None`.
#[derive(Clone, Copy, Debug)]
pub struct ArgumentReader<'a> {
    action: &'a JsonAction,
    signature: &'static Signature,
}

impl<'a> ArgumentReader<'a> {
    /// Looks at what was given, not yet at the values.
    ///
    /// # Errors
    /// [`Problem::UnknownParameter`], [`Problem::TooManyValues`], or [`Problem::Misplaced`] where a parameter is given by
    /// two of its names.
    pub fn new(action: &'a JsonAction, signature: &'static Signature) -> Result<Self, ActionError> {
        let reader = Self { action, signature };
        match &action.arguments {
            Arguments::Named(named) => {
                for key in named.keys() {
                    if !signature.names().any(|known| known == key) {
                        return Err(reader.error(Problem::UnknownParameter {
                            key: key.clone(),
                            known: signature.parameters().collect(),
                            near: nearest(key, signature.names()),
                        }));
                    }
                }
            }
            Arguments::Positional(values) if values.len() > signature.positional.len() => {
                let known = signature.positional.to_vec();
                return Err(reader.error(Problem::TooManyValues { given: values.len(), known }));
            }
            Arguments::Positional(_) => {}
        }
        reader.is_named_once()?;
        Ok(reader)
    }

    fn is_named_once(&self) -> Result<(), ActionError> {
        let is_given = |key| self.value_of_name(key).is_some();
        let twice = self.signature.aliases.iter().find(|(alias, key)| is_given(alias) && is_given(key));
        twice.map_or(Ok(()), |(alias, key)| {
            let reason = format!("is another name of {key}, which is given too; leave one of them out");
            Err(self.error(Problem::Misplaced { key: (*alias).to_owned(), reason }))
        })
    }

    /// The value of `key` as the document has it, whichever of its names it is given by.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.value_of_name(self.name(key))
    }

    /// The name by which `key` is given: an alias where that is; else `key`.
    #[must_use]
    pub fn name<'k>(&self, key: &'k str) -> &'k str {
        let mut aliases = self.signature.aliases.iter().filter(|(_, of)| *of == key).map(|(alias, _)| *alias);
        aliases.find(|alias| self.value_of_name(alias).is_some()).unwrap_or(key)
    }

    fn value_of_name(&self, name: &str) -> Option<&'a Value> {
        let value = match &self.action.arguments {
            Arguments::Named(named) => named.get(name),
            Arguments::Positional(values) => {
                self.signature.positional.iter().position(|known| *known == name).and_then(|at| values.get(at))
            }
        };
        value.filter(|value| !value.is_null())
    }

    /// A string.
    ///
    /// # Errors
    /// [`Problem::WrongValue`] for any other kind of value.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, ActionError> {
        self.read(key, "a string", Value::as_str)
    }

    /// `true` or `false`, also as a string, in upper and lower case.
    ///
    /// # Errors
    /// [`Problem::WrongValue`] for anything else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, ActionError> {
        self.read(key, "true or false", flag)
    }

    /// A whole number in `range`, which has no upper end where that is `u64::MAX`; `what` says in words what is expected.
    /// A fraction of zeros is taken, and so is a string that holds a number and nothing else.
    ///
    /// # Errors
    /// [`Problem::WrongValue`] for any other kind of value and outside of `range`.
    pub fn whole(&self, key: &str, range: RangeInclusive<u64>, what: &str) -> Result<Option<u64>, ActionError> {
        let expected = match *range.end() {
            u64::MAX => format!("{what}, {} or more", range.start()),
            most => format!("{what} from {} to {most}", range.start()),
        };
        self.read(key, &expected, |value| whole(value).filter(|number| range.contains(number)))
    }

    /// A number in `range`, also as a string that holds a number and nothing else; `expected` says in words what is right.
    ///
    /// # Errors
    /// [`Problem::WrongValue`] for any other kind of value and outside of `range`.
    pub fn number(&self, key: &str, range: RangeInclusive<f64>, expected: &str) -> Result<Option<f64>, ActionError> {
        self.read(key, expected, |value| number(value).filter(|number| range.contains(number)))
    }

    /// A number of seconds from a millisecond to a day, at nanosecond resolution.
    ///
    /// # Errors
    /// [`Problem::WrongValue`] for any other kind of value and out of that range.
    pub fn seconds(&self, key: &str) -> Result<Option<Duration>, ActionError> {
        let (least, most) = (WAIT.start().as_secs_f64(), WAIT.end().as_secs_f64());
        let expected = format!("a number of seconds from {least} to {most}");
        let duration = |seconds| Duration::try_from_secs_f64(seconds).ok().filter(|wait| WAIT.contains(wait));
        self.read(key, &expected, |value| number(value).and_then(duration))
    }

    /// An object whose values are strings, in the order of their keys.
    ///
    /// # Errors
    /// [`Problem::WrongValue`] for any other kind of value.
    pub fn labels(&self, key: &str) -> Result<Option<Labels>, ActionError> {
        self.read(key, "an object of strings, {\"name\": \"value\"}", |value| {
            let label = |(name, value): (&'a String, &'a Value)| Some((name.as_str(), value.as_str()?));
            value.as_object()?.iter().map(label).collect()
        })
    }

    /// The value of `key` as `convert` reads it.
    ///
    /// # Errors
    /// [`Problem::WrongValue`] with `expected` where `convert` gives `None`.
    pub fn read<T>(
        &self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ActionError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match convert(value) {
            Some(read) => Ok(Some(read)),
            None => Err(self.error(Problem::WrongValue {
                key: self.name(key).to_owned(),
                shown: self.shown(key, value),
                expected: expected.to_owned(),
            })),
        }
    }

    /// What the environment says, as this action's error where it cannot be used.
    pub(super) fn environment<T>(&self, read: Result<T, EnvironmentError>) -> Result<T, ActionError> {
        read.map_err(|error| self.error(Problem::Environment(error)))
    }

    pub(super) const fn is_positional(&self) -> bool {
        matches!(self.action.arguments, Arguments::Positional(_))
    }

    /// The names of the parameters that are given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        self.signature.parameters().filter(|key| self.value(key).is_some()).collect()
    }

    /// An error about this action, for a rule that lies beyond one value.
    #[must_use]
    pub fn error(&self, problem: Problem) -> ActionError {
        ActionError { index: self.action.index, command: self.action.command.clone(), problem }
    }

    /// Strings by position are not shown where a secret can be among them: if one value is left out, the token stands
    /// at its neighbour's position.
    fn shown(&self, key: &str, value: &Value) -> String {
        let positional = matches!(self.action.arguments, Arguments::Positional(_));
        let holds_secret = self.signature.positional.iter().any(|key| self.signature.secret.contains(key));
        let misplaced_secret = positional && value.is_string() && holds_secret;
        if self.signature.secret.contains(&key) || misplaced_secret {
            format!("{} (not shown)", kind_of(value))
        } else {
            shown(value)
        }
    }
}

/// A number, as one of JSON or as a string of one: generators of documents and templates quote them.
#[must_use]
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => serde_json::from_str(text.trim()).ok(),
        _ => value.as_f64(),
    }
}

/// `true` or `false`, as one of JSON or as a string of one in upper or lower case, for the same reason.
#[must_use]
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => value.as_bool(),
    }
}

/// Beyond this, a float does not tell a whole number from its neighbour.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn whole(value: &Value) -> Option<u64> {
    let as_float = || number(value).filter(|number| number.fract() == 0.0 && (0.0..=EXACT).contains(number));
    match value {
        Value::String(text) => text.trim().parse().ok(),
        _ => value.as_u64(),
    }
    .or_else(|| as_float().map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static SIGNATURE: Signature = Signature::new(&["addr", "port", "token"])
        .named(&["size"])
        .secret(&["token"])
        .aliases(&[("addr", "host"), ("bytes", "size")]);

    fn action(arguments: Value) -> JsonAction {
        let arguments = match arguments {
            Value::Object(named) => Arguments::Named(named),
            Value::Array(values) => Arguments::Positional(values),
            other => panic!("{other} is not an argument list"),
        };
        JsonAction { index: 4, command: "LD_x".into(), arguments }
    }

    fn said<T: std::fmt::Debug>(
        arguments: Value,
        read: impl Fn(ArgumentReader<'_>) -> Result<T, ActionError>,
    ) -> String {
        let action = action(arguments);
        ArgumentReader::new(&action, &SIGNATURE).and_then(read).expect_err("an error").to_string()
    }

    #[test]
    fn values_are_found_by_name_and_by_position_and_null_counts_as_not_given() {
        for arguments in [json!({"host": "h", "token": "t", "port": null}), json!(["h", null, "t"])] {
            let action = action(arguments);
            let reader = ArgumentReader::new(&action, &SIGNATURE).unwrap();
            assert_eq!(reader.text("host").unwrap(), Some("h"));
            assert_eq!(reader.whole("port", 1..=9, "a port").unwrap(), None);
            assert_eq!(reader.text("token").unwrap(), Some("t"));
            assert_eq!(reader.value("size"), None);
            assert_eq!(reader.value("no such parameter"), None);
        }
        let action = action(json!({"size": 7, "port": 0.25}));
        let reader = ArgumentReader::new(&action, &SIGNATURE).unwrap();
        assert_eq!(reader.whole("size", 7..=7, "a size").unwrap(), Some(7));
        assert_eq!(reader.seconds("port").unwrap(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn numbers_and_flags_may_be_given_in_other_forms_with_the_same_value() {
        let port = |value: Value| {
            let action = action(json!({ "port": value }));
            ArgumentReader::new(&action, &SIGNATURE)
                .and_then(|reader| reader.whole("port", 0..=u64::MAX, "a number"))
                .ok()
        };
        for (value, expected) in [
            (json!("8125"), Some(Some(8_125))),
            (json!(" 8125 "), Some(Some(8_125))),
            (json!(8_125.0), Some(Some(8_125))),
            (json!("8125.0"), Some(Some(8_125))),
            (json!("1e3"), Some(Some(1_000))),
            (json!("18446744073709551615"), Some(Some(u64::MAX))),
            (json!(null), Some(None)),
            (json!(8_125.5), None),
            (json!(1e17), None),
            (json!("-1"), None),
            (json!("0x50"), None),
            (json!("1_000"), None),
            (json!(true), None),
        ] {
            assert_eq!(port(value.clone()), expected, "{value}");
        }
        let action = action(json!({"size": "0.25", "port": "TRUE", "host": false}));
        let reader = ArgumentReader::new(&action, &SIGNATURE).unwrap();
        assert_eq!(reader.seconds("size").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(reader.number("size", 0.0..=1.0, "a share").unwrap(), Some(0.25));
        assert_eq!((reader.flag("port").unwrap(), reader.flag("host").unwrap()), (Some(true), Some(false)));
        for value in [json!("yes"), json!("1"), json!(1), json!("")] {
            let text = said(json!({ "size": value }), |reader| reader.flag("size"));
            assert!(text.ends_with("expected true or false"), "{text}");
        }
    }

    #[test]
    fn labels_are_an_object_of_strings() {
        let found = action(json!({"size": {"run": "7", "a": ""}}));
        let labels = ArgumentReader::new(&found, &SIGNATURE).and_then(|reader| reader.labels("size")).unwrap();
        assert_eq!(labels, Some(Labels::from([("a", ""), ("run", "7")])));
        for value in [json!({"run": 7}), json!(["run", "7"]), json!("run=7")] {
            let text = said(json!({ "size": value }), |reader| reader.labels("size"));
            assert!(text.ends_with(r#"expected an object of strings, {"name": "value"}"#), "{text}");
        }
    }

    #[test]
    fn an_alias_stands_for_its_parameter_and_errors_name_what_was_given() {
        for arguments in [json!({"host": "h"}), json!({"addr": "h"}), json!({"addr": "h", "host": null}), json!(["h"])]
        {
            let action = action(arguments);
            let reader = ArgumentReader::new(&action, &SIGNATURE).unwrap();
            assert_eq!((reader.text("host").unwrap(), reader.given()), (Some("h"), vec!["host"]));
        }
        for (arguments, name) in [(json!({"host": 7}), "host"), (json!({"addr": 7}), "addr"), (json!([7]), "addr")] {
            let name =
                if arguments.is_array() { format!("{name} is 7") } else { format!("{name} is 7; expected a string") };
            let text = said(arguments, |reader| reader.text("host").map(|_| ()));
            assert!(text.starts_with(&format!("actions[4] LD_x: {name}")), "{text}");
        }
        assert_eq!(
            said(json!({"addr": "h", "host": "h"}), |_| Ok(())),
            "actions[4] LD_x: addr: is another name of host, which is given too; leave one of them out"
        );
        let text = said(json!({"adr": "hunter2"}), |_| Ok(()));
        assert!(text.ends_with("did you mean addr? the parameters are host, port, token, size"), "{text}");
    }

    #[test]
    fn unknown_and_surplus_arguments_are_refused() {
        let ok = |_: ArgumentReader<'_>| Ok(());
        assert_eq!(
            said(json!({"prot": "hunter2"}), ok),
            "actions[4] LD_x: unknown parameter prot; did you mean port? the parameters are host, port, token, size"
        );
        assert_eq!(
            said(json!({"pass word": "hunter2"}), ok),
            "actions[4] LD_x: unknown parameter \"pass word\"; the parameters are host, port, token, size"
        );
        assert_eq!(
            said(json!(["h", 1, "hunter2", null]), ok),
            "actions[4] LD_x: 4 values given by position; at most, in this order: addr, port, token"
        );
    }

    #[test]
    fn errors_show_wrong_values_and_what_is_expected_but_never_secrets() {
        let port = |reader: ArgumentReader<'_>| reader.whole("port", 1..=65_535, "a port number");
        let right = "expected a port number from 1 to 65535";
        for (value, shown) in [
            (json!(65_536), "65536"),
            (json!(0), "0"),
            (json!(-1), "-1"),
            (json!(1.5), "1.5"),
            (json!("eighty"), "\"eighty\""),
            (json!("80.5"), "\"80.5\""),
            (json!(""), "\"\""),
            (json!(1e300), "1e+300"),
            (json!(true), "true"),
            (json!([80]), "a list"),
            (json!(u64::MAX), "18446744073709551615"),
        ] {
            assert_eq!(said(json!({ "port": value }), port), format!("actions[4] LD_x: port is {shown}; {right}"));
        }
        assert_eq!(
            said(json!(["h", "hunter2"]), port),
            format!("actions[4] LD_x: port is a string (not shown); {right}")
        );
        for arguments in [json!({"token": 2.5}), json!(["h", 1, 2.5])] {
            assert_eq!(
                said(arguments, |reader| reader.text("token").map(|_| ())),
                "actions[4] LD_x: token is a number (not shown); expected a string"
            );
        }
        for value in [json!(0), json!(0.0009), json!(-1), json!(86_401), json!(1e300), json!("2 s"), json!("NaN")] {
            let text = said(json!({ "size": value }), |reader| reader.seconds("size"));
            assert!(text.ends_with("expected a number of seconds from 0.001 to 86400"), "{text}");
        }
    }
}
