use super::{LineError, ParsedPoint, ParsedValue, Unportable, parse, portable};

const REQUEST: &str = "loaddensity_request,method=GET,name=/x,outcome=success \
    status_code=200i,response_time_ms=7.9,response_length=1024i 1700000000000000000";

fn request() -> ParsedPoint {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ParsedPoint {
        measurement: "loaddensity_request".into(),
        tags: vec![pair("method", "GET"), pair("name", "/x"), pair("outcome", "success")],
        fields: vec![
            ("status_code".into(), ParsedValue::Integer(200)),
            ("response_time_ms".into(), ParsedValue::Float(7.9)),
            ("response_length".into(), ParsedValue::Integer(1024)),
        ],
        timestamp: Some(1_700_000_000_000_000_000),
    }
}

#[test]
fn both_read_a_request() {
    assert_eq!(parse(REQUEST.as_bytes()), Ok(vec![request()]));
    assert_eq!(portable(REQUEST), Ok(request()));
    assert_eq!(request().tag("name"), Some("/x"));
    assert_eq!(request().field("status_code"), Some(&ParsedValue::Integer(200)));
}

#[test]
fn both_read_every_type_and_escape_alike() {
    let lines = [
        r#"a b=1"#,
        r#"a b=-1.5e-7,c=1e16,d=-3i,e=true,f=F,g="" -5"#,
        r#"a,b=c\ d\,e\=f g=1i"#,
        r#"a\ b\,c=d,e\ f\,g\=h=i j\ k\,l\=m=1i"#,
        r#"a,b=c\d e=1i"#,
        r#"a,b=\c e=1i"#,
        r#"a,b="q" e="say \"hi\" \\ , = x" 1"#,
        r#"a,b=café/😀,c=#@|{}: e=1i 1"#,
    ];
    for line in lines {
        let strict = portable(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        assert_eq!(parse(line.as_bytes()), Ok(vec![strict]), "{line:?}");
    }
}

#[test]
fn counts_the_points_of_a_body() {
    let body = format!("{REQUEST}\n{REQUEST}\n");
    assert_eq!(parse(body.as_bytes()).map(|points| points.len()), Ok(2));
    assert_eq!(parse(b""), Ok(Vec::new()));
}

#[test]
fn notices_what_the_parser_skips_or_joins() {
    let cases: &[(&str, usize, usize)] = &[
        ("# a comment\na b=1\n", 2, 1),
        ("a b=1\n   \nb c=2\n", 3, 2),
        ("a b=\"x\ny\"\n", 2, 1),
        ("a,b=c\\\nd e=1", 2, 1),
    ];
    for (body, lines, points) in cases {
        let expected = LineError::Skipped { lines: *lines, points: *points };
        assert_eq!(parse(body.as_bytes()), Err(expected), "{body:?}");
    }
}

#[test]
fn refuses_what_influxdata_refuses() {
    let refused = [
        "a",
        "a b",
        "a,b= c=1",
        "a,b c=1",
        "a, c=1",
        ",b=c d=1",
        "a b=NaN",
        "a b=1.",
        "a b=.5",
        "a b=+1",
        "a b=1 1.5",
        "a b=1 99999999999999999999",
        "a b=9223372036854775808i",
        "a b=1 1 2",
        "a b=1\r",
        r"a,b=c\ d=1",
        "a,b=c\nd e=1",
    ];
    for body in refused {
        assert!(matches!(parse(body.as_bytes()), Err(LineError::Refused { .. })), "{body:?}");
    }
    assert_eq!(parse(b"a b=\"\xff\""), Err(LineError::NotUtf8));
    let second = parse(b"a b=1\na b=x\n");
    assert!(matches!(second, Err(LineError::Refused { line: 2, .. })), "{second:?}");
}

#[test]
fn portable_refuses_with_the_rule() {
    let long = format!("a,b={} c=1", "x".repeat(65_535));
    let refused = [
        ("", Unportable::Empty),
        ("#a b=1", Unportable::Start),
        (" a b=1", Unportable::Start),
        ("a,b=c\rd e=1", Unportable::Control),
        ("a,b=c\td e=1", Unportable::Control),
        ("a,b=c\0d e=1", Unportable::Control),
        ("a,b=c\u{7f}d e=1", Unportable::Control),
        ("a", Unportable::Shape),
        ("a ", Unportable::Empty),
        ("a  b=1", Unportable::Empty),
        ("a b=1  5", Unportable::Timestamp),
        ("a b=1 ", Unportable::Timestamp),
        ("a, b=1", Unportable::Empty),
        ("a,b= c=1", Unportable::Empty),
        ("a,=b c=1", Unportable::Empty),
        ("a,b c=1", Unportable::Shape),
        ("a,b=c=d e=1", Unportable::Equals),
        (r"a,b=c\\d e=1", Unportable::DoubleBackslash),
        (r"a,b=c\\,d=e f=1", Unportable::DoubleBackslash),
        (r"a,b=c\", Unportable::Backslash),
        (r"a,b=c\ d=1", Unportable::Equals),
        (r"a\=b c=1", Unportable::Backslash),
        ("a,time=b c=1", Unportable::ReservedKey),
        ("a time=1", Unportable::ReservedKey),
        ("a,_field=b c=1", Unportable::ReservedKey),
        ("a,b=c,b=d e=1", Unportable::KeyTwice),
        ("a b=1,b=2", Unportable::KeyTwice),
        ("a,b=1 b=2", Unportable::KeyTwice),
        ("a b=1u", Unportable::Number),
        ("a b=1.5i", Unportable::Number),
        ("a b=9223372036854775808i", Unportable::Number),
        ("a b=1e400", Unportable::Number),
        ("a b=.5", Unportable::Number),
        ("a b=5.", Unportable::Number),
        ("a b=+5", Unportable::Number),
        ("a b=nan", Unportable::Number),
        ("a b=inf", Unportable::Number),
        ("a b=", Unportable::Number),
        ("a b=yes", Unportable::Number),
        ("a b=\"c", Unportable::Text),
        ("a b=\"c\\n\"", Unportable::Text),
        ("a b=\"c\"d", Unportable::Shape),
        ("a b=1 1.5", Unportable::Timestamp),
        ("a b=1 +5", Unportable::Timestamp),
        ("a b=1 9223372036854775807", Unportable::Timestamp),
        ("a b=1 -9223372036854775808", Unportable::Timestamp),
        (long.as_str(), Unportable::TooLong),
    ];
    for (line, rule) in refused {
        assert_eq!(portable(line), Err(rule), "{line:?}");
    }
}
