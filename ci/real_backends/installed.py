"""What of the backends there is on this machine."""

import importlib.util
import shutil

# What each backend needs: programs, or Python packages.
PROGRAMS = {"Prometheus": ["prometheus", "promtool"], "Pushgateway": ["prometheus-pushgateway"], "InfluxDB": ["influxd"]}
PACKAGES = {"C-core gRPC": ["grpc", "opentelemetry.proto"], "rotel": ["rotel"],
            "Datadog agent": ["datadog_serverless_compat"]}
ALL = (*PROGRAMS, *PACKAGES)


def installed():
    """The names of those that are there."""
    programs = {name for name, needed in PROGRAMS.items() if all(map(shutil.which, needed))}
    return programs | {name for name, needed in PACKAGES.items() if all(map(has_package, needed))}


def has_package(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
