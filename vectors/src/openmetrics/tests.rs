//! The oracle refuses what the specification forbids.

use super::*;

const GOOD: &str = "# TYPE a counter\n# HELP a b \\\"c\\\"\na_total{x=\"\\n\"} 1\na_created{x=\"\\n\"} 1.5\na_total 2\n\
    # TYPE t_ms histogram\n# UNIT t_ms ms\nt_ms_bucket{le=\"1.0\"} 1 # {trace_id=\"ab\"} 0.5 1700000000.5\n\
    t_ms_bucket{le=\"+Inf\"} 2 # {} 7\nt_ms_sum 7.5\nt_ms_count 2\n# TYPE g gauge\ng -1.5\n# EOF\n";

#[test]
fn a_page_is_read_whole() {
    let page = parse(GOOD.as_bytes()).expect("a page");
    let kinds: Vec<_> = page.families.iter().map(|family| (family.name, family.kind, family.samples.len())).collect();
    assert_eq!(kinds, [("a", "counter", 3), ("t_ms", "histogram", 4), ("g", "gauge", 1)]);
    assert_eq!(page.families[0].help.as_deref(), Some("b \"c\""));
    assert_eq!(page.families[1].unit, Some("ms"));
    assert_eq!(page.families[0].samples[0].label("x"), Some("\n"));
    let exemplar = page.families[1].samples[0].exemplar.as_ref().expect("an exemplar");
    assert_eq!((exemplar.text, exemplar.timestamp), ("0.5", Some("1700000000.5")));
    assert_eq!(page.samples().count(), 8);
}

#[test]
fn every_fault_is_found() {
    for (from, to) in [
        ("# EOF\n", "# EOF"),
        ("# EOF\n", "# EOF\n\n"),
        ("# EOF\n", ""),
        ("# TYPE a counter", "# TYPE a untyped"),
        ("# TYPE a counter", "# TYPE a counter "),
        ("# TYPE a counter", "# TYPE a counter\n# TYPE a counter"),
        ("# TYPE a counter\n", ""),
        ("# HELP a b \\\"c\\\"", "# HELP a b \"c\""),
        ("# HELP a b", "# HALP a b"),
        ("# HELP a b", "#HELP a b"),
        ("a_total 2", "a_total 2 "),
        ("a_total 2", "a_total  2"),
        ("a_total 2", "a_total\t2"),
        ("a_total 2", "a_total 2\r"),
        ("a_total 2", "a_total 2\n"),
        ("a_total 2", "a_total{} 2\na_total 3"),
        ("a_total 2", "a 2"),
        ("a_total 2", "a_total -2"),
        ("a_total 2", "a_total 2\na_total{x=\"\\n\",} 1"),
        ("a_total 2", "a_total 2\na_created{x=\"\\n\"} 1"),
        ("x=\"\\n\"} 1\n", "x=\"\\t\"} 1\n"),
        ("x=\"\\n\"} 1\n", "x=\"\\n\",x=\"y\"} 1\n"),
        ("# UNIT t_ms ms", "# UNIT t_ms seconds"),
        ("le=\"1.0\"", "le=\"1\""),
        ("le=\"1.0\"} 1", "le=\"1.0\"} 3"),
        ("le=\"1.0\"} 1", "le=\"1.0\"} 1.5"),
        ("le=\"+Inf\"} 2", "le=\"2.0\"} 2"),
        ("} 0.5 17", "} 1.5 17"),
        ("# {} 7", "# {} 0.5"),
        ("# {} 7", "#{} 7"),
        ("t_ms_sum 7.5\n", ""),
        ("t_ms_count 2", "t_ms_count 3"),
        ("t_ms_count 2", "t_ms_count 2 # {} 1"),
        ("# TYPE g gauge\ng -1.5", "# TYPE a_total gauge\na_total -1.5"),
        ("# TYPE g gauge\ng -1.5", "# TYPE a counter\na_total 5"),
        ("g -1.5", "g 0x7"),
    ] {
        let bad = GOOD.replacen(from, to, 1);
        assert_ne!(bad, GOOD, "{from:?} is not in the page");
        assert!(parse(bad.as_bytes()).is_err(), "taken: {to:?} instead of {from:?}");
    }
    let long = GOOD.replacen("trace_id=\"ab\"", &format!("trace_id=\"{}\"", "a".repeat(121)), 1);
    assert!(parse(long.as_bytes()).is_err());
    assert!(parse(b"\xff# EOF\n").is_err());
}
