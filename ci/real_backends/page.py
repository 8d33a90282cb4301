"""The page while the binary runs: as text, pushed, and scraped."""

import gzip
import json
import re
import subprocess

from .differences import request_differences
from .load import QUIET
from .local import http, wait_until
from .own import TIMER
from .prometheus import prometheus_values
from .seen import Seen

# The contract's metric name, and that of a timer of the engine's own; promtool would rather have seconds.
KNOWN_LINT = {f"{metric} metric names should not contain abbreviated units"
              for metric in ("loaddensity_request_latency_ms", f"loaddensity_{TIMER}_ms")}


def check_page(servers, run, report):
    """The page as text, as clients get it who ask for gzip: promtool, Pushgateway, and that Prometheus scrapes it."""
    url, truth = f"http://127.0.0.1:{run.page_port}/metrics", servers.target.truths[run.key]

    def whole_page():
        status, body, headers = whole(url)
        total = sum(int(value) for value in re.findall(rb"^loaddensity_requests_total\{.*\} (\d+)$", body, re.M))
        return (status, body, headers) if truth.requests[QUIET, "success"] and total == truth.total() else None

    page = wait_until(whole_page, 5) or whole(url)
    status, body, headers = page
    found = [] if status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4") else [
        f"the page: {status} {headers['Content-Type']}"]
    if (headers["Content-Encoding"] == "gzip") != run.compression:
        found.append(f"the page is coded as {headers['Content-Encoding']}")
    tool = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, timeout=30)
    lint = tool.stderr.decode().splitlines()
    if tool.returncode not in (0, 3) or set(lint) - KNOWN_LINT:
        found += [f"exit code {tool.returncode}", *lint]
    report.line(run, "promtool", found, f"{len(body)} bytes of text, known lint only")
    if "Pushgateway" in run.backends:
        check_pushgateway(servers, run, report, body)

    # What it holds is looked at again when the target is down; its complaints are known only now.
    def all_scraped():
        return all(sum(value for _, value in prometheus_values(port, run, "loaddensity_requests_total")) == truth.total()
                   for port in (servers.prometheus, servers.native))

    wait_until(all_scraped, run.quiet_seconds - 4)
    for port in (servers.prometheus, servers.native):
        target = servers.scraped(port)[run.key]
        if target["health"] != "up" or target["lastError"]:
            run.scrape_faults.append(f"the target is {target['health']}: {target['lastError']}")


def whole(url):
    status, body, headers = http(url, headers={"Accept-Encoding": "gzip"})
    return status, gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body, headers


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
