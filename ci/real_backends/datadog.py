"""What Datadog's agent got, and what it made of it."""

import collections
import re

from .own import COUNTER, TIMER
from .seen import LATENCY_BOUNDS, SIZE_BOUNDS, Seen


def datadog_lines(log):
    """The messages received, the counters as the agent had parsed them when it sent them on, and its complaints."""
    # A packet of several messages has several lines.
    packets = re.findall(r"Received message: (.*?) from 127\.0\.0\.1:\d+$", log, re.S | re.M)
    received = [message for packet in packets for message in packet.split("\n")]
    sent = re.findall("Sending body: Series.*", log)
    return received, sent, re.findall(".*(?:Failed to parse|Unsupported metric type).*", log)


def seen_by_datadog(servers, run):
    """Counters: what the agent made of them. Timings and histograms, which it cannot read: the messages it got, those of
    observations that are sent one by one among them."""
    seen = Seen("datadog")
    received, sent, complaints = datadog_lines(servers.log("datadog"))
    prefix = re.escape(run.prefix)
    add_datadog_messages(seen, run, [text for text in received if text.startswith(run.prefix)])
    metric = re.compile(rf'Metric {{ metric: "{prefix}\.([a-z_.]+)", points: \[([^\]]*)\], resources: \[\], '
                        r'kind: Count, tags: \[((?:"(?:[^"\\]|\\.)*"(?:, )?)*)\]')
    for body in sent:
        for name, points, tags in metric.findall(body):
            tags = dict(rust_string(tag).split(":", 1) for tag in re.findall(r'"((?:[^"\\]|\\.)*)"', tags))
            value = sum(map(float, re.findall(r"value: ([0-9.]+)", points)))
            add_datadog_count(seen, name, tags, value, "statsd" in run.one_by_one)
    known = re.compile(rf"Unsupported metric type: {prefix}\.[a-z_.]+:[0-9.]+\|(ms|h)\|")
    seen.faults += [line for line in complaints if run.prefix in line and not known.search(line)]
    return seen


def add_datadog_count(seen, name, tags, value, one_by_one):
    """A counter as the agent has parsed it. It adds where it comes from."""
    tags = {key: value for key, value in tags.items() if key not in ("origin", "dd.origin")}
    if name == "requests":
        seen.requests[seen.task(tags["method"], tags["name"]), tags["outcome"]] += int(value)
    elif name == COUNTER and not tags:
        seen.own.iterations += int(value)
    elif name in (f"{TIMER}.count", f"{TIMER}.sum") and not one_by_one and sorted(tags) == ["method", "name"]:
        at = seen.task(tags["method"], tags["name"])
        if name.endswith(".count"):
            seen.own.counts[at] += int(value)
        else:
            seen.own.sums[at] += value
    else:
        seen.faults.append(f"a counter {name} with {tags}")


def add_datadog_messages(seen, run, messages):
    prefix = re.escape(run.prefix)
    form = re.compile(rf"{prefix}\.([a-z.]+):([0-9.]+)\|(c|ms|h)\|#method:(.*),name:(.*),outcome:(success|failure)")
    gauge = re.compile(rf"{prefix}\.(active_users|target_rate):[0-9.]+\|(g)")
    first_byte = re.compile(rf"{prefix}\.{TIMER}:([0-9.]+)\|ms\|#method:(.*),name:(.*)")
    # The counters of own instruments are seen in what the agent makes of them.
    own = re.compile(rf"{prefix}\.(?:({COUNTER}):[0-9]+\|(c)|({TIMER}\.(?:count|sum)):[0-9.]+\|(c)\|#method:.*,name:.*|"
                     rf"({TIMER}\.(?:min|max|p50|p95|p99)):[0-9.]+\|(g)\|#method:.*,name:.*)")
    kinds = collections.Counter()
    for text in messages:
        if match := gauge.fullmatch(text) or own.fullmatch(text):
            kinds[tuple(filter(None, match.groups()))] += 1
            continue
        if "statsd" in run.one_by_one and (match := first_byte.fullmatch(text)):
            value, method, name = match.groups()
            at = seen.task(method, name)
            kinds[TIMER, "ms"] += 1
            seen.own.counts[at] += 1
            seen.own.sums[at] += float(value)
            continue
        match = form.fullmatch(text)
        if not match:
            seen.faults.append(f"a message {text!r}")
            continue
        metric, value, kind, method, name, _ = match.groups()
        at = seen.task(method, name)
        kinds[metric, kind] += 1
        if (metric, kind) == ("request.latency", "ms"):
            seen.latency[at].add(LATENCY_BOUNDS, float(value))
        elif (metric, kind) == ("response.size", "h"):
            seen.size[at].add(SIZE_BOUNDS, int(value))
    seen.notes += [f"{metric} {kind} {count:,}" for (metric, kind), count in kinds.items()]


def rust_string(text):
    """A string as Rust's Debug writes it."""
    named = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
    return re.sub(r"\\(?:u\{([0-9a-f]+)\}|(.))",
                  lambda match: chr(int(match[1], 16)) if match[1] else named.get(match[2], match[2]), text)
