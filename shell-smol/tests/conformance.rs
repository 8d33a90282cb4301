//! The conformance suite on [`Smol`](loaddensity_metrics_smol::Smol).

loaddensity_metrics_conformance::conformance!(loaddensity_metrics_smol::Smol);
