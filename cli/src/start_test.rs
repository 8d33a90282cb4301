//! `LD_start_test`: its parameters, read into a [`LoadTest`].

mod task;
mod tasks;

use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_shell::actions::{ActionError, ArgumentReader, JsonAction, Problem, Signature};
use serde_json::{Map, Value};

use crate::engine::{EngineError, LoadTest};
use crate::say;

/// The command's name.
pub(crate) const COMMAND: &str = "LD_start_test";

static SIGNATURE: Signature = Signature::new(&["user_detail_dict", "user_count", "spawn_rate", "test_time", "tasks"])
    .named(&[
        "max_rate",
        "traces",
        "variables",
        "host",
        "runner_mode",
        "web_ui_dict",
        "csv_sources",
        "master_bind_host",
        "master_bind_port",
        "master_host",
        "master_port",
        "expected_workers",
    ])
    .secret(&["variables"]);

/// Parameters of LoadDensity's that change nothing of the load here.
const WITHOUT_EFFECT: [(&str, &str); 7] = [
    ("web_ui_dict", "there is no web page; the status line and the table show how it goes"),
    ("csv_sources", "rows of files are not put into requests; ${csv.…} is refused where a task has it"),
    ("master_bind_host", ONE_PROCESS),
    ("master_bind_port", ONE_PROCESS),
    ("master_host", ONE_PROCESS),
    ("master_port", ONE_PROCESS),
    ("expected_workers", ONE_PROCESS),
];
const ONE_PROCESS: &str = "a run is one process; start one on each machine";

/// Rates per second. The least is one turn in a quarter of an hour; far below it, times would overflow.
const RATES: RangeInclusive<f64> = 0.001..=10_000_000.0;

/// Reads `action`. Defaults are LoadDensity's: 50 users, 10 more per second, 60 seconds.
pub(crate) fn load_test(action: &JsonAction) -> Result<LoadTest, ActionError> {
    let reader = ArgumentReader::new(action, &SIGNATURE)?;
    check_user(reader)?;
    check_mode(reader)?;
    reader.read("variables", "an object, {\"name\": \"value\"}", Value::as_object)?;
    warn_of_what_has_no_effect(reader);
    let users = reader.whole("user_count", 1..=100_000, "a number of users")?.unwrap_or(50);
    let rate = |key: &str, what: &str| {
        let expected = format!("{what}, {} to {}", RATES.start(), RATES.end());
        reader.number(key, RATES, &expected)
    };
    Ok(LoadTest {
        users: u32::try_from(users).unwrap_or(u32::MAX),
        spawn_rate: rate("spawn_rate", "a number of users per second")?.unwrap_or(10.0),
        duration: reader.seconds("test_time")?.unwrap_or(Duration::from_secs(60)),
        max_rate: rate("max_rate", "a number of requests per second")?,
        traces: reader.flag("traces")?.unwrap_or(false),
        tasks: tasks::read(reader)?.into_iter().map(|placed| placed.task).collect(),
    })
}

/// What the engine says, as an error of `action`.
pub(crate) fn engine_error(action: &JsonAction, error: &EngineError) -> ActionError {
    let (key, reason) = match error {
        EngineError::Resolve { task, host, source } => (
            format!("{}.request_url", path_of(action, *task)),
            format!("no address for host {host:?} ({source}); give a host name that resolves here, or an address"),
        ),
        EngineError::Labels { task, source } => (format!("{}.labels", path_of(action, *task)), source.to_string()),
        EngineError::Verify { task, reason } => (format!("{}.verify", path_of(action, *task)), reason.clone()),
        EngineError::Runtime(_) | EngineError::Gauge(_) | EngineError::Instrument(_) => {
            ("load engine".to_owned(), error.to_string())
        }
    };
    let problem = Problem::Misplaced { key, reason };
    ActionError::new(action, problem)
}

/// Where the task in this place of the order stands in the document.
fn path_of(action: &JsonAction, place: usize) -> String {
    let tasks = ArgumentReader::new(action, &SIGNATURE).and_then(tasks::read).unwrap_or_default();
    tasks.into_iter().nth(place).map_or_else(|| "tasks".to_owned(), |placed| placed.path)
}

/// A user that is not said is LoadDensity's `fast_http_user`.
fn check_user(reader: ArgumentReader<'_>) -> Result<(), ActionError> {
    let right = r#"{"user": "http_user"} or {"user": "fast_http_user"}"#;
    let missing = || reader.error(Problem::Missing { key: "user_detail_dict".into(), expected: right.into() });
    let details = reader.value("user_detail_dict").ok_or_else(missing)?;
    let details = ObjectFields::new(reader, "user_detail_dict", details, &["user"])?;
    let kinds = "http_user or fast_http_user; other kinds of user are not built in";
    let is_known = |value: &Value| matches!(value.as_str()?, "http_user" | "fast_http_user").then_some(());
    details.optional("user", kinds, is_known).map(|_| ())
}

