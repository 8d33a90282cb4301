use super::{Escaping, ExpositionFormat, Negotiated};
use Escaping::{AllowUtf8, Dots, Underscores, Values};
use ExpositionFormat::{OpenMetrics, OpenMetricsDraft, Protobuf, Text};

fn negotiated(accept: &str) -> (ExpositionFormat, Option<Escaping>) {
    let Negotiated { format, escaping } = Negotiated::from_accept(&[accept.as_bytes()], true);
    (format, escaping)
}

/// What each version of Prometheus sends.
#[test]
fn every_prometheus_gets_what_it_likes_best() {
    const PROTO: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    const AFTER_PROTO: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
         text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let table: &[(&str, ExpositionFormat, Option<Escaping>)] = &[
        // 2.26
        (
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetricsDraft,
            None,
        ),
        // 2.40
        (
            "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;q=0.6,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
            None,
        ),
        // 2.45 to 2.48
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
            None,
        ),
        // 2.49.0
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=2",
            OpenMetrics,
            None,
        ),
        // 3.0 to 3.2
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
            OpenMetrics,
            Some(AllowUtf8),
        ),
        // 3.4 to 3.14
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OpenMetrics,
            Some(AllowUtf8),
        ),
        // The documentation's example.
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,/;q=0.1", OpenMetrics, None),
    ];
    for (accept, format, escaping) in table {
        assert_eq!(negotiated(accept), (*format, *escaping), "{accept}");
    }
    // 3.x with native histograms: protobuf first.
    let headers = [PROTO.as_bytes(), AFTER_PROTO.as_bytes()];
    assert_eq!(
        Negotiated::from_accept(&headers, true),
        Negotiated { format: Protobuf, escaping: None },
        "several headers are one list"
    );
    assert_eq!(Negotiated::from_accept(&headers, false).format, OpenMetrics);
}

#[test]
fn weights_parameters_and_oddities_are_read_as_the_reference_reads_them() {
    let table: &[(&str, ExpositionFormat, Option<Escaping>)] = &[
        ("", Text, None),
        ("*/*", Text, None),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Text, None),
        ("text/*,application/*;q=0.9", Text, None),
        ("/;q=0.1", Text, None),
        (",;,;q=1,,=", Text, None),
        ("application/openmetrics-text", OpenMetricsDraft, None),
        ("application/openmetrics-text;version=2.0.0", Text, None),
        ("application/openmetrics-text;version=1.0.0;charset=utf-8", OpenMetrics, None),
        ("Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.3", OpenMetrics, None),
        ("text/plain;version=1.0.0, application/openmetrics-text;version=1.0.0;q=0.1", OpenMetrics, None),
        ("text/plain;x=\",;\";version=1.0.0,application/openmetrics-text;version=1.0.0", OpenMetrics, None),
        // Weights.
        ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain", Text, None),
        ("text/plain;q=0.2,application/openmetrics-text;version=1.0.0;q=0.201", OpenMetrics, None),
        ("text/plain,application/openmetrics-text;version=1.0.0", Text, None),
        ("application/openmetrics-text;version=1.0.0;q=0,*/*", Text, None),
        ("application/openmetrics-text;version=1.0.0;q=none,text/plain;q=0.1", Text, None),
        ("application/openmetrics-text;version=1.0.0;q=-1,text/plain;q=0.1", Text, None),
        ("application/openmetrics-text;version=1.0.0;q=.5,text/plain;q=0.1", OpenMetrics, None),
        ("application/openmetrics-text;version=1.0.0;q=2,text/plain;q=1", OpenMetrics, None),
        ("text/plain;q=1,application/openmetrics-text;version=1.0.0;q=99999999999999", OpenMetrics, None),
        ("application/openmetrics-text;version=1.0.0;q=0.1;q=0.9,text/plain;q=0.5", OpenMetrics, None),
        // Protobuf: only as it is written here.
        ("application/vnd.google.protobuf", Text, None),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Text, None),
        ("application/vnd.google.protobuf;proto=other;encoding=delimited", Text, None),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             application/openmetrics-text;version=1.0.0;q=0.6",
            Protobuf,
            None,
        ),
        // Escaping: the last that is known, up to the clause that is chosen.
        ("text/plain;version=0.0.4;escaping=values", Text, Some(Values)),
        ("text/plain;escaping=dots;escaping=never-heard-of", Text, Some(Dots)),
        ("text/plain;escaping=underscores;escaping=dots", Text, Some(Dots)),
        ("text/plain;q=0.2;escaping=values,application/openmetrics-text;version=1.0.0", OpenMetrics, None),
        ("image/png;escaping=dots,text/plain;q=0.5", Text, Some(Dots)),
        ("image/png;escaping=dots;q=0.8,image/gif;escaping=values;q=0.9,text/plain;q=0.5", Text, Some(Dots)),
        ("*/*;escaping=underscores", Text, Some(Underscores)),
    ];
    for (accept, format, escaping) in table {
        assert_eq!(negotiated(accept), (*format, *escaping), "{accept}");
    }
    assert_eq!(Negotiated::from_accept(&[], true), Negotiated::default());
    assert_eq!(Negotiated::from_accept(&[b"\xff\xfe,\x00;=\""], true), Negotiated::default());
}

#[test]
fn the_answer_names_format_and_escaping() {
    let answer = |format, escaping| Negotiated { format, escaping }.content_type();
    assert_eq!(answer(Text, None), super::super::CONTENT_TYPE);
    assert_eq!(answer(Text, Some(Dots)), "text/plain; version=0.0.4; charset=utf-8; escaping=dots");
    assert_eq!(
        answer(OpenMetrics, Some(AllowUtf8)),
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    );
    assert_eq!(answer(OpenMetricsDraft, None), "application/openmetrics-text; version=0.0.1; charset=utf-8");
    assert_eq!(
        answer(Protobuf, Some(Underscores)),
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
         escaping=underscores"
    );
}
