"""Where a backend does not hold what was recorded."""

import math

from .load import TASKS
from .own import own_differences
from .seen import NOBODYS


def differences(seen, truth, latency, own_sums):
    """Where `seen` is not `truth`; `latency` and `own_sums` are another backend's, None for the first."""
    found = [*dict.fromkeys(seen.faults), *request_differences(seen, truth), *own_differences(seen, truth, own_sums)]
    for at in sorted({at for at, _ in truth.requests}):
        found += histogram_differences(f"{label(at)} size", seen.size[at], truth.size[at])
        if latency:
            found += histogram_differences(f"{label(at)} latency", seen.latency[at], latency[at])
        elif seen.latency[at].cumulative[-1] != truth.size[at].cumulative[-1]:
            found.append(f"{label(at)} latency: {seen.latency[at].cumulative}")
    return found


def request_differences(seen, truth):
    if not truth.total():
        yield "the target was asked for nothing"
    for at, outcome in sorted(seen.requests.keys() | truth.requests.keys()):
        holds, recorded = seen.requests[at, outcome], truth.requests[at, outcome]
        if holds != recorded:
            yield f"{label(at)} {outcome}: {holds} requests of {recorded}"


def histogram_differences(what, holds, right):
    if holds.cumulative != right.cumulative:
        yield f"{what}: buckets {holds.cumulative} instead of {right.cumulative}"
    # Exact decimals that were added up as floats, each time in another order.
    if not math.isclose(holds.sum, right.sum, rel_tol=1e-9):
        yield f"{what}: sum {holds.sum} instead of {right.sum}"


def label(at):
    return "nobody's series" if at == NOBODYS else f"{TASKS[at].method} {TASKS[at].name[:40]!r}"
