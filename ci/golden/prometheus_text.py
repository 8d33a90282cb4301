"""Pages as prometheus_client writes them."""

from prometheus_client import CollectorRegistry, Metric, exposition, openmetrics
from prometheus_client.samples import Exemplar, Timestamp
import prometheus_client.openmetrics.exposition

from model import NANOS_PER_SECOND, buckets, exemplars

# Name, help and unit of each histogram.
ABOUT = {
    "latency": ("loaddensity_request_latency_ms", "Request latency in milliseconds", "ms"),
    "size": ("loaddensity_response_bytes", "Response size in bytes", "bytes"),
}
GAUGE_HELP = "Set by the load engine"


class Collector:
    """The families of the contract and the gauges, for prometheus_client."""

    def __init__(self, case, is_open_metrics):
        self.case = case
        created = case.options.get("created")
        self.created = created / NANOS_PER_SECOND if is_open_metrics and created else None

    def describe(self):
        return []

    def collect(self):
        yield self.counter()
        for which, (values, bounds, unit) in self.case.histograms().items():
            yield self.histogram(which, values, bounds, unit)
        for name, value in self.case.gauges.items():
            metric = Metric(f"loaddensity_{name}", GAUGE_HELP, "gauge")
            metric.add_sample(f"loaddensity_{name}", self.case.constant, value)
            yield metric
        for instrument in self.case.instruments.values():
            yield self.own(instrument)

    def counter(self):
        metric = Metric("loaddensity_requests", "Completed requests", "counter")
        for series in self.case.series():
            for outcome, kind, requests in self.case.counters(series):
                told = {"error_type": kind} if kind else {}
                labels = self.labels(series, outcome=outcome, **told)
                metric.add_sample("loaddensity_requests_total", labels, len(requests))
                self.add_created(metric, labels)
        return metric

    def histogram(self, which, values, bounds, unit):
        name, text, suffix = ABOUT[which]
        metric = Metric(name, text, "histogram", suffix)
        for series in self.case.series():
            traced = exemplars(series.requests, bounds) if which == "latency" else {}
            self.add_histogram(metric, series, values(series.requests), (bounds, unit), traced)
        return metric

    def own(self, instrument):
        """The family of an instrument of the engine's own."""
        name = f"loaddensity_{instrument.named()}"
        bounds, unit, _ = instrument.scale()
        kind = "counter" if instrument.is_counter else "histogram"
        metric = Metric(name, instrument.help, kind, instrument.suffix())
        for series, values in self.case.totals(instrument):
            if not instrument.is_counter:
                self.add_histogram(metric, series, values, (bounds, unit), {})
                continue
            metric.add_sample(f"{name}_total", self.labels(series), sum(values))
            self.add_created(metric, self.labels(series))
        return metric

    def add_histogram(self, metric, series, measured, shape, traced):
        bounds, unit = shape
        up_to = 0
        for at, count in enumerate(buckets(measured, bounds)):
            up_to += count
            le = "+Inf" if at == len(bounds) else exposition.floatToGoString(bounds[at] / unit)
            shown = exemplar(traced[at]) if at in traced else None
            metric.add_sample(f"{metric.name}_bucket", self.labels(series, le=le), up_to, exemplar=shown)
        metric.add_sample(f"{metric.name}_count", self.labels(series), up_to)
        metric.add_sample(f"{metric.name}_sum", self.labels(series), sum(measured) / unit)
        self.add_created(metric, self.labels(series))

    def add_created(self, metric, labels):
        if self.created:
            metric.add_sample(f"{metric.name}_created", labels, self.created)

    def labels(self, series, **further):
        return {**dict(self.case.constant_beside(series.labels)), **dict(series.labels), **further}


def exemplar(request):
    ids = {key: request[key] for key in ("trace_id", "span_id") if request.get(key)}
    time = Timestamp(*divmod(request["completed_at"], NANOS_PER_SECOND))
    return Exemplar(ids, request["latency_ns"] / 1_000_000, time)


def text_page(case):
    return page(Collector(case, is_open_metrics=False), exposition.generate_latest)


def open_page(case):
    return page(Collector(case, is_open_metrics=True), openmetrics.exposition.generate_latest)


def page(collector, generate):
    registry = CollectorRegistry()
    registry.register(collector)
    return generate(registry)
