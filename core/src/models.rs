//! Loom models of everything that threads share.
//!
//! Run them with `ci/models.sh`. Each model is the smallest one in which its race can happen. loom then tries every
//! interleaving and every value that a relaxed load may return. loom does not find a store that moves before an earlier load.
//! So no model shows that the slots of a ring need a release store when they are freed after reading: only the comment there
//! gives the reason.
//!
//! That the models notice anything is shown by `sim/mutations/run model-`, which breaks what they are about in copies: each
//! name there is that of the file here whose models must fail.

mod bounds;
mod exemplars;
mod gauges;
mod hand_over;
mod instruments;
mod interning;
mod lanes;
mod overflow;
mod rings;
mod shards;
