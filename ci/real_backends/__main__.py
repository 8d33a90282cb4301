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
from .report import Report
from .run import Run
from .servers import Servers


def main(binary, folder):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    runs = [Run("tokio", "udp", "rotel"), Run("tokio", "http", "C-core gRPC", traces=True),
            Run("smol", "udp", "C-core gRPC", request_bytes=4096, traces=True),
            Run("smol", "http", "rotel", packed_bytes=1432, compression=False)]
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
