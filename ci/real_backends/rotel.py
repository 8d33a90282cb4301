"""The exports in Rotel's log."""

import re

from .otlp import Explicit, Export, add_point


def rotel_exports(log):
    """What Rotel's log shows. Names may have line ends in them."""
    attribute = r"     -> (\w+): Str\((.*?)\)\n(?=     -> |Start)"
    for resource in re.split(r"^ResourceMetrics #\d+\n", log, flags=re.M)[1:]:
        service = re.search(r"-> service\.name: Str\((.*?)\)\n(?=     -> |ScopeMetrics)", resource, re.S)
        export = Export(service[1] if service else "")
        for metric in re.split(r"^Metric #\d+\n", resource, flags=re.M)[1:]:
            facts = dict(re.findall(r"^     -> (Name|Unit|DataType|IsMonotonic|AggregationTemporality): (.*)$",
                                    metric.partition("DataPoints #")[0], re.M))
            kind, monotonic = facts["DataType"].lower(), facts.get("IsMonotonic")
            # Gauges have none.
            temporality = facts.get("AggregationTemporality")
            cumulative = temporality and temporality == "AGGREGATION_TEMPORALITY_CUMULATIVE"
            export.shapes[facts["Name"]] = (facts["Unit"], kind, cumulative, monotonic and monotonic == "true")
            for point in re.split(r"^\w+DataPoints #\d+\n", metric, flags=re.M)[1:]:
                attributes = tuple(sorted(re.findall(attribute, point, re.S)))
                if kind != "gauge":
                    export.intervals.add(tuple(whole(name, point) for name in ("StartTimestamp", "Timestamp")))
                add_point(export, facts["Name"], attributes, rotel_value(kind, point))
        yield export


def rotel_value(kind, point):
    if kind == "sum":
        return whole("Value", point)
    if kind == "gauge":
        return float(re.search(r"^Value: (.*)$", point, re.M)[1])
    counts = tuple(int(count) for count in re.findall(r"^Buckets #\d+, Count: (\d+)$", point, re.M))
    bounds = tuple(float(bound) for bound in re.findall(r"^ExplicitBounds #\d+: (.*)$", point, re.M))
    if whole("Count", point) != sum(counts):
        return f"a count other than that of the buckets: {point}"
    return Explicit(float(re.search(r"^Sum: (.*)$", point, re.M)[1]), bounds, counts)


def whole(name, point):
    return int(re.search(rf"^{name}: (\d+)$", point, re.M)[1])
