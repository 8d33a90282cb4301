"""Runs the binary's Action-JSON against real backends and compares what they hold with what was recorded.

Usage: real_backends.py BINARY FOLDER, in an environment with grpcio, opentelemetry-proto, rotel and
datadog-serverless-compat; ci/real-backends.sh makes one.

The measure is neither our table nor our page but an HTTP server of this script that counts what it answers: requests by
series and outcome, and bytes. Latencies, which only the load engine knows, are compared among the backends: bucket by
bucket, and their sums. What the table says has to agree as well.

Every run has all four exporters on. The runs differ in the runtime, in InfluxDB's transport and in the OTLP receiver.
"""

import asyncio
import base64
import bisect
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import importlib.util
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

LATENCY_BOUNDS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
SIZE_BOUNDS = (64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
# As the contract writes them on the page.
LATENCY_LE = [f"{bound}.0" for bound in LATENCY_BOUNDS] + ["+Inf"]
SIZE_LE = [f"{bound}.0" for bound in SIZE_BOUNDS[:-1]] + ["1.048576e+06", "+Inf"]
# What OTLP metrics have to be: unit, kind, cumulative, monotonic (a histogram has no say in that).
OTLP_SHAPES = {
    "loaddensity.requests": ("1", "sum", True, True),
    "loaddensity.request.latency": ("ms", "histogram", True, None),
    "loaddensity.response.size": ("By", "histogram", True, None),
}
# The contract's metric name; promtool would rather have seconds.
KNOWN_LINT = "loaddensity_request_latency_ms metric names should not contain abbreviated units"

USERS, RATE, SECONDS = 32, 1000, 10
# After the load, everything stays up for this long, so that the last scrape sees all of it.
QUIET_SECONDS = 10
# Names are cut at 255 bytes, of which `~` and 16 hex digits are the mark.
NAME_BYTES, CUT_BYTES = 255, 238
# Test credentials of servers that live as long as this script.
USER, PASSWORD = "ci user", "pä:ss \"w'ord"
MEASUREMENT = "load, density=request"


@dataclasses.dataclass(frozen=True)
class Task:
    """One request of the load, and how the target answers it. Status 0: not at all, it hangs up."""

    method: str
    name: str
    statuses: tuple = (200,)
    size: int = 0
    delay: float = 0.0

    @staticmethod
    def outcome(status):
        return "success" if 0 < status < 400 else "failure"

    def body_bytes(self, status):
        return 0 if status == 0 or self.method == "HEAD" else self.size


TASKS = (
    Task("GET", "/items", size=512),
    Task("GET", "says \"hi\", 'bye'", size=64, delay=0.007),
    Task("POST", "C:\\new\\table\\", (201,), 65),
    Task("PUT", "\\, \\= \\  \\\\ \\\" \\n", (200,), 256),
    Task("PATCH", "two\nlines,\r\na tab\t and \0 \x01 \x7f \x85", (404,), 63, 0.03),
    Task("DELETE", "Grüße, naïve café, 日本語, e\u0301, \u2028", (500,), 1025),
    Task("GET", "🚀 👩‍🚀 \U0010ffff", (200, 503), 20_000),
    Task("POST", "tags|a,b:c#d=e;f", size=257),
    Task("OPTIONS", "", (204,)),
    Task("HEAD", "  leading and trailing  ", (301,), 100),
    Task("GET", "ü long, " * 40, size=262_145),
    Task("GET", "no answer", (0,)),
    Task("GET", "{}%$`~!@^&*()[]<>/?+-_.'", (200,), 70_000, 0.06),
    Task("GET", "quiet", size=1),
)
LOAD, QUIET = range(len(TASKS) - 1), len(TASKS) - 1
# What a series counts for that no task is recorded under.
NOBODYS = -1


def shown(backend, name):
    """What `backend` has to show for `name`; a hash is written as HASH."""
    name = name or "unknown"
    if len(name.encode()) > NAME_BYTES:
        name = name.encode()[:CUT_BYTES].decode(errors="ignore") + "~HASH"
    if backend == "datadog":
        return re.sub(r"[|,:#\x00-\x1f\x7f-\x9f]", "_", name)
    if backend == "influxdb":
        return re.sub(r"[\x00-\x1f\x7f]", "_", re.sub(r"\\(?=[\\,= ]|\Z)", "_", name))
    return name


# ---- what was recorded, and what a backend holds of it


@dataclasses.dataclass
class Histogram:
    """`cumulative` has the count up to each bound, and the whole count at its end."""

    sum: float
    cumulative: list

    @classmethod
    def empty(cls, bounds):
        return cls(0, [0] * (len(bounds) + 1))

    def add(self, bounds, value, count=1):
        self.sum += value * count
        for at in range(bisect.bisect_left(bounds, value), len(self.cumulative)):
            self.cumulative[at] += count

    def merge(self, sum_, cumulative):
        self.sum += sum_
        self.cumulative = [a + b for a, b in zip(self.cumulative, cumulative, strict=True)]


class Seen:
    """What one backend holds. Histograms are of both outcomes together, as Prometheus has them."""

    def __init__(self, backend):
        self.tasks = {(task.method, shown(backend, task.name)): at for at, task in enumerate(TASKS)}
        self.requests = collections.Counter()
        self.latency = collections.defaultdict(lambda: Histogram.empty(LATENCY_BOUNDS))
        self.size = collections.defaultdict(lambda: Histogram.empty(SIZE_BOUNDS))
        self.faults = []
        # What else is worth telling.
        self.notes = []

    def task(self, method, name):
        """The task that is shown so; where there is none, there is a fault."""
        at = self.tasks.get((method, re.sub(r"~[0-9a-f]{16}\Z", "~HASH", name)), NOBODYS)
        if at == NOBODYS:
            self.faults.append(f"a series that nobody recorded: {method} {name!r}")
        return at

    def total(self):
        return sum(self.requests.values())

    def series(self):
        """How many there are, by outcome too. (Prometheus shows both outcomes always.)"""
        return sum(count > 0 for count in self.requests.values())


def differences(seen, truth, latency):
    """Where `seen` is not `truth`; `latency` is another backend's, None for the first."""
    found = [*dict.fromkeys(seen.faults), *request_differences(seen, truth)]
    for at in sorted({at for at, _ in truth.requests}):
        found += histogram_differences(f"{label(at)} size", seen.size[at], truth.size[at])
        if latency:
            found += histogram_differences(f"{label(at)} latency", seen.latency[at], latency[at])
        elif seen.latency[at].cumulative[-1] != truth.size[at].cumulative[-1]:
            found.append(f"{label(at)} latency: {seen.latency[at].cumulative}")
    return found


def request_differences(seen, truth):
    if not truth.total():
        yield "the target was asked for nothing"
    for at, outcome in sorted(seen.requests.keys() | truth.requests.keys()):
        holds, recorded = seen.requests[at, outcome], truth.requests[at, outcome]
        if holds != recorded:
            yield f"{label(at)} {outcome}: {holds} requests of {recorded}"


def histogram_differences(what, holds, right):
    if holds.cumulative != right.cumulative:
        yield f"{what}: buckets {holds.cumulative} instead of {right.cumulative}"
    # Exact decimals that were added up as floats, each time in another order.
    if not math.isclose(holds.sum, right.sum, rel_tol=1e-9):
        yield f"{what}: sum {holds.sum} instead of {right.sum}"


def label(at):
    return "nobody's series" if at == NOBODYS else f"{TASKS[at].method} {TASKS[at].name[:40]!r}"


# ---- the target


class Target:
    """An HTTP server on a thread of its own that counts what it answers, by run: `/RUN/TASK`."""

    def __init__(self):
        self.truths = collections.defaultdict(lambda: Seen("truth"))
        self.statuses = collections.defaultdict(collections.Counter)
        self.loop = asyncio.new_event_loop()
        self.port = None
        started = threading.Event()
        threading.Thread(target=self.serve, args=(started,), daemon=True).start()
        if not started.wait(10):
            raise Failure("the target does not start")

    def serve(self, started):
        async def main():
            server = await self.loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await server.serve_forever()

        self.loop.run_until_complete(main())

    def answer(self, path):
        """The answer to one request, counted; None to hang up. And how long to wait with it."""
        run, at = path.strip("/").split("/")
        task, truth, statuses = TASKS[int(at)], self.truths[run], self.statuses[run]
        status = task.statuses[truth.size[int(at)].cumulative[-1] % len(task.statuses)]
        statuses[status] += 1
        truth.requests[int(at), task.outcome(status)] += 1
        truth.size[int(at)].add(SIZE_BOUNDS, task.body_bytes(status))
        if status == 0:
            return None, task.delay
        length = "" if status == 204 else f"Content-Length: {task.size}\r\n"
        head = f"HTTP/1.1 {status} Because\r\n{length}\r\n".encode()
        return head + b"x" * task.body_bytes(status), task.delay


class Connection(asyncio.Protocol):
    def __init__(self, target):
        self.target, self.received = target, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        # The engine sends no bodies, and one request after the other.
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if end:
            self.received = rest
            answer, delay = self.target.answer(head.split(b" ", 2)[1].decode())
            self.target.loop.call_later(delay, self.send, answer)

    def send(self, answer):
        if answer is None:
            self.transport.close()
        else:
            self.transport.write(answer)


# ---- the OTLP receiver over Google's gRPC, and the exports that it and Rotel saw


@dataclasses.dataclass
class Export:
    """One request: its points by metric and attributes; a sum's value or a histogram's (sum, bounds, counts)."""

    service: str
    shapes: dict
    points: dict
    starts: set


class OtlpReceiver(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self):
        self.exports = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def Export(self, request, context):
        for resource in request.resource_metrics:
            service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
            export = Export(service, {}, {}, set())
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.read(metric, export)
            self.exports.append(export)
        return metrics_service_pb2.ExportMetricsServiceResponse()

    @staticmethod
    def read(metric, export):
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        monotonic = data.is_monotonic if kind == "sum" else None
        export.shapes[metric.name] = (metric.unit, kind, data.aggregation_temporality == 2, monotonic)
        for point in data.data_points:
            attributes = tuple(sorted((a.key, a.value.string_value) for a in point.attributes))
            export.starts.add(point.start_time_unix_nano)
            value = point.as_int if kind == "sum" else (
                point.sum, tuple(point.explicit_bounds), list(point.bucket_counts))
            if kind == "histogram" and sum(point.bucket_counts) != point.count:
                value = f"count {point.count} of {value}"
            add_point(export, metric.name, attributes, value)


def add_point(export, metric, attributes, value):
    if (metric, attributes) in export.points:
        value = f"{metric} twice: {value}"
    export.points[metric, attributes] = value


def rotel_exports(log):
    """What Rotel's log shows. Names may have line ends in them."""
    attribute = r"     -> (\w+): Str\((.*?)\)\n(?=     -> |Start)"
    for resource in re.split(r"^ResourceMetrics #\d+\n", log, flags=re.M)[1:]:
        service = re.search(r"-> service\.name: Str\((.*?)\)\nScopeMetrics", resource, re.S)
        export = Export(service[1] if service else "", {}, {}, set())
        for metric in re.split(r"^Metric #\d+\n", resource, flags=re.M)[1:]:
            facts = dict(re.findall(r"^     -> (Name|Unit|DataType|IsMonotonic|AggregationTemporality): (.*)$",
                                    metric.partition("DataPoints #")[0], re.M))
            kind, monotonic = facts["DataType"].lower(), facts.get("IsMonotonic")
            cumulative = facts["AggregationTemporality"] == "AGGREGATION_TEMPORALITY_CUMULATIVE"
            export.shapes[facts["Name"]] = (facts["Unit"], kind, cumulative, monotonic and monotonic == "true")
            for point in re.split(r"^\w+DataPoints #\d+\n", metric, flags=re.M)[1:]:
                attributes = tuple(sorted(re.findall(attribute, point, re.S)))
                export.starts.add(int(re.search(r"^StartTimestamp: (\d+)$", point, re.M)[1]))
                add_point(export, facts["Name"], attributes, rotel_value(kind, point))
        yield export


def rotel_value(kind, point):
    if kind == "sum":
        return int(re.search(r"^Value: (\d+)$", point, re.M)[1])
    counts = [int(count) for count in re.findall(r"^Buckets #\d+, Count: (\d+)$", point, re.M)]
    bounds = tuple(float(bound) for bound in re.findall(r"^ExplicitBounds #\d+: (.*)$", point, re.M))
    if int(re.search(r"^Count: (\d+)$", point, re.M)[1]) != sum(counts):
        return f"a count other than that of the buckets: {point}"
    return float(re.search(r"^Sum: (.*)$", point, re.M)[1]), bounds, counts


def seen_by_otlp(exports):
    """The last of each point, for they are cumulative; with a fault where one before is not as it should be."""
    seen = Seen("otlp")
    seen.notes.append(f"{len(exports)} export requests")
    last = {}
    for export in exports:
        for metric, shape in export.shapes.items():
            if OTLP_SHAPES.get(metric) != shape:
                seen.faults.append(f"{metric} is {shape}")
        for key, value in export.points.items():
            if isinstance(value, int) and value < last.get(key, 0):
                seen.faults.append(f"{key} went backwards")
        last |= export.points
    if len({start for export in exports for start in export.starts}) > 1:
        seen.faults.append("more than one start timestamp")
    for (metric, attributes), value in last.items():
        add_otlp_point(seen, metric, dict(attributes), value)
    return seen


def add_otlp_point(seen, metric, attributes, value):
    if sorted(attributes) != ["method", "name", "outcome"] or isinstance(value, str):
        seen.faults.append(f"{metric} {attributes}: {value}")
        return
    at = seen.task(attributes["method"], attributes["name"])
    if metric == "loaddensity.requests":
        seen.requests[at, attributes["outcome"]] += value
        return
    is_latency = metric == "loaddensity.request.latency"
    total, bounds, counts = value
    if bounds != (LATENCY_BOUNDS if is_latency else SIZE_BOUNDS):
        seen.faults.append(f"{metric} has the bounds {bounds}")
        return
    (seen.latency if is_latency else seen.size)[at].merge(total, [sum(counts[: i + 1]) for i in range(len(counts))])


# ---- servers


class Failure(Exception):
    """What ends the script."""


def free_ports(count):
    """Ports that nobody uses, neither over TCP nor over UDP."""
    with contextlib.ExitStack() as stack:
        ports = []
        while len(ports) < count:
            tcp, udp = (stack.enter_context(socket.socket(socket.AF_INET, kind))
                        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))
            tcp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                ports.append(tcp.getsockname()[1])
        return ports


