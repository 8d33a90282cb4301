"""What InfluxDB holds."""

from .own import COUNTER, INFLUXDB_SUFFIXES, TIMER
from .seen import LATENCY_BOUNDS, SIZE_BOUNDS, Seen

MEASUREMENT = "load, density=request"


def seen_by_influxdb(servers, run):
    seen = Seen("influxdb")
    of = f'FROM "{MEASUREMENT}"'

    def counts(condition):
        """Points of each series; its tags are the key."""
        query = f'SELECT COUNT("response_time_ms") {of} WHERE {condition} GROUP BY *'
        return {tags_key(series): series["values"][0][1] for series in servers.query(query, run.key)}

    up_to = {field: [counts(f'"{field}" <= {bound}') for bound in bounds]
             for field, bounds in (("response_time_ms", LATENCY_BOUNDS), ("response_length", SIZE_BOUNDS))}
    query = f'SELECT COUNT(*), SUM("response_time_ms") AS "ms", SUM("response_length") AS "bytes" {of} GROUP BY *'
    for series in servers.query(query, run.key):
        add_influxdb_series(seen, series, up_to)
    for status, right in sorted(servers.target.statuses[run.key].items()):
        holds = sum(counts(f'"status_code" = {status}').values())
        if holds != right:
            seen.faults.append(f"status_code {status}: {holds} points of {right}")
    outside = sum(counts(f"(time < {run.began} OR time > {run.ended})").values())
    if outside:
        seen.faults.append(f"{outside} points with times outside the run")
    add_own(servers, run, seen)
    add_influxdb_statistics(servers, run, seen)
    return seen


def add_influxdb_series(seen, series, up_to):
    tags, values = series["tags"], dict(zip(series["columns"], series["values"][0], strict=True))
    count = values["count_response_time_ms"]
    others = {values["count_status_code"], values["count_response_length"]}
    if sorted(tags) != ["method", "name", "outcome"] or others != {count}:
        seen.faults.append(f"a series {tags} with {values}")
        return
    at = seen.task(tags["method"], tags["name"])
    seen.requests[at, tags["outcome"]] += count
    for field, total, into in (("response_time_ms", "ms", seen.latency), ("response_length", "bytes", seen.size)):
        into[at].merge(values[total], [some.get(tags_key(series), 0) for some in up_to[field]] + [count])


def add_own(servers, run, seen):
    """Instruments of the engine's own, a point for each observation or for each interval. What is of the run has no tags."""
    count, sum_ = f'SUM("{TIMER}_ms_count")', f'SUM("{TIMER}_ms_sum")'
    suffix, other = INFLUXDB_SUFFIXES
    if "influxdb" in run.one_by_one:
        count, sum_ = f'COUNT("{TIMER}_ms")', f'SUM("{TIMER}_ms")'
        suffix, other = other, suffix
    if wrong := servers.query(f'SHOW SERIES FROM "{MEASUREMENT}{other}"', run.key):
        seen.faults.append(f"own instruments in {other}: {wrong}")
    values = f'{count} AS "count", {sum_} AS "sum", SUM("{COUNTER}") AS "iterations"'
    for series in servers.query(f'SELECT {values} FROM "{MEASUREMENT}{suffix}" GROUP BY *', run.key):
        # A series without a tag that others have shows it as empty.
        tags = {key: value for key, value in series["tags"].items() if value}
        values = {name: value or 0 for name, value in zip(series["columns"], series["values"][0], strict=True)}
        if not tags and not values["count"]:
            seen.own.iterations += values["iterations"]
        elif sorted(tags) == ["method", "name"] and not values["iterations"]:
            at = seen.task(tags["method"], tags["name"])
            seen.own.counts[at] += values["count"]
            seen.own.sums[at] += values["sum"]
        else:
            seen.faults.append(f"a series of own instruments {tags} with {values}")


def tags_key(series):
    return tuple(sorted(series["tags"].items()))


def add_influxdb_statistics(servers, run, seen):
    """What InfluxDB itself counted, and what of it as failed. Its HTTP service counts over all runs."""
    module, port = ("udp", run.points_port) if run.transport == "udp" else ("httpd", servers.influx)
    failed = ("pointsParseFail", "readFail", "batchesTxFail", "pointsWrittenFail", "pointsWrittenDropped", "authFail",
              "clientError", "serverError")
    for series in servers.query(f"SHOW STATS FOR '{module}'"):
        if series.get("tags", {}).get("bind", "").endswith(f":{port}"):
            counted = dict(zip(series["columns"], series["values"][0], strict=True))
            seen.faults += [f"{name} {counted[name]}" for name in failed if counted.get(name)]
            seen.notes += [f"{name} {counted[name]:,}" for name in ("pointsRx", "writeReq", *failed) if name in counted]
            return
    seen.faults.append(f"no statistics for {module} on port {port}")
