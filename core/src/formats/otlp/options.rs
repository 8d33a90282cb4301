//! What an export shows besides what it always does.

/// What an export shows. The default is LoadDensity's contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// The kind of both histograms. Default [`HistogramAggregation::Explicit`].
    pub histograms: HistogramAggregation,
    /// Whether cumulative histograms show the smallest and the largest value since the storage began to count, where the
    /// storage keeps them: beside [`Exponential`](crate::Exponential) histograms. Default no.
    pub min_max: bool,
    /// Whether cumulative latencies show an exemplar for each explicit bucket that has one; see
    /// [`record_traced`](crate::Recorder::record_traced). Default no.
    pub exemplars: bool,
    /// Whether the latencies are also shown in seconds under the name of OpenTelemetry's semantic conventions,
    /// `http.client.request.duration`, beside the explicit histogram in milliseconds and with the same bounds. Left out
    /// beside exponential histograms: 1,000 is no power of two, so that their buckets have no equals in seconds.
    /// Default no.
    pub http_client_duration: bool,
}

/// The kind of histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramAggregation {
    /// With the registry's bounds.
    #[default]
    Explicit,
    /// Base-2 exponential, at scale 3: bounds 9 % apart, whatever the values. Latencies up to 2^-10 ms count as zero;
    /// those above 2^20 ms and sizes above 2^34 bytes are in the last bucket.
    Exponential,
}
