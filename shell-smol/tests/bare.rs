//! The suite on a runtime that leaves out what the trait lets it leave out: the cases of Unix sockets say so, and all else
//! passes.

#![cfg(unix)]

loaddensity_metrics_conformance::bare_conformance!(loaddensity_metrics_smol::Smol);
