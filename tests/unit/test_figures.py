"""Figures that are kept as plain numbers look to a monitor like those of the library."""

import re

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from experiment_server.server.figures import Counts, Durations

BOUNDS = (0.001, 0.25, 1.0)
SECONDS = (0.0, 0.001, 0.0011, 0.25, 0.9, 1.0, 7.5)


def shown(registry):
    """What a monitor gets, without the times at which things were counted first."""
    return re.sub(r"(_created\{.*\}) \S+", r"\1", generate_latest(registry).decode())


def test_counts_are_shown_as_by_the_library():
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    counter = Counter("requests", "HTTP requests", ["method", "status"], registry=theirs)
    counts = Counts("requests", "HTTP requests", ["method", "status"], ours)
    assert shown(ours) == shown(theirs)
    for labels in (("GET", "200"), ("PUT", "503"), ("GET", "200")):
        counter.labels(*labels).inc()
        counts.add(*labels)
    assert 'requests_total{method="GET",status="200"} 2.0' in shown(ours)
    assert shown(ours) == shown(theirs)


def test_durations_are_shown_as_by_the_library():
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("seconds", "Time", ["route"], registry=theirs, buckets=BOUNDS)
    durations = Durations("seconds", "Time", "route", BOUNDS, ours)
    for route in ("/a", "/b"):
        for seconds in SECONDS:
            histogram.labels(route).observe(seconds)
            durations.add(route, seconds)
    assert 'seconds_bucket{le="0.25",route="/a"} 4.0' in shown(ours)
    assert shown(ours) == shown(theirs)
