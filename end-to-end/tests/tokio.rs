//! The exporters, end to end, on [`Tokio`](loaddensity_metrics_tokio::Tokio).

loaddensity_metrics_end_to_end::end_to_end!(loaddensity_metrics_tokio::Tokio);
