//! The source of a cumulative exporter: in each cycle all that a registry has counted.

use super::{ExportCursor, ExportSource, WriteOutcome};
use crate::export::turn::{body_in_a_turn, silent_in_a_turn};
use crate::formats::otlp::{Export, ExportOptions, OwnExport, Resource, Sources};
use crate::formats::weights::Weights;
use crate::registry::accounts::Accounts;
use crate::registry::exporter::Exporter;
use crate::registry::ledger::Ledger;
use crate::request::sample::Timestamp;

/// The [`ExportSource`] of a cumulative exporter.
#[derive(Clone, Copy, Debug)]
pub struct Cumulative<'a> {
    accounts: Accounts<'a>,
    resource: &'a Resource,
    options: ExportOptions,
    /// From when on all is counted.
    start: Timestamp,
    is_framed: bool,
    /// Whether own instruments are sent.
    has_instruments: bool,
}

impl<'a> Cumulative<'a> {
    /// What the registry of `accounts` has counted since `start`, exported by `resource`.
    #[must_use]
    pub fn new(accounts: Accounts<'a>, resource: &'a Resource, start: Timestamp) -> Self {
        Self { accounts, resource, options: ExportOptions::default(), start, is_framed: false, has_instruments: false }
    }

    /// The same with points that look like this.
    #[must_use]
    pub const fn with_options(self, options: ExportOptions) -> Self {
        Self { options, ..self }
    }

    /// The same, where bodies have gRPC's prefix if `is_framed`.
    #[must_use]
    pub const fn framed(self, is_framed: bool) -> Self {
        Self { is_framed, ..self }
    }

    /// The same with the engine's own instruments, in bodies of their own after those of requests. They are accounted with
    /// [`Accounts::observations`], whose account of the exporter has to be open.
    #[must_use]
    pub const fn with_instruments(self) -> Self {
        Self { has_instruments: true, ..self }
    }

    fn sources(&self) -> Sources<'a> {
        let registry = self.accounts.registry();
        let turn = silent_in_a_turn(registry.recorders_read());
        Sources::new(registry, self.resource).with_options(self.options).with_turn(turn)
    }
}

impl ExportSource for Cumulative<'_> {
    type Cursor = ExportCursor;

    fn begin(&mut self, now: Timestamp) -> ExportCursor {
        let registry = self.accounts.registry();
        let place = ExportCursor::new(Export::new(registry, self.start, now), registry, now);
        let own = self.has_instruments.then(|| OwnExport::new(registry, self.start, now));
        ExportCursor { own, ..place }
    }

    fn with_time(&self, place: ExportCursor, now: Timestamp) -> ExportCursor {
        let ExportCursor { points, own, gauges } = place;
        ExportCursor { points: points.at(now), own: own.map(|own| own.at(now)), gauges: gauges.at(now) }
    }

    fn body_limit(&self, limit: usize) -> usize {
        body_in_a_turn(limit, self.accounts.registry().recorders_read())
    }

    fn write(&self, place: ExportCursor, limit: usize, out: &mut [u8]) -> WriteOutcome<ExportCursor> {
        place.write(self.sources().with_limit(limit), self.is_framed, out)
    }

    fn weights(&self, from: ExportCursor, to: ExportCursor) -> Weights {
        from.weights_until(to, self.sources())
    }

    // The next cycle sends everything again.
    fn settle(&mut self, _: ExportCursor, _: ExportCursor) {}

    fn ledger(&self) -> &Ledger {
        self.accounts.ledger(Exporter::OpenTelemetry)
    }

    fn held(&self) -> u64 {
        self.accounts.registry().account(Exporter::OpenTelemetry).held
    }

    fn observation_ledger(&self) -> Option<&Ledger> {
        self.has_instruments.then(|| self.accounts.observations().ledger(Exporter::OpenTelemetry))
    }

    fn observations_held(&self) -> u64 {
        self.accounts.registry().observation_account(Exporter::OpenTelemetry).held
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use core::time::Duration;

    use super::*;
    use crate::export::periodic::Delta;
    use crate::formats::otlp::DeltaInterval;
    use crate::registry::storage::Storage;
    use crate::request::sample::Sample;

    #[test]
    fn what_both_sources_hold_is_what_their_account_holds() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let (registry, resource, start) = (STORAGE.registry(), Resource::new("checkout"), Timestamp::default());
        let accounts = Accounts::new(registry);
        accounts.open(Exporter::OpenTelemetry);
        let series = registry.series("GET", "/");
        let mut recorder = registry.recorder();
        (0..3).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
        let memory = std::vec![0; DeltaInterval::<std::vec::Vec<u64>>::words(registry, ExportOptions::default())];
        let (mut interval, _) =
            DeltaInterval::new(registry, ExportOptions::default(), memory, start).expect("enough memory");
        let delta = Delta::new(accounts, &resource, &mut interval);
        let cumulative = Cumulative::new(accounts, &resource, start);
        assert_eq!((cumulative.held(), delta.held()), (3, 3));
        assert_eq!(cumulative.body_limit(4 << 20), 4 << 20, "one recorder is read in no time");
    }

    /// Bytes of the first body.
    fn bytes<S: ExportSource>(mut source: S) -> usize {
        let place = source.begin(Timestamp::default());
        match source.write(place, 4_096, &mut [0; 4_096]) {
            WriteOutcome::Body(part) => part.bytes(),
            nothing_else => panic!("{:?}", matches!(nothing_else, WriteOutcome::Nothing)),
        }
    }

    /// The most requests that one point of the first body stands for.
    fn heaviest<S: ExportSource>(mut source: S) -> u64 {
        let place = source.begin(Timestamp::default());
        match source.write(place, 4_096, &mut [0; 4_096]) {
            WriteOutcome::Body(part) => source.weights(place, part.next).heaviest(1),
            nothing_else => panic!("{:?}", matches!(nothing_else, WriteOutcome::Nothing)),
        }
    }

    #[test]
    fn bodies_have_a_prefix_and_points_as_they_were_asked_for() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let (registry, resource, start) = (STORAGE.registry(), Resource::new("checkout"), Timestamp::default());
        let accounts = Accounts::new(registry);
        let memory = std::vec![0; DeltaInterval::<std::vec::Vec<u64>>::words(registry, ExportOptions::default())];
        let (mut interval, _) =
            DeltaInterval::new(registry, ExportOptions::default(), memory, start).expect("enough memory");
        registry.recorder().record(registry.series("GET", "/"), Sample::ok(Duration::ZERO));
        interval.begin_to_end(Timestamp::from_unix_nanos(9));
        while !interval.read_some(registry, 9) {}
        let cumulative = Cumulative::new(accounts, &resource, start);
        assert_eq!(bytes(cumulative.framed(true)), bytes(cumulative) + 5);
        let options = ExportOptions { http_client_duration: true, ..ExportOptions::default() };
        assert!(bytes(cumulative.with_options(options)) > bytes(cumulative));
        // What may be lost where a receiver rejects one point.
        assert_eq!((heaviest(cumulative), heaviest(Delta::new(accounts, &resource, &mut interval))), (1, 1));
        let plain = bytes(Delta::new(accounts, &resource, &mut interval));
        assert_eq!(bytes(Delta::new(accounts, &resource, &mut interval).framed(true)), plain + 5);
        // The gauges of a delta have a time of their own.
        let mut delta = Delta::new(accounts, &resource, &mut interval);
        let place = delta.begin(start);
        let later = delta.with_time(place, Timestamp::from_unix_nanos(99));
        assert!(later.points == place.points && later.gauges != place.gauges);
    }
}
