"""Reads InfluxDB lines with a strict parser; exits with 1 where it refuses one, or where a line is not what it must be."""

import collections
import re
import sys

from line_protocol_parser import LineFormatError, parse_line

FIELDS = {
    "my load": [{"status_code", "response_time_ms", "response_length"}, {"response_time_ms", "response_length"}],
    "my load_interval": [{"requests", "failures", "response_length_sum"}
                         | {f"response_time_ms_{of}" for of in ("sum", "min", "max", "p50", "p95", "p99")}],
    "my load_gauges": [{"active_users", "rate"}],
}
# Fewer would mean that something was left out.
LEAST = {"my load": 1000, "my load_interval": 500, "my load_gauges": 3}


def fault(line):
    try:
        point = parse_line(line)
    except LineFormatError as error:
        return str(error)
    if set(point["fields"]) not in FIELDS.get(point["measurement"], []):
        return f"fields {sorted(point['fields'])} of {point['measurement']!r}"
    # A comma that begins a tag has no backslash in front of it.
    keys = re.findall(r"(?<!\\),([A-Za-z0-9_]+)=", re.split(r"(?<!\\) ", line)[0])
    if keys != sorted(set(keys)) or set(keys) != set(point["tags"]):
        return f"tags {keys}, read as {sorted(point['tags'])}"
    return None


def main():
    counts = collections.Counter()
    faults = 0
    for line in sys.stdin.buffer.read().decode().split("\n"):
        if not line:
            continue
        counts[re.match(r"(?:\\.|[^\\, ])*", line)[0].replace("\\", "")] += 1
        if wrong := fault(line):
            faults += 1
            print(f"{wrong}: {line!r}")
    missing = {name: least for name, least in LEAST.items() if counts[name] < least}
    print(f"{sum(counts.values())} lines, {faults} faults: {dict(counts)}")
    if faults or missing:
        sys.exit(f"too few lines: {missing}" if missing else 1)


main()
