"""Stores in every kind of place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiment_server.store.database import DatabaseAddress
from experiment_server.store.store import Store


def _place(request: pytest.FixtureRequest, folder: Path) -> DatabaseAddress:
    if request.param == "postgresql":
        return DatabaseAddress.of(request.getfixturevalue("postgresql"))
    return DatabaseAddress.of(":memory:" if request.param == "memory" else folder / "study.sqlite3")


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseAddress:
    """Where a store keeps what it keeps."""
    return _place(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseAddress:
    """A place that outlives its store."""
    return _place(request, tmp_path)


@pytest.fixture
def store(place: DatabaseAddress) -> Iterator[Store]:
    """An open store."""
    opened = Store(place)
    yield opened
    opened.close()
