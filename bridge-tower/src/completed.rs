//! How a request ended, and whether that is a success.

use std::time::Duration;

use loaddensity_metrics_shell::{ErrorKind, Outcome, Series};

/// What a request was when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completed {
    /// The series in which it counts.
    pub series: Series,
    /// The status of the response, or 0 without one.
    pub status: u16,
    /// The bytes of the body's data frames that went through.
    pub response_bytes: u64,
    /// From the call to the end.
    pub latency: Duration,
    /// How it ended.
    pub ending: Ending,
    /// What kind of failure it is if it is one. `None` leaves it to the status, as
    /// [`Sample::error`](loaddensity_metrics_shell::Sample::error) does where it is not called.
    pub error: Option<ErrorKind>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The body came to its end.
    Whole,
    /// The service answered with an error instead of a response.
    ServiceError,
    /// The body broke off with an error.
    BodyError,
    /// The call's future was dropped before there was a response: a timeout around it, a task that was ended, a client that went
    /// away, a panic.
    Cancelled,
    /// The body was dropped before its end. A body with nothing left to come (empty, an answer to `HEAD`, all of its
    /// `content-length`) is [`Whole`](Self::Whole) instead.
    BodyDropped,
}

/// Says whether a request is a success: any `Fn(Completed) -> Outcome` that can be cloned, which is done once for each request.
pub trait OutcomeRule: Fn(Completed) -> Outcome + Clone {}

impl<F: Fn(Completed) -> Outcome + Clone> OutcomeRule for F {}

/// Says what kind of failure an error of a service is: any `Fn(&Error) -> ErrorKind`, or [`AnyServiceError`].
pub trait ErrorKindRule<E>: Clone {
    /// The kind of `error`.
    fn kind_of(&self, error: &E) -> ErrorKind;
}

impl<E, F: Fn(&E) -> ErrorKind + Clone> ErrorKindRule<E> for F {
    fn kind_of(&self, error: &E) -> ErrorKind {
        self(error)
    }
}

/// The default: each error of a service is [`ErrorKind::Other`], because nothing is known of its type.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyServiceError;

impl<E> ErrorKindRule<E> for AnyServiceError {
    fn kind_of(&self, _error: &E) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The default rule: a success has a status below 400 and a body that came to its end.
///
/// An engine that is content with the status and drops bodies unread says
/// `layer.outcome(|completed| Outcome::of_status(completed.status))`.
#[must_use]
pub fn by_status(completed: Completed) -> Outcome {
    match completed.ending {
        Ending::Whole => Outcome::of_status(completed.status),
        _ => Outcome::Failure,
    }
}

impl Ending {
    /// The kind of a failure that ended so after a response of `status`, which says more where it is 400 or more.
    pub(crate) const fn error_kind(self, status: u16) -> Option<ErrorKind> {
        match self {
            Self::BodyError if status < 400 => Some(ErrorKind::Reset),
            Self::Cancelled => Some(ErrorKind::Timeout),
            _ => None,
        }
    }
}
