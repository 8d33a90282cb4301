"""Instruments of the engine's own: the time to the first byte of each answer, and how often a user went through all tasks."""

import collections
import dataclasses
import math

from .load import LOAD, QUIET, TASKS

TIMER, COUNTER = "time_to_first_byte", "iterations"
# Where a backend takes them for other metrics than those of requests: per interval, and one by one.
INFLUXDB_SUFFIXES = ("_instruments", "_observations")


@dataclasses.dataclass
class Own:
    """The timer's number and sum by task, in milliseconds, and the counter of the run."""

    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    sums: collections.defaultdict = dataclasses.field(default_factory=lambda: collections.defaultdict(float))
    iterations: int = 0

    def observations(self):
        return self.counts.total() + self.iterations


def expected(truth):
    """What the engine observes of what the target has answered: each answer, and each last task of a test. Nobody but the
    engine knows the times."""
    own = Own()
    for (at, _), count in truth.requests.items():
        # Who hangs up does not answer.
        if TASKS[at].statuses != (0,):
            own.counts[at] += count
        if at in (LOAD[-1], QUIET):
            own.iterations += count
    return own


def own_differences(seen, truth, sums):
    """`sums` are another backend's, None for the first."""
    right, holds = expected(truth), seen.own
    for at in sorted(right.counts.keys() | holds.counts.keys()):
        name = "nobody" if at < 0 else f"{TASKS[at].method} {TASKS[at].name[:40]!r}"
        if holds.counts[at] != right.counts[at]:
            yield f"{name} {TIMER}: {holds.counts[at]} values of {right.counts[at]}"
        if sums and not math.isclose(holds.sums[at], sums[at], rel_tol=1e-9):
            yield f"{name} {TIMER}: sum {holds.sums[at]} instead of {sums[at]}"
        if holds.counts[at] and not holds.sums[at] > 0:
            yield f"{name} {TIMER}: sum {holds.sums[at]}"
    if holds.iterations != right.iterations:
        yield f"{COUNTER}: {holds.iterations} of {right.iterations}"
