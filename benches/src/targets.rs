//! What ours must reach, as ratios in one run. Kept beside the results, so that a change that loses one shows.

/// A ratio that a contender of ours must reach.
#[derive(Clone, Copy, Debug)]
pub struct RatioTarget {
    /// Title of the contest.
    pub contest: &'static str,
    /// Name of the contender of ours.
    pub ours: &'static str,
    /// What it must reach.
    pub rule: Rule,
}

/// How a contender of ours is compared. Names are those of other contenders in the same contest.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Each of these costs at least `times` as much.
    Faster {
        /// How many times.
        times: f64,
        /// Than whom.
        than: &'static [&'static str],
    },
    /// At most `ratio` times the cost of another.
    AtMost {
        /// How many times.
        ratio: f64,
        /// Of whom.
        of: &'static str,
    },
    /// What it costs more than another of ours is at most `ratio` times the cost of a third one.
    ExtraAtMost {
        /// How many times.
        ratio: f64,
        /// The one without the extra.
        over: &'static str,
        /// Whose cost is the measure.
        of: &'static str,
    },
}

const LOCAL_HANDLES: &str = "prometheus, local() handles";
/// Peers' handles that threads can share.
const SHARED_HANDLES: [&str; 8] = [
    "prometheus, shared handles",
    "prometheus-client, handles",
    "metrics + exporter, handles, upkeep not counted",
    "metrics + exporter, handles, with upkeep",
    "measured, label ids, dense",
    "measured, label ids, sparse",
    "opentelemetry_sdk, bound instruments",
    "fast-telemetry, series handles",
];
const DEFAULT: &str = "ours, exponential histograms too";
/// It does the work of the default storage.
const DEFAULT_FLOOR: &str = "floor, shard, classic and exponential";
const INSTRUMENTS: &str = "a request with three instruments of the engine's own, 100 series";
const PAGE: &str = "prometheus page, 27,000 lines, 1 shard";

/// All targets.
pub const TARGETS: &[RatioTarget] = &[
    at_most("record by handle, 100 series", "ours, classic histograms", 1.25, "floor, shard, 32-bit microseconds"),
    faster("record by handle, 100 series", "ours, classic histograms", 5.0, &[LOCAL_HANDLES]),
    faster("record by handle, 100 series", "ours, classic histograms", 6.0, &SHARED_HANDLES),
    at_most("record by handle, 100 series", DEFAULT, 1.8, "floor, shard, 32-bit microseconds"),
    at_most("record by handle, 100 series", DEFAULT, 0.7, DEFAULT_FLOOR),
    faster("record by handle, 100 series", DEFAULT, 1.0, &[LOCAL_HANDLES]),
    faster("record by handle, 100 series", DEFAULT, 1.0, &SHARED_HANDLES),
    at_most("record by handle, 10,000 series", DEFAULT, 0.7, DEFAULT_FLOOR),
    faster("record by handle, 10,000 series", DEFAULT, 1.0, &[LOCAL_HANDLES]),
    faster("record by handle, 10,000 series", DEFAULT, 1.0, &SHARED_HANDLES),
    RatioTarget {
        contest: "record by handle, 100 series",
        ours: "ours, raw events on",
        rule: Rule::ExtraAtMost {
            ratio: 0.5,
            over: "ours, classic histograms",
            of: "floor, shard, 32-bit microseconds",
        },
    },
    at_most(
        "record by handle, 2 threads, 100 series",
        "ours, classic histograms, 2 threads",
        1.4,
        "ours, classic histograms",
    ),
    at_most(
        "record by strings, 100 series",
        "ours, classic histograms",
        1.5,
        "floor, hash map + shard, 32-bit microseconds",
    ),
    faster("record by strings, 100 series", "ours, classic histograms", 6.0, &["prometheus, with_label_values"]),
    faster(INSTRUMENTS, DEFAULT, 2.5, &[LOCAL_HANDLES]),
    faster(INSTRUMENTS, DEFAULT, 5.0, &["prometheus, shared handles"]),
    at_most(PAGE, "ours, 64 KiB buffer", 1.3, "floor, safe"),
    faster(
        PAGE,
        "ours, 64 KiB buffer",
        6.0,
        &["measured, BufferedTextEncoder, sparse", "measured, BufferedTextEncoder, dense"],
    ),
    at_most("influxdb, 1,000 lines", "ours", 1.15, "floor, safe"),
    faster("influxdb, 1,000 lines", "ours", 3.3, &["write!"]),
    faster("influxdb, 1,000 lines", "ours", 4.0, &["questdb-rs"]),
    at_most("dogstatsd, 1,000 requests", "ours", 1.25, "floor, safe"),
    faster("dogstatsd, 1,000 requests", "ours", 3.5, &["write!"]),
    faster("dogstatsd, 1,000 requests", "ours", 10.0, &["cadence"]),
    // Ours adds up lanes before it encodes, which is most of it; the others encode what is added up already.
    at_most("otlp, 3,000 points", "ours", 6.5, "floor, safe"),
    faster("otlp, 3,000 points", "ours", 2.2, &["prost, prebuilt structs"]),
    faster("otlp, 3,000 points", "ours", 7.0, &["prost, built and encoded"]),
];

