"""The page while the binary runs: as text, pushed, and scraped."""

import json
import re
import subprocess

from .differences import request_differences
from .load import QUIET, QUIET_SECONDS
from .local import http, wait_until
from .prometheus import seen_by_prometheus
from .seen import Seen

# The contract's metric name; promtool would rather have seconds.
KNOWN_LINT = "loaddensity_request_latency_ms metric names should not contain abbreviated units"


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
