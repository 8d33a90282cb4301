use super::{Kind, Message, ParseError, Reason, parse};

fn one(text: &str) -> Message<'_> {
    let mut messages = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error} in {text:?}"));
    assert_eq!(messages.len(), 1, "{text:?}");
    messages.remove(0)
}

#[test]
fn reads_the_three_messages_of_a_request() {
    let tags = "|#method:GET,name:/x,outcome:success";
    let payload = format!(
        "loaddensity.requests:1|c{tags}\nloaddensity.request.latency:7.9|ms{tags}\nloaddensity.response.size:1024|h{tags}"
    );
    let messages = parse(payload.as_bytes()).expect("payload");
    let kinds: Vec<Kind> = messages.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [Kind::Count, Kind::Timing, Kind::Histogram]);
    assert_eq!(messages[1].name, "loaddensity.request.latency");
    assert_eq!((messages[1].values.as_slice(), messages[1].numbers()), (["7.9"].as_slice(), vec![7.9]));
    for message in &messages {
        let tags = [("method", Some("GET")), ("name", Some("/x")), ("outcome", Some("success"))];
        assert_eq!(message.tags, tags);
        assert_eq!(message.tag("name"), Some("/x"));
    }
}

#[test]
fn reads_every_field() {
    let message = one("lt.req:1.5:-2:9|d|@0.5|#env:ci,route:a:b,bare|card:low|c:ci-1|e:it-false");
    assert_eq!(message.numbers(), [1.5, -2.0, 9.0]);
    assert_eq!(message.rate, Some(0.5));
    assert_eq!(message.tags, [("env", Some("ci")), ("route", Some("a:b")), ("bare", None)]);
    assert_eq!(message.origin, ["card:low", "c:ci-1", "e:it-false"]);
    assert_eq!(one("a:1|g|T1700000000").timestamp, Some(1_700_000_000));
    let set = one("a:x:y|s");
    assert_eq!((set.kind, set.values.as_slice(), set.numbers().len()), (Kind::Set, ["x:y"].as_slice(), 0));
}

#[test]
fn accepts_one_trailing_line_feed() {
    assert_eq!(parse(b"a:1|c\nb:1|c\n").expect("payload").len(), 2);
    assert_eq!(parse(b"a:1|c\n\n"), Err(ParseError { message: 2, reason: Reason::Empty }));
    assert_eq!(parse(b"a:1|c\n\nb:1|c"), Err(ParseError { message: 2, reason: Reason::Empty }));
}

#[test]
fn refuses_with_a_reason() {
    let too_long = format!("{}:1|c", "n".repeat(201));
    let refused = [
        ("", Reason::Empty),
        ("\n", Reason::Empty),
        ("a", Reason::Shape),
        ("a:1", Reason::Shape),
        ("a|c", Reason::Shape),
        (":1|c", Reason::Name),
        ("1a:1|c", Reason::Name),
        (".a:1|c", Reason::Name),
        ("a b:1|c", Reason::Name),
        ("é:1|c", Reason::Name),
        ("a#:1|c", Reason::Name),
        (&too_long, Reason::Name),
        ("a:|c", Reason::Value),
        ("a:1:|d", Reason::Value),
        ("a::1|d", Reason::Value),
        ("a:+1|c", Reason::Value),
        ("a:1e3|c", Reason::Value),
        ("a:.5|c", Reason::Value),
        ("a:5.|c", Reason::Value),
        ("a:NaN|c", Reason::Value),
        ("a:inf|c", Reason::Value),
        ("a:0x1p2|c", Reason::Value),
        ("a: 1|c", Reason::Value),
        ("a:|s", Reason::Value),
        ("a:1|", Reason::Type),
        ("a:1|x", Reason::Type),
        ("a:1|C", Reason::Type),
        ("a:1| c", Reason::Type),
        ("a:1|c|", Reason::Field),
        ("a:1|c|x:1", Reason::Field),
        ("a:1|c|c:", Reason::Field),
        ("a:1|c||#a:b", Reason::Field),
        ("a:1|c|#a:b|#c:d", Reason::FieldTwice),
        ("a:1|c|@0.5|@0.5", Reason::FieldTwice),
        ("a:1|c|@0", Reason::Rate),
        ("a:1|c|@1.5", Reason::Rate),
        ("a:1|c|@NaN", Reason::Rate),
        ("a:1|c|@1e-1", Reason::Rate),
        ("a:1|g|@0.5", Reason::Rate),
        ("a:1|c|#", Reason::Tag),
        ("a:1|c|#a:b,", Reason::Tag),
        ("a:1|c|#a:b,,c:d", Reason::Tag),
        ("a:1|c|#:b", Reason::Tag),
        ("a:1|c|#a:", Reason::Tag),
        ("a:1|c|T0", Reason::Timestamp),
        ("a:1|c|T-1", Reason::Timestamp),
        ("a:1|c|T+1", Reason::Timestamp),
        ("a:1|d|T1", Reason::Timestamp),
        ("a:1|c|#a:b\r", Reason::Control),
        ("a:1|c|#a:\tb", Reason::Control),
        ("a:1|c|#a:\u{85}", Reason::Control),
        ("a:1|c|#a:\0", Reason::Control),
    ];
    for (text, reason) in refused {
        assert_eq!(parse(text.as_bytes()), Err(ParseError { message: 1, reason }), "{text:?}");
    }
}

#[test]
fn names_the_message_that_is_wrong() {
    assert_eq!(parse(b"a:1|c\nb:x|c"), Err(ParseError { message: 2, reason: Reason::Value }));
    assert_eq!(parse(b"a:1|c\nb:1|c|#\xff:"), Err(ParseError { message: 2, reason: Reason::NotUtf8 }));
}
