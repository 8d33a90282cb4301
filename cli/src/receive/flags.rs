//! What `receive` is told.

use std::time::Duration;

use crate::engine::TargetUrl;

/// Where to listen, and for how long. A port of 0 is a free one.
#[derive(Debug, clap::Args)]
pub(crate) struct ReceiveArgs {
    /// Port for InfluxDB's lines over HTTP: /write, /api/v2/write and /api/v3/write_lp.
    #[arg(long, value_name = "PORT", default_value_t = 8_086)]
    pub(super) influxdb_http: u16,
    /// Port for InfluxDB's lines over UDP.
    #[arg(long, value_name = "PORT", default_value_t = 8_089)]
    pub(super) influxdb_udp: u16,
    /// Port for DogStatsD over UDP.
    #[arg(long, value_name = "PORT", default_value_t = 8_125)]
    pub(super) statsd: u16,
    /// Port for OTLP over gRPC.
    #[arg(long, value_name = "PORT", default_value_t = 4_317)]
    pub(super) otlp_grpc: u16,
    /// Port for OTLP over HTTP: /v1/metrics.
    #[arg(long, value_name = "PORT", default_value_t = 4_318)]
    pub(super) otlp_http: u16,
    /// A page to scrape, such as http://127.0.0.1:9646/metrics: at every --every, and once more at the end.
    #[arg(long, value_name = "URL", value_parser = page)]
    pub(super) scrape: Option<TargetUrl>,
    /// How often to say what came, and to scrape: seconds, 0.1 to 3600.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = every)]
    pub(super) every: Duration,
    /// Rows of a backend to show at each --every: a number, or all. The end shows all.
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = rows)]
    pub(super) rows: usize,
    /// End after this time: 30, 30s, 5m or 1h. Without it, a signal (Ctrl-C, SIGTERM) ends it.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) duration: Option<Duration>,
}

fn page(text: &str) -> Result<TargetUrl, String> {
    match TargetUrl::parse(text) {
        Ok(target) if !target.is_https() => Ok(target),
        Ok(_) => Err("https is not spoken here: give an http URL".to_owned()),
        Err(error) => Err(format!("expected {error}")),
    }
}

fn every(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds from 0.1 to 3600, such as 2".to_owned())
}

fn rows(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        number => number.parse().map_err(|_| "expected a number, such as 10, or all".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, f64); 3] = [('s', 1.0), ('m', 60.0), ('h', 3_600.0)];
    let unit = UNITS.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, unit) = unit.unwrap_or((text, 1.0));
    let seconds = number.parse::<f64>().ok().map(|number| number * unit);
    let seconds = seconds.filter(|seconds| (0.1..=604_800.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected a time up to a week, such as 30s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        for (text, seconds) in [("30", 30.0), ("30s", 30.0), ("0.5s", 0.5), ("5m", 300.0), ("1h", 3_600.0)] {
            assert_eq!(time(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for wrong in ["", "s", "0", "-1s", "soon", "30 s", "1000h", "NaN", "inf"] {
            assert!(time(wrong).is_err_and(|error| error.contains("30s")), "{wrong}");
        }
    }

    #[test]
    fn rows_are_a_number_or_all() {
        assert_eq!(["0", "25", "all"].map(rows), [Ok(0), Ok(25), Ok(usize::MAX)]);
        for wrong in ["", "-1", "1.5", "ALL", "many"] {
            assert!(rows(wrong).is_err_and(|error| error.contains("or all")), "{wrong}");
        }
    }

    #[test]
    fn pages_are_scraped_without_tls() {
        assert_eq!(page("http://localhost:9646/metrics").map(|target| target.port()), Ok(9_646));
        for (wrong, says) in [("https://h/metrics", "http URL"), ("9646", "http://host:port/path")] {
            assert!(page(wrong).is_err_and(|error| error.contains(says)), "{wrong}");
        }
    }
}
