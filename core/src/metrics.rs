//! What the metrics say of themselves: `HELP` on the Prometheus page, the description in OTLP.

/// What a metric of the contract, or the engine's gauges, say; a literal, so that headers are joined when compiling.
macro_rules! description {
    (requests) => {
        "Completed requests"
    };
    (latency) => {
        "Request latency in milliseconds"
    };
    (size) => {
        "Response size in bytes"
    };
    (gauge) => {
        "Set by the load engine"
    };
    // OpenTelemetry's semantic conventions, "HTTP metrics", `http.client.request.duration`.
    (duration) => {
        "Duration of HTTP client requests."
    };
}

pub(crate) use description;
