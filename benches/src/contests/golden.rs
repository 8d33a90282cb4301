//! The golden cases as the contests' input: what contenders write for them must be what reference encoders write.

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::{Event, Storage};
use loaddensity_metrics_vectors::contract::without_hashes;
use loaddensity_metrics_vectors::golden::{CAPACITY, Case, read};

use super::ours::{Direct, PackedBodies};
use crate::batches::{BatchRequest, BatchWriter, SeriesNames};
use crate::floor;
use crate::floor::decimal::Nanos;
use crate::peers::questdb::{self, Keys};
use crate::peers::{influx_line_protocol, write};

type CaseStorage = Storage<CAPACITY, 1, 2>;

/// A case whose requests are the contract's and have no labels of their own.
struct GoldenInput {
    case: Case,
    names: SeriesNames,
    requests: Vec<BatchRequest>,
    storage: &'static CaseStorage,
}

fn inputs() -> Vec<GoldenInput> {
    let is_contract =
        |case: &Case| case.options.is_contract && case.requests.iter().all(|(spelling, _)| spelling.labels.is_empty());
    Case::all().into_iter().filter(is_contract).map(GoldenInput::new).collect()
}

impl GoldenInput {
    fn new(case: Case) -> Self {
        let storage: &'static CaseStorage = Box::leak(Box::new(CaseStorage::new()));
        let leaked = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let series = case.series();
        let names: Vec<_> = series.iter().map(|spelling| (leaked(&spelling.method), leaked(&spelling.name))).collect();
        let position = |wanted| series.iter().position(|spelling| spelling.is_same(wanted)).expect("one of them");
        let requests = case.requests.iter().map(|(spelling, sample)| {
            let nanos = u64::try_from(sample.latency.as_nanos()).expect("at most a day");
            BatchRequest {
                event: Event::of(storage.registry().series(&spelling.method, &spelling.name), *sample),
                millis: nanos as f64 / 1e6,
                micros: (nanos / 1_000) as u32,
                number: position(spelling) as u32,
            }
        });
        let requests = requests.collect();
        Self { names: Box::leak(names.into_boxed_slice()), requests, storage, case }
    }

    /// Whether names need no escapes and none is replaced: what contenders without escapes can write.
    fn is_for_everybody(&self) -> bool {
        // The other contenders do not cut names; DogStatsD's are cut from 196 characters on.
        let is_plain = |text: &str| {
            (1..=195).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/')
        };
        self.names.len() < CAPACITY && self.names.iter().all(|(method, name)| is_plain(method) && is_plain(name))
    }

    fn written(&self, mut writer: impl BatchWriter) -> Vec<u8> {
        let mut all = Vec::new();
        writer.write(&self.requests, &mut |piece| {
            all.extend_from_slice(piece.trim_ascii_end());
            all.push(b'\n');
        });
        all
    }
}

#[test]
fn dogstatsd() {
    let mut for_everybody = 0;
    for input in inputs() {
        let (name, expected) = (&input.case.name, input.case.expected("dogstatsd.txt"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let check = |who: &str, bytes: Vec<u8>| {
            assert_eq!(text(&without_hashes(&bytes)), text(&expected), "{who}, {name}");
        };
        let registry = input.storage.registry();
        let encoder = || MessageEncoder::new(registry, "loaddensity").expect("a prefix that is allowed");
        check("ours", input.written(Direct::new(encoder())));
        check("ours, packed", input.written(PackedBodies::new(encoder(), 1_432)));
        if input.is_for_everybody() {
            check("floor", input.written(floor::dogstatsd::FloorMessages::<Nanos>::new(input.names)));
            check("write!", input.written(write::WriteMessages::new(input.names)));
            for_everybody += 1;
        }
    }
    assert!(for_everybody >= 5, "{for_everybody} cases that all contenders can write");
}

#[test]
fn influxdb() {
    for input in inputs() {
        let (name, expected) = (&input.case.name, read::points(&input.case.expected("influxdb.lp")));
        let check = |who: &str, bytes: Vec<u8>| assert_eq!(read::points(&bytes), expected, "{who}, {name}");
        let registry = input.storage.registry();
        let encoder = || LineEncoder::new(registry, "loaddensity_request").expect("a measurement that is allowed");
        check("ours", input.written(Direct::new(encoder())));
        check("ours, packed", input.written(PackedBodies::new(encoder(), 1_432)));
        if input.is_for_everybody() {
            check("floor", input.written(floor::influxdb::FloorLines::<Nanos>::new(input.names)));
            check("write!", input.written(write::WriteLines::new(input.names)));
            check("questdb-rs", input.written(questdb::QuestdbLines::new(input.names, Keys::Checked)));
            check("influxdb-line-protocol", input.written(influx_line_protocol::BuilderLines::new(input.names)));
        }
    }
}
