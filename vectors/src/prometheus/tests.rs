use super::{FamilyType, PageError, PageFault, TextPage, parse};

/// The shape of a page of LoadDensity: counter and histogram, `le` first, floats.
const LOADDENSITY: &str = r#"# HELP loaddensity_requests_total Total requests
# TYPE loaddensity_requests_total counter
loaddensity_requests_total{name="/x",outcome="success",request_type="GET"} 2.0
loaddensity_requests_total{name="/login",outcome="failure",request_type="POST"} 1.0
# HELP loaddensity_request_latency_ms Request latency in milliseconds
# TYPE loaddensity_request_latency_ms histogram
loaddensity_request_latency_ms_bucket{le="5.0",name="/x",request_type="GET"} 0.0
loaddensity_request_latency_ms_bucket{le="50.0",name="/x",request_type="GET"} 2.0
loaddensity_request_latency_ms_bucket{le="+Inf",name="/x",request_type="GET"} 2.0
loaddensity_request_latency_ms_count{name="/x",request_type="GET"} 2.0
loaddensity_request_latency_ms_sum{name="/x",request_type="GET"} 49.9
loaddensity_request_latency_ms_bucket{le="5.0",name="/login",request_type="POST"} 0.0
loaddensity_request_latency_ms_bucket{le="+Inf",name="/login",request_type="POST"} 1.0
loaddensity_request_latency_ms_count{name="/login",request_type="POST"} 1.0
loaddensity_request_latency_ms_sum{name="/login",request_type="POST"} 1234.5
"#;

fn page(text: &str) -> TextPage<'_> {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

#[test]
fn reads_a_page_of_loaddensity() {
    let page = page(LOADDENSITY);
    assert_eq!(page.sample_count(), 11);
    assert_eq!(page.families.len(), 2);
    let family = page.family("loaddensity_request_latency_ms").expect("family");
    assert_eq!((family.kind, family.samples.len()), (FamilyType::Histogram, 9));
    assert_eq!(family.help.as_deref(), Some("Request latency in milliseconds"));
    let labels = [("request_type", "POST"), ("outcome", "failure"), ("name", "/login")];
    let sample = page.sample("loaddensity_requests_total", &labels).expect("sample");
    assert_eq!((sample.value, sample.text, sample.line), (1.0, "1.0", 4));
    assert!(page.sample("loaddensity_requests_total", &labels[..2]).is_none());
}

#[test]
fn accepts_what_the_format_allows() {
    let accepted = [
        ("", 0),
        ("\n\n", 0),
        ("# a comment\n#another\n# HELPER x\n", 0),
        ("# TYPE a counter\n", 0),
        ("a 1\n", 1),
        ("a{} 1\n", 1),
        ("a{b=\"c\",} 1\n", 1),
        (" \ta { b = \"c\" , d = \"\" }\t1 \n", 1),
        ("a:b_C9 1 1700000000000\n", 1),
        ("a NaN\nb +Inf\nc -Inf\nd -1.5e-07\ne 0.137\nf .5\n", 6),
        ("a 1\n\na{b=\"c\"} 2\n", 2),
        ("# TYPE a gauge\n# HELP a b \\\\ \\n \"q\"\na -1\n", 1),
        ("# TYPE a summary\na{quantile=\"0.5\"} 1\na_sum 1\na_count 1\n", 3),
        ("a_count 1\na_sum 1\n", 2),
    ];
    for (text, samples) in accepted {
        assert_eq!(page(text).sample_count(), samples, "{text:?}");
    }
}

#[test]
fn unescapes_label_values() {
    let page = page("a{b=\"\\\\ \\\" \\n \t \r \0 , } = café/😀 \\\\\"} 1\n");
    let value = page.families[0].samples[0].label("b");
    assert_eq!(value, Some("\\ \" \n \t \r \0 , } = café/😀 \\"));
}

