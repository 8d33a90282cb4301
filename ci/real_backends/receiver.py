"""The OTLP receiver over Google's gRPC."""

import concurrent.futures

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from .otlp import Explicit, Export, Exponential, add_point


class OtlpReceiver(metrics_service_pb2_grpc.MetricsServiceServicer):
    """Takes compressed requests too, and answers in gzip as grpc-go does."""

    def __init__(self):
        self.exports = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), compression=grpc.Compression.Gzip)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def Export(self, request, context):
        for resource in request.resource_metrics:
            service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
            export = Export(service)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    read(metric, export)
            self.exports.append(export)
        return metrics_service_pb2.ExportMetricsServiceResponse()


def read(metric, export):
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    monotonic = data.is_monotonic if kind == "sum" else None
    cumulative = None if kind == "gauge" else data.aggregation_temporality == 2
    export.shapes[metric.name] = (metric.unit, kind, cumulative, monotonic)
    for point in data.data_points:
        attributes = tuple(sorted((a.key, a.value.string_value) for a in point.attributes))
        if kind != "gauge":
            export.intervals.add((point.start_time_unix_nano, point.time_unix_nano))
        add_point(export, metric.name, attributes, value_of(kind, point))


def value_of(kind, point):
    if kind in ("sum", "gauge"):
        return getattr(point, point.WhichOneof("value"))
    if kind == "histogram":
        value, counted = Explicit(point.sum, tuple(point.explicit_bounds), tuple(point.bucket_counts)), 0
    else:
        positive = point.positive
        counts = {positive.offset + at: count for at, count in enumerate(positive.bucket_counts) if count}
        value, counted = Exponential(point.sum, point.scale, point.zero_count, tuple(counts.items())), point.zero_count
    counted += sum(point.bucket_counts if kind == "histogram" else point.positive.bucket_counts)
    return value if counted == point.count else f"count {point.count} of {value}"
