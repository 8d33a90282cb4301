"""What Prometheus makes of native histograms, scraped as protobuf, and of exemplars."""

import json
import math
import urllib.parse

from .differences import label, request_differences
from .load import QUIET, TASKS
from .local import http
from .own import COUNTER, TIMER, own_differences
from .prometheus import prometheus_values
from .seen import LATENCY_BOUNDS, SIZE_BOUNDS, Seen

LATENCY, SIZE = "loaddensity_request_latency_ms", "loaddensity_response_bytes"
# Schema 3: eight buckets to a power of two.
GROWTH = 2 ** (1 / 8)


def native_faults(servers, run):
    """Where the histograms contradict the classic ones or what the target answered."""
    seen, truth = Seen("prometheus"), servers.target.truths[run.key]
    for labels, value in prometheus_values(servers.native, run, "loaddensity_requests_total"):
        seen.requests[seen.task(labels["method"], labels["name"]), labels["outcome"]] += int(value)
    yield from request_differences(seen, truth)
    for metric, bounds, right in ((LATENCY, LATENCY_BOUNDS, run.latency), (SIZE, SIZE_BOUNDS, truth.size)):
        shown = set()
        for labels, at_time, histogram in histograms(servers, run, metric):
            at = seen.task(labels["method"], labels["name"])
            shown.add(at)
            what = f"{label(at)} {metric}"
            yield from histogram_faults(what, histogram, bounds, right[at])
            yield from quantile_faults(servers, labels, at_time, what, bounds, right[at])
        if shown != {at for at, _ in truth.requests}:
            yield f"{metric} is there for {sorted(shown)} alone"
    yield from own_faults(servers, run, seen)
    yield from seen.faults


def own_faults(servers, run, seen):
    """Instruments of the engine's own, of which this server has native histograms alone."""
    for labels, _, histogram in histograms(servers, run, f"loaddensity_{TIMER}_ms"):
        at = seen.task(labels["method"], labels["name"])
        counted = sum(int(count) for *_, count in histogram["buckets"])
        if counted != int(histogram["count"]):
            yield f"{label(at)} {TIMER}: count {histogram['count']}, and {counted} in its buckets"
        seen.own.counts[at] += int(histogram["count"])
        seen.own.sums[at] += float(histogram["sum"])
    for _, value in prometheus_values(servers.native, run, f"loaddensity_{COUNTER}_total"):
        seen.own.iterations += int(value)
    yield from own_differences(seen, servers.target.truths[run.key], run.own_sums)


def histograms(servers, run, metric):
    """Labels, and time and value of the last point, of each series that is a native histogram."""
    for series in query(servers, f'{metric}{{job="{run.key}"}}[1h]'):
        if "histograms" in series:
            yield series["metric"], *series["histograms"][-1]


def query(servers, text, time=""):
    parameters = urllib.parse.urlencode({"query": text} | ({"time": time} if time else {}))
    _, body, _ = http(f"http://127.0.0.1:{servers.native}/api/v1/query?{parameters}")
    return json.loads(body)["data"]["result"]


def histogram_faults(what, histogram, bounds, right):
    """Native buckets have other bounds, so that what is surely and what may be up to a classic bound is compared."""
    buckets = [(float(low), float(high), int(count)) for _, low, high, count in histogram["buckets"]]
    if int(histogram["count"]) != right.cumulative[-1] or sum(count for *_, count in buckets) != right.cumulative[-1]:
        yield f"{what}: count {histogram['count']}, buckets {buckets}, instead of {right.cumulative[-1]}"
    if not math.isclose(float(histogram["sum"]), right.sum, rel_tol=1e-9):
        yield f"{what}: sum {histogram['sum']} instead of {right.sum}"
    for bound, up_to in zip(bounds, right.cumulative):
        surely = sum(count for _, high, count in buckets if high <= bound)
        maybe = sum(count for low, _, count in buckets if low < bound)
        if not surely <= up_to <= maybe:
            yield f"{what}: {surely} to {maybe} up to {bound} instead of {up_to}"


def quantile_faults(servers, labels, at_time, what, bounds, right):
    matchers = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items() if name != "__name__")
    for quantile in (0.5, 0.95, 0.99):
        text = f'histogram_quantile({quantile}, {labels["__name__"]}{{{matchers}}})'
        values = [float(series["value"][1]) for series in query(servers, text, at_time)]
        at = next(at for at, up_to in enumerate(right.cumulative) if up_to >= quantile * right.cumulative[-1] - 1e-6)
        low = bounds[at - 1] / GROWTH if at else 0
        high = bounds[at] * GROWTH if at < len(bounds) else math.inf
        if len(values) != 1 or not low <= values[0] <= high:
            yield f"{what}: quantile {quantile} is {values}, and lies between {low} and {high}"


def exemplar_faults(servers, run, port, metric):
    """Each exemplar is a request that the target answered, of the series' task; each task of the load has one."""
    parameters = urllib.parse.urlencode({"query": f'{metric}{{job="{run.key}"}}', "start": run.began / 1e9 - 60,
                                         "end": run.ended / 1e9 + 60})
    _, body, _ = http(f"http://127.0.0.1:{port}/api/v1/query_exemplars?{parameters}")
    seen, tasks = Seen("prometheus"), set()
    for series in json.loads(body)["data"]:
        labels = series["seriesLabels"]
        at = seen.task(labels["method"], labels["name"])
        for exemplar in series["exemplars"]:
            trace = exemplar["labels"]["trace_id"], exemplar["labels"]["span_id"]
            if servers.target.traces[run.key].get(trace) != at:
                yield f"{label(at)}: nobody asked for {trace}"
            if not is_inside(labels.get("le"), float(exemplar["value"])):
                yield f"{label(at)}: {exemplar['value']} in the bucket up to {labels['le']}"
            if not run.began / 1e9 <= exemplar["timestamp"] <= run.ended / 1e9:
                yield f"{label(at)}: an exemplar of another time, {exemplar['timestamp']}"
            tasks.add(at)
    if tasks != set(range(len(TASKS))) - {QUIET}:
        yield f"exemplars for {sorted(tasks)} alone"
    yield from seen.faults


def is_inside(bound, value):
    if bound is None:
        return True
    return max((low for low in (0, *LATENCY_BOUNDS) if low < float(bound)), default=0) < value <= float(bound)
