//! The conformance suite on [`Tokio`](loaddensity_metrics_tokio::Tokio).

loaddensity_metrics_conformance::conformance!(loaddensity_metrics_tokio::Tokio);
