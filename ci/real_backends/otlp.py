"""What OTLP exports say, whoever received them."""

import dataclasses

from .differences import label
from .load import USERS
from .own import COUNTER, TIMER
from .seen import LATENCY_BOUNDS, SIZE_BOUNDS, Seen

REQUESTS, LATENCY, SIZE = "loaddensity.requests", "loaddensity.request.latency", "loaddensity.response.size"
# What the load engine declares.
FIRST_BYTE, ITERATIONS = f"loaddensity.{TIMER}", f"loaddensity.{COUNTER}"
# What the load engine sets of itself.
USERS_GAUGE, RATE_GAUGE = "loaddensity.active_users", "loaddensity.target_rate"


@dataclasses.dataclass
class Export:
    """One request: its points by metric and attributes; a sum's or a gauge's value, or a histogram."""

    service: str
    shapes: dict = dataclasses.field(default_factory=dict)
    points: dict = dataclasses.field(default_factory=dict)
    # Start and time of its points, but for gauges, which have no start.
    intervals: set = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Explicit:
    """A histogram of buckets with bounds."""

    sum: float
    bounds: tuple
    counts: tuple

    def plus(self, other):
        if other.bounds != self.bounds:
            return f"bounds {self.bounds} and {other.bounds}"
        return Explicit(self.sum + other.sum, self.bounds, tuple(map(sum, zip(self.counts, other.counts))))

    def total(self):
        return sum(self.counts)

    def cumulative(self, bounds, _):
        """Counts up to each bound; a text where it has others."""
        if self.bounds != bounds:
            return f"bounds {self.bounds}"
        return [sum(self.counts[: at + 1]) for at in range(len(self.counts))]


@dataclasses.dataclass(frozen=True)
class Exponential:
    """A histogram of base-2 exponential buckets, by index."""

    sum: float
    scale: int
    zeros: int
    counts: tuple

    def plus(self, other):
        if other.scale != self.scale:
            return f"scales {self.scale} and {other.scale}"
        counts = dict(self.counts)
        for index, count in other.counts:
            counts[index] = counts.get(index, 0) + count
        return Exponential(self.sum + other.sum, self.scale, self.zeros + other.zeros, tuple(sorted(counts.items())))

    def total(self):
        return self.zeros + sum(count for _, count in self.counts)

    def cumulative(self, bounds, right):
        """`right`, the counts up to each bound, where the buckets, which have other bounds, do not contradict it."""
        base = 2 ** (2 ** -self.scale)
        buckets = [(0, 0, self.zeros)] + [(base**index, base ** (index + 1), count) for index, count in self.counts]
        if sum(count for *_, count in buckets) != right[-1]:
            return f"{buckets} instead of {right[-1]} in all"
        for bound, up_to in zip(bounds, right):
            # A bound may be the edge of a bucket, which a float does not hit exactly.
            surely = sum(count for _, high, count in buckets if high <= bound * (1 + 1e-9))
            maybe = sum(count for low, _, count in buckets if low < bound * (1 - 1e-9))
            if not surely <= up_to <= maybe:
                return f"{surely} to {maybe} up to {bound} instead of {up_to}"
        return right


def add_point(export, metric, attributes, value):
    if (metric, attributes) in export.points:
        value = f"{metric} twice: {value}"
    export.points[metric, attributes] = value


def shapes(run):
    """What the metrics of a run have to be: unit, kind, cumulative, monotonic (`None`: they have no say in that)."""
    histogram = "exponential_histogram" if run.exponential else "histogram"
    return {
        REQUESTS: ("1", "sum", not run.delta, True),
        LATENCY: ("ms", histogram, not run.delta, None),
        SIZE: ("By", histogram, not run.delta, None),
        FIRST_BYTE: ("ms", histogram, not run.delta, None),
        ITERATIONS: ("1", "sum", not run.delta, True),
        USERS_GAUGE: ("", "gauge", None, None),
        RATE_GAUGE: ("", "gauge", None, None),
    }


