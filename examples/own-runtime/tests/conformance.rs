//! Every promise of the trait, as a test. The cases of TCP and of Unix sockets say that they are left out.

loaddensity_metrics_conformance::conformance!(own_runtime::Own);
