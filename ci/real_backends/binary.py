"""The binary, carrying out a run, and the table at its end."""

import json
import re
import subprocess
import threading
import time

from .own import expected
from .page import check_page

# What the load makes the program say on purpose: tasks fail, and one name is too long.
FAILING = re.compile(r"warning: actions\[\d+\] LD_start_test: ")
CUT = "warning: 1 series have a method over 32 bytes or a name over 255"


def carry_out(binary, servers, run, report):
    """Runs the document; asks page and Prometheus while it is quiet, and checks the table at the end."""
    document = servers.folder / f"{run.key}.json"
    document.write_text(json.dumps(run.document(servers)))
    command = [binary, "run", str(document), "--runtime", run.runtime]
    run.began = time.time_ns()
    with open(servers.folder / f"{run.key}.err", "wb+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        timer = threading.Timer(run.seconds + run.quiet_seconds + 60, process.kill)
        timer.start()
        output = []
        try:
            for line in process.stdout:
                output.append(line)
                # The first is the load's, and the second test has begun.
                if len(output) == 1 and "Prometheus" in run.backends:
                    check_page(servers, run, report)
            code = process.wait()
            run.ended = time.time_ns()
        finally:
            timer.cancel()
            process.kill()
        errors.seek(0)
        said = errors.read().decode()
    check_table(servers, run, report, code, "".join(output), said)


def check_table(servers, run, report, code, output, said):
    total = servers.target.truths[run.key].total()
    found = [] if code == 0 else [f"exit code {code}"]
    complaints = [line for line in said.splitlines() if line.startswith(("error", "warning"))]
    found += [line for line in complaints if not FAILING.match(line) and not line.startswith(CUT)]
    if sum(line.startswith(CUT) for line in complaints) != 1:
        found.append("the name that was cut is not said once")
    observations = expected(servers.target.truths[run.key]).observations()
    of_requests, _, of_observations = output.partition("\nobservations ")
    for what, part, right in (("requests", of_requests, total), ("observations", of_observations, observations)):
        rows = re.findall(r"^(prometheus|influxdb|statsd|opentelemetry) +(\d+) +(\d+) +(\d+)(.*)$", part, re.M)
        if sorted(row[0] for row in rows) != sorted(run.exporters):
            found += [f"no row of {what} for each exporter:", *output.splitlines()]
        for exporter, recorded, sent, dropped, causes in rows:
            if (int(recorded), int(sent), int(dropped)) != (right, right, 0):
                found.append(f"{exporter}, {what}: recorded {recorded}, sent {sent}, dropped {dropped}{causes}; "
                             f"by the target's answers {right}")
    if "abandoned" in output:
        found.append(output.splitlines()[0])
    report.line(run, "table", found, f"{total:,} requests and {observations:,} observations recorded and sent by all "
                                     "exporters, as the target answered")