# No proxy of the environment: everything is on this machine.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def http(url, data=None, method=None, headers=None, timeout=10):
    """Status and body, of errors too."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def answers(url):
    try:
        return http(url, timeout=2)[0] < 300
    except OSError:
        return False


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def udp_drops(port):
    """How many datagrams the kernel has dropped at the socket bound to `port`; None where there is none."""
    rows = [row.split() for path in ("/proc/net/udp", "/proc/net/udp6") if os.path.exists(path)
            for row in pathlib.Path(path).read_text().splitlines()[1:]]
    drops = [int(row[-1]) for row in rows if row[1].endswith(f":{port:04X}")]
    return sum(drops) if drops else None


def wait_until(condition, seconds):
    """The first true value of `condition`, or its last."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return value


class Servers:
    """Every backend, started in `folder`, ready. Closing stops what was started here, and nothing else."""

    def __init__(self, folder, runs):
        self.folder = folder
        self.running = []
        ports = iter(free_ports(8 + 2 * len(runs)))
        self.prometheus, self.pushgateway, self.influx, self.influx_internal = (next(ports) for _ in range(4))
        self.rotel, rotel_http, self.datadog, datadog_apm = (next(ports) for _ in range(4))
        for run in runs:
            run.page_port, run.points_port = next(ports), next(ports)
        self.rotel_http, self.datadog_apm = rotel_http, datadog_apm
        self.otlp = OtlpReceiver()
        self.target = Target()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, process in self.running:
            process.terminate()
        for _, process in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.otlp.server.stop(None)

    def start(self, name, ready, *command, **environment):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=os.environ | environment)
        self.running.append((name, process))
        wait_until(lambda: process.poll() is not None or ready(), 60)
        if process.poll() is not None or not ready():
            raise Failure(f"{name} does not start; the end of its log:\n{self.log(name)[-2000:]}")

    def log(self, name):
        # Names may have carriage returns in them, which stay.
        return (self.folder / f"{name}.log").read_bytes().decode(errors="replace")

    def start_all(self, runs):
        self.start_influxdb([run for run in runs if run.transport == "udp"])
        self.start_prometheus(runs)
        address = f"127.0.0.1:{self.pushgateway}"
        self.start("pushgateway", lambda: answers(f"http://{address}/-/ready"),
                   "prometheus-pushgateway", f"--web.listen-address={address}")
        self.start("rotel", lambda: accepts(self.rotel), str(package_file("rotel", "rotel-agent")), "start",
                   "--otlp-grpc-endpoint", f"127.0.0.1:{self.rotel}",
                   "--otlp-http-endpoint", f"127.0.0.1:{self.rotel_http}", "--debug-log", "metrics",
                   "--debug-log-verbosity", "detailed", "--disable-batching", "--exporter", "blackhole")
        self.start_datadog()

    def start_prometheus(self, runs):
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [
            {"job_name": run.key, "static_configs": [{"targets": [f"127.0.0.1:{run.page_port}"]}]} for run in runs]}
        # YAML is a superset of JSON.
        (self.folder / "prometheus.yml").write_text(json.dumps(config))
        address = f"127.0.0.1:{self.prometheus}"

        def ready():
            # Targets are found some seconds after the start.
            return answers(f"http://{address}/-/ready") and len(self.scraped()) == len(runs)

        self.start("prometheus", ready, "prometheus", f"--config.file={self.folder}/prometheus.yml",
                   f"--storage.tsdb.path={self.folder}/prometheus", f"--web.listen-address={address}")

    def scraped(self):
        _, body, _ = http(f"http://127.0.0.1:{self.prometheus}/api/v1/targets?state=active")
        return {target["labels"]["job"]: target for target in json.loads(body)["data"]["activeTargets"]}

    def start_influxdb(self, udp_runs):
        lines = [
            "reporting-disabled = true", f'bind-address = "127.0.0.1:{self.influx_internal}"',
            "[meta]", f'dir = "{self.folder}/influxdb/meta"',
            "[data]", f'dir = "{self.folder}/influxdb/data"', f'wal-dir = "{self.folder}/influxdb/wal"',
            "query-log-enabled = false", "[monitor]", "store-enabled = false",
            "[http]", f'bind-address = "127.0.0.1:{self.influx}"', "auth-enabled = true", "log-enabled = false",
        ]
        for run in udp_runs:
            lines += ["[[udp]]", "enabled = true", f'bind-address = "127.0.0.1:{run.points_port}"',
                      f'database = "{run.key}"', "batch-size = 1000", 'batch-timeout = "100ms"']
        (self.folder / "influxdb.conf").write_text("\n".join(lines))
        self.start("influxdb", lambda: answers(f"http://127.0.0.1:{self.influx}/ping"),
                   "influxd", "-config", f"{self.folder}/influxdb.conf")
        # The first user is made without one.
        password = PASSWORD.replace("'", "\\'")
        self.query(f"CREATE USER \"{USER}\" WITH PASSWORD '{password}' WITH ALL PRIVILEGES")

    def query(self, text, database=""):
        """InfluxDB's series."""
        parameters = urllib.parse.urlencode({"q": text, "db": database, "epoch": "ns"}).encode()
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        status, body, _ = http(f"http://127.0.0.1:{self.influx}/query", parameters,
                               headers={"Authorization": f"Basic {basic}"})
        result = json.loads(body)
        error = result.get("error") or result["results"][0].get("error")
        if status != 200 or error:
            raise Failure(f"InfluxDB answers {status} to {text}: {error}")
        return result["results"][0].get("series", [])

    def start_datadog(self):
        # The package leaves it without the right to be run.
        agent = self.folder / "datadog-agent"
        shutil.copy(package_file("datadog_serverless_compat", "bin/linux-amd64/datadog-serverless-compat"), agent)
        agent.chmod(0o755)
        self.start("datadog", lambda: udp_drops(self.datadog) is not None, str(agent),
                   ASCSVCRT_SPRING__APPLICATION__NAME="test", DD_API_KEY="0123456789abcdef" * 2, DD_SITE="dd.local",
                   DD_PROXY_HTTPS="http://127.0.0.1:1", DD_LOG_LEVEL="trace", DD_DOGSTATSD_PORT=str(self.datadog),
                   DD_APM_RECEIVER_PORT=str(self.datadog_apm))


def package_file(package, path):
    return pathlib.Path(importlib.util.find_spec(package).origin).parent / path


# ---- what the backends hold


def seen_by_prometheus(servers, run):
    seen = Seen("prometheus")
    for labels, value in prometheus_values(servers, run, "loaddensity_requests_total"):
        seen.requests[seen.task(labels["method"], labels["name"]), labels["outcome"]] += int(value)
    for labels, value in prometheus_values(servers, run, "loaddensity_exporter_recorded_total"):
        if value != seen.total():
            seen.faults.append(f"the page says that {labels['exporter']} had {value} requests recorded")
    for metric, into, expected in (("loaddensity_request_latency_ms", seen.latency, LATENCY_LE),
                                   ("loaddensity_response_bytes", seen.size, SIZE_LE)):
        buckets, counts = collections.defaultdict(dict), {}
        for labels, value in prometheus_values(servers, run, f"{metric}_bucket"):
            buckets[seen.task(labels["method"], labels["name"])][labels["le"]] = int(value)
        for labels, value in prometheus_values(servers, run, f"{metric}_count"):
            counts[seen.task(labels["method"], labels["name"])] = value
        for labels, value in prometheus_values(servers, run, f"{metric}_sum"):
            at = seen.task(labels["method"], labels["name"])
            if set(buckets[at]) != set(expected) or buckets[at]["+Inf"] != counts.get(at):
                seen.faults.append(f"{metric} has the buckets {buckets[at]} and the count {counts.get(at)}")
            else:
                into[at].merge(value, [buckets[at][le] for le in expected])
    return seen


def prometheus_values(servers, run, metric):
    """Labels and last value of each series. They are counters whose target may be down: the last is the greatest."""
    query = urllib.parse.urlencode({"query": f'max_over_time({metric}{{job="{run.key}"}}[1h])'})
    _, body, _ = http(f"http://127.0.0.1:{servers.prometheus}/api/v1/query?{query}")
    for series in json.loads(body)["data"]["result"]:
        yield series["metric"], float(series["value"][1])


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


def datadog_lines(log):
    """The messages received, the counters as the agent had parsed them when it sent them on, and its complaints."""
    # A packet of several messages has several lines.
    packets = re.findall(r"Received message: (.*?) from 127\.0\.0\.1:\d+$", log, re.S | re.M)
    received = [message for packet in packets for message in packet.split("\n")]
    sent = re.findall("Sending body: Series.*", log)
    return received, sent, re.findall(".*(?:Failed to parse|Unsupported metric type).*", log)


def seen_by_datadog(servers, run):
    """Counters: what the agent made of them. Timings and histograms, which it cannot read: the messages it got."""
    seen = Seen("datadog")
    received, sent, complaints = datadog_lines(servers.log("datadog"))
    prefix = re.escape(run.prefix)
    add_datadog_messages(seen, prefix, [text for text in received if text.startswith(run.prefix)])
    metric = re.compile(rf'Metric {{ metric: "{prefix}\.requests", points: \[(.*?)\], resources: \[\], '
                        r'kind: Count, tags: \[((?:"(?:[^"\\]|\\.)*"(?:, )?)*)\]')
    for body in sent:
        for points, tags in metric.findall(body):
            tags = dict(rust_string(tag).split(":", 1) for tag in re.findall(r'"((?:[^"\\]|\\.)*)"', tags))
            value = sum(map(float, re.findall(r"value: ([0-9.]+)", points)))
            seen.requests[seen.task(tags["method"], tags["name"]), tags["outcome"]] += int(value)
    known = re.compile(rf"Unsupported metric type: {prefix}\.[a-z.]+:[0-9.]+\|(ms|h)\|")
    seen.faults += [line for line in complaints if run.prefix in line and not known.search(line)]
    return seen