const fn at_most(contest: &'static str, ours: &'static str, ratio: f64, of: &'static str) -> RatioTarget {
    RatioTarget { contest, ours, rule: Rule::AtMost { ratio, of } }
}

const fn faster(contest: &'static str, ours: &'static str, times: f64, than: &'static [&'static str]) -> RatioTarget {
    RatioTarget { contest, ours, rule: Rule::Faster { times, than } }
}

/// How a target was met.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetVerdict {
    /// What was asked, in words.
    pub rule: String,
    /// What was reached.
    pub reached: f64,
    /// Whether that is enough.
    pub met: bool,
}

impl RatioTarget {
    /// Judges by `cost`, which knows each contender's nanoseconds by its name.
    pub fn judge(&self, cost: impl Fn(&str) -> f64) -> TargetVerdict {
        let ours = cost(self.ours);
        match self.rule {
            Rule::Faster { times, than } => {
                let fastest = than.iter().copied().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or_default();
                let reached = cost(fastest) / ours;
                let whom = if than.len() == 1 { String::new() } else { format!("the fastest of {}: ", than.len()) };
                let rule = format!("{}: {times} x faster than {whom}{fastest}", self.ours);
                TargetVerdict { rule, reached, met: reached >= times }
            }
            Rule::AtMost { ratio, of } => {
                let reached = ours / cost(of);
                let rule = format!("{}: at most {ratio} x {of}", self.ours);
                TargetVerdict { rule, reached, met: reached <= ratio }
            }
            Rule::ExtraAtMost { ratio, over, of } => {
                let reached = (ours - cost(over)) / cost(of);
                let rule = format!("{}: over \"{over}\" at most {ratio} x {of}", self.ours);
                TargetVerdict { rule, reached, met: reached <= ratio }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(name: &str) -> f64 {
        match name {
            "ours" => 10.0,
            "ours, more" => 14.0,
            "floor" => 8.0,
            _ => 50.0,
        }
    }

    #[test]
    fn ratios_are_judged() {
        let judge = |ours, rule| {
            let verdict = RatioTarget { contest: "c", ours, rule }.judge(cost);
            (verdict.reached, verdict.met)
        };
        assert_eq!(judge("ours", Rule::Faster { times: 5.0, than: &["a", "b"] }), (5.0, true));
        assert_eq!(judge("ours", Rule::Faster { times: 5.0, than: &["a", "ours, more"] }), (1.4, false));
        assert_eq!(judge("ours", Rule::AtMost { ratio: 1.25, of: "floor" }), (1.25, true));
        assert_eq!(judge("ours", Rule::AtMost { ratio: 1.2, of: "floor" }), (1.25, false));
        let extra = Rule::ExtraAtMost { ratio: 0.5, over: "ours", of: "floor" };
        assert_eq!(judge("ours, more", extra), (0.5, true));
    }
}
