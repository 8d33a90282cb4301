"""The OTLP receiver over Google's gRPC, and what the exports say that it and Rotel saw."""

import concurrent.futures
import dataclasses

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from .seen import LATENCY_BOUNDS, SIZE_BOUNDS, Seen

# What OTLP metrics have to be: unit, kind, cumulative, monotonic (a histogram has no say in that).
OTLP_SHAPES = {
    "loaddensity.requests": ("1", "sum", True, True),
    "loaddensity.request.latency": ("ms", "histogram", True, None),
    "loaddensity.response.size": ("By", "histogram", True, None),
}


@dataclasses.dataclass
class Export:
    """One request: its points by metric and attributes; a sum's value or a histogram's (sum, bounds, counts)."""

    service: str
    shapes: dict
    points: dict
    starts: set


class OtlpReceiver(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self):
        self.exports = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def Export(self, request, context):
        for resource in request.resource_metrics:
            service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
            export = Export(service, {}, {}, set())
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.read(metric, export)
            self.exports.append(export)
        return metrics_service_pb2.ExportMetricsServiceResponse()

    @staticmethod
    def read(metric, export):
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        monotonic = data.is_monotonic if kind == "sum" else None
        export.shapes[metric.name] = (metric.unit, kind, data.aggregation_temporality == 2, monotonic)
        for point in data.data_points:
            attributes = tuple(sorted((a.key, a.value.string_value) for a in point.attributes))
            export.starts.add(point.start_time_unix_nano)
            value = point.as_int if kind == "sum" else (
                point.sum, tuple(point.explicit_bounds), list(point.bucket_counts))
            if kind == "histogram" and sum(point.bucket_counts) != point.count:
                value = f"count {point.count} of {value}"
            add_point(export, metric.name, attributes, value)


def add_point(export, metric, attributes, value):
    if (metric, attributes) in export.points:
        value = f"{metric} twice: {value}"
    export.points[metric, attributes] = value


def seen_by_otlp(exports):
    """The last of each point, for they are cumulative; with a fault where one before is not as it should be."""
    seen = Seen("otlp")
    seen.notes.append(f"{len(exports)} export requests")
    last = {}
    for export in exports:
        for metric, shape in export.shapes.items():
            if OTLP_SHAPES.get(metric) != shape:
                seen.faults.append(f"{metric} is {shape}")
        for key, value in export.points.items():
            if isinstance(value, int) and value < last.get(key, 0):
                seen.faults.append(f"{key} went backwards")
        last |= export.points
    if len({start for export in exports for start in export.starts}) > 1:
        seen.faults.append("more than one start timestamp")
    for (metric, attributes), value in last.items():
        add_otlp_point(seen, metric, dict(attributes), value)
    return seen


def add_otlp_point(seen, metric, attributes, value):
    if sorted(attributes) != ["method", "name", "outcome"] or isinstance(value, str):
        seen.faults.append(f"{metric} {attributes}: {value}")
        return
    at = seen.task(attributes["method"], attributes["name"])
    if metric == "loaddensity.requests":
        seen.requests[at, attributes["outcome"]] += value
        return
    is_latency = metric == "loaddensity.request.latency"
    total, bounds, counts = value
    if bounds != (LATENCY_BOUNDS if is_latency else SIZE_BOUNDS):
        seen.faults.append(f"{metric} has the bounds {bounds}")
        return
    (seen.latency if is_latency else seen.size)[at].merge(total, [sum(counts[: i + 1]) for i in range(len(counts))])
