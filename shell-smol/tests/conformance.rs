//! The whole conformance suite on [`Smol`](loaddensity_metrics_smol::Smol).

loaddensity_metrics_shell::conformance!(loaddensity_metrics_smol::Smol);
