"""The naive model of a case: its requests by series, and what every format counts about them.

Nothing of this project is imported: what the contract and the formats' specifications say is computed here a second
time.
"""

import math
from collections import Counter

LATENCY_BOUNDS_NS = [bound * 1_000_000 for bound in (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)]
SIZE_BOUNDS = [64, 256, 1024, 4096, 16384, 65536, 262144, 1048576]
OUTCOMES = ["success", "failure"]
KINDS = ["connect", "timeout", "reset", "tls", "protocol", "status", "other"]
NANOS_PER_MILLI = 1_000_000
NANOS_PER_SECOND = 1_000_000_000
# How many series the storage of the replay holds, that of the overflow among them.
CAPACITY = 16
# Native and exponential histograms: 2^SCALE buckets to each power of two.
SCALE = 3
# Classic buckets of the engine's own histograms: every second power of two, of milliseconds from 2^-10 to 2^20 in whole
# nanoseconds, and of numbers from 1 to 2^34, with one for zero.
OWN_TIME_BOUNDS_NS = [NANOS_PER_MILLI * 4**step // 2**10 for step in range(16)]
OWN_NUMBER_BOUNDS = [0, *(4**step for step in range(18))]
# The largest time in nanoseconds, and the largest number, that are observed; larger ones are taken for these.
LARGEST_TIME, LARGEST_NUMBER = 86_400 * NANOS_PER_SECOND, 2**50
UNSAID = "Measured by the load engine"


class Series:
    """The requests of one series."""

    def __init__(self, labels, is_overflow=False):
        self.labels = labels
        self.is_overflow = is_overflow
        self.requests = []
        self.is_observed = False

    def of(self, outcome):
        return [request for request in self.requests if request["outcome"] == outcome]


class Instrument:
    """An instrument of the engine's own, and what was observed with it, by series; of the run under a series without labels."""

    def __init__(self, described):
        self.name = described["name"]
        self.help = described.get("description") or UNSAID
        self.description = described.get("description", "")
        self.is_counter = described["kind"] == "counter"
        self.is_timer = described["kind"] == "timer"
        self.is_in_bytes = described.get("unit") == "bytes"
        self.run = Series([]) if described.get("of") == "run" else None
        self.observed = {}

    def observe(self, series, value):
        """Returns the value as it counts."""
        value = min(value, LARGEST_TIME if self.is_timer else LARGEST_NUMBER)
        self.observed.setdefault(self.run or series, []).append(value)
        series.is_observed |= not self.run
        return value

    def scale(self):
        """Its bounds, the unit in which it is shown, and which exponential histogram it is like."""
        if self.is_timer:
            return OWN_TIME_BOUNDS_NS, NANOS_PER_MILLI, "latency"
        return OWN_NUMBER_BOUNDS, 1, "size"

    def suffix(self):
        """What Prometheus and InfluxDB put behind its name."""
        return "ms" if self.is_timer else "bytes" if self.is_in_bytes else ""

    def named(self):
        return f"{self.name}_{self.suffix()}" if self.suffix() else self.name


class Case:
    """What `case.json` describes."""

    def __init__(self, described):
        self.options = described.get("options", {})
        self.constant = dict(sorted(self.options.get("constant", {}).items()))
        self.gauges = {name: float(value) for name, value in self.options.get("gauges", {}).items()}
        self.overflow = Series([("method", "overflow"), ("name", "overflow")], is_overflow=True)
        self.known = {self.key("overflow", "overflow", {}): self.overflow}
        # The requests in their order, each with its series.
        self.events = []
        for request in described["requests"]:
            series = self.series_of(request)
            series.requests.append(request)
            self.events.append((series, request))
        self.instruments = {one["name"]: Instrument(one) for one in described.get("instruments", [])}
        # In their order, each with its instrument and series, and as it counts.
        self.observations = []
        for one in described.get("observations", []):
            instrument = self.instruments[one["instrument"]]
            # What is of the run counts for it whatever the series, and may name none.
            series = instrument.run or self.intern_named(one, one.get("labels", {}))
            self.observations.append((instrument, series, instrument.observe(series, one["value"])))

    def format_options(self, name):
        return self.options.get(name, {})

    def series(self):
        """All series of which requests are shown, in the order in which they first appear: not those that have observations
        alone."""
        return [one for one in self.known.values() if one.requests or not (one.is_overflow or one.is_observed)]

    def totals(self, instrument):
        """The values of each series that an instrument is shown of: a counter is 0 as soon as its series has counted
        anything, one of the run from the beginning."""
        known = [instrument.run] if instrument.run else self.known.values()
        for series in known:
            has_counted = instrument.run or series.requests or series.is_observed
            if series in instrument.observed or instrument.is_counter and has_counted:
                yield series, instrument.observed.get(series, [])

    def news(self, instrument):
        """The same of an interval, which has no zeros that nobody has counted."""
        return [(series, values) for series, values in self.totals(instrument) if values]

    def histograms(self):
        """Of each histogram: its values, its bounds and the unit in which it is shown."""
        bounds = self.options.get("bounds", {})
        return {"latency": (latencies, bounds.get("latency_ns", LATENCY_BOUNDS_NS), NANOS_PER_MILLI),
                "size": (sizes, bounds.get("response_bytes", SIZE_BOUNDS), 1)}

    def counters(self, series):
        """Of each counter of a series: its outcome, its kind of failure if that is told, and its requests."""
        success, failure = OUTCOMES
        yield success, None, series.of(success)
        if not self.options.get("error_label"):
            yield failure, None, series.of(failure)
            return
        for kind in KINDS:
            yield failure, kind, [request for request in series.of(failure) if kind_of(request) == kind]

    def kind(self, request):
        """The kind of a failed request, if that is told."""
        is_told = self.options.get("error_label") and request["outcome"] == "failure"
        return kind_of(request) if is_told else None

    def series_of(self, request):
        labels = request.get("labels", {})
        own = self.intern_named(request, labels)
        label = self.options.get("status_label")
        if not label or own.is_overflow:
            return own
        return self.intern_named(request, {**labels, "status": status_text(request["status"], label)})

    def intern_named(self, named, labels):
        return self.intern(named["method"] or "REQ", named["name"] or "unknown", labels)

    def intern(self, method, name, labels):
        key = self.key(method, name, labels)
        if key not in self.known and len(self.known) == CAPACITY:
            return self.overflow
        if key not in self.known:
            self.known[key] = Series([("method", method), ("name", name)] + sorted(labels.items()))
        return self.known[key]

    @staticmethod
    def key(method, name, labels):
        return method, name, tuple(sorted(labels.items()))

    def constant_beside(self, labels):
        """The constant labels, but for those that a series has of its own."""
        own = [key for key, _ in labels]
        return [(key, value) for key, value in self.constant.items() if key not in own]


def kind_of(request):
    """What the engine has said; else whether the status was the reason."""
    return request.get("error") or ("status" if request["status"] >= 400 else "other")


def status_text(status, label):
    if status == 0:
        return "none"
    if not 100 <= status < 600:
        return "other"
    return f"{status // 100}xx" if label == "class" else str(status)


def latencies(requests):
    return [request["latency_ns"] for request in requests]


def sizes(requests):
    return [request["response_bytes"] for request in requests]


def bucket_of(value, bounds):
    """The position of a value's bucket, which includes its upper bound."""
    return sum(value > bound for bound in bounds)


def buckets(values, bounds):
    """How many values each bucket counts, the one above all bounds included."""
    counted = Counter(bucket_of(value, bounds) for value in values)
    return [counted[at] for at in range(len(bounds) + 1)]


def exemplars(requests, bounds):
    """By the position of its bucket: the latest request with a trace."""
    traced = [request for request in requests if request.get("trace_id")]
    return {bucket_of(request["latency_ns"], bounds): request
            for request in sorted(traced, key=lambda request: request["completed_at"])}


def exponential(values, unit, zero_threshold, highest):
    """How many values count as zero, and how many each exponential bucket counts, by index: bucket `i` reaches from
    2^((i-1)/8) to 2^(i/8), inclusive. What lies above bucket `highest` is in the one behind it."""
    counted = Counter()
    zeros = 0
    for value in values:
        if value / unit <= zero_threshold:
            zeros += 1
        else:
            counted[min(index_of(value / unit), highest + 1)] += 1
    return zeros, dict(sorted(counted.items()))


def index_of(value):
    index = math.ceil(math.log2(value) * 2**SCALE)
    # The logarithm is rounded.
    while value > 2 ** (index / 2**SCALE):
        index += 1
    while value <= 2 ** ((index - 1) / 2**SCALE):
        index -= 1
    return index


# Of each exponential histogram: what counts as zero, and the highest bucket.
EXPONENTIAL = {"latency": (2**-10, 20 * 2**SCALE), "size": (0, 34 * 2**SCALE)}


def by_outcome(series):
    """Series and outcomes that have requests."""
    for one in series:
        for outcome in OUTCOMES:
            if one.of(outcome):
                yield one, outcome, one.of(outcome)


def quantile(values, percent):
    """What `percent` of the values do not exceed."""
    return sorted(values)[max(-(-percent * len(values) // 100), 1) - 1]


def own_parts(values):
    """What is shown per interval of an own histogram besides its number of values, by the name of the part."""
    parts = {"sum": sum(values), "min": min(values), "max": max(values)}
    parts |= {f"p{percent}": quantile(values, percent) for percent in (50, 95, 99)}
    return parts.items()
