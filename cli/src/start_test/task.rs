//! One task of `LD_start_test`, with the keys that LoadDensity's HTTP users take.
//!
//! Whatever may hold a password, a token or a key (headers, cookies, auth, params, bodies) is never shown by an error.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use loaddensity_metrics_shell::Roots;
use loaddensity_metrics_shell::actions::{ActionError, ArgumentReader, Problem, flag, number};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::ObjectFields;
use crate::engine::{RequestTask, TargetUrl, Verify};

/// The keys of a task.
const KEYS: &[&str] = &[
    "method",
    "request_url",
    "url",
    "name",
    "labels",
    "headers",
    "params",
    "json",
    "data",
    "cookies",
    "auth",
    "timeout",
    "verify",
    "allow_redirects",
    "assertions",
];

/// Keys of LoadDensity's that ask for what this engine does not do.
const NOT_DONE: [(&str, &str); 4] = [
    ("files", "this engine sends no files; give the body as data"),
    ("extract", "this engine keeps nothing of an answer; leave it out, and write values out where they are used"),
    ("run_if", "this engine has no conditions; leave it out, or leave the task out"),
    ("skip_if", "this engine has no conditions; leave it out, or leave the task out"),
];

/// The methods that LoadDensity's HTTP users know.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// What stands as it is in a query and in a form; a space is `+`, all else is percent-encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b' ');

const SECONDS: std::ops::RangeInclusive<f64> = 0.001..=86_400.0;

/// Reads the task at `path`.
pub(super) fn task(reader: ArgumentReader<'_>, path: String, value: &Value) -> Result<RequestTask, ActionError> {
    for (key, reason) in NOT_DONE {
        if value.get(key).is_some_and(|value| !is_nothing(value)) {
            let key = format!("{path}.{key}");
            return Err(reader.error(Problem::Misplaced { key, reason: reason.into() }));
        }
    }
    let known: Vec<_> = KEYS.iter().copied().chain(NOT_DONE.map(|(key, _)| key)).collect();
    let fields = ObjectFields::new(reader, path, value, &known)?;
    let method = fields.required("method", &format!("one of {}", METHODS.join(", ")), |value| {
        let method = value.as_str()?.to_ascii_uppercase();
        METHODS.contains(&method.as_str()).then_some(())?;
        Method::from_bytes(method.as_bytes()).ok()
    })?;
    let key = if fields.object.get("url").is_some_and(|url| !url.is_null()) { "url" } else { "request_url" };
    let url = fields.required(key, "a complete URL, http://host:port/path or https://…", Value::as_str)?;
    let target = TargetUrl::parse(url).map_err(|error| fields.wrong(key, &error.to_string()))?;
    let name = fields.optional("name", "a string", Value::as_str)?.unwrap_or(url);
    let mut task = RequestTask::new(method, with_params(&fields, target)?, name);
    task.labels = labels(&fields)?;
    read_headers(&fields, &mut task.headers)?;
    read_body(&fields, &mut task)?;
    read_cookies(&fields, &mut task.headers)?;
    read_auth(&fields, &mut task.headers)?;
    if let Some(timeout) = fields.optional("timeout", "a number of seconds from 0.001 to 86400", seconds)? {
        task.timeout = timeout;
    }
    task.verify = fields.optional("verify", "true, false, or a PEM file of certificates", verify)?.unwrap_or_default();
    let no_redirects = "false, or nothing: this engine follows no redirects; give the URL that they lead to";
    fields.optional("allow_redirects", no_redirects, |value| (flag(value) == Some(false)).then_some(()))?;
    task.expected = expected_status(&fields)?;
    Ok(task)
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn seconds(value: &Value) -> Option<Duration> {
    number(value).filter(|seconds| SECONDS.contains(seconds)).map(Duration::from_secs_f64)
}

fn verify(value: &Value) -> Option<Verify> {
    match (flag(value), value) {
        (Some(true), _) => Some(Verify::default()),
        (Some(false), _) => Some(Verify::Off),
        (None, Value::String(path)) if !path.is_empty() => Some(Verify::Roots(Roots::Pem(path.into()))),
        _ => None,
    }
}

fn with_params(fields: &ObjectFields<'_>, target: TargetUrl) -> Result<TargetUrl, ActionError> {
    let Some(params) = fields.object.get("params").filter(|value| !value.is_null()) else {
        return Ok(target);
    };
    let query = params.as_str().map(str::to_owned).or_else(|| form(params));
    let target = query.and_then(|query| target.with_query(query.trim_start_matches('?')).ok());
    target.ok_or_else(|| fields.hidden("params", r#"{"key": value}, [["key", value]], or a query in one string"#))
}

/// Labels of the series. Which of them a series can have is known when the test begins.
fn labels(fields: &ObjectFields<'_>) -> Result<Vec<(String, String)>, ActionError> {
    let right = r#"an object of texts, {"scenario": "checkout"}"#;
    let read = |labels: &Value| {
        let label = |(key, value): (&String, &Value)| Some((key.clone(), scalar(value)?));
        labels.as_object()?.iter().filter(|(_, value)| !value.is_null()).map(label).collect()
    };
    Ok(fields.optional("labels", right, read)?.unwrap_or_default())
}

fn read_headers(fields: &ObjectFields<'_>, headers: &mut HeaderMap) -> Result<(), ActionError> {
    let given = fields.optional("headers", r#"an object, {"Header": "value"}"#, Value::as_object)?;
    for (name, value) in given.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let wrong = |expected| fields.hidden(&format!("headers.{}", name.escape_debug()), expected);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("a header's name before it"))?;
        let text = scalar(value).ok_or_else(|| wrong("a string"))?;
        headers.insert(name, secret(&text).ok_or_else(|| wrong("a string without control characters"))?);
    }
    Ok(())
}

/// The value of a header, never to be shown.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn read_body(fields: &ObjectFields<'_>, task: &mut RequestTask) -> Result<(), ActionError> {
    let given = |key| fields.object.get(key).filter(|value| !value.is_null());
    let (body, content_type) = match (given("json"), given("data")) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => return Err(fields.misplaced("json", "it excludes data; give one of them")),
        (Some(json), None) => (json.to_string(), Some("application/json")),
        (None, Some(Value::String(text))) => (text.clone(), None),
        (None, Some(data)) => {
            let right = r#"{"key": value} or [["key", value]] for a form, or a string"#;
            let form = form(data).ok_or_else(|| fields.hidden("data", right))?;
            (form, Some("application/x-www-form-urlencoded"))
        }
    };
    task.body = Bytes::from(body);
    if let Some(content_type) = content_type {
        task.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    }
    Ok(())
}

