//! The forms in which LoadDensity's documents, templates and importers write `tasks`: a list, an object by method, and a
//! scenario with a mode. Each becomes a list of tasks in the order in which they are requested.
//!
//! Source: LoadDensity's documentation, "Scenario Modes", "HTTP Users" and "Parameter Resolver".

use loaddensity_metrics_shell::actions::{ActionError, ArgumentReader, Problem};
use serde_json::{Map, Value};

use super::task::task;
use crate::engine::RequestTask;

/// Most turns of a cycle in which every task comes as often as its weight says.
const TURNS: usize = 10_000;

const EXPECTED: &str = r#"a list with at least one {"method": "get", "request_url": "http://…", "name": "…"}, an object by method, {"get": {"request_url": "http://…"}}, or {"mode": "sequence", "tasks": …}"#;

/// A task, and where it stands in the document.
#[derive(Clone, Debug)]
pub(super) struct PlacedTask {
    pub(super) path: String,
    pub(super) task: RequestTask,
}

/// The tasks in the order of their turns.
pub(super) fn read(reader: ArgumentReader<'_>) -> Result<Vec<PlacedTask>, ActionError> {
    let missing = || reader.error(Problem::Missing { key: "tasks".into(), expected: EXPECTED.into() });
    let given = reader.value("tasks").ok_or_else(missing)?;
    let scenario = given.as_object().and_then(|object| Some((object, object.get("tasks")?)));
    let (mode, path, listed) = match scenario {
        Some((object, inner)) => (mode(reader, object)?, "tasks.tasks", inner),
        None => (TaskOrder::Sequence, "tasks", given),
    };
    let mut found = Vec::new();
    for (path, task) in entries(reader, path, listed)? {
        found.push(WeightedTask::read(reader, path, task)?);
    }
    match mode {
        TaskOrder::Sequence => Ok(found.into_iter().map(|entry| entry.placed).collect()),
        TaskOrder::Weighted => in_turns(reader, path, &found),
    }
}

#[derive(Clone, Copy)]
enum TaskOrder {
    /// All in their order, again and again.
    Sequence,
    /// Each as often as its weight says.
    Weighted,
}

/// `conditional` is a sequence whose tasks have conditions, and those are for the task to judge.
fn mode(reader: ArgumentReader<'_>, scenario: &Map<String, Value>) -> Result<TaskOrder, ActionError> {
    if let Some(unknown) = scenario.keys().find(|key| !matches!(key.as_str(), "mode" | "tasks")) {
        let key = format!("tasks.{unknown}");
        return Err(reader.error(Problem::UnknownParameter { key, known: vec!["mode", "tasks"], near: None }));
    }
    let Some(value) = scenario.get("mode").filter(|mode| !mode.is_null()) else { return Ok(TaskOrder::Sequence) };
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("sequence" | "conditional") => Ok(TaskOrder::Sequence),
        Some("weighted") => Ok(TaskOrder::Weighted),
        _ => {
            let expected = "\"sequence\", \"weighted\" or \"conditional\"";
            Err(reader.error(Problem::wrong_value("tasks.mode", value, expected)))
        }
    }
}

/// The tasks of a list, or of an object by method, each with its path.
fn entries(reader: ArgumentReader<'_>, path: &str, listed: &Value) -> Result<Vec<(String, Value)>, ActionError> {
    let entries: Vec<_> = match listed {
        Value::Array(list) => {
            list.iter().enumerate().map(|(at, task)| (format!("{path}[{at}]"), task.clone())).collect()
        }
        Value::Object(by_method) => {
            by_method.iter().map(|(method, task)| (format!("{path}.{method}"), with_method(method, task))).collect()
        }
        _ => Vec::new(),
    };
    if entries.is_empty() {
        return Err(reader.error(Problem::wrong_value(path, listed, EXPECTED)));
    }
    Ok(entries)
}

/// A task that says its method itself goes by that.
fn with_method(method: &str, task: &Value) -> Value {
    let mut task = task.clone();
    if let Value::Object(fields) = &mut task {
        fields.entry("method").or_insert_with(|| method.into());
    }
    task
}

struct WeightedTask {
    placed: PlacedTask,
    weight: usize,
}

impl WeightedTask {
    fn read(reader: ArgumentReader<'_>, path: String, mut value: Value) -> Result<Self, ActionError> {
        let weight = value.as_object_mut().and_then(|fields| fields.remove("weight"));
        let weight = match weight.filter(|weight| !weight.is_null()) {
            Some(given) => weight_of(reader, &path, &given)?,
            None => 1,
        };
        resolve(reader, &path, &mut value)?;
        relative_to_host(reader, &mut value)?;
        let task = task(reader, path.clone(), &value)?;
        Ok(Self { placed: PlacedTask { path, task }, weight })
    }
}

