"""Lines as InfluxData's client writes them."""

from decimal import Decimal

from influxdb_client import Point, WritePrecision

from model import NANOS_PER_MILLI, OUTCOMES, latencies, own_parts, quantile, sizes

MEASUREMENT = "loaddensity_request"
# When the interval ends, in nanoseconds: the time that the replay gives.
INTERVAL_END = 1_700_000_060_000_000_000
NANOS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def requests(case):
    """One line for each request."""
    status_at = case.format_options("influxdb").get("status_code", "field")
    lines = []
    for series, request in case.events:
        point = tagged(Point(MEASUREMENT), case, [*series.labels, ("outcome", request["outcome"])])
        key = {"both": "status", "tag": "status_code"}.get(status_at)
        # A tag of the series' own is shown.
        if key and key not in dict(series.labels):
            point.tag(key, str(request["status"]))
        if status_at != "tag":
            point.field("status_code", request["status"])
        kind = case.kind(request)
        if kind:
            point.tag("error_type", kind)
        point.field("response_time_ms", millis(request["latency_ns"]))
        point.field("response_length", request["response_bytes"])
        point.time(request["completed_at"], WritePrecision.NS)
        lines.append(point.to_line_protocol())
    return body(lines)


def intervals(case):
    """One line for each series, as if all requests had come in one interval."""
    lines = []
    for series in case.series():
        if not series.requests:
            continue
        point = tagged(Point(f"{MEASUREMENT}_interval"), case, series.labels)
        values = latencies(series.requests)
        point.field("requests", len(values))
        point.field("failures", len(series.of(OUTCOMES[1])))
        told = {"sum": sum(values), "min": min(values), "max": max(values)}
        told |= {f"p{percent}": quantile(values, percent) for percent in (50, 95, 99)}
        for name, nanos in told.items():
            point.field(f"response_time_ms_{name}", millis(nanos))
        point.field("response_length_sum", sum(sizes(series.requests)))
        for _, kind, requests in case.counters(series):
            if kind and requests:
                point.field(f"failures_{kind}", len(requests))
        lines.append(timed(point, case).to_line_protocol())
    return body(lines)


def gauges(case):
    """One line with all gauges, if there are any."""
    point = tagged(Point(f"{MEASUREMENT}_gauges"), case, [])
    for name, value in case.gauges.items():
        point.field(name, value)
    return body([timed(point, case).to_line_protocol()]) if case.gauges else None


def instruments(case):
    """One line for the run and one for each series, as if all observations had come in one interval."""
    points = {(): None, **{tuple(series.labels): None for series in case.known.values()}}
    for instrument in case.instruments.values():
        for series, values in case.news(instrument):
            key = tuple(series.labels)
            points[key] = points[key] or tagged(Point(f"{MEASUREMENT}_instruments"), case, series.labels)
            for name, value in own_fields(instrument, values):
                points[key].field(name, value)
    lines = [timed(point, case).to_line_protocol() for point in points.values() if point]
    return body(lines) if case.instruments else None


def observations(case):
    """One line for each observation. The pump gives each a time of its own, two nanoseconds after the one before, where there are
    two recorders."""
    lines = []
    for at, (instrument, series, value) in enumerate(case.observations):
        point = tagged(Point(f"{MEASUREMENT}_observations"), case, series.labels)
        point.field(instrument.named(), millis(value) if instrument.is_timer else value)
        point.time(INTERVAL_END + 2 * at, WritePrecision.NS)
        lines.append(point.to_line_protocol())
    return body(lines) if case.instruments else None


def own_fields(instrument, values):
    """A counter is one field, a histogram several: times are floats, all other values whole numbers."""
    name = instrument.named()
    if instrument.is_counter:
        yield name, sum(values)
        return
    yield f"{name}_count", len(values)
    for part, value in own_parts(values):
        yield f"{name}_{part}", millis(value) if instrument.is_timer else value


def tagged(point, case, labels):
    for key, value in [*labels, *case.constant_beside(labels)]:
        point.tag(key, without_unfit(value))
    return point


def timed(point, case):
    precision = case.format_options("influxdb").get("precision", "ns")
    return point.time(INTERVAL_END // NANOS[precision], precision)


def without_unfit(text):
    """Control characters become `_` (no parser takes them in a tag), and so does a backslash that a parser could read as
    an escape: one before a comma, an equals sign, a space or another backslash, or at the end."""
    clean = ["_" if ord(char) < 32 or ord(char) == 127 else char for char in text]
    for at, char in enumerate(clean):
        following = clean[at + 1] if at + 1 < len(clean) else ""
        if char == "\\" and (following == "" or following in ',= \\'):
            clean[at] = "_"
    return "".join(clean)


def millis(nanos):
    return Decimal(nanos) / NANOS_PER_MILLI


def body(lines):
    return ("\n".join(lines) + "\n").encode()
