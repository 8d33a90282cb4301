"""Reads OpenMetrics pages with a strict parser; exits with 1 where it refuses one, or where a page is not what it must be."""

import collections
import math
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

END = "# EOF\n"
PAGES = 5
# Fewer would mean that something was left out.
LEAST = {"series": 500, "hex": 100, "exemplars": 1000, "gauges": 4, "created": 1000}


def faults(families, is_with_created, is_with_constants, counts):
    by_name = {family.name: family for family in families}
    requests = collections.defaultdict(dict)
    for sample in by_name["loaddensity_requests"].samples:
        labels = dict(sample.labels)
        outcome = labels.pop("outcome")
        if sample.name.endswith("_total"):
            requests[key(labels)][outcome] = sample.value
    yield from series_faults(requests, is_with_constants, counts)
    for name in ("loaddensity_request_latency_ms", "loaddensity_response_bytes"):
        family = by_name[name]
        if (family.type, family.unit) != ("histogram", name.rsplit("_", 1)[1]):
            yield f"{name} is a {family.type} in {family.unit!r}"
        yield from histogram_faults(family, requests, counts)
    created = [sample.value for family in families for sample in family.samples if sample.name.endswith("_created")]
    if bool(created) != is_with_created or not all(math.isclose(time, 1.7e9) for time in created):
        yield f"{len(created)} creation times"
    counts["created"] += len(created)
    counts["gauges"] += sum(name.startswith("loaddensity_gauge_") for name in by_name)


def key(labels):
    return tuple(sorted(labels.items()))


def series_faults(requests, is_with_constants, counts):
    for labels, outcomes in requests.items():
        labels = dict(labels)
        counts["series"] += 1
        # Names that are made the same share a series.
        if outcomes.keys() != {"success", "failure"} or outcomes["failure"] < 1:
            yield f"{labels} has {outcomes}"
        if "hex" in labels:
            counts["hex"] += 1
            name = bytes.fromhex(labels["hex"])
            if labels["name"].encode() != name or outcomes != {"success": len(name), "failure": 1}:
                yield f"{labels['name']!r} with {outcomes} shall be {name}"
        if is_with_constants and (labels["run"], labels["zone"]) != ('\\ "7" = , \\', "a\nb"):
            yield f"the constant labels of {labels}"


def histogram_faults(family, requests, counts):
    """Counts as the counters have them, and exemplars where they may be. What lies in a bucket, the parser looks at."""
    numbers = collections.Counter()
    for sample in family.samples:
        if sample.name.endswith("_count"):
            if sample.value != sum(requests[key(sample.labels)].values()):
                yield f"{family.name} counts {sample.value} for {sample.labels}"
            numbers[key(sample.labels)] += 1
        if sample.exemplar:
            counts["exemplars"] += 1
            if len(sample.exemplar.labels["trace_id"]) != 32 or not math.isclose(sample.exemplar.timestamp, 1.7e9):
                yield f"an exemplar {sample.exemplar}"
    if numbers.keys() != requests.keys() or set(numbers.values()) > {1}:
        yield f"{family.name} has other series than the counters"


def main():
    text = sys.stdin.buffer.read().decode()
    pages = text.split(END)
    if pages.pop() or len(pages) != PAGES:
        sys.exit(f"{len(pages)} pages, or something behind the last")
    counts, found = collections.Counter(), []
    for number, page in enumerate(pages):
        # The first is of an empty registry, then come those without and those with creation times.
        families = list(text_string_to_metric_families(page + END))
        found += [f"page {number}: {fault}" for fault in faults(families, number > 2, number in (2, 4), counts)]
    for fault in found[:20]:
        print(fault)
    print(f"{len(pages)} pages, {len(found)} faults: {dict(counts)}")
    missing = {name: least for name, least in LEAST.items() if counts[name] < least}
    if found or missing:
        sys.exit(f"too few: {missing}" if missing else 1)


main()
