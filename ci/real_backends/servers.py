"""The backends' processes, and the servers of this package."""

import base64
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import urllib.parse

from .failure import Failure
from .local import accepts, answers, free_ports, http, udp_drops, wait_until
from .target import Target

# Test credentials of servers that live as long as this script.
USER, PASSWORD = "ci user", "pä:ss \"w'ord"


class Servers:
    """Every backend, started in `folder`, ready. Closing stops what was started here, and nothing else."""

    def __init__(self, folder, runs):
        self.folder = folder
        self.running = []
        ports = iter(free_ports(9 + 2 * len(runs)))
        self.prometheus, self.pushgateway, self.influx, self.influx_internal = (next(ports) for _ in range(4))
        # Another one, which asks for protobuf, and keeps native histograms alone.
        self.native = next(ports)
        self.rotel, rotel_http, self.datadog, datadog_apm = (next(ports) for _ in range(4))
        for run in runs:
            run.page_port, run.points_port = next(ports), next(ports)
        self.rotel_http, self.datadog_apm = rotel_http, datadog_apm
        self.otlp = otlp_receiver() if any(run.receiver == "C-core gRPC" for run in runs) else None
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
        if self.otlp:
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
        """Starts what the runs ask."""
        backends = frozenset().union(*(run.backends for run in runs))
        if "InfluxDB" in backends:
            self.start_influxdb([run for run in runs if run.transport == "udp"])
        if "Prometheus" in backends:
            self.start_prometheus("prometheus", self.prometheus, runs, "exemplar-storage")
            self.start_prometheus("native", self.native, runs, "exemplar-storage,native-histograms")
        if "Pushgateway" in backends:
            address = f"127.0.0.1:{self.pushgateway}"
            self.start("pushgateway", lambda: answers(f"http://{address}/-/ready"),
                       "prometheus-pushgateway", f"--web.listen-address={address}")
        if any(run.receiver == "rotel" for run in runs):
            self.start_rotel()
        if "Datadog agent" in backends:
            self.start_datadog()

    def start_rotel(self):
        self.start("rotel", lambda: accepts(self.rotel) and accepts(self.rotel_http),
                   str(package_file("rotel", "rotel-agent")), "start",
                   "--otlp-grpc-endpoint", f"127.0.0.1:{self.rotel}",
                   "--otlp-http-endpoint", f"127.0.0.1:{self.rotel_http}", "--debug-log", "metrics",
                   "--debug-log-verbosity", "detailed", "--disable-batching", "--exporter", "blackhole")

    def start_prometheus(self, name, port, runs, features):
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [
            {"job_name": run.key, "static_configs": [{"targets": [f"127.0.0.1:{run.page_port}"]}]} for run in runs]}
        # YAML is a superset of JSON.
        (self.folder / f"{name}.yml").write_text(json.dumps(config))
        address = f"127.0.0.1:{port}"

        def ready():
            # Targets are found some seconds after the start.
            return answers(f"http://{address}/-/ready") and len(self.scraped(port)) == len(runs)

        self.start(name, ready, "prometheus", f"--config.file={self.folder}/{name}.yml",
                   f"--storage.tsdb.path={self.folder}/{name}", f"--web.listen-address={address}",
                   f"--enable-feature={features}")

    def scraped(self, port):
        """Its targets, by job."""
        _, body, _ = http(f"http://127.0.0.1:{port}/api/v1/targets?state=active")
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


def otlp_receiver():
    # Its packages need not be there where nobody sends to it.
    from .receiver import OtlpReceiver
    return OtlpReceiver()


def package_file(package, path):
    return pathlib.Path(importlib.util.find_spec(package).origin).parent / path
