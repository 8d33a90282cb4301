"""A run, and the document that the binary carries out in it."""

import dataclasses

from .influxdb import MEASUREMENT
from .load import LOAD, QUIET, QUIET_SECONDS, RATE, SECONDS, TASKS, USERS
from .servers import PASSWORD, USER


@dataclasses.dataclass
class Run:
    runtime: str
    transport: str
    receiver: str
    # What is off by default: OTLP requests of up to so many bytes, packed DogStatsD datagrams.
    request_bytes: int = None
    packed_bytes: int = None
    # Whether requests are traced, and whether pages are compressed.
    traces: bool = False
    compression: bool = True
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
            if self.runtime == "smol":
                # The same by the parameters of InfluxDB 1's own API.
                influx = {"api": "v1", "url": f"http://127.0.0.1:{servers.influx}", "database": self.key,
                          "retention_policy": "autogen", "username": USER, "password": PASSWORD,
                          "credentials": "query", "gzip": True}

        def test(tasks, **arguments):
            url = f"http://127.0.0.1:{servers.target.port}/{self.key}"
            return ["LD_start_test", {"user_detail_dict": {"user": "fast_http_user"}, "spawn_rate": 1000, "tasks": [
                {"method": TASKS[at].method, "request_url": f"{url}/{at}", "name": TASKS[at].name} for at in tasks],
                **arguments}]

        return {"load_density": [
            ["LD_start_prometheus_exporter", {"port": self.page_port, "compression": self.compression}],
            ["LD_start_influxdb_sink", influx | {"measurement": MEASUREMENT}],
            ["LD_start_statsd_sink", {"port": servers.datadog, "prefix": self.prefix,
                                      "datagram_bytes": self.packed_bytes}],
            ["LD_start_opentelemetry_exporter", {"endpoint": f"http://localhost:{otlp}", "service_name": self.service,
                                                 "export_interval_ms": 1000,
                                                 "max_request_bytes": self.request_bytes}],
            test(LOAD, user_count=USERS, test_time=SECONDS, max_rate=RATE, traces=self.traces),
            # One request, and then a wait in which everything is scraped once more.
            test([QUIET], user_count=1, test_time=QUIET_SECONDS, max_rate=0.001),
            ["LD_stop_statsd_sink"],
            ["LD_stop_influxdb_sink"],
        ]}
