"""Fast counters and histograms for Prometheus.

The library's metrics lock and look up labels at each count. These count plain numbers on the event
loop, and convert them to the library's types when a monitoring system reads them.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

Labels = tuple[str, ...]


class Counts(Collector):
    """A counter with labels."""

    def __init__(
        self, name: str, summary: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._summary = summary
        self._labels = labels
        self._counts: dict[Labels, int] = defaultdict(int)
        self._created: dict[Labels, float] = {}
        registry.register(self)

    def add(self, *labels: str) -> None:
        """Count one event."""
        if labels not in self._counts:
            self._created[labels] = time.time()
        self._counts[labels] += 1

    def collect(self) -> Iterator[Metric]:
        """The values in the library's types."""
        family = CounterMetricFamily(self._name, self._summary, labels=self._labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count, created=self._created[labels])
        yield family


class Durations(Collector):
    """A histogram of durations with one label. `bounds` are in seconds, ascending."""

    def __init__(
        self,
        name: str,
        summary: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._summary = summary
        self._label = label
        self._bounds = bounds
        self._counts: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._created: dict[str, float] = {}
        registry.register(self)

    def add(self, label: str, seconds: float) -> None:
        """Count one duration, in seconds."""
        counts = self._counts.get(label)
        if counts is None:
            counts = self._counts[label] = [0] * (len(self._bounds) + 1)
            self._created[label] = time.time()
        counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds[label] += seconds

    def collect(self) -> Iterator[Metric]:
        """The values in the library's types."""
        family = HistogramMetricFamily(self._name, self._summary, labels=[self._label])
        for label, counts in self._counts.items():
            family.add_metric([label], self._buckets(counts), self._seconds[label])
            created = {self._label: label}
            family.add_sample(f"{self._name}_created", created, self._created[label])
        yield family

    def _buckets(self, counts: Sequence[int]) -> list[tuple[str, float]]:
        buckets, total = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets
