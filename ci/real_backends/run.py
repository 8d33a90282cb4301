"""A run, and the document that the binary carries out in it."""

import dataclasses

from .influxdb import MEASUREMENT
from .installed import ALL
from .load import LOAD, QUIET, RATE, TASKS, USERS
from .servers import PASSWORD, USER


@dataclasses.dataclass
class Run:
    runtime: str
    transport: str
    # Which OTLP receiver it sends to; `None`: to none.
    receiver: str
    # What is asked afterwards. Exporters whose backend is not among these are not started.
    backends: frozenset = frozenset(ALL)
    seconds: int = 10
    # After the load, everything stays up for this long, so that the last scrape sees all of it.
    quiet_seconds: int = 10
    # What is off by default: OTLP requests of up to so many bytes, packed DogStatsD datagrams.
    request_bytes: int = None
    packed_bytes: int = None
    # Whether requests are traced, and whether pages are compressed.
    traces: bool = False
    compression: bool = True
    # How OTLP goes: compressed, over HTTP, deltas, exponential histograms.
    gzip: bool = False
    over_http: bool = False
    delta: bool = False
    exponential: bool = False
    # Those of InfluxDB and DogStatsD that are sent each observation of own instruments by itself; the others per interval.
    one_by_one: frozenset = frozenset()
    page_port: int = 0
    points_port: int = 0
    # Unix time in nanoseconds.
    began: int = 0
    ended: int = 0
    scrape_faults: list = dataclasses.field(default_factory=list)
    # Of the first backend that was looked at.
    latency: dict = None
    own_sums: dict = None

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
        influx = {"transport": "UDP", "port": self.points_port}
        if self.transport == "http":
            influx = {"transport": "http", "port": servers.influx, "database": self.key, "username": USER,
                      "password": PASSWORD}
            if self.runtime == "smol":
                # The same by the parameters of InfluxDB 1's own API.
                influx = {"api": "v1", "url": f"http://127.0.0.1:{servers.influx}", "database": self.key,
                          "retention_policy": "autogen", "username": USER, "password": PASSWORD,
                          "credentials": "query", "gzip": True}

        def observations(exporter):
            return {"observations": "event" if exporter in self.one_by_one else "interval"}

        def test(tasks, **arguments):
            url = f"http://127.0.0.1:{servers.target.port}/{self.key}"
            return ["LD_start_test", {"user_detail_dict": {"user": "fast_http_user"}, "spawn_rate": 1000, "tasks": [
                {"method": TASKS[at].method, "request_url": f"{url}/{at}", "name": TASKS[at].name} for at in tasks],
                **arguments}]

        starts = {
            "prometheus": ["LD_start_prometheus_exporter", {"port": self.page_port, "compression": self.compression}],
            "influxdb": ["LD_start_influxdb_sink", influx | {"measurement": MEASUREMENT} | observations("influxdb")],
            "statsd": ["LD_start_statsd_sink", {"port": servers.datadog, "prefix": self.prefix,
                                                "datagram_bytes": self.packed_bytes} | observations("statsd")],
            "opentelemetry": ["LD_start_opentelemetry_exporter", self.otlp(servers)],
        }
        return {"load_density": [
            *(starts[exporter] for exporter in self.exporters),
            test(LOAD, user_count=USERS, test_time=self.seconds, max_rate=RATE, traces=self.traces),
            # One request, and then a wait in which everything is scraped once more.
            test([QUIET], user_count=1, test_time=self.quiet_seconds, max_rate=0.001),
            ["LD_stop_statsd_sink"],
            ["LD_stop_influxdb_sink"],
        ]}

    @property
    def exporters(self):
        """Those whose backend is asked."""
        wanted = {"prometheus": "Prometheus", "influxdb": "InfluxDB", "statsd": "Datadog agent"}
        exporters = [exporter for exporter, backend in wanted.items() if backend in self.backends]
        return exporters + ["opentelemetry"] * (self.receiver is not None)

    def otlp(self, servers):
        if self.receiver == "rotel":
            endpoint = f"http://localhost:{servers.rotel_http}/v1/metrics" if self.over_http else f"http://localhost:{servers.rotel}"
        else:
            endpoint = f"http://localhost:{servers.otlp.port if servers.otlp else 0}"
        return {"endpoint": endpoint, "service_name": self.service, "export_interval_ms": 1000,
                "max_request_bytes": self.request_bytes, "gzip": self.gzip,
                "protocol": "http/protobuf" if self.over_http else "grpc",
                "temporality": "delta" if self.delta else "cumulative",
                "histograms": "exponential" if self.exponential else "explicit"}