def seen_by_otlp(exports, run, truth):
    """All exports of a run together; with a fault where one of them is not as it should be."""
    seen = Seen("otlp")
    seen.notes.append(f"{len(exports)} export requests")
    right = shapes(run)
    for export in exports:
        seen.faults += [f"{metric} is {shape}" for metric, shape in export.shapes.items() if right.get(metric) != shape]
    seen.faults += interval_faults(exports, run.delta)
    totals, gauges = {}, {}
    for export in exports:
        for (metric, attributes), value in export.points.items():
            if right.get(metric, ("", ""))[1] == "gauge":
                gauges.setdefault(metric, []).append(value)
            else:
                add_up(totals, (metric, attributes), value, run.delta, seen)
    seen.faults += gauge_faults(gauges)
    histograms = {}
    for (metric, attributes), value in totals.items():
        add_otlp_point(seen, metric, dict(attributes), value, histograms)
    for (metric, at), values in histograms.items():
        add_histogram(seen, metric, at, values, run, truth)
    return seen


def add_up(totals, key, value, is_delta, seen):
    """Of what is cumulative the last counts, of deltas the sum."""
    before = totals.get(key)
    if isinstance(value, str) or before is None:
        totals[key] = value
    elif is_delta:
        totals[key] = before + value if isinstance(value, int) else before.plus(value)
    else:
        if isinstance(value, int) and value < before:
            seen.faults.append(f"{key} went backwards")
        totals[key] = value


def interval_faults(exports, is_delta):
    """Totals begin at one time; intervals follow upon each other."""
    intervals = sorted({interval for export in exports for interval in export.intervals})
    if not is_delta and len({start for start, _ in intervals}) > 1:
        yield "more than one start timestamp"
    if is_delta:
        yield from (f"an interval begins at {start}, and the one before it ends at {end}"
                    for (_, end), (start, _) in zip(intervals, intervals[1:]) if start != end)


def gauge_faults(gauges):
    if max(gauges.get(USERS_GAUGE, [-1])) != USERS:
        yield f"{USERS_GAUGE} is {gauges.get(USERS_GAUGE)}, never {USERS}"
    if not gauges.get(RATE_GAUGE):
        yield f"no {RATE_GAUGE}"


def add_otlp_point(seen, metric, attributes, value, histograms):
    if metric in (FIRST_BYTE, ITERATIONS):
        add_own_point(seen, metric, attributes, value)
        return
    if sorted(attributes) != ["method", "name", "outcome"] or isinstance(value, str):
        seen.faults.append(f"{metric} {attributes}: {value}")
        return
    at = seen.task(attributes["method"], attributes["name"])
    if metric == REQUESTS:
        seen.requests[at, attributes["outcome"]] += value
    else:
        histograms.setdefault((metric, at), []).append(value)


def add_own_point(seen, metric, attributes, value):
    if metric == ITERATIONS and not attributes and isinstance(value, int):
        seen.own.iterations += value
    elif metric == FIRST_BYTE and sorted(attributes) == ["method", "name"] and not isinstance(value, str):
        at = seen.task(attributes["method"], attributes["name"])
        seen.own.counts[at] += value.total()
        seen.own.sums[at] += value.sum
    else:
        seen.faults.append(f"{metric} {attributes}: {value}")


def add_histogram(seen, metric, at, values, run, truth):
    """The histograms of both outcomes together, because what is right is known of both together."""
    bounds, into, right = ((LATENCY_BOUNDS, seen.latency, run.latency) if metric == LATENCY
                           else (SIZE_BOUNDS, seen.size, truth.size))
    whole = values[0]
    for value in values[1:]:
        whole = whole if isinstance(whole, str) else whole.plus(value)
    counts = whole if isinstance(whole, str) else whole.cumulative(bounds, right[at].cumulative)
    if isinstance(counts, str):
        seen.faults.append(f"{metric}, {label(at)}: {counts}")
    else:
        into[at].merge(whole.sum, counts)
