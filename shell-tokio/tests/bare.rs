//! The suite on a runtime that leaves out what the trait lets it leave out: one datagram in a call is
//! enough.

#![cfg(unix)]

loaddensity_metrics_conformance::bare_conformance!(loaddensity_metrics_tokio::Tokio);
