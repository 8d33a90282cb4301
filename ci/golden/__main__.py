"""Writes, or compares, what the golden cases expect: what reference encoders make of a naive model of the requests."""

import json
import pathlib
import sys

import dogstatsd_messages
import influxdb_lines
import otlp_request
import prometheus_protobuf
import prometheus_text
from model import Case

EXPECTED = {
    "prometheus.txt": prometheus_text.text_page,
    "openmetrics.txt": prometheus_text.open_page,
    "prometheus.bin": prometheus_protobuf.body,
    "influxdb.lp": influxdb_lines.requests,
    "influxdb-intervals.lp": influxdb_lines.intervals,
    "influxdb-gauges.lp": influxdb_lines.gauges,
    "influxdb-instruments.lp": influxdb_lines.instruments,
    "influxdb-observations.lp": influxdb_lines.observations,
    "dogstatsd.txt": dogstatsd_messages.messages,
    "dogstatsd-instruments.txt": dogstatsd_messages.instruments,
    "dogstatsd-observations.txt": dogstatsd_messages.observations,
    "otlp.bin": otlp_request.request,
    "otlp-instruments.bin": otlp_request.instruments,
}


def main(root, check=""):
    folders = sorted(pathlib.Path(root).iterdir())
    differ = []
    for folder in folders:
        case = Case(json.loads((folder / "case.json").read_text(encoding="utf-8")))
        for name, encode in EXPECTED.items():
            path, expected = folder / name, encode(case)
            if check and (path.read_bytes() if path.exists() else None) != expected:
                differ.append(str(path))
            elif not check and expected is None:
                path.unlink(missing_ok=True)
            elif not check:
                path.write_bytes(expected)
    print(f"{len(folders)} cases, {len(EXPECTED)} formats" + "".join(f"\ndiffers: {name}" for name in differ))
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
