//! The exporters, end to end, on [`Smol`](loaddensity_metrics_smol::Smol).

loaddensity_metrics_end_to_end::end_to_end!(loaddensity_metrics_smol::Smol);
