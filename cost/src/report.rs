//! What is printed: the table, the sizes, and what they mean for the load.

use std::fmt;

use loaddensity_metrics_core::Exporter;

use crate::MESSAGES;
use crate::busyness::Busyness;
use crate::clock;
use crate::exporters::{self, DatagramFilling, ExporterWork, Sending, cost_of};
use crate::load::LoadArgs;
use crate::memory;
use crate::numbers::thousands;
use crate::other_memory;
use crate::raw_events::RING;
use crate::rounds::Figure;
use crate::trace::REQUESTS;
use crate::work::{CostRow, RecordEntry};

/// Said on stderr before, and at the end of the report.
pub const DEBUG_BUILD: &str = "THIS IS A DEBUG BUILD: ITS FIGURES MEAN NOTHING. Use cargo run --release -- cost";

/// Said at the end of the report.
const BUSY_MACHINE: &str = "THE MACHINE WAS BUSY WITH OTHER WORK: ITS FIGURES ARE TOO HIGH. Believe the minima, or measure again when it is idle";

/// Width of the table's first column.
const NAME: usize = 58;
/// The same of the sizes.
const NAME_OF_SIZE: usize = 34;

/// What one operation costs, and what that means for `load`.
pub struct CostReport<'a> {
    pub(crate) load: &'a LoadArgs,
    /// Of every work.
    pub(crate) figures: Vec<Figure>,
    /// Bytes that the recorders of the load and their series made resident, without rings; `None` where the system does not
    /// say it.
    pub(crate) resident: Option<u64>,
    /// Of the machine meanwhile.
    pub(crate) busyness: Busyness,
}

impl fmt::Display for CostReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadArgs { rate, series, threads, .. } = self.load;
        let load = format!("{} requests/s, {} series, {threads} threads", thousands(*rate), thousands(*series));
        writeln!(f, "loaddensity-metrics cost: {load} (--rate, --series, --threads)\n")?;
        self.table(f)?;
        self.cold_table(f)?;
        self.sizes(f)?;
        writeln!(f, "\n{load}: what that means (medians)")?;
        self.recording(f)?;
        self.exporting(f)?;
        self.memory(f)?;
        if self.busyness.is_busy() {
            write!(f, "\n\n{BUSY_MACHINE}")?;
        }
        if cfg!(debug_assertions) { write!(f, "\n\n{DEBUG_BUILD}") } else { Ok(()) }
    }
}

