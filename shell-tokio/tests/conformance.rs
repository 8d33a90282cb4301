//! The whole conformance suite on [`Tokio`](loaddensity_metrics_tokio::Tokio).

loaddensity_metrics_shell::conformance!(loaddensity_metrics_tokio::Tokio);
