use super::{MessageError, MessageFault, MessageType, ParsedMessage, parse};

fn one(text: &str) -> ParsedMessage<'_> {
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
    let kinds: Vec<MessageType> = messages.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [MessageType::Count, MessageType::Timing, MessageType::Histogram]);
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
    assert_eq!((set.kind, set.values.as_slice(), set.numbers().len()), (MessageType::Set, ["x:y"].as_slice(), 0));
}

#[test]
fn accepts_one_trailing_line_feed() {
    assert_eq!(parse(b"a:1|c\nb:1|c\n").expect("payload").len(), 2);
    assert_eq!(parse(b"a:1|c\n\n"), Err(MessageError { message: 2, reason: MessageFault::Empty }));
    assert_eq!(parse(b"a:1|c\n\nb:1|c"), Err(MessageError { message: 2, reason: MessageFault::Empty }));
}

#[test]
fn refuses_with_a_reason() {
    let too_long = format!("{}:1|c", "n".repeat(201));
    let refused = [
        ("", MessageFault::Empty),
        ("\n", MessageFault::Empty),
        ("a", MessageFault::Shape),
        ("a:1", MessageFault::Shape),
        ("a|c", MessageFault::Shape),
        (":1|c", MessageFault::Name),
        ("1a:1|c", MessageFault::Name),
        (".a:1|c", MessageFault::Name),
        ("a b:1|c", MessageFault::Name),
        ("é:1|c", MessageFault::Name),
        ("a#:1|c", MessageFault::Name),
        (&too_long, MessageFault::Name),
        ("a:|c", MessageFault::Value),
        ("a:1:|d", MessageFault::Value),
        ("a::1|d", MessageFault::Value),
        ("a:+1|c", MessageFault::Value),
        ("a:1e3|c", MessageFault::Value),
        ("a:.5|c", MessageFault::Value),
        ("a:5.|c", MessageFault::Value),
        ("a:NaN|c", MessageFault::Value),
        ("a:inf|c", MessageFault::Value),
        ("a:0x1p2|c", MessageFault::Value),
        ("a: 1|c", MessageFault::Value),
        ("a:|s", MessageFault::Value),
        ("a:1|", MessageFault::Type),
        ("a:1|x", MessageFault::Type),
        ("a:1|C", MessageFault::Type),
        ("a:1| c", MessageFault::Type),
        ("a:1|c|", MessageFault::Field),
        ("a:1|c|x:1", MessageFault::Field),
        ("a:1|c|c:", MessageFault::Field),
        ("a:1|c||#a:b", MessageFault::Field),
        ("a:1|c|#a:b|#c:d", MessageFault::FieldTwice),
        ("a:1|c|@0.5|@0.5", MessageFault::FieldTwice),
        ("a:1|c|@0", MessageFault::Rate),
        ("a:1|c|@1.5", MessageFault::Rate),
        ("a:1|c|@NaN", MessageFault::Rate),
        ("a:1|c|@1e-1", MessageFault::Rate),
        ("a:1|g|@0.5", MessageFault::Rate),
        ("a:1|c|#", MessageFault::Tag),
        ("a:1|c|#a:b,", MessageFault::Tag),
        ("a:1|c|#a:b,,c:d", MessageFault::Tag),
        ("a:1|c|#:b", MessageFault::Tag),
        ("a:1|c|#a:", MessageFault::Tag),
        ("a:1|c|T0", MessageFault::Timestamp),
        ("a:1|c|T-1", MessageFault::Timestamp),
        ("a:1|c|T+1", MessageFault::Timestamp),
        ("a:1|d|T1", MessageFault::Timestamp),
        ("a:1|c|#a:b\r", MessageFault::Control),
        ("a:1|c|#a:\tb", MessageFault::Control),
        ("a:1|c|#a:\u{85}", MessageFault::Control),
        ("a:1|c|#a:\0", MessageFault::Control),
    ];
    for (text, reason) in refused {
        assert_eq!(parse(text.as_bytes()), Err(MessageError { message: 1, reason }), "{text:?}");
    }
}

#[test]
fn names_the_message_that_is_wrong() {
    assert_eq!(parse(b"a:1|c\nb:x|c"), Err(MessageError { message: 2, reason: MessageFault::Value }));
    assert_eq!(parse(b"a:1|c\nb:1|c|#\xff:"), Err(MessageError { message: 2, reason: MessageFault::NotUtf8 }));
}
