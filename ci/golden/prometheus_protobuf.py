"""The body of a scrape in protobuf: messages of `metrics.proto` (prometheus/client_model), serialized by Google's
library, each behind its length."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.internal.encoder import _VarintBytes

from model import EXPONENTIAL, NANOS_PER_SECOND, SCALE, buckets, exemplars, exponential
from prometheus_text import ABOUT, GAUGE_HELP

COUNTER, GAUGE, HISTOGRAM = 0, 1, 4
TIME = "google.protobuf.Timestamp"
# Messages, and of each field name, type and number. What stands in brackets is repeated; a capital begins a message.
SCHEMA = {
    "LabelPair": "name:string=1 value:string=2",
    "Gauge": "value:double=1",
    "Counter": f"value:double=1 created_timestamp:{TIME}=3",
    "Exemplar": f"label:[LabelPair]=1 value:double=2 timestamp:{TIME}=3",
    "Bucket": "cumulative_count:uint64=1 upper_bound:double=2 exemplar:Exemplar=3",
    "BucketSpan": "offset:sint32=1 length:uint32=2",
    "Histogram": "sample_count:uint64=1 sample_sum:double=2 bucket:[Bucket]=3 schema:sint32=5 zero_threshold:double=6 "
                 "zero_count:uint64=7 positive_span:[BucketSpan]=12 positive_delta:[sint64]=13 "
                 f"created_timestamp:{TIME}=15",
    "Metric": "label:[LabelPair]=1 gauge:Gauge=2 counter:Counter=3 histogram:Histogram=7",
    "MetricFamily": "name:string=1 help:string=2 type:int32=3 metric:[Metric]=4 unit:string=5",
}
PACKAGE = "io.prometheus.client"
# Below the smallest size there is, and above zero, so that a histogram without requests is a native one.
SIZE_ZERO_THRESHOLD = 2**-128


def classes():
    described = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package=PACKAGE, syntax="proto2",
                                                   dependency=["google/protobuf/timestamp.proto"])
    for name, fields in SCHEMA.items():
        message = described.message_type.add(name=name)
        for field in fields.split():
            add_field(message, *field.replace("=", ":").split(":"))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(described)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in SCHEMA}


def add_field(message, name, kind, number):
    kinds = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(name=name, number=int(number), label=kinds.LABEL_OPTIONAL)
    if kind.startswith("["):
        field.label, kind = kinds.LABEL_REPEATED, kind[1:-1]
    if kind.startswith(TIME) or kind[0].isupper():
        field.type, field.type_name = kinds.TYPE_MESSAGE, f".{kind}" if kind == TIME else f".{PACKAGE}.{kind}"
        return
    field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    # Prometheus' own servers take numbers packed as well as not.
    field.options.packed = field.label == kinds.LABEL_REPEATED


CLASSES = classes()


def body(case):
    families = [counter(case), *(histogram(case, which) for which in ABOUT), *gauges(case), *own(case)]
    messages = [family.SerializeToString(deterministic=True) for family in families if family.metric]
    return b"".join(_VarintBytes(len(message)) + message for message in messages)


def family(name, text, kind, unit=None):
    return CLASSES["MetricFamily"](name=name, help=text, type=kind, unit=unit)


def counter(case):
    requests = family("loaddensity_requests_total", "Completed requests", COUNTER)
    for series in case.series():
        for outcome, kind, counted in case.counters(series):
            told = {"error_type": kind} if kind else {}
            metric = labelled(requests.metric.add(), case, series.labels, outcome=outcome, **told)
            metric.counter.value = len(counted)
            stamp(metric.counter.created_timestamp, case.options.get("created"))
    return requests


def gauges(case):
    for name, value in case.gauges.items():
        gauge = family(f"loaddensity_{name}", GAUGE_HELP, GAUGE)
        labelled(gauge.metric.add(), case, []).gauge.value = value
        yield gauge


def histogram(case, which):
    name, text, unit_name = ABOUT[which]
    values, bounds, unit = case.histograms()[which]
    histograms = family(name, text, HISTOGRAM, unit_name)
    for series in case.series():
        shown = labelled(histograms.metric.add(), case, series.labels).histogram
        traced = exemplars(series.requests, bounds) if which == "latency" else {}
        fill(shown, case, values(series.requests), (bounds, unit, which), traced)
    return histograms


def own(case):
    """The families of the engine's own instruments."""
    for instrument in case.instruments.values():
        kind, end = (COUNTER, "_total") if instrument.is_counter else (HISTOGRAM, "")
        name = f"loaddensity_{instrument.named()}{end}"
        shown = family(name, instrument.help, kind, instrument.suffix() or None)
        for series, values in case.totals(instrument):
            metric = labelled(shown.metric.add(), case, series.labels)
            if instrument.is_counter:
                metric.counter.value = sum(values)
                stamp(metric.counter.created_timestamp, case.options.get("created"))
            else:
                fill(metric.histogram, case, values, instrument.scale(), {})
        yield shown


def fill(shown, case, measured, scale, traced):
    bounds, unit, which = scale
    shown.sample_count, shown.sample_sum = len(measured), sum(measured) / unit
    classic(shown, measured, bounds, unit, traced)
    native(shown, which, measured, unit)
    stamp(shown.created_timestamp, case.options.get("created"))


def classic(shown, measured, bounds, unit, traced):
    up_to = 0
    for at, count in enumerate(buckets(measured, bounds)):
        up_to += count
        # As Prometheus' client for Go does it: the last bucket is told only where it has an exemplar.
        if at == len(bounds) and at not in traced:
            continue
        bound = float("inf") if at == len(bounds) else bounds[at] / unit
        bucket = shown.bucket.add(cumulative_count=up_to, upper_bound=bound)
        if at in traced:
            add_exemplar(bucket.exemplar, traced[at])


def add_exemplar(shown, request):
    for key in ("trace_id", "span_id"):
        if request.get(key):
            shown.label.add(name=key, value=request[key])
    shown.value = request["latency_ns"] / 1_000_000
    stamp(shown.timestamp, request["completed_at"])


def native(shown, which, measured, unit):
    threshold, highest = EXPONENTIAL[which]
    zeros, counted = exponential(measured, unit, threshold, highest)
    shown.schema, shown.zero_threshold, shown.zero_count = SCALE, threshold or SIZE_ZERO_THRESHOLD, zeros
    behind, before = None, 0
    for index, count in counted.items():
        if index == behind:
            shown.positive_span[-1].length += 1
        else:
            shown.positive_span.add(offset=index if behind is None else index - behind, length=1)
        shown.positive_delta.append(count - before)
        behind, before = index + 1, count


def labelled(metric, case, labels, **further):
    for key, value in [*labels, *case.constant_beside(labels), *further.items()]:
        metric.label.add(name=key, value=value)
    return metric


def stamp(field, nanos):
    if nanos:
        field.seconds, field.nanos = divmod(nanos, NANOS_PER_SECOND)
