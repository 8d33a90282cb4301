"""All runs, one after the other."""

import functools
import pathlib
import shutil
import signal
import sys
import tempfile

from .backends import check_backend, check_backends
from .binary import carry_out
from .datadog import seen_by_datadog
from .failure import Failure
from .installed import ALL, installed
from .report import Report
from .run import Run
from .servers import Servers

# What of own instruments is sent one by one: each way over each transport.
POINTS, MESSAGES = frozenset({"influxdb"}), frozenset({"statsd"})
ALL_RUNS = [
    Run("tokio", "udp", "rotel", one_by_one=MESSAGES),
    Run("tokio", "http", "C-core gRPC", traces=True, gzip=True, one_by_one=POINTS),
    Run("smol", "udp", "C-core gRPC", request_bytes=16_384, traces=True, gzip=True, delta=True, exponential=True,
        one_by_one=POINTS),
    Run("smol", "http", "rotel", packed_bytes=1432, compression=False, gzip=True, over_http=True, delta=True,
        one_by_one=MESSAGES),
]
# Exit code where no backend is installed.
NOBODY_ASKED = 2


def main(binary, folder, *options):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    runs = quick_runs() if "--quick" in options else ALL_RUNS
    if not runs:
        print("no backend is installed here; ci/real-backends.sh installs them", file=sys.stderr)
        return NOBODY_ASKED
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


def quick_runs():
    """One short run, with what is installed; what is not is named."""
    there = installed()
    receiver = next((name for name in ("C-core gRPC", "rotel") if name in there), None)
    missing = [name for name in ALL if name not in there]
    if missing:
        print(f"!!! NOT ASKED, because not installed: {', '.join(missing)}", file=sys.stderr)
    exporters = there - {"Pushgateway"}
    return [Run("tokio", "http", receiver, backends=frozenset(there), seconds=4, gzip=receiver == "C-core gRPC",
                one_by_one=POINTS)] if exporters else []


def compare(binary, servers, runs, report):
    servers.start_all(runs)
    for run in runs:
        if run.transport == "http" and "InfluxDB" in run.backends:
            servers.query(f'CREATE DATABASE "{run.key}"')
        carry_out(binary, servers, run, report)
        check_backends(servers, run, report)
    # The agent hands on every ten seconds what it counted.
    for run in (run for run in runs if "Datadog agent" in run.backends):
        see = functools.partial(seen_by_datadog, servers, run)
        check_backend(servers, run, report, "Datadog agent", see, [], 30)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
