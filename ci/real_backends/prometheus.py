"""What Prometheus holds."""

import collections
import json
import urllib.parse

from .local import http
from .own import COUNTER, TIMER
from .seen import LATENCY_BOUNDS, SIZE_BOUNDS, Seen

# As the contract writes them on the page.
LATENCY_LE = [f"{bound}.0" for bound in LATENCY_BOUNDS] + ["+Inf"]
SIZE_LE = [f"{bound}.0" for bound in SIZE_BOUNDS[:-1]] + ["1.048576e+06", "+Inf"]


def seen_by_prometheus(servers, run):
    seen = Seen("prometheus")
    for labels, value in prometheus_values(servers.prometheus, run, "loaddensity_requests_total"):
        seen.requests[seen.task(labels["method"], labels["name"]), labels["outcome"]] += int(value)
    for labels, value in prometheus_values(servers.prometheus, run, "loaddensity_exporter_recorded_total"):
        if value != seen.total():
            seen.faults.append(f"the page says that {labels['exporter']} had {value} requests recorded")
    for metric, into, expected in (("loaddensity_request_latency_ms", seen.latency, LATENCY_LE),
                                   ("loaddensity_response_bytes", seen.size, SIZE_LE)):
        buckets, counts = collections.defaultdict(dict), {}
        for labels, value in prometheus_values(servers.prometheus, run, f"{metric}_bucket"):
            buckets[seen.task(labels["method"], labels["name"])][labels["le"]] = int(value)
        for labels, value in prometheus_values(servers.prometheus, run, f"{metric}_count"):
            counts[seen.task(labels["method"], labels["name"])] = value
        for labels, value in prometheus_values(servers.prometheus, run, f"{metric}_sum"):
            at = seen.task(labels["method"], labels["name"])
            if set(buckets[at]) != set(expected) or buckets[at]["+Inf"] != counts.get(at):
                seen.faults.append(f"{metric} has the buckets {buckets[at]} and the count {counts.get(at)}")
            else:
                into[at].merge(value, [buckets[at][le] for le in expected])
    add_own(seen, servers.prometheus, run)
    return seen


def add_own(seen, port, run):
    """Instruments of the engine's own."""
    metric = f"loaddensity_{TIMER}_ms"
    for labels, value in prometheus_values(port, run, f"{metric}_count"):
        seen.own.counts[seen.task(labels["method"], labels["name"])] += int(value)
    for labels, value in prometheus_values(port, run, f"{metric}_sum"):
        seen.own.sums[seen.task(labels["method"], labels["name"])] += value
    for labels, value in prometheus_values(port, run, f"{metric}_bucket"):
        at = seen.task(labels["method"], labels["name"])
        if labels["le"] == "+Inf" and value != seen.own.counts[at]:
            seen.faults.append(f"{metric} has {value} values in its buckets, and the count {seen.own.counts[at]}")
    for _, value in prometheus_values(port, run, f"loaddensity_{COUNTER}_total"):
        seen.own.iterations += int(value)
    for labels, value in prometheus_values(port, run, "loaddensity_exporter_observations_recorded_total"):
        if value != seen.own.observations():
            seen.faults.append(f"the page says that {labels['exporter']} had {value} observations recorded")


def prometheus_values(port, run, metric):
    """Labels and last value of each series. They are counters whose target may be down: the last is the greatest."""
    query = urllib.parse.urlencode({"query": f'max_over_time({metric}{{job="{run.key}"}}[1h])'})
    _, body, _ = http(f"http://127.0.0.1:{port}/api/v1/query?{query}")
    for series in json.loads(body)["data"]["result"]:
        yield series["metric"], float(series["value"][1])