fn weight_of(reader: ArgumentReader<'_>, path: &str, given: &Value) -> Result<usize, ActionError> {
    let number = match given {
        Value::String(text) => text.trim().parse().ok(),
        _ => given.as_u64(),
    };
    let weight = number.and_then(|number| usize::try_from(number).ok()).filter(|weight| *weight <= TURNS);
    let expected = format!("a whole number from 0 to {TURNS}");
    weight.ok_or_else(|| reader.error(Problem::wrong_value(format!("{path}.weight"), given, expected)))
}

/// A path alone is one at `host`, and keeps its short name.
fn relative_to_host(reader: ArgumentReader<'_>, task: &mut Value) -> Result<(), ActionError> {
    let Some(host) = reader.text("host")? else { return Ok(()) };
    let Some(fields) = task.as_object_mut() else { return Ok(()) };
    for key in ["request_url", "url"] {
        let Some(path) = fields.get(key).and_then(Value::as_str).filter(|url| url.starts_with('/')) else { continue };
        let (name, url) = (path.to_owned(), format!("{}{path}", host.trim_end_matches('/')));
        fields.insert(key.into(), url.into());
        fields.entry("name").or_insert_with(|| name.into());
    }
    Ok(())
}

/// Puts what `variables` says in the place of `${var.name}`, in all strings of a task. No value is ever shown.
fn resolve(reader: ArgumentReader<'_>, path: &str, value: &mut Value) -> Result<(), ActionError> {
    match value {
        Value::String(text) => {
            *text = resolved(reader, path, text)?;
            Ok(())
        }
        Value::Array(list) => list.iter_mut().try_for_each(|value| resolve(reader, path, value)),
        Value::Object(fields) => {
            fields.iter_mut().try_for_each(|(key, value)| resolve(reader, &format!("{path}.{key}"), value))
        }
        _ => Ok(()),
    }
}

/// What else LoadDensity's parameter resolver knows; any other braces are a text's own.
const OTHERS: [&str; 6] = ["env.", "csv.", "faker.", "uuid(", "now(", "randint("];

fn resolved(reader: ArgumentReader<'_>, path: &str, text: &str) -> Result<String, ActionError> {
    let Some((before, rest)) = text.split_once("${") else { return Ok(text.to_owned()) };
    let Some((placeholder, after)) = rest.split_once('}') else { return Ok(text.to_owned()) };
    let value = match placeholder.strip_prefix("var.") {
        Some(name) => variable(reader, path, name)?,
        None if OTHERS.iter().any(|kind| placeholder.starts_with(kind)) => {
            return Err(no_placeholder(reader, path, placeholder));
        }
        None => format!("${{{placeholder}}}"),
    };
    Ok(format!("{before}{value}{}", resolved(reader, path, after)?))
}

fn variable(reader: ArgumentReader<'_>, path: &str, name: &str) -> Result<String, ActionError> {
    match reader.value("variables").and_then(|variables| variables.get(name)) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(plain @ (Value::Number(_) | Value::Bool(_))) => Ok(plain.to_string()),
        _ => Err(no_placeholder(reader, path, &format!("var.{name}"))),
    }
}

fn no_placeholder(reader: ArgumentReader<'_>, path: &str, placeholder: &str) -> ActionError {
    let reason = format!(
        "${{{placeholder}}} stands for nothing here; of LoadDensity's placeholders this load engine has ${{var.name}} \
         alone, with \"variables\": {{\"name\": \"value\"}} beside tasks"
    );
    reader.error(Problem::Misplaced { key: path.to_owned(), reason })
}

/// Each task as often as its weight says, spread evenly: in turns instead of at random, so that the shares are exact. Each
/// turn goes to the task that is owed most.
fn in_turns(reader: ArgumentReader<'_>, path: &str, entries: &[WeightedTask]) -> Result<Vec<PlacedTask>, ActionError> {
    let common = entries.iter().fold(0, |common, entry| greatest_common_divisor(common, entry.weight)).max(1);
    let weights: Vec<_> = entries.iter().map(|entry| entry.weight / common).collect();
    let turns: usize = weights.iter().sum();
    if !(1..=TURNS).contains(&turns) {
        let reason = format!("their weights must add up to 1 to {TURNS}, divided by what they have in common");
        return Err(reader.error(Problem::Misplaced { key: path.to_owned(), reason }));
    }
    let mut owed = vec![0_i64; weights.len()];
    let mut order = Vec::with_capacity(turns);
    for _ in 0..turns {
        owed.iter_mut().zip(&weights).for_each(|(owed, weight)| *owed += *weight as i64);
        // Of several, the first.
        let next = (0..owed.len()).rev().max_by_key(|at| owed[*at]).unwrap_or_default();
        owed[next] -= turns as i64;
        order.push(entries[next].placed.clone());
    }
    Ok(order)
}

const fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