fn read_cookies(fields: &ObjectFields<'_>, headers: &mut HeaderMap) -> Result<(), ActionError> {
    let Some(cookies) = fields.object.get("cookies").filter(|value| !value.is_null()) else {
        return Ok(());
    };
    let pair = |(name, value): (&String, &Value)| Some(format!("{name}={}", scalar(value)?));
    let pairs = |pairs: &Map<String, Value>| pairs.iter().map(pair).collect::<Option<Vec<_>>>();
    let text = match cookies {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => pairs(object).map(|pairs| pairs.join("; ")),
        _ => None,
    };
    let value = text.and_then(|text| secret(&text));
    let right = r#"{"name": "value"}, or a header's value, "name=value; …""#;
    headers.insert(COOKIE, value.ok_or_else(|| fields.hidden("cookies", right))?);
    Ok(())
}

fn read_auth(fields: &ObjectFields<'_>, headers: &mut HeaderMap) -> Result<(), ActionError> {
    let Some(auth) = fields.object.get("auth").filter(|value| !value.is_null()) else {
        return Ok(());
    };
    let part = |key: &str| match auth.get(key) {
        None => Some(""),
        Some(value) => value.as_str(),
    };
    let credentials = auth.get("type").and_then(Value::as_str).and_then(|kind| {
        if kind.eq_ignore_ascii_case("basic") {
            let pair = format!("{}:{}", part("username")?, part("password")?);
            Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
        } else {
            kind.eq_ignore_ascii_case("bearer").then_some(())?;
            Some(format!("Bearer {}", part("token")?))
        }
    });
    let value = credentials.and_then(|credentials| secret(&credentials));
    let right = r#"{"type": "basic", "username": "…", "password": "…"} or {"type": "bearer", "token": "…"}"#;
    headers.insert(AUTHORIZATION, value.ok_or_else(|| fields.hidden("auth", right))?);
    Ok(())
}

/// The status that assertions ask for. Nothing else of an answer is looked at.
fn expected_status(fields: &ObjectFields<'_>) -> Result<Option<StatusCode>, ActionError> {
    let right =
        r#"a list of one {"type": "status_code", "value": 200}; this engine looks at nothing else of an answer"#;
    let status = |assertion: &Value| {
        assertion.get("type")?.as_str()?.eq_ignore_ascii_case("status_code").then_some(())?;
        let value = assertion.get("value")?;
        let code = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
        StatusCode::from_u16(u16::try_from(code).ok()?).ok()
    };
    let read = fields.optional("assertions", right, |value| match value.as_array()?.as_slice() {
        [] => Some(None),
        [first, others @ ..] => {
            let code = status(first)?;
            others.iter().all(|other| status(other) == Some(code)).then_some(Some(code))
        }
    })?;
    Ok(read.flatten())
}

