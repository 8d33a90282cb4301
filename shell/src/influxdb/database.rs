//! How the database of an InfluxDB 1 is created on request.
//!
//! Sources: InfluxDB 1, "Create database with CREATE DATABASE", "Query data with the InfluxDB API"; influxql, `ast.go`,
//! `QuoteIdent`. To create one that exists is no error.

use bytes::Bytes;
use hyper::StatusCode;
use loaddensity_metrics_core::influxdb::error_words;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http_client::Secrets;

/// The request that creates a database.
#[derive(Clone)]
pub(super) struct Creation {
    /// Path and query of the query API.
    pub(super) path: String,
    /// The body: a form with the statement.
    pub(super) form: Bytes,
}

impl Creation {
    /// Creates `database` by a `POST` to `path`.
    pub(super) fn new(path: String, database: &str) -> Self {
        Self { path, form: format!("q={}", utf8_percent_encode(&statement(database), NON_ALPHANUMERIC)).into() }
    }

    /// Why the server refused, in words; `None` where the database is there now. A statement that fails is
    /// answered with 200 too.
    pub(super) fn failure(&self, status: StatusCode, body: &[u8], secrets: &Secrets) -> Option<String> {
        let words = error_words(body);
        if status.is_success() && words.is_empty() {
            return None;
        }
        let text = secrets.excerpt(if words.is_empty() { body } else { words });
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": the user may not create databases",
            _ => "",
        };
        let says = format!("CREATE DATABASE was answered {status}: {text}");
        Some(format!("{}{advice}", says.trim_end_matches([':', ' '])))
    }
}

/// `CREATE DATABASE` with the name as InfluxQL quotes it.
fn statement(database: &str) -> String {
    let quoted = database.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("CREATE DATABASE \"{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_influxql_wants_and_encoded_as_a_form() {
        for (database, expected) in [
            ("load", r#"CREATE DATABASE "load""#),
            ("my db", r#"CREATE DATABASE "my db""#),
            (r#"a"; DROP DATABASE "b"#, r#"CREATE DATABASE "a\"; DROP DATABASE \"b""#),
            (r"a\", r#"CREATE DATABASE "a\\""#),
            ("a\nb", r#"CREATE DATABASE "a\nb""#),
        ] {
            assert_eq!(statement(database), expected);
        }
        let creation = Creation::new("/query".into(), "a&b+c\u{e9}");
        assert_eq!(creation.form, "q=CREATE%20DATABASE%20%22a%26b%2Bc%C3%A9%22");
    }

    #[test]
    fn the_error_says_why_a_database_could_not_be_created() {
        let creation = Creation::new("/query".into(), "load");
        let failure = |status, body: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            creation.failure(status, body.as_bytes(), &Secrets::default())
        };
        assert_eq!(failure(200, r#"{"results":[{"statement_id":0}]}"#), None);
        assert_eq!(failure(204, ""), None);
        for (status, body, says) in [
            (200, r#"{"results":[{"statement_id":0,"error":"invalid name"}]}"#, "answered 200 OK: invalid name"),
            (403, r#"{"error":"error authorizing query"}"#, "authorizing query: the user may not create databases"),
            (401, "", "answered 401 Unauthorized: the user may not create databases"),
            (404, "404 page not found", "answered 404 Not Found: 404 page not found"),
        ] {
            let shown = failure(status, body).expect(says);
            assert!(shown.starts_with("CREATE DATABASE was") && shown.contains(says), "{shown:?} lacks {says:?}");
        }
    }
}
