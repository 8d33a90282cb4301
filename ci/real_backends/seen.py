"""What was recorded, and what a backend holds of it."""

import bisect
import collections
import dataclasses
import re

from .load import TASKS
from .names import shown
from .own import Own

LATENCY_BOUNDS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
SIZE_BOUNDS = (64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
# What a series counts for that no task is recorded under.
NOBODYS = -1


@dataclasses.dataclass
class Histogram:
    """`cumulative` has the count up to each bound, and the whole count at its end."""

    sum: float
    cumulative: list

    @classmethod
    def empty(cls, bounds):
        return cls(0, [0] * (len(bounds) + 1))

    def add(self, bounds, value, count=1):
        self.sum += value * count
        for at in range(bisect.bisect_left(bounds, value), len(self.cumulative)):
            self.cumulative[at] += count

    def merge(self, sum_, cumulative):
        self.sum += sum_
        self.cumulative = [a + b for a, b in zip(self.cumulative, cumulative, strict=True)]


class Seen:
    """What one backend holds. Histograms are of both outcomes together, as Prometheus has them."""

    def __init__(self, backend):
        self.tasks = {(task.method, shown(backend, task.name)): at for at, task in enumerate(TASKS)}
        self.requests = collections.Counter()
        self.latency = collections.defaultdict(lambda: Histogram.empty(LATENCY_BOUNDS))
        self.size = collections.defaultdict(lambda: Histogram.empty(SIZE_BOUNDS))
        # What the engine's own instruments have counted.
        self.own = Own()
        self.faults = []
        # What else is worth telling.
        self.notes = []

    def task(self, method, name):
        """The task that is shown so; where there is none, there is a fault."""
        at = self.tasks.get((method, re.sub(r"~[0-9a-f]{16}\Z", "~HASH", name)), NOBODYS)
        if at == NOBODYS:
            self.faults.append(f"a series that nobody recorded: {method} {name!r}")
        return at

    def total(self):
        return sum(self.requests.values())

    def series(self):
        """How many there are, by outcome too. (Prometheus shows both outcomes always.)"""
        return sum(count > 0 for count in self.requests.values())
