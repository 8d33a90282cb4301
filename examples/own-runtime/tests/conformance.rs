//! Every promise of the trait, as a test. Those of TCP and of Unix sockets are counted as ignored.

loaddensity_metrics_conformance::conformance!(own_runtime::Own, without: Connect, Listen, Unix);