#[test]
fn refuses_with_line_and_reason() {
    let refused: &[(&str, usize, PageFault)] = &[
        ("a 1", 1, PageFault::NoFinalNewline),
        ("a 1\nb 2", 2, PageFault::NoFinalNewline),
        ("# TYPE\n", 1, PageFault::Metadata),
        ("# HELP 9a b\n", 1, PageFault::Metadata),
        ("# TYPE a-b counter\n", 1, PageFault::Metadata),
        ("# TYPE a\n", 1, PageFault::UnknownType),
        ("# TYPE a Counter\n", 1, PageFault::UnknownType),
        ("# TYPE a counter x\n", 1, PageFault::UnknownType),
        ("# TYPE a counter\n# TYPE a counter\n", 2, PageFault::MetadataTwice),
        ("# TYPE a untyped\n# TYPE a counter\n", 2, PageFault::MetadataTwice),
        ("# HELP a b\n# TYPE a counter\n# HELP a b\n", 3, PageFault::MetadataTwice),
        ("# HELP a\n# HELP a b\n", 2, PageFault::MetadataTwice),
        ("a 1\n# TYPE a counter\n", 2, PageFault::MetadataLate),
        ("a 1\n# HELP a counter\n", 2, PageFault::MetadataLate),
        ("# HELP a \\\"\na 1\n", 1, PageFault::Escape),
        ("a 1\nb 1\na{c=\"d\"} 1\n", 3, PageFault::Interleaved("a".into())),
        ("# TYPE a counter\nb 1\na 1\n", 3, PageFault::Interleaved("a".into())),
        ("a 1\nb 1\n# TYPE a counter\n", 3, PageFault::Interleaved("a".into())),
        ("9a 1\n", 1, PageFault::MetricName),
        ("{a=\"b\"} 1\n", 1, PageFault::MetricName),
        ("é 1\n", 1, PageFault::MetricName),
        ("a-b 1\n", 1, PageFault::MetricName),
        ("a{b:c=\"d\"} 1\n", 1, PageFault::Label),
        ("a{\"b\"=\"d\"} 1\n", 1, PageFault::Label),
        ("a{,} 1\n", 1, PageFault::Label),
        ("a{=\"d\"} 1\n", 1, PageFault::Label),
        ("a{b=\"c\" d=\"e\"} 1\n", 1, PageFault::Label),
        ("a{b=\"c\"\n} 1\n", 1, PageFault::Label),
        ("a{b=\"c\nd\"} 1\n", 1, PageFault::Label),
        ("a{b=\"c\\\"} 1\n", 1, PageFault::Label),
        ("a{b='c'} 1\n", 1, PageFault::Label),
        ("a{b=\"c\",b=\"d\"} 1\n", 1, PageFault::LabelTwice("b".into())),
        ("a{b=\"\\t\"} 1\n", 1, PageFault::Escape),
        ("a\n", 1, PageFault::MetricName),
        ("a \n", 1, PageFault::MetricName),
        ("a{}\n", 1, PageFault::Value),
        ("a one\n", 1, PageFault::Value),
        ("a nan\n", 1, PageFault::Value),
        ("a inf\n", 1, PageFault::Value),
        ("a 1_000\n", 1, PageFault::Value),
        ("a 1,5\n", 1, PageFault::Value),
        ("a 1\r\n", 1, PageFault::Value),
        ("a 1 -5\n", 1, PageFault::Timestamp),
        ("a 1 1.5\n", 1, PageFault::Timestamp),
        ("a 1 5 6\n", 1, PageFault::Trailing),
        ("a 1\na 1\n", 2, PageFault::SeriesTwice),
        ("a{b=\"c\",d=\"e\"} 1\na{d=\"e\",b=\"c\"} 1\n", 2, PageFault::SeriesTwice),
        ("a{b=\"\"} 1\na 1\n", 2, PageFault::SeriesTwice),
        ("# TYPE a counter\na -1\n", 2, PageFault::NegativeCount),
        ("# TYPE a counter\na NaN\n", 2, PageFault::NegativeCount),
        ("# TYPE a summary\na{quantile=\"2\"} 1\n", 2, PageFault::Part),
        ("# TYPE a summary\na 1\n", 2, PageFault::Part),
    ];
    for (text, line, reason) in refused {
        let expected = PageError { line: *line, reason: reason.clone() };
        assert_eq!(parse(text.as_bytes()), Err(expected), "{text:?}");
    }
}

