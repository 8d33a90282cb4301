//! The conformance suite on [`Std`](loaddensity_metrics_std::Std), which leaves out TCP and says so.

loaddensity_metrics_conformance::conformance!(loaddensity_metrics_std::Std);
