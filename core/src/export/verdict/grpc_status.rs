//! Status codes of gRPC.

/// A gRPC status code (gRPC "Status codes and their use"), by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcStatus(pub u32);

impl GrpcStatus {
    /// Success, the only one.
    pub const OK: Self = Self(0);
    /// The call was given up by the other side.
    pub const CANCELLED: Self = Self(1);
    /// The answer makes no sense.
    pub const UNKNOWN: Self = Self(2);
    /// It took too long; it may have been done all the same.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// The credentials do not allow it.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// Too much was asked for.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// A conflict with something else.
    pub const ABORTED: Self = Self(10);
    /// Outside of what there is.
    pub const OUT_OF_RANGE: Self = Self(11);
    /// The server has no such method.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// Something is broken.
    pub const INTERNAL: Self = Self(13);
    /// The service is not there at the moment.
    pub const UNAVAILABLE: Self = Self(14);
    /// Something was lost.
    pub const DATA_LOSS: Self = Self(15);
    /// There are no credentials, or none that are known.
    pub const UNAUTHENTICATED: Self = Self(16);

    /// From the text of a `grpc-status` header or trailer. What is not a number is [`UNKNOWN`](Self::UNKNOWN).
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        // Rust's own parser would take a sign.
        let digits = text.iter().all(u8::is_ascii_digit).then_some(text);
        let number = digits.and_then(|digits| core::str::from_utf8(digits).ok()?.parse().ok());
        number.map_or(Self::UNKNOWN, Self)
    }

    /// Its name, as gRPC writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; 17] = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        if self.0 < NAMES.len() as u32 { NAMES[self.0 as usize] } else { "UNKNOWN" }
    }
}