/// A master or a worker alone would be another load than the document describes.
fn check_mode(reader: ArgumentReader<'_>) -> Result<(), ActionError> {
    let expected = "\"local\": a run is one process; start one on each machine, with its share of the users";
    reader.read("runner_mode", expected, |mode| (mode.as_str()? == "local").then_some(())).map(|_| ())
}

fn warn_of_what_has_no_effect(reader: ArgumentReader<'_>) {
    for (key, reason) in WITHOUT_EFFECT.iter().filter(|(key, _)| reader.value(key).is_some()) {
        say::err(format_args!("warning: {COMMAND}: {key} is LoadDensity's and has no effect here: {reason}"));
    }
}

/// The fields of an object inside an argument; errors name them with their path.
struct ObjectFields<'a> {
    reader: ArgumentReader<'a>,
    path: String,
    object: &'a Map<String, Value>,
}

impl<'a> ObjectFields<'a> {
    fn new(
        reader: ArgumentReader<'a>,
        path: impl Into<String>,
        value: &'a Value,
        known: &[&'static str],
    ) -> Result<Self, ActionError> {
        let path = path.into();
        let Some(object) = value.as_object() else {
            let expected = format!("an object with {}", known.join(", "));
            return Err(reader.error(Problem::wrong_value(path, value, expected)));
        };
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => {
                let key = format!("{path}.{unknown}");
                Err(reader.error(Problem::UnknownParameter { key, known: known.to_vec(), near: None }))
            }
            None => Ok(Self { reader, path, object }),
        }
    }