impl CostReport<'_> {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("one of each, in ns of {}", clock::MEASURED);
        writeln!(f, "{title:<NAME$}{:>10}{:>10}{:>8}", "minimum", "median", "bytes")?;
        let is_warm = |figure: &&Figure| !matches!(figure.row, CostRow::Record { is_cold: true, .. });
        for figure in self.figures.iter().filter(is_warm) {
            let Figure { row, minimum, median, bytes, .. } = figure;
            write!(f, "{row:<NAME$}{minimum:>10.1}{median:>10.1}")?;
            if *bytes == 0.0 { writeln!(f)? } else { writeln!(f, "{bytes:>8.0}")? }
        }
        let rounds = self.figures.first().map_or(0, |figure| figure.rounds);
        writeln!(
            f,
            "{rounds} rounds of each, in turns, on one thread, each turn after a round that does not count; the ring is emptied by the\n\
             same thread. An engine that does other work between its requests finds its caches colder and pays more{}.\n\
             {}\n",
            if self.load.between.is_none() { " (--between)" } else { "" },
            self.busyness
        )
    }

    /// Recording, warm and cold.
    fn cold_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.load.between.map(thousands) else { return Ok(()) };
        let title = format!("recording with colder caches (--between), in ns of {}", clock::MEASURED);
        writeln!(f, "{title:<NAME$}{:>10}{:>10}  half of the cold rounds", "warm", "cold")?;
        let mut alone = Vec::new();
        for entry in RecordEntry::ALL {
            let Some([warm, cold]) = self.warm_and_cold(entry) else { continue };
            let (row, [first, third]) = (cold.row, cold.quartiles);
            writeln!(f, "{row:<NAME$}{:>10.1}{:>10.1}  {first:.1} to {third:.1}", warm.median, cold.median)?;
            alone.push(cold.taken_off);
        }
        alone.sort_by(f64::total_cmp);
        let median = alone.get(alone.len() / 2).copied().unwrap_or_default();
        let name = format!("{bytes} bytes of other memory, read alone");
        writeln!(f, "{name:<NAME$}{:>10}{median:>10.1}", "")?;
        writeln!(
            f,
            "Medians. Between two requests {bytes} bytes of {} MiB are read, a word of each cache line, one piece after another. Cold is what a\n\
             request adds to that: the same reading without requests is timed in turns with it, and taken off.\n",
            other_memory::MEMORY >> 20
        )
    }

    fn warm_and_cold(&self, entry: RecordEntry) -> Option<[&Figure; 2]> {
        Some([self.figure(entry.warm())?, self.figure(entry.cold())?])
    }

    fn sizes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadArgs { series, threads, .. } = *self.load;
        writeln!(f, "{:<NAME_OF_SIZE$}{:>14}", "memory", "bytes")?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, bytes: u64, note: &str| {
            writeln!(f, "{name:<NAME_OF_SIZE$}{:>14}  {note}", thousands(bytes))
        };
        row(f, "a series, once", memory::LABELS, "its labels, for all formats, and its exemplars")?;
        row(f, "a series, in the spill shard", memory::SPILL, "untouched while there are shards for all recorders")?;
        let classic = format!("{} without exponential histograms", memory::CLASSIC_COUNTERS);
        row(f, "a series, in each recorder", memory::COUNTERS, &classic)?;
        let (name, events) = (format!("a recorder, with {} series", thousands(series)), thousands(RING as u64));
        let ring = format!("{} of them a ring of {events} raw events", thousands(memory::rings(1)));
        row(f, &name, memory::recorder(series), &ring)?;
        let classic = format!("{} without exponential histograms", thousands(memory::CLASSIC_TABLES));
        let micros = self.figure(CostRow::Tables).map_or(0.0, |figure| figure.median / 1e3);
        let note = format!("written by its first recorder in {micros:.0} µs; {classic}");
        row(f, "a registry's tables, once", memory::TABLES, &note)?;
        let s = if threads == 1 { "" } else { "s" };
        writeln!(f, "{} series in {threads} recorder{s}:", thousands(series))?;
        // The overflow series has a place, too.
        row(
            f,
            "  addressed",
            memory::size(series + 1, threads),
            "from the types; the spill shard is in it, and rings",
        )?;
        self.resident_now(f)?;
        let rings = format!("from the types; {} of it rings, touched by raw events", thousands(memory::rings(threads)));
        row(f, "  resident, every bucket hot", memory::touched(series, threads), &rings)?;
        writeln!(
            f,
            "{:<NAME_OF_SIZE$}{:>14}  hot: it has counted 32,768 requests in a recorder; most never will",
            "", ""
        )
    }

    fn resident_now(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = "  resident now";
        let Some(bytes) = self.resident else { return writeln!(f, "{name:<NAME_OF_SIZE$}{:>14}", "not measured here") };
        let requests = thousands(REQUESTS as u64);
        writeln!(
            f,
            "{name:<NAME_OF_SIZE$}{:>14}  measured: each recorder has counted {requests} requests, and none has used its ring",
            thousands(bytes)
        )
    }

    fn recording(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.load.threads;
        let spread = if threads == 1 { "on its one thread".into() } else { format!("spread over {threads} threads") };
        writeln!(f, "{:<17}{}, {spread}", "recording", self.product(RecordEntry::ByHandle.warm()))?;
        for (name, row) in [
            ("  caches colder", RecordEntry::ByHandle.cold()),
            ("  by thread", RecordEntry::Locally.warm()),
            ("  raw events on", RecordEntry::WithEvents.warm()),
            ("  by strings", RecordEntry::ByStrings.warm()),
        ] {
            if self.figure(row).is_some() {
                writeln!(f, "{name:<17}{}", self.product(row))?;
            }
        }
        Ok(())
    }

    fn exporting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<17}{}", "pump", self.product(CostRow::Pump))?;
        let mut readings = Vec::new();
        for exporter in exporters::per_request().chain(exporters::reading()) {
            let cost = cost_of(exporter);
            match cost.work {
                ExporterWork::PerRequest(sendings) => {
                    let row = CostRow::PerRequest(exporter);
                    writeln!(f, "{:<17}{}", cost.name, self.product(row))?;
                    sendings.iter().try_for_each(|sending| self.sending(f, row, sending))?;
                }
                ExporterWork::Reading { what, things, every } => {
                    self.reading(f, exporter, what, things)?;
                    readings.push(format!("{what} every {every} s"));
                }
            }
        }
        let (all, readings) = (cores(self.exporting_cores()), readings.join(" and "));
        writeln!(f, "{:<17}{all}, with {readings}, before sending", "all exporters")?;
        writeln!(
            f,
            "{:<17}sending by default is with segmentation offload where the system has it, many datagrams of one size in a call;\n\
             {:<17}the calls here are full, those of a slow load hold fewer datagrams and cost up to what there is without offload",
            "", ""
        )
    }

    /// Of one core, for all exporters, before they send.
    pub(crate) fn exporting_cores(&self) -> f64 {
        let exporters = exporters::per_request().chain(exporters::reading());
        let cores = exporters.map(|exporter| match cost_of(exporter).work {
            ExporterWork::PerRequest(_) => self.seconds_per_second(CostRow::PerRequest(exporter)),
            ExporterWork::Reading { every, .. } => self.read_by(exporter).map_or(0.0, seconds_of_reading) / every,
        });
        self.seconds_per_second(CostRow::Pump) + cores.sum::<f64>()
    }

    /// Of one core, for recording as an engine does by default.
    pub(crate) fn recording_cores(&self) -> f64 {
        self.seconds_per_second(RecordEntry::ByHandle.warm())
    }

    /// The reading of all recorders.
    fn read_by(&self, exporter: Exporter) -> Option<&Figure> {
        self.figure(CostRow::Reading { exporter, recorders: self.load.threads })
    }

    /// A line on `what` of `exporter`, a reading of `things`.
    fn reading(&self, f: &mut fmt::Formatter<'_>, exporter: Exporter, what: &str, things: &str) -> fmt::Result {
        let Some(figure) = self.read_by(exporter) else { return Ok(()) };
        let (millis, kilobytes) = (seconds_of_reading(figure) * 1e3, figure.operations * figure.bytes / 1e3);
        let (operations, kilobytes) = (thousands(figure.operations as u64), thousands(kilobytes.ceil() as u64));
        writeln!(f, "{:<17}{what} of {operations} {things}, {kilobytes} KB: {millis:.2} ms", cost_of(exporter).name)
    }

    /// A line on what the kernel takes for the datagrams of the exporter of `row`.
    fn sending(&self, f: &mut fmt::Formatter<'_>, row: CostRow, sending: &Sending) -> fmt::Result {
        let how = sending.how;
        let datagrams = match sending.datagram.filling {
            DatagramFilling::Packed => self.datagrams(row),
            DatagramFilling::Message => (MESSAGES * self.load.rate) as f64,
        };
        let nanos = self.figure(CostRow::Datagram(sending.datagram)).map_or(0.0, |figure| figure.median);
        let (count, share) = (thousands(datagrams.ceil() as u64), cores(datagrams * nanos / 1e9));
        let nanos = thousands(nanos.round() as u64);
        writeln!(f, "{:<17}sent {how}: {count} datagrams/s x {nanos} ns = {share}", "")
    }

    /// Packed datagrams a second.
    fn datagrams(&self, row: CostRow) -> f64 {
        self.figure(row).map_or(0.0, |figure| self.load.rate as f64 / figure.operations)
    }

    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadArgs { series, threads, .. } = *self.load;
        let touched = format!("{} MiB", thousands(memory::touched(series, threads).div_ceil(1 << 20)));
        if self.load.fits_the_default_storage() {
            let size = mebibytes(memory::DEFAULT_SIZE);
            return write!(
                f,
                "{:<17}the default storage holds this: {size} of address space, of which at most {touched} become resident",
                "memory"
            );
        }
        // The overflow series has a place, too.
        let size = mebibytes(memory::size(series + 1, threads));
        let arguments = [series, threads, RING as u64].map(|number| thousands(number).replace(',', "_")).join(", ");
        writeln!(f, "{:<17}HeapStorage::new({arguments}): {size} of address space", "memory")?;
        writeln!(
            f,
            "{:<17}{} series x {threads} recorders x {} bytes, and some: only what is touched becomes resident, at most {touched}",
            "",
            thousands(series),
            thousands(memory::COUNTERS)
        )?;
        self.warnings(f, &arguments)
    }

    fn warnings(&self, f: &mut fmt::Formatter<'_>, arguments: &str) -> fmt::Result {
        let LoadArgs { series, threads, .. } = *self.load;
        let (recorders, most) = (memory::DEFAULT_RECORDERS, memory::DEFAULT_SERIES);
        writeln!(f)?;
        if threads > recorders {
            writeln!(
                f,
                "warning: {threads} threads are more than the {recorders} recorders of the default storage; {} of them would share one slower shard",
                threads - recorders
            )?;
        }
        if series > most {
            writeln!(
                f,
                "warning: {} series are more than the {most} of the default storage; {} of them would be counted as one, named overflow",
                thousands(series),
                thousands(series - most)
            )?;
        }
        write!(f, "start with Settings::on(Box::leak(Box::new(HeapStorage::new({arguments})?)).registry())")
    }

    fn figure(&self, row: CostRow) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.row == row)
    }

    /// `250,000/s x 5.6 ns = 0.14 % of one core`
    fn product(&self, row: CostRow) -> String {
        let nanos = self.figure(row).map_or(0.0, |figure| figure.median);
        format!("{}/s x {nanos:.1} ns = {}", thousands(self.load.rate), cores(self.seconds_per_second(row)))
    }

    /// Of one core, for what is done once per request.
    fn seconds_per_second(&self, row: CostRow) -> f64 {
        self.figure(row).map_or(0.0, |figure| self.load.rate as f64 * figure.median / 1e9)
    }
}

