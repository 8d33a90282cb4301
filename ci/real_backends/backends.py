"""Compares each backend with the target."""

import functools
import time

from .differences import differences
from .influxdb import seen_by_influxdb
from .local import udp_drops
from .otlp import seen_by_otlp
from .native import LATENCY, exemplar_faults, native_faults
from .prometheus import seen_by_prometheus
from .rotel import rotel_exports


def settled(see, truth, run, seconds):
    """What a backend holds, and what differs. Backends take in what they got some time later."""
    end = time.monotonic() + seconds
    while True:
        seen = see()
        found = differences(seen, truth, run.latency, run.own_sums)
        if not found or time.monotonic() > end:
            return seen, found
        time.sleep(0.5)


def check_backends(servers, run, report):
    truth = servers.target.truths[run.key]

    def see_otlp():
        exports = rotel_exports(servers.log("rotel")) if run.receiver == "rotel" else servers.otlp.exports
        return seen_by_otlp([export for export in exports if export.service == run.service], run, truth)

    backends = {
        "prometheus": ("Prometheus", functools.partial(seen_by_prometheus, servers, run), run.scrape_faults),
        "influxdb": (f"InfluxDB {run.transport}", functools.partial(seen_by_influxdb, servers, run), []),
        "opentelemetry": (run.receiver, see_otlp, []),
    }
    for exporter, (name, see, found) in backends.items():
        if exporter in run.exporters:
            check_backend(servers, run, report, name, see, found, 10)
    if "prometheus" in run.exporters:
        check_native(servers, run, report)


def check_native(servers, run, report):
    """Native histograms, and exemplars of both servers."""
    end = time.monotonic() + 10
    while (found := list(native_faults(servers, run))) and time.monotonic() < end:
        time.sleep(0.5)
    report.line(run, "native", found, "native histograms agree with classic ones, and so do their quantiles")
    if run.traces:
        found = [*exemplar_faults(servers, run, servers.prometheus, f"{LATENCY}_bucket"),
                 *exemplar_faults(servers, run, servers.native, LATENCY)]
        report.line(run, "exemplars", found, "from OpenMetrics and protobuf, of requests that the target answered")


def check_backend(servers, run, report, name, see, found, seconds):
    truth = servers.target.truths[run.key]
    seen, differs = settled(see, truth, run, seconds)
    if differs and (name.startswith("InfluxDB udp") or name.startswith("Datadog")):
        port = servers.datadog if name.startswith("Datadog") else run.points_port
        differs.append(f"the kernel dropped {udp_drops(port)} datagrams at its socket")
    detail = f"{seen.total():,} requests in {seen.series()} series"
    run.latency, run.own_sums = run.latency or seen.latency, run.own_sums or seen.own.sums
    report.line(run, name, found + differs, f"{detail}, buckets and sums, {seen.own.observations():,} observations; {', '.join(seen.notes)}".rstrip("; "))
