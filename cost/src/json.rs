//! The report for programs (`--json`; docs/command-line.md).

use serde_json::{Value, json};

use crate::clock;
use crate::load::LoadArgs;
use crate::memory;
use crate::report::CostReport;
use crate::rounds::Figure;
use crate::work::CostRow;

impl CostReport<'_> {
    /// The object of the report.
    #[must_use]
    pub fn json(&self) -> Value {
        let LoadArgs { rate, series, threads, between, .. } = *self.load;
        json!({
            "kind": "cost",
            "load": { "requests_per_second": rate, "series": series, "threads": threads, "between_bytes": between },
            "clock": clock::MEASURED,
            "debug_build": cfg!(debug_assertions),
            "machine": {
                "is_busy": self.busyness.is_busy(),
                "off_core_share": self.busyness.off_core,
                "seconds": self.busyness.elapsed.as_secs_f64(),
                "load_average": self.busyness.load_average,
                "cores": self.busyness.cores,
            },
            "rows": self.figures.iter().map(row).collect::<Vec<_>>(),
            "recording_cores": self.recording_cores(),
            "exporting_cores": self.exporting_cores(),
            "memory": {
                "series_bytes": memory::LABELS,
                "series_per_recorder_bytes": memory::COUNTERS,
                "recorder_bytes": memory::recorder(series),
                // The overflow series has a place, too.
                "addressed_bytes": memory::size(series + 1, threads),
                "resident_now_bytes": self.resident,
                "resident_at_most_bytes": memory::touched(series, threads),
                "fits_default_storage": self.load.fits_the_default_storage(),
            },
        })
    }
}

fn row(figure: &Figure) -> Value {
    let Figure { row, minimum, median, quartiles, rounds, bytes, operations, .. } = figure;
    let recorders = match row {
        CostRow::Reading { recorders, .. } => Some(recorders),
        _ => None,
    };
    json!({
        "row": row.key(),
        "name": row.to_string(),
        "cold": matches!(row, CostRow::Record { is_cold: true, .. }),
        "recorders": recorders,
        "minimum_ns": minimum,
        "median_ns": median,
        "quartiles_ns": quartiles,
        "rounds": rounds,
        "bytes": (*bytes > 0.0).then_some(bytes),
        "operations": operations,
    })
}