def add_datadog_messages(seen, prefix, messages):
    form = re.compile(rf"{prefix}\.([a-z.]+):([0-9.]+)\|(c|ms|h)\|#method:(.*),name:(.*),outcome:(success|failure)")
    kinds = collections.Counter()
    for text in messages:
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


# ---- the runs


@dataclasses.dataclass
class Run:
    runtime: str
    transport: str
    receiver: str
    # What is off by default: OTLP requests of up to so many bytes, packed DogStatsD datagrams.
    request_bytes: int = None
    packed_bytes: int = None
    page_port: int = 0
    points_port: int = 0
    # Unix time in nanoseconds.
    began: int = 0
    ended: int = 0
    scrape_faults: list = dataclasses.field(default_factory=list)
    # Of the first backend that was looked at.
    latency: dict = None

    @property
    def key(self):
        """Prometheus' job, InfluxDB's database and the target's folder."""
        return f"{self.runtime}-{self.transport}"

    @property
    def prefix(self):
        return f"ci.{self.runtime}.{self.transport}"

    @property
    def service(self):
        return f'real "backends", {self.key} ü'

    def document(self, servers):
        otlp = servers.rotel if self.receiver == "rotel" else servers.otlp.port
        influx = {"transport": "UDP", "port": self.points_port}
        if self.transport == "http":
            influx = {"transport": "http", "port": servers.influx, "database": self.key, "username": USER,
                      "password": PASSWORD}

        def test(tasks, **arguments):
            url = f"http://127.0.0.1:{servers.target.port}/{self.key}"
            return ["LD_start_test", {"user_detail_dict": {"user": "fast_http_user"}, "spawn_rate": 1000, "tasks": [
                {"method": TASKS[at].method, "request_url": f"{url}/{at}", "name": TASKS[at].name} for at in tasks],
                **arguments}]

        return {"load_density": [
            ["LD_start_prometheus_exporter", {"port": self.page_port}],
            ["LD_start_influxdb_sink", influx | {"measurement": MEASUREMENT}],
            ["LD_start_statsd_sink", {"port": servers.datadog, "prefix": self.prefix,
                                      "datagram_bytes": self.packed_bytes}],
            ["LD_start_opentelemetry_exporter", {"endpoint": f"http://localhost:{otlp}", "service_name": self.service,
                                                 "export_interval_ms": 1000,
                                                 "max_request_bytes": self.request_bytes}],
            test(LOAD, user_count=USERS, test_time=SECONDS, max_rate=RATE),
            # One request, and then a wait in which everything is scraped once more.
            test([QUIET], user_count=1, test_time=QUIET_SECONDS, max_rate=0.001),
            ["LD_stop_statsd_sink"],
            ["LD_stop_influxdb_sink"],
        ]}


