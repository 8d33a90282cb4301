//! A recorder for the [`metrics`] facade: what the engine's libraries count, set and measure through it is shown as instruments
//! and gauges of a registry, in every format that the registry's exporters have.
//!
//! ```
//! use loaddensity_metrics_facade::FacadeRecorder;
//! use loaddensity_metrics_shell::{Exponential, LocalRecorder, Storage};
//! use metrics::Unit;
//!
//! // Room for 8 counters and 4 histograms of libraries.
//! static STORAGE: Storage<100, 4, 1_024, Exponential, 8, 4> = Storage::new();
//! let registry = STORAGE.registry();
//! let recorder = FacadeRecorder::new(LocalRecorder::new(registry)); // where there are exporters: exporters.local_recorder()
//! metrics::set_global_recorder(recorder.clone())?;
//!
//! // What a library does.
//! metrics::describe_histogram!("pool.wait", Unit::Seconds, "Time until a connection was free");
//! metrics::counter!("pool_connections_total", "kind" => "reused").increment(3);
//! metrics::histogram!("pool.wait").record(0.004);
//! metrics::gauge!("pool.idle").set(7.0);
//!
//! let shown: Vec<_> = registry.instruments().map(|instrument| instrument.name().to_owned()).collect();
//! assert_eq!(shown, ["pool_connections", "pool_wait"]);
//! assert_eq!(registry.gauge("pool_idle")?.get(), Some(7.0));
//! assert_eq!(recorder.unshown(), Default::default());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A handle records through the recorder of whatever thread calls it. That takes no lock and allocates nothing, and neither does
//! asking for a handle again, as the facade's macros do at each call; only `Counter::absolute` takes a lock. Which names, units
//! and labels become which is a table in `docs/bridges.md`. Nothing here panics: what cannot be shown is a warning of `tracing`,
//! once for each metric, and a number in [`FacadeRecorder::unshown`].

// Bad input never panics: whoever calls what may must say why that cannot happen.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

mod facade_recorder;
mod growing_map;
mod handles;
mod kinds;
mod metric_table;
mod naming;
mod series;
mod unshown;

pub use facade_recorder::FacadeRecorder;
pub use unshown::Unshown;

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
