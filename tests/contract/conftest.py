"""Stores in every kind of place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiment_server.store.database import Place
from experiment_server.store.store import Store


def _place(request: pytest.FixtureRequest, folder: Path) -> Place:
    if request.param == "postgresql":
        return Place.of(request.getfixturevalue("postgresql"))
    return Place.of(":memory:" if request.param == "memory" else folder / "study.sqlite3")


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a store keeps what it keeps."""
    return _place(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place that outlives its store."""
    return _place(request, tmp_path)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """An open store."""
    opened = Store(place)
    yield opened
    opened.close()