/// Pairs as a query and a form have them: an object, in which a list stands for several values of one key, or a list of
/// pairs.
fn form(value: &Value) -> Option<String> {
    let mut pairs = Vec::new();
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
                let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
                for value in values {
                    pairs.push(pair(key, value)?);
                }
            }
        }
        Value::Array(list) => {
            for entry in list {
                let [key, value] = entry.as_array()?.as_slice() else { return None };
                pairs.push(pair(&scalar(key)?, value)?);
            }
        }
        _ => return None,
    }
    Some(pairs.join("&"))
}

fn pair(key: &str, value: &Value) -> Option<String> {
    let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string().replace(' ', "+");
    Some(format!("{}={}", encoded(key), encoded(&scalar(value)?)))
}

/// A single value as text, as Python writes it: that is what LoadDensity sends.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".into()),
        Value::Bool(false) => Some("False".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_shell::actions::Document;
    use serde_json::json;

    use super::super::{COMMAND, SIGNATURE};
    use super::*;

    /// A task that asks for `http://h/x?own` besides what `keys` says.
    fn read(keys: &Value) -> Result<RequestTask, ActionError> {
        let mut value = json!({"method": "post", "request_url": "http://h/x?own"});
        for (key, given) in keys.as_object().expect("an object") {
            value[key] = given.clone();
        }
        let document = Document::parse(&json!([[COMMAND, {}]]).to_string()).expect("a document");
        let action = document.actions.into_iter().next().expect("one").expect("an action");
        task(ArgumentReader::new(&action, &SIGNATURE)?, "tasks[0]".into(), &value)
    }

    #[test]
    fn the_document_has_every_key() {
        let document = include_str!("../../../docs/load-engine.md");
        for key in KEYS.iter().copied().chain(NOT_DONE.map(|(key, _)| key)) {
            let row = document.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{key}`")));
            assert!(row.is_some(), "docs/load-engine.md has no row of {key}");
        }
    }

    #[test]
    fn params_become_the_query_as_python_encodes_it() {
        for (params, query) in [
            (json!(null), "own"),
            (json!({}), "own"),
            (json!({"a": "b c&d=é", "n": 1.5, "t": true, "none": null}), "own&a=b+c%26d%3D%C3%A9&n=1.5&t=True"),
            (json!({"list": [1, "two"]}), "own&list=1&list=two"),
            (json!([["z", 1], ["a", "-._~"]]), "own&z=1&a=-._~"),
            (json!("raw=%41&x"), "own&raw=%41&x"),
        ] {
            let task = read(&json!({"params": params})).expect("a task");
            assert_eq!(task.target.path().to_string(), format!("/x?{query}"));
            assert_eq!(task.name, "http://h/x?own");
        }
    }

    #[test]
    fn bodies_headers_cookies_and_auth_are_sent_as_headers_and_bytes() {
        let form = Some("application/x-www-form-urlencoded");
        for (keys, header, value, body) in [
            (json!({}), "content-type", None, ""),
            (json!({"json": {"a": [1, null]}}), "content-type", Some("application/json"), r#"{"a":[1,null]}"#),
            (json!({"json": false}), "content-type", Some("application/json"), "false"),
            (json!({"json": 1, "headers": {"Content-Type": "a/b"}}), "content-type", Some("a/b"), "1"),
            (json!({"data": {"a": "b c", "d": 2}}), "content-type", form, "a=b+c&d=2"),
            (json!({"data": [["a", "b"]]}), "content-type", form, "a=b"),
            (json!({"data": "<x/> é"}), "content-type", None, "<x/> é"),
            (json!({"headers": {"X-Number": 7, "x-none": null}}), "x-number", Some("7"), ""),
            (json!({"cookies": {"a": "b", "c": 1}}), "cookie", Some("a=b; c=1"), ""),
            (json!({"cookies": "a=b"}), "cookie", Some("a=b"), ""),
            // RFC 7617, section 2.
            (
                json!({"auth": {"type": "Basic", "username": "Aladdin", "password": "open sesame"}}),
                "authorization",
                Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
                "",
            ),
            (json!({"auth": {"type": "bearer", "token": "t"}}), "authorization", Some("Bearer t"), ""),
        ] {
            let task = read(&keys).expect("a task");
            let given = task.headers.get(header).map(|value| value.to_str().expect("text"));
            assert_eq!((given, task.body.as_ref()), (value, body.as_bytes()), "{keys}");
        }
    }

    #[test]
    fn the_rest_is_read_and_has_defaults() {
        let task = read(&json!({"url": "https://h/y", "request_url": null, "verify": null})).expect("a task");
        assert_eq!((task.target.is_https(), &*task.name, task.expected), (true, "https://h/y", None));
        assert_eq!((task.timeout, task.verify), (Duration::from_secs(30), Verify::default()));
        let task = read(&json!({"labels": {"scenario": "checkout", "shard": 7, "none": null}})).expect("a task");
        assert_eq!(
            task.labels,
            [("scenario", "checkout"), ("shard", "7")].map(|(key, value)| (key.into(), value.into()))
        );
        let pem = Verify::Roots(Roots::Pem("ca.pem".into()));
        for (verify, expected) in [
            (json!("True"), Verify::default()),
            (json!(false), Verify::Off),
            (json!("false"), Verify::Off),
            (json!("ca.pem"), pem),
        ] {
            assert_eq!(read(&json!({"verify": verify})).expect("a task").verify, expected);
        }
        for (assertions, expected) in [
            (json!([]), None),
            (json!([{"type": "status_code", "value": 404}]), Some(404)),
            (json!([{"type": "STATUS_CODE", "value": "201"}, {"type": "status_code", "value": 201}]), Some(201)),
        ] {
            let task =
                read(&json!({"assertions": assertions, "timeout": "0.25", "allow_redirects": "false", "files": null}));
            let task = task.expect("a task");
            assert_eq!(task.expected.map(|status| status.as_u16()), expected);
            assert_eq!(task.timeout, Duration::from_millis(250));
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_what_may_be_secret_is_not_shown() {
        let credentials = "expected a URL without user and password: give those in auth";
        let assertion =
            r#"is a list; expected a list of one {"type": "status_code", "value": 200}; this engine looks at"#;
        for (keys, says) in [
            (json!({"request_url": "http://me:hunter2@h/x"}), format!("request_url is \"http://…@h\"; {credentials}")),
            (
                json!({"request_url": "http://me:hun/hunter2@h/x"}),
                format!("request_url is \"http://…@h\"; {credentials}"),
            ),
            (json!({"request_url": "${var.base}/get"}), "${var.name} alone is known here".into()),
            (json!({"headers": ["hunter2"]}), "headers is a list; expected an object, {\"Header\": \"value\"}".into()),
            (
                json!({"headers": {"X-Key": "hunter2\r\nX: y"}}),
                "headers.X-Key: its value, which is not shown, cannot".into(),
            ),
            (json!({"headers": {"X-Key": ["hunter2"]}}), "headers.X-Key: its value, which is not shown".into()),
            (json!({"headers": {":path": "hunter2"}}), "headers.:path: its value".into()),
            (json!({"params": 5}), "params: its value, which is not shown, cannot be used; expected {\"key\"".into()),
            (json!({"params": {"a": {"b": "hunter2"}}}), "params: its value, which is not shown".into()),
            (json!({"data": ["hunter2"]}), "data: its value, which is not shown".into()),
            (json!({"data": "hunter2", "json": 1}), "json: it excludes data; give one of them".into()),
            (json!({"cookies": ["hunter2"]}), "cookies: its value, which is not shown".into()),
            (json!({"auth": "hunter2"}), "auth: its value, which is not shown".into()),
            (json!({"auth": {"type": "digest", "password": "hunter2"}}), "auth: its value".into()),
            (json!({"auth": {"type": "bearer", "token": ["hunter2"]}}), "auth: its value".into()),
            (json!({"labels": ["a"]}), "labels is a list; expected an object of texts, {\"scenario\"".into()),
            (json!({"labels": {"a": ["b"]}}), "labels is an object; expected an object of texts".into()),
            (json!({"timeout": 0}), "timeout is 0; expected a number of seconds from 0.001 to 86400".into()),
            (json!({"verify": 1}), "verify is 1; expected true, false, or a PEM file of certificates".into()),
            (
                json!({"allow_redirects": true}),
                "allow_redirects is true; expected false, or nothing: this engine".into(),
            ),
            (json!({"assertions": [{"type": "contains", "value": "x"}]}), format!("assertions {assertion}")),
            (
                json!({"assertions": [{"type": "status_code", "value": 200}, {"type": "status_code", "value": 201}]}),
                format!("assertions {assertion}"),
            ),
            (json!({"files": {"a": "b"}}), "files: this engine sends no files".into()),
            (json!({"extract": [{"var": "x"}]}), "extract: this engine keeps nothing of an answer".into()),
            (json!({"run_if": true}), "run_if: this engine has no conditions".into()),
            (
                json!({"heders": {"X-Key": "hunter2"}}),
                "unknown parameter \"tasks[0].heders\"; the parameters are method,".into(),
            ),
        ] {
            let text = read(&keys).expect_err(&keys.to_string()).to_string();
            assert!(text.contains(&says) && text.contains("tasks[0]."), "{text:?} lacks {says:?}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let task = read(&json!({"headers": {"X-Key": "hunter2"}, "data": "hunter2", "params": "p=hunter2"}));
        let shown = format!("{:?}", task.expect("a task"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
