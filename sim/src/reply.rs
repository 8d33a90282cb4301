//! What comes back from a backend.

use loaddensity_metrics_core::export::verdict::Said;

/// What a backend makes of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// It answers.
    Says(Said),
    /// The connection breaks: whether some of the body had gone out.
    Breaks { began: bool },
    /// Nothing comes, ever.
    Never,
}
