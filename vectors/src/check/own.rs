//! What programs do with instruments of the engine's own: storage with room for some, and how they are sent per interval.

use super::program::Lengths;
use super::{AT, SmallStorage};
use crate::judge::dogstatsd::MessageDialect;
use crate::judge::{self, influxdb::LineDialect};
use crate::model::Model;
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::export::Now;
use loaddensity_metrics_core::export::datagrams::InstrumentMessages;
use loaddensity_metrics_core::export::items::Items as _;
use loaddensity_metrics_core::influxdb::{BodyLimits, InstrumentEncoder, InstrumentPlace, InstrumentRows};
use loaddensity_metrics_core::otlp::{OwnExport, Sources};
use loaddensity_metrics_core::{Accounts, DropReason, Exporter, Histograms, ObservedRows, Registry, Storage};

/// As [`SmallStorage`], with room for all of them.
type RoomyStorage<H> = Storage<8, 1, 16, H, 4, 6, 16>;

/// Calls `check` with a new registry, which has room for instruments if the program may have them.
pub(super) fn with_registry<H: Histograms>(has_instruments: bool, check: impl FnOnce(Registry<'_>)) {
    if has_instruments {
        let storage = Box::new(RoomyStorage::<H>::new());
        check(storage.registry());
    } else {
        let storage = Box::new(SmallStorage::<H>::new());
        check(storage.registry());
    }
}

/// Rows of a registry that has observed nothing yet.
pub(super) fn rows(registry: Registry<'_>) -> ObservedRows<Vec<u64>> {
    let memory = vec![0xff; ObservedRows::<Vec<u64>>::words(registry)];
    let (rows, before) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
    assert_eq!(before, 0);
    rows
}

/// The requests of a cycle of OTLP, split into the program's lengths.
pub(super) fn requests(
    mut export: OwnExport,
    sources: Sources<'_>,
    observations: u64,
    mut lengths: Lengths,
) -> Vec<Vec<u8>> {
    let (mut requests, mut sum) = (Vec::new(), 0);
    loop {
        let mut buffer = vec![0xff; lengths.take()];
        match export.next_request(sources, &mut buffer) {
            Ok(None) => break,
            Ok(Some(part)) => {
                requests.push(part.of(&buffer).to_vec());
                assert_eq!(export.weights_until(part.next, sources).all(), part.observations);
                (export, sum) = (part.next, sum + part.observations);
            }
            Err(error) => lengths.too_small(buffer.len(), error),
        }
    }
    assert_eq!((export.observations(), sum), (observations, observations));
    requests
}

/// Sends all that was observed as one interval of InfluxDB, in bodies of the program's lengths.
pub(super) fn lines(
    model: &Model,
    rows: ObservedRows<Vec<u64>>,
    (encoder, measurement, dialect): (&InstrumentEncoder<'_>, &str, &LineDialect),
    registry: Registry<'_>,
    mut lengths: Lengths,
) {
    let memory = vec![0xff; InstrumentRows::<Vec<u64>>::words(registry)];
    let mut rows = InstrumentRows::new(registry, rows, memory).expect("as many words as it asks for");
    assert_eq!((rows.freeze(), rows.unsettled()), (model.observations(), model.observations()));
    let (mut from, mut bodies) = (InstrumentPlace::FIRST, Vec::new());
    loop {
        let limits = BodyLimits { points: 1 + lengths.take() % 16, bytes: lengths.take() };
        let pack = |filler: u8| {
            let mut out = vec![filler; 16 << 10];
            let body = rows.pack(encoder, from, AT, limits, &mut out).expect("16 KiB hold any line");
            out.truncate(body.bytes);
            (body, out)
        };
        let (body, out) = pack(0xff);
        assert_eq!(pack(0), (body, out.clone()), "packed again, it is another body");
        if body.rows == 0 {
            break;
        }
        assert!(body.rows <= limits.points && (body.bytes <= limits.bytes || body.rows == 1), "{body:?} of {limits:?}");
        let (weights, _) = rows.weights(from, body.rows);
        assert_eq!(rows.settle(from, body.next), weights.all());
        bodies.push(out);
        from = body.next;
    }
    assert_eq!((rows.unsettled(), rows.waiting()), (0, 0));
    judge::influxdb::instruments(model, measurement, dialect, bodies.iter().map(Vec::as_slice));
}

/// Sends all that was observed as one interval of DogStatsD, in datagrams of the program's lengths.
pub(super) fn messages(
    model: &Model,
    accounts: Accounts<'_>,
    rows: ObservedRows<Vec<u64>>,
    (encoder, dialect): (&MessageEncoder<'_>, &MessageDialect),
    mut lengths: Lengths,
) {
    let registry = accounts.registry();
    let ledger = accounts.observations().open_after(Exporter::Statsd, rows.before());
    let mut source = InstrumentMessages::new(registry, (rows, ledger), encoder.instruments());
    if lengths.take() % 2 == 1 {
        source = source.with_single_messages();
    }
    source.freeze(Now::default());
    while !source.read_on() {}
    let mut datagrams = Vec::new();
    while !source.is_empty() {
        // Room for the two counters of a histogram.
        let (mut out, most) = (vec![0xff; lengths.take().max(2 * super::dogstatsd::LONGEST)], 1 + lengths.take() % 16);
        let packed = source.pack(0, most, &mut out);
        assert!((1..=most).contains(&packed.items) && packed.bytes <= out.len(), "{packed:?}");
        source.settle(packed.items, 0, DropReason::Unconfirmed);
        out.truncate(packed.bytes);
        datagrams.push(out);
    }
    let account = accounts.observations().close(Exporter::Statsd, DropReason::Deadline);
    assert_eq!((account.recorded, account.sent, account.held), (model.observations(), model.observations(), 0));
    judge::dogstatsd::instruments(model, dialect, datagrams.iter().map(Vec::as_slice));
}