class Report:
    """One line for each backend of each run."""

    def __init__(self):
        self.failed = False

    def line(self, run, backend, found, detail=""):
        self.failed |= bool(found)
        verdict, detail = ("DIFFERS", "") if found else ("ok", detail)
        print(f"{verdict:8}{run.runtime:6}{run.transport:5}{backend:15}{detail}", flush=True)
        for text in found[:20]:
            print(f"        {text}", flush=True)
        if found[20:]:
            print(f"        and {len(found) - 20} more", flush=True)


def carry_out(binary, servers, run, report):
    """Runs the document; asks page and Prometheus while it is quiet, and checks the table at the end."""
    document = servers.folder / f"{run.key}.json"
    document.write_text(json.dumps(run.document(servers)))
    command = [binary, "run", str(document), "--runtime", run.runtime]
    run.began = time.time_ns()
    with open(servers.folder / f"{run.key}.err", "wb+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        timer = threading.Timer(SECONDS + QUIET_SECONDS + 60, process.kill)
        timer.start()
        output = []
        try:
            for line in process.stdout:
                output.append(line)
                # The first is the load's, and the second test has begun.
                if len(output) == 1:
                    check_page(servers, run, report)
            code = process.wait()
            run.ended = time.time_ns()
        finally:
            timer.cancel()
            process.kill()
        errors.seek(0)
        said = errors.read().decode()
    check_table(servers, run, report, code, "".join(output), said)


def check_page(servers, run, report):
    """The page as text: promtool, Pushgateway, and that Prometheus scrapes it."""
    url, truth = f"http://127.0.0.1:{run.page_port}/metrics", servers.target.truths[run.key]

    def whole_page():
        status, body, headers = http(url)
        total = sum(int(value) for value in re.findall(rb"^loaddensity_requests_total\{.*\} (\d+)$", body, re.M))
        return (status, body, headers) if truth.requests[QUIET, "success"] and total == truth.total() else None

    page = wait_until(whole_page, 5) or http(url)
    status, body, headers = page
    found = [] if status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4") else [
        f"the page: {status} {headers['Content-Type']}"]
    tool = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, timeout=30)
    lint = tool.stderr.decode().splitlines()
    if tool.returncode not in (0, 3) or set(lint) - {KNOWN_LINT}:
        found += [f"exit code {tool.returncode}", *lint]
    report.line(run, "promtool", found, f"{len(body)} bytes of text, known lint only")
    check_pushgateway(servers, run, report, body)

    # What it holds is looked at again when the target is down; its complaints are known only now.
    wait_until(lambda: seen_by_prometheus(servers, run).total() == truth.total(), QUIET_SECONDS - 4)
    target = servers.scraped()[run.key]
    if target["health"] != "up" or target["lastError"]:
        run.scrape_faults.append(f"the target is {target['health']}: {target['lastError']}")


