"""An export as OpenTelemetry's types for Python write it."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

import prometheus_text
from model import EXPONENTIAL, SCALE, buckets, by_outcome, exemplars, exponential

# The times of the export, and its service's name: those that the replay gives.
START, NOW = 1_700_000_000_000_000_000, 1_700_000_060_000_000_000
SERVICE_NAME = "golden"
ABOUT = {"latency": ("loaddensity.request.latency", "ms"), "size": ("loaddensity.response.size", "By")}


def request(case):
    message, scope = surroundings(case)
    add_counter(case, scope)
    for which in ABOUT:
        add_histogram(case, which, scope)
    for name, value in case.gauges.items():
        metric = scope.metrics.add(name=f"loaddensity.{name}", description=prometheus_text.GAUGE_HELP)
        point = metric.gauge.data_points.add(as_double=value)
        point.time_unix_nano = NOW
    return message.SerializeToString(deterministic=True)


def instruments(case):
    """Instruments of the engine's own have requests of their own."""
    message, scope = surroundings(case)
    for instrument in case.instruments.values():
        add_own(case, instrument, scope)
    return message.SerializeToString(deterministic=True) if case.instruments else None


def surroundings(case):
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    for key, value in [("service.name", SERVICE_NAME), *case.constant.items()]:
        attribute(resource.resource.attributes, key, value)
    scope = resource.scope_metrics.add()
    scope.scope.name = "loaddensity"
    return message, scope


def is_delta(case):
    return case.format_options("otlp").get("temporality") == "delta"


def temporality(case):
    return getattr(AggregationTemporality, f"AGGREGATION_TEMPORALITY_{'DELTA' if is_delta(case) else 'CUMULATIVE'}")


def add_counter(case, scope):
    counter = scope.metrics.add(name="loaddensity.requests", description="Completed requests", unit="1").sum
    counter.aggregation_temporality = temporality(case)
    counter.is_monotonic = True
    for series in case.series():
        for outcome, kind, requests in case.counters(series):
            if requests:
                point = counter.data_points.add(as_int=len(requests))
                describe(point, series, outcome)
                if kind:
                    attribute(point.attributes, "error.type", "_OTHER" if kind == "other" else kind)


def add_histogram(case, which, scope):
    asked = case.format_options("otlp")
    values, bounds, unit = case.histograms()[which]
    name, unit_name = ABOUT[which]
    metric = scope.metrics.add(name=name, description=prometheus_text.ABOUT[which][1], unit=unit_name)
    for series, outcome, requests in by_outcome(case.series()):
        point = add_values(case, metric, values(requests), (bounds, unit, which))
        if asked.get("exemplars") and not is_delta(case) and which == "latency":
            add_exemplars(point, exemplars(requests, bounds))
        describe(point, series, outcome)


def add_own(case, instrument, scope):
    shown = case.news(instrument) if is_delta(case) else list(case.totals(instrument))
    if not shown:
        return
    unit_name = {"ms": "ms", "bytes": "By", "": "1"}[instrument.suffix()]
    metric = scope.metrics.add(name=f"loaddensity.{instrument.name}", description=instrument.description,
                               unit=unit_name)
    for series, values in shown:
        if instrument.is_counter:
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = temporality(case), True
            point = metric.sum.data_points.add(as_int=sum(values))
        else:
            point = add_values(case, metric, values, instrument.scale())
        describe(point, series)


def add_values(case, metric, measured, scale):
    """A point of a histogram of the kind that is asked for."""
    asked = case.format_options("otlp")
    bounds, unit, which = scale
    is_exponential = asked.get("histograms") == "exponential"
    histogram = metric.exponential_histogram if is_exponential else metric.histogram
    histogram.aggregation_temporality = temporality(case)
    point = histogram.data_points.add(count=len(measured), sum=sum(measured) / unit)
    if is_exponential:
        add_exponential(point, which, measured, unit)
    else:
        point.bucket_counts.extend(buckets(measured, bounds))
        point.explicit_bounds.extend(bound / unit for bound in bounds)
    if asked.get("min_max") and not is_delta(case):
        point.min, point.max = min(measured) / unit, max(measured) / unit
    return point


def add_exponential(point, which, measured, unit):
    threshold, highest = EXPONENTIAL[which]
    point.scale, point.zero_threshold = SCALE, threshold
    point.zero_count, counted = exponential(measured, unit, threshold, highest)
    if counted:
        first, last = min(counted), max(counted)
        # Counted by their lower bounds here.
        point.positive.offset = first - 1
        point.positive.bucket_counts.extend(counted.get(index, 0) for index in range(first, last + 1))


def add_exemplars(point, traced):
    for _, request in sorted(traced.items()):
        point.exemplars.add(as_double=request["latency_ns"] / 1_000_000, time_unix_nano=request["completed_at"],
                            trace_id=bytes.fromhex(request["trace_id"]),
                            span_id=bytes.fromhex(request.get("span_id", "")))


def describe(point, series, outcome=None):
    point.start_time_unix_nano, point.time_unix_nano = START, NOW
    if series.is_overflow:
        point.attributes.add(key="otel.metric.overflow").value.bool_value = True
    else:
        for key, value in series.labels:
            attribute(point.attributes, key, value)
    if outcome:
        attribute(point.attributes, "outcome", outcome)


def attribute(attributes, key, value):
    attributes.add(key=key).value.string_value = value