#[test]
fn refuses_bytes_that_are_no_utf8() {
    assert_eq!(parse(b"a 1\nb{c=\"\xff\"} 1\n"), Err(PageError { line: 2, reason: PageFault::NotUtf8 }));
}

#[test]
fn refuses_broken_histograms() {
    let broken: &[(&str, usize, PageFault)] = &[
        ("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n", 4, PageFault::NoInfinity),
        ("h_sum 1\nh_count 1\n", 3, PageFault::NoInfinity),
        ("h_bucket{le=\"+Inf\"} 1\nh_sum 1\n", 3, PageFault::NoCount),
        ("h_bucket{le=\"+Inf\"} 1\nh_count 1\n", 3, PageFault::NoSum),
        ("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n", 4, PageFault::CountDiffers),
        ("h_bucket{le=\"2\"} 0\nh_bucket{le=\"1\"} 0\n", 3, PageFault::BucketOrder),
        ("h_bucket{le=\"+Inf\"} 0\nh_bucket{le=\"1\"} 0\n", 3, PageFault::BucketOrder),
        ("h_bucket{le=\"1\"} 0\nh_bucket{le=\"1.0\"} 0\n", 3, PageFault::BucketOrder),
        ("h_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 1\n", 3, PageFault::NotCumulative),
        ("h_bucket{le=\"1\"} -1\n", 2, PageFault::NegativeCount),
        ("h_bucket{le=\"x\"} 1\n", 2, PageFault::Part),
        ("h_bucket{le=\"NaN\"} 1\n", 2, PageFault::Part),
        ("h_bucket 1\n", 2, PageFault::Part),
        ("h_count{le=\"1\"} 1\n", 2, PageFault::Part),
        ("h 1\n", 2, PageFault::Part),
        ("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\nh_bucket{le=\"+Inf\",a=\"b\"} 1\n", 5, PageFault::NoCount),
        ("x 1\nh_sum 1\n", 3, PageFault::Interleaved("h".into())),
    ];
    for (text, line, reason) in broken {
        let text = format!("# TYPE h histogram\n{text}");
        let expected = PageError { line: *line, reason: reason.clone() };
        assert_eq!(parse(text.as_bytes()), Err(expected), "{text:?}");
    }
}

/// `prometheus-parse` drops bad lines without a word, so it judges values only, and only together with their number.
#[test]
fn agrees_with_another_parser_on_values() {
    use prometheus_parse::{Scrape, Value};
    let theirs = Scrape::parse(LOADDENSITY.lines().map(|line| Ok(line.to_owned()))).expect("scrape");
    let ours = page(LOADDENSITY);
    let mut compared = 0;
    for sample in &theirs.samples {
        let value_of = |name: &str, extra: Option<(&str, &str)>| {
            let mut labels: Vec<(&str, &str)> = sample.labels.iter().map(|(k, v)| (&**k, &**v)).collect();
            labels.extend(extra);
            ours.sample(name, &labels).unwrap_or_else(|| panic!("no {name} {labels:?}")).value
        };
        match &sample.value {
            Value::Counter(value) | Value::Untyped(value) => {
                assert_eq!(*value, value_of(&sample.metric, None));
                compared += 1;
            }
            Value::Histogram(buckets) => {
                for bucket in buckets {
                    let le = le_text(bucket.less_than);
                    let name = format!("{}_bucket", sample.metric);
                    assert_eq!(bucket.count, value_of(&name, Some(("le", &le))));
                    compared += 1;
                }
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(compared, ours.sample_count());
}

fn le_text(bound: f64) -> String {
    if bound.is_infinite() { "+Inf".into() } else { format!("{bound:.1}") }
}