/// How long one page or export takes.
fn seconds_of_reading(figure: &Figure) -> f64 {
    figure.operations * figure.median / 1e9
}

/// A number of cores, or the share of one.
fn cores(cores: f64) -> String {
    let percent = 100.0 * cores;
    match percent {
        ..0.095 => format!("{percent:.3} % of one core"),
        ..9.5 => format!("{percent:.2} % of one core"),
        ..99.5 => format!("{percent:.0} % of one core"),
        _ => format!("{cores:.1} cores"),
    }
}

/// Address space.
fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", thousands((bytes + (1 << 19)) >> 20))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exporters::DatagramKind;

    const ROWS: [(CostRow, f64); 15] = [
        (CostRow::Tables, 321_000.0),
        (RecordEntry::ByHandle.warm(), 5.6),
        (RecordEntry::Locally.warm(), 7.2),
        (RecordEntry::WithEvents.warm(), 8.0),
        (RecordEntry::Classic.warm(), 5.0),
        (RecordEntry::ByStrings.warm(), 20.0),
        (CostRow::Pump, 4.0),
        (CostRow::PerRequest(Exporter::Influxdb), 40.0),
        (CostRow::PerRequest(Exporter::Statsd), 36.0),
        (datagram(DatagramFilling::Packed, false), 3_000.0),
        (datagram(DatagramFilling::Packed, true), 600.0),
        (datagram(DatagramFilling::Message, false), 2_000.0),
        (datagram(DatagramFilling::Message, true), 400.0),
        (CostRow::Reading { exporter: Exporter::Prometheus, recorders: 8 }, 10.0),
        (CostRow::Reading { exporter: Exporter::OpenTelemetry, recorders: 8 }, 20.0),
    ];

    const fn datagram(filling: DatagramFilling, is_offloaded: bool) -> CostRow {
        CostRow::Datagram(DatagramKind { filling, is_offloaded })
    }

    fn report(series: u64, threads: u64, between: Option<u64>) -> String {
        report_of(series, threads, between, Some(12_345_678))
    }

    const IDLE: Busyness =
        Busyness { elapsed: Duration::from_secs(10), off_core: Some(0.004), load_average: Some(0.5), cores: 2 };

    fn report_of(series: u64, threads: u64, between: Option<u64>, resident: Option<u64>) -> String {
        report_on(series, threads, between, resident, IDLE)
    }

    fn report_on(series: u64, threads: u64, between: Option<u64>, resident: Option<u64>, busyness: Busyness) -> String {
        let figure = |(row, median): (CostRow, f64)| {
            let row = match row {
                CostRow::Reading { exporter, .. } => CostRow::Reading { exporter, recorders: threads },
                row => row,
            };
            let operations = if row == CostRow::PerRequest(Exporter::Influxdb) { 10.0 } else { 13_500.0 };
            Figure {
                row,
                minimum: median - 0.5,
                median,
                quartiles: [median - 0.25, median + 1.0],
                taken_off: 0.0,
                rounds: 99,
                bytes: 100.0,
                operations,
            }
        };
        let mut figures: Vec<_> = ROWS.into_iter().map(figure).collect();
        if between.is_some() {
            let cold = |(entry, taken_off): (RecordEntry, f64)| {
                let median =
                    10.0 * figures.iter().find(|figure| figure.row == entry.warm()).map_or(0.0, |of| of.median);
                Figure { taken_off, ..figure((entry.cold(), median)) }
            };
            let cold: Vec<_> =
                RecordEntry::ALL.into_iter().zip([2_000.0, 1_990.0, 2_010.0, 4_000.0, 1_000.0]).map(cold).collect();
            figures.extend(cold);
        }
        let load = LoadArgs { rate: 250_000, series, threads, between, seconds: Duration::from_secs(10) };
        CostReport { load: &load, figures, resident, busyness }.to_string()
    }

    #[test]
    fn costs_become_shares_of_a_core() {
        let text = report(500, 8, None);
        for part in [
            "250,000 requests/s, 500 series, 8 threads",
            "recording        250,000/s x 5.6 ns = 0.14 % of one core, spread over 8 threads\n",
            "  by thread      250,000/s x 7.2 ns = 0.18 % of one core\n",
            "pump             250,000/s x 4.0 ns = 0.10 % of one core\n",
            "InfluxDB         250,000/s x 40.0 ns = 1.00 % of one core\n",
            "sent packed (default): 25,000 datagrams/s x 600 ns = 1.50 % of one core\n",
            "sent packed, without offload: 25,000 datagrams/s x 3,000 ns = 7.50 % of one core\n",
            "sent one by one (default): 750,000 datagrams/s x 400 ns = 30 % of one core\n",
            "sent one by one, without offload: 750,000 datagrams/s x 2,000 ns = 1.5 cores\n",
            "sent packed, at most (two or more leave in a call): 19 datagrams/s x 3,000 ns = 0.006 % of one core\n",
            "sent packed, with fill_datagrams: 19 datagrams/s x 600 ns = 0.001 % of one core\n",
            "Prometheus       a scrape of 13,500 lines, 1,350 KB: 0.14 ms\n",
            // 4 + 40 + 36 ns, 13,500 x 10 ns every 15 s and 13,500 x 20 ns every 5 s.
            "all exporters    2.01 % of one core",
            "memory           the default storage holds this: ",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("warning"), "{text}");
        for (share, shown) in [(0.0005, "0.050 %"), (0.2, "20 %"), (1.0, "1.0 cores"), (2.44, "2.4 cores")] {
            assert!(cores(share).starts_with(shown), "{shown}");
        }
    }

    /// With single spaces, whatever the columns' widths.
    fn squeezed(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn colder_caches_are_shown_beside_warm_ones() {
        let text = report(500, 8, Some(65_536));
        for part in [
            "record, by handle 5.6 56.0 55.8 to 57.0 record",
            "record, by handle, without exponential histograms 5.0 50.0 49.8 to 51.0 record",
            "record, by strings 20.0 200.0 199.8 to 201.0 65,536 bytes of other memory, read alone 2000.0 ",
            "spread over 8 threads caches colder 250,000/s x 56.0 ns = 1.40 % of one core by thread",
        ] {
            assert!(squeezed(&text).contains(part), "{part}\n{text}");
        }
        let warm = report(500, 8, None);
        assert!(!warm.contains("cold rounds") && !warm.contains("\n  caches colder"), "{warm}");
        assert!(warm.contains("pays more (--between).") && !text.contains("pays more (--between)."), "{warm}");
    }

    #[test]
    fn a_busy_machine_is_named_and_warned_of() {
        let text = report(500, 8, None);
        assert!(
            text.contains("(--between).\nhow busy it was: in 0.4 % of 10.0 s") && !text.contains(BUSY_MACHINE),
            "{text}"
        );
        let busy = report_on(500, 8, None, None, Busyness { off_core: Some(0.34), ..IDLE });
        assert!(busy.contains("how busy it was: in 34.0 % of 10.0 s") && busy.contains(BUSY_MACHINE), "{busy}");
    }

    #[test]
    fn memory_is_addressed_resident_now_and_once_every_bucket_was_hot() {
        let hot = 500 * 5_408 + 8 * (500 * 7_104 + 256 + 2_097_152) + 74_752;
        let addressed = memory::size(501, 8);
        assert!(addressed > hot + 500 * memory::SPILL);
        let text = report(500, 8, None);
        for part in [
            "a registry's tables, once 74,752 written by its first recorder in 321 µs; 17,152 without exponential histograms",
            &format!("500 series in 8 recorders: addressed {} from the types; ", thousands(addressed)),
            "resident now 12,345,678 measured: each recorder has counted 100,000 requests, and none has used its ring",
            &format!("resident, every bucket hot {} from the types; 16,777,216 of it rings,", thousands(hot)),
        ] {
            assert!(squeezed(&text).contains(part), "{part}\n{text}");
        }
        let elsewhere = report_of(500, 8, None, None);
        assert!(squeezed(&elsewhere).contains("resident now not measured here resident, every"), "{elsewhere}");
    }

    #[test]
    fn loads_beyond_the_default_storage_are_told_what_to_use() {
        for (series, threads, parts) in [
            (
                511,
                13,
                [
                    "13 threads are more than the 12 recorders",
                    "; 1 of them would share",
                    "HeapStorage::new(511, 13, 65_536)",
                ],
            ),
            (
                512,
                12,
                ["512 series are more than the 511", "; 1 of them would be", "HeapStorage::new(512, 12, 65_536)"],
            ),
            (2_000, 40, ["2,000 series are", "40 threads are", "2,000 series x 40 recorders x 7,104 bytes"]),
        ] {
            let text = report(series, threads, None);
            for part in parts {
                assert!(text.contains(part), "{part}\n{text}");
            }
        }
        assert!(!report(511, 12, None).contains("HeapStorage"));
    }
}