def check_pushgateway(servers, run, report, body):
    base = f"http://127.0.0.1:{servers.pushgateway}"
    status, answer, _ = http(f"{base}/metrics/job/{run.key}", body, "PUT")
    if status != 200:
        report.line(run, "Pushgateway", [f"{status}: {answer.decode(errors='replace')}"])
        return
    seen = Seen("prometheus")
    _, groups, _ = http(f"{base}/api/v1/metrics")
    for group in json.loads(groups)["data"]:
        if group["labels"]["job"] == run.key:
            for metric in group["loaddensity_requests_total"]["metrics"]:
                labels = metric["labels"]
                seen.requests[seen.task(labels["method"], labels["name"]), labels["outcome"]] += int(metric["value"])
    right = servers.target.truths[run.key]
    found = [*seen.faults, *request_differences(seen, right)]
    report.line(run, "Pushgateway", found, f"{seen.total():,} requests in {seen.series()} series")


def check_table(servers, run, report, code, output, said):
    total = servers.target.truths[run.key].total()
    found = [] if code == 0 else [f"exit code {code}"]
    found += [line for line in said.splitlines() if line.startswith(("error", "warning"))]
    rows = re.findall(r"^(prometheus|influxdb|statsd|opentelemetry) +(\d+) +(\d+) +(\d+)(.*)$", output, re.M)
    if sorted(row[0] for row in rows) != ["influxdb", "opentelemetry", "prometheus", "statsd"]:
        found += ["no row for each exporter:", *output.splitlines()]
    for exporter, recorded, sent, dropped, causes in rows:
        if (int(recorded), int(sent), int(dropped)) != (total, total, 0):
            found.append(f"{exporter}: recorded {recorded}, sent {sent}, dropped {dropped}{causes}; "
                         f"the target answered {total}")
    if "abandoned" in output:
        found.append(output.splitlines()[0])
    report.line(run, "table", found, f"{total:,} recorded and sent by all four, as the target answered")


