//! The conformance suite on [`Std`](loaddensity_metrics_std::Std), which has no TCP.

loaddensity_metrics_conformance::conformance!(loaddensity_metrics_std::Std, without: Connect, Listen);
