//! Tags from the variables. What cannot be a tag as it is gets another name or is left out, with a warning.

use loaddensity_metrics_core::dogstatsd::{ConstantTags, TAG_BYTES, TagError};

use super::text;
use crate::config::Labels;
use crate::environment::Environment;

/// What is put before a key that cannot be one.
const BEFORE: &str = "tag_";

/// Variables that are one tag each. `dd.internal.entity_id` tells the Agent which pod a message comes from.
const SINGLE: [(&str, &str); 4] = [
    ("DD_ENTITY_ID", "dd.internal.entity_id"),
    ("DD_ENV", "env"),
    ("DD_SERVICE", "service"),
    ("DD_VERSION", "version"),
];
const LIST: &str = "DD_TAGS";

/// The tags, none of them twice, and the warnings.
pub(super) fn read(environment: &Environment) -> (Labels, Vec<String>) {
    let mut tags = FittingTags::default();
    for (variable, key) in SINGLE {
        if let Some(value) = text(environment, variable) {
            tags.add(variable, key, value);
        }
    }
    let given: Vec<_> = tags.all.iter().map(|(key, _)| key.to_owned()).collect();
    for tag in split(text(environment, LIST).unwrap_or_default()) {
        let (key, value) = tag.split_once(':').unwrap_or((tag, ""));
        match given.iter().any(|given| given.eq_ignore_ascii_case(key)) {
            // Datadog's tracers say that the variable of its own wins.
            true => tags.warn(LIST, key, "it has a variable of its own, which wins"),
            false => tags.add(LIST, key.trim(), value.trim()),
        }
    }
    tags.finish()
}

/// A list with a comma is split at commas only, so that a value may hold spaces.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let has_comma = list.contains(',');
    let parts = list.split(move |c: char| if has_comma { c == ',' } else { c.is_whitespace() });
    parts.map(str::trim).filter(|tag| !tag.is_empty())
}

#[derive(Default)]
struct FittingTags {
    all: Labels,
    /// The same as messages have them.
    shown: ConstantTags,
    /// The first that found no room, and how many those are.
    left_out: Option<(String, usize)>,
    warnings: Vec<String>,
}

impl FittingTags {
    fn add(&mut self, variable: &str, key: &str, value: &str) {
        if self.all.iter().any(|tag| tag == (key, value)) {
            return;
        }
        match self.shown.add(key, value) {
            Ok(()) => self.all.extend([(key, value)]),
            Err(TagError::NoRoom { key }) => {
                self.left_out.get_or_insert_with(|| (key.to_owned(), 0)).1 += 1;
            }
            Err(_) if key.is_empty() => self.warn(variable, key, "a tag has a key"),
            Err(error @ (TagError::Start { .. } | TagError::Reserved { .. })) => {
                let renamed = format!("{BEFORE}{key}");
                self.warnings.push(format!("{variable}: {error}; it is shown as {renamed:?}"));
                self.add(variable, &renamed, value);
            }
            Err(error) => self.warn(variable, key, &error.to_string()),
        }
    }

    fn warn(&mut self, variable: &str, key: &str, reason: &str) {
        self.warnings.push(format!("{variable}: tag {key:?} is left out: {reason}"));
    }

    fn finish(mut self) -> (Labels, Vec<String>) {
        if let Some((first, count)) = self.left_out {
            let others = if count == 1 { String::new() } else { format!(" and {} more", count - 1) };
            self.warnings.push(format!(
                "tag {first:?}{others} left out: the environment's tags are longer than {TAG_BYTES} bytes together"
            ));
        }
        (self.all, self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> (String, String) {
        let (tags, warnings) = read(&Environment::of(variables.iter().copied()));
        let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (tags.join(" "), warnings.join("; "))
    }

    #[test]
    fn a_list_is_split_at_commas_or_at_spaces() {
        for (list, expected) in [
            ("team:load testing,env:prod", "team=load testing env=prod"),
            ("team:load, env:prod,", "team=load env=prod"),
            ("team:load\tenv:prod  alone", "team=load env=prod alone="),
            (" a:b ", "a=b"),
            ("url:http://h:1/x,empty:,spaced : x", "url=http://h:1/x empty= spaced=x"),
            ("a:1,a:2,a:1", "a=1 a=2"),
            ("A:b,a:b", "A=b a=b"),
            ("", ""),
        ] {
            assert_eq!(of(&[("DD_TAGS", list)]), (expected.into(), String::new()), "{list:?}");
        }
    }

    #[test]
    fn tags_that_are_not_allowed_are_renamed_or_left_out_with_a_warning() {
        for (list, expected, says) in [
            ("name:checkout,a:b", "tag_name=checkout a=b", "is shown as \"tag_name\""),
            ("Method:x", "tag_Method=x", "every message has a tag of that key already"),
            ("1team:x", "tag_1team=x", "is shown as \"tag_1team\""),
            ("_x:y,name:a,name:a", "tag__x=y tag_name=a", "a tag begins with a letter"),
            (":x,a:b", "a=b", "tag \"\" is left out"),
        ] {
            let (tags, warnings) = of(&[("DD_TAGS", list)]);
            assert_eq!(tags, expected);
            assert!(warnings.contains(says) && warnings.contains("DD_TAGS"), "{warnings}");
        }
    }

    #[test]
    fn tags_that_do_not_fit_are_left_out_and_the_first_one_is_named() {
        let list = format!("a:1,long:{},b:2,longer:{},c:3", "x".repeat(1_016), "x".repeat(1_200));
        let (tags, warnings) = of(&[("DD_TAGS", &list)]);
        assert_eq!(tags, "a=1 b=2 c=3");
        assert!(warnings.starts_with("tag \"long\" and 1 more left out: "), "{warnings}");
        let list = format!("a:1,long:{},b:2", "x".repeat(1_024 - ",a:1".len() - ",long:".len()));
        let (tags, warnings) = of(&[("DD_TAGS", &list)]);
        assert!(tags.starts_with("a=1 long=xx") && !tags.contains("b="), "{tags}");
        assert!(warnings.starts_with("tag \"b\" left out: "), "{warnings}");
    }

    #[test]
    fn a_variable_of_its_own_wins_over_the_list() {
        let (tags, warnings) = of(&[("DD_ENV", "prod"), ("DD_TAGS", "env:test,Env:x,team:a")]);
        assert_eq!(tags, "env=prod team=a");
        assert!(warnings.contains("tag \"env\" is left out: it has a variable of its own"), "{warnings}");
    }
}
