//! The oracle refuses what the schema and the documentation forbid.

use super::*;

fn good() -> ProtoMetricFamily {
    let bucket = |up_to, bound| ProtoBucket { cumulative_count: Some(up_to), upper_bound: Some(bound), exemplar: None };
    let span = |offset, length| ProtoBucketSpan { offset: Some(offset), length: Some(length) };
    let histogram = ProtoHistogram {
        sample_count: Some(6),
        sample_sum: Some(1.5),
        bucket: vec![bucket(1, 1.0), bucket(6, 2.0)],
        schema: Some(3),
        zero_threshold: Some(0.5),
        zero_count: Some(0),
        positive_span: vec![span(-1, 2), span(2, 1)],
        positive_delta: vec![4, -3, 0],
        created_timestamp: None,
    };
    let label = vec![ProtoLabelPair { name: Some("a".into()), value: Some("b".into()) }];
    let metric = ProtoMetric { label, histogram: Some(histogram), ..ProtoMetric::default() };
    ProtoMetricFamily {
        name: Some("x_ms".into()),
        help: Some("help".into()),
        r#type: Some(4),
        metric: vec![metric],
        unit: Some("ms".into()),
    }
}

#[test]
fn a_family_is_read_whole() {
    let body = good().encode_length_delimited_to_vec();
    let families = decode(&body).expect("a good family");
    assert_eq!(families, [good()]);
    // The specification's example of spans.
    let native = families[0].metric[0].histogram.as_ref().expect("a histogram").native();
    assert_eq!(native, Ok([(-1, 4), (0, 1), (3, 1)].into()));
}

#[test]
fn the_unit_of_a_counter_stands_before_total() {
    let counter = |name: &str| {
        let counter = Some(ProtoCounter { value: Some(1.0), created_timestamp: None });
        ProtoMetricFamily {
            name: Some(name.into()),
            r#type: Some(0),
            metric: vec![ProtoMetric { counter, ..ProtoMetric::default() }],
            ..good()
        }
    };
    for (name, is_good) in [("x_ms_total", true), ("x_ms", true), ("x_total", false), ("xms_total", false)] {
        assert_eq!(decode(&counter(name).encode_length_delimited_to_vec()).is_ok(), is_good, "{name}");
    }
    let histogram = ProtoMetricFamily { name: Some("x_ms_total".into()), ..good() };
    assert!(decode(&histogram.encode_length_delimited_to_vec()).is_err());
}

#[test]
fn every_fault_is_found() {
    let faults: [fn(&mut ProtoMetricFamily); 15] = [
        |family| {
            let exemplar = ProtoExemplar { value: Some(1.5), ..ProtoExemplar::default() };
            histogram(family).bucket[0].exemplar = Some(exemplar);
        },
        |family| family.name = None,
        |family| family.help = None,
        |family| family.r#type = Some(0),
        |family| family.metric.clear(),
        |family| family.metric.push(family.metric[0].clone()),
        |family| family.unit = Some("seconds".into()),
        |family| family.metric[0].gauge = Some(ProtoGauge::default()),
        |family| family.metric[0].label.extend_from_within(..),
        |family| histogram(family).bucket.swap(0, 1),
        |family| histogram(family).bucket[1].cumulative_count = Some(7),
        |family| histogram(family).sample_count = Some(7),
        |family| histogram(family).positive_delta[1] = -5,
        |family| histogram(family).positive_delta.truncate(2),
        |family| histogram(family).positive_span[1].offset = Some(0),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let mut family = good();
        fault(&mut family);
        assert!(decode(&family.encode_length_delimited_to_vec()).is_err(), "fault {number} is taken");
    }
    let body = good().encode_length_delimited_to_vec();
    assert!(decode(&[body.clone(), body.clone()].concat()).is_err(), "a family twice");
    assert!(decode(&body[..body.len() - 1]).is_err(), "cut short");
    // Field 9 of the family, a varint.
    let mut longer = good().encode_to_vec();
    longer.extend([9 << 3, 1]);
    let length = u8::try_from(longer.len()).expect("a short family");
    assert!(length < 128, "its length is one byte");
    longer.insert(0, length);
    assert!(decode(&longer).is_err(), "an unknown field");
}

fn histogram(family: &mut ProtoMetricFamily) -> &mut ProtoHistogram {
    family.metric[0].histogram.as_mut().expect("a histogram")
}