    fn optional<T>(
        &self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ActionError> {
        let Some(value) = self.object.get(key).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        convert(value).map(Some).ok_or_else(|| self.wrong(key, expected))
    }

    fn required<T>(
        &self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, ActionError> {
        self.optional(key, expected, convert)?.ok_or_else(|| {
            let key = format!("{}.{key}", self.path);
            self.reader.error(Problem::Missing { key, expected: expected.to_owned() })
        })
    }

    /// An error that does not show the value, which may be a secret.
    fn hidden(&self, key: &str, expected: &str) -> ActionError {
        self.misplaced(key, &format!("its value, which is not shown, cannot be used; expected {expected}"))
    }

    fn misplaced(&self, key: &str, reason: &str) -> ActionError {
        let key = format!("{}.{key}", self.path);
        self.reader.error(Problem::Misplaced { key, reason: reason.to_owned() })
    }

    fn wrong(&self, key: &str, expected: &str) -> ActionError {
        let value = self.object.get(key).unwrap_or(&Value::Null);
        self.reader.error(Problem::wrong_value(format!("{}.{key}", self.path), value, expected))
    }
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_shell::actions::{Command, Document};
    use serde_json::json;

    use super::*;
    use crate::engine::RequestTask;

    fn read(arguments: &Value) -> Result<LoadTest, ActionError> {
        let mut document = Document::parse(&json!([[COMMAND, arguments]]).to_string()).expect("a document");
        document.actions.remove(0).and_then(|action| load_test(&action))
    }

    fn with(key: &str, value: Value) -> Value {
        let mut arguments = json!({
            "user_detail_dict": {"user": "fast_http_user"},
            "tasks": [{"method": "get", "request_url": "http://h/x"}],
        });
        arguments[key] = value;
        arguments
    }

    #[test]
    fn defaults_are_loaddensitys_and_names_are_urls() {
        let test = read(&with("user_count", Value::Null)).unwrap();
        assert_eq!((test.users, test.spawn_rate, test.duration), (50, 10.0, Duration::from_secs(60)));
        assert_eq!((test.max_rate, test.traces), (None, false));
        let [task] = &test.tasks[..] else { panic!("{:?}", test.tasks) };
        assert_eq!((task.method.as_str(), task.name.as_str()), ("GET", "http://h/x"));
    }

    #[test]
    fn all_is_read_by_name_and_by_position() {
        let tasks = json!([
            {"method": "Post", "request_url": "http://h:1/a", "name": "a"},
            {"method": "HEAD", "request_url": "http://h:1/b", "name": null},
        ]);
        let details = json!({"user": "http_user"});
        let named = json!({"user_detail_dict": details, "user_count": 2, "spawn_rate": 0.5, "test_time": 1.5,
            "tasks": tasks, "max_rate": 100, "traces": true});
        for (arguments, max_rate) in [(named, Some(100.0)), (json!([details, 2, 0.5, 1.5, tasks]), None)] {
            let test = read(&arguments).unwrap();
            assert_eq!((test.users, test.spawn_rate), (2, 0.5));
            assert_eq!((test.duration, test.max_rate), (Duration::from_millis(1_500), max_rate));
            assert_eq!(test.traces, max_rate.is_some());
            let tasks: Vec<_> = test.tasks.iter().map(|task| (task.method.as_str(), &*task.name)).collect();
            assert_eq!(tasks, [("POST", "a"), ("HEAD", "http://h:1/b")]);
        }
    }

    /// Method, host and path, and name of each turn.
    fn turns(tasks: Value) -> Vec<String> {
        let mut arguments = with("tasks", tasks);
        arguments["variables"] = json!({"base": "http://v:1", "id": 7});
        arguments["host"] = json!("http://r/");
        let test = read(&arguments).unwrap_or_else(|error| panic!("{error}"));
        let shown =
            |task: &RequestTask| format!("{} {}{} {}", task.method, task.target.host(), task.target.path(), task.name);
        test.tasks.iter().map(shown).collect()
    }

    #[test]
    fn tasks_are_taken_in_each_form_that_loaddensitys_documents_and_importers_write() {
        let (get, post) = ("GET h/a http://h/a", "POST h/b b");
        let listed = json!([{"method": "get", "request_url": "http://h/a"}, {"method": "post", "request_url": "http://h/b", "name": "b"}]);
        let by_method =
            json!({"get": {"request_url": "http://h/a"}, "post": {"request_url": "http://h/b", "name": "b"}});
        for tasks in [
            listed.clone(),
            by_method.clone(),
            json!({"mode": "sequence", "tasks": listed}),
            json!({"mode": "Conditional", "tasks": listed}),
            json!({"mode": null, "tasks": by_method}),
            json!({ "tasks": by_method }),
        ] {
            assert_eq!(turns(tasks.clone()), [get, post], "{tasks}");
        }
        // A method of its own wins, as in LoadDensity.
        assert_eq!(turns(json!({"get": {"method": "put", "request_url": "http://h/a"}})), ["PUT h/a http://h/a"]);
        // `user_detail_dict` without a user is `fast_http_user`.
        assert!(read(&with("user_detail_dict", json!({}))).is_ok());
    }

    #[test]
    fn weighted_tasks_take_turns_in_their_shares() {
        let task = |name: &str, weight: Value| json!({"method": "get", "request_url": "http://h/", "name": name, "weight": weight});
        let names = |weights: &[(&str, Value)]| {
            let tasks: Vec<_> = weights.iter().map(|(name, weight)| task(name, weight.clone())).collect();
            let turns = turns(json!({"mode": "weighted", "tasks": tasks}));
            turns.iter().filter_map(|turn| turn.split(' ').nth(2)).collect::<String>()
        };
        assert_eq!(names(&[("a", json!(3)), ("b", json!(1))]), "aaba");
        assert_eq!(names(&[("a", json!(30)), ("b", json!("10")), ("c", json!(0))]), "aaba");
        assert_eq!(names(&[("a", Value::Null), ("b", json!(1))]), "ab");
        assert_eq!(names(&[("a", json!(9_999)), ("b", json!(1))]).matches('a').count(), 9_999);
    }

    #[test]
    fn variables_and_a_host_complete_what_tasks_leave_open() {
        let tasks = json!([
            {"method": "get", "request_url": "${var.base}/users/${var.id}", "name": "${not.ours} ${"},
            {"method": "get", "request_url": "/health"},
            {"method": "get", "request_url": "/named", "name": "n"},
        ]);
        let expected = ["GET v/users/7 ${not.ours} ${", "GET r/health /health", "GET r/named n"];
        assert_eq!(turns(tasks), expected);
    }

    #[test]
    fn a_host_without_an_address_is_named_by_the_place_of_its_task() {
        let tasks = json!({"mode": "weighted", "tasks": {"get": {"request_url": "http://h/", "weight": 2}, "put": {"request_url": "http://i/"}}});
        let document = json!([[COMMAND, with("tasks", tasks)]]).to_string();
        let action = Document::parse(&document).expect("a document").actions.remove(0).expect("an action");
        let error = |task| {
            let source = std::io::Error::other("no such host");
            engine_error(&action, &EngineError::Resolve { task, host: "h".into(), source }).to_string()
        };
        assert!(error(0).contains(": tasks.tasks.get.request_url: no address"), "{}", error(0));
        assert!(error(1).contains(": tasks.tasks.put.request_url: no address"), "{}", error(1));
    }

    #[test]
    fn the_example_is_right() {
        let document = Document::parse(include_str!("../examples/four_backends.json")).expect("a document");
        let mut tests = 0;
        for action in document.actions {
            let action = action.expect("an action");
            if action.command == COMMAND {
                tests += load_test(&action).map(|test| test.tasks.len()).expect("a load test");
            } else {
                Command::from_action(&action).expect("a command");
            }
        }
        assert_eq!(tests, 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        let task = |key: &str, value: Value| {
            let mut task = json!({"method": "get", "request_url": "http://h/x"});
            task[key] = value;
            with("tasks", json!([{"method": "get", "request_url": "http://h/x"}, task]))
        };
        let keys = "method, request_url, url, name, labels, headers, params, json, data, cookies, auth, timeout, verify, allow_redirects, assertions, files, extract, run_if, skip_if";
        let kinds = "expected http_user or fast_http_user; other kinds of user are not built in";
        let methods = "expected one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS";
        let url = "expected a complete URL, http://host:port/path or https://…";
        let right = r#"expected a list with at least one {"method": "get", "request_url": "http://…", "name": "…"}, an object by method, {"get": {"request_url": "http://…"}}, or {"mode": "sequence", "tasks": …}"#;
        for (arguments, expected) in [
            (with("user_detail_dict", json!({"user": "websocket_user"})), format!("user_detail_dict.user is \"websocket_user\"; {kinds}")),
            (with("user_detail_dict", json!({"user": 7})), format!("user_detail_dict.user is 7; {kinds}")),
            (with("user_detail_dict", json!("http_user")), "user_detail_dict is \"http_user\"; expected an object with user".into()),
            (with("user_detail_dict", Value::Null), "user_detail_dict is not given; expected {\"user\": \"http_user\"} or {\"user\": \"fast_http_user\"}".into()),
            (with("user_count", json!(0)), "user_count is 0; expected a number of users from 1 to 100000".into()),
            (with("spawn_rate", json!("ten")), "spawn_rate is \"ten\"; expected a number of users per second, 0.001 to 10000000".into()),
            (with("max_rate", json!(-1)), "max_rate is -1; expected a number of requests per second, 0.001 to 10000000".into()),
            (with("traces", json!("yes")), "traces is \"yes\"; expected true or false".into()),
            (with("tasks", json!([])), format!("tasks is a list; {right}")),
            (with("tasks", json!([1])), format!("tasks[0] is 1; expected an object with {keys}")),
            (task("method", json!("fetch")), format!("tasks[1].method is \"fetch\"; {methods}")),
            (task("method", Value::Null), format!("tasks[1].method is not given; {methods}")),
            (task("request_url", json!(5)), format!("tasks[1].request_url is 5; {url}")),
            (task("request_url", json!("h/x")), format!("tasks[1].request_url is \"h/x\"; {url}")),
            (with("user_cuont", json!(5)), "unknown parameter user_cuont; did you mean user_count? the parameters are user_detail_dict, user_count, spawn_rate, test_time, tasks, max_rate, traces, variables, host, runner_mode, web_ui_dict, csv_sources, master_bind_host, master_bind_port, master_host, master_port, expected_workers".into()),
            (with("runner_mode", json!("master")), "runner_mode is \"master\"; expected \"local\": a run is one process; start one on each machine, with its share of the users".into()),
            (with("tasks", json!({})), format!("tasks is an object; {right}")),
            (with("tasks", json!("get")), format!("tasks is \"get\"; {right}")),
            (with("tasks", json!({"get": 5})), format!("tasks.get is 5; expected an object with {keys}")),
            (with("tasks", json!({"fetch": {"request_url": "http://h/x"}})), format!("tasks.fetch.method is \"fetch\"; {methods}")),
            (with("tasks", json!({"mode": "random", "tasks": []})), "tasks.mode is \"random\"; expected \"sequence\", \"weighted\" or \"conditional\"".into()),
            (with("tasks", json!({"mode": "sequence", "tasks": []})), format!("tasks.tasks is a list; {right}")),
            (with("tasks", json!({"mod": "sequence", "tasks": []})), "unknown parameter \"tasks.mod\"; the parameters are mode, tasks".into()),
            (with("tasks", json!({"mode": "weighted", "tasks": [{"method": "get", "request_url": "http://h/x", "weight": -1}]})), "tasks.tasks[0].weight is -1; expected a whole number from 0 to 10000".into()),
            (with("tasks", json!({"mode": "weighted", "tasks": [{"method": "get", "request_url": "http://h/x", "weight": 0}]})), "tasks.tasks: their weights must add up to 1 to 10000, divided by what they have in common".into()),
            (task("request_url", json!("http://h/${csv.users.id}")), "tasks[1].request_url: ${csv.users.id} stands for nothing here; of LoadDensity's placeholders this load engine has ${var.name} alone, with \"variables\": {\"name\": \"value\"} beside tasks".into()),
            (task("name", json!("${var.nothing}")), "tasks[1].name: ${var.nothing} stands for nothing here; of LoadDensity's placeholders this load engine has ${var.name} alone, with \"variables\": {\"name\": \"value\"} beside tasks".into()),
        ] {
            let error = read(&arguments).expect_err(&arguments.to_string()).to_string();
            assert_eq!(error, format!("actions[0] {COMMAND}: {expected}"));
        }
    }
}