def settled(see, truth, latency, seconds):
    """What a backend holds, and what differs. Backends take in what they got some time later."""
    end = time.monotonic() + seconds
    while True:
        seen = see()
        found = differences(seen, truth, latency)
        if not found or time.monotonic() > end:
            return seen, found
        time.sleep(0.5)


def check_backends(servers, run, report):
    backends = [
        ("Prometheus", functools.partial(seen_by_prometheus, servers, run), run.scrape_faults),
        (f"InfluxDB {run.transport}", functools.partial(seen_by_influxdb, servers, run), []),
    ]
    if run.receiver == "rotel":
        def see():
            return seen_by_otlp([e for e in rotel_exports(servers.log("rotel")) if e.service == run.service])
    else:
        def see():
            return seen_by_otlp([e for e in servers.otlp.exports if e.service == run.service])
    backends.append((run.receiver, see, []))
    for name, see, found in backends:
        check_backend(servers, run, report, name, see, found, 10)


def check_backend(servers, run, report, name, see, found, seconds):
    truth = servers.target.truths[run.key]
    seen, differs = settled(see, truth, run.latency, seconds)
    if differs and (name.startswith("InfluxDB udp") or name.startswith("Datadog")):
        port = servers.datadog if name.startswith("Datadog") else run.points_port
        differs.append(f"the kernel dropped {udp_drops(port)} datagrams at its socket")
    detail = f"{seen.total():,} requests in {seen.series()} series"
    run.latency = run.latency or seen.latency
    report.line(run, name, found + differs, f"{detail}, buckets and sums; {', '.join(seen.notes)}".rstrip("; "))


def main(binary, folder):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    runs = [Run("tokio", "udp", "rotel"), Run("tokio", "http", "C-core gRPC"),
            Run("smol", "udp", "C-core gRPC", request_bytes=4096), Run("smol", "http", "rotel", packed_bytes=1432)]
    work = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=folder)).resolve()
    report = Report()
    try:
        with Servers(work, runs) as servers:
            compare(binary, servers, runs, report)
    except (Failure, OSError) as failure:
        print(f"error: {failure}", file=sys.stderr)
        report.failed = True
    if report.failed:
        print(f"logs: {work}", file=sys.stderr)
    else:
        shutil.rmtree(work)
    return int(report.failed)


def compare(binary, servers, runs, report):
    servers.start_all(runs)
    for run in runs:
        if run.transport == "http":
            servers.query(f'CREATE DATABASE "{run.key}"')
        carry_out(binary, servers, run, report)
        check_backends(servers, run, report)
    # The agent hands on every ten seconds what it counted.
    for run in runs:
        see = functools.partial(seen_by_datadog, servers, run)
        check_backend(servers, run, report, "Datadog agent", see, [], 30)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
