"""What the tests of several clients need."""

from __future__ import annotations

import pytest

from tests.clients.mono import CORE, UNITY, compiled, run_by_mono, sources
from tests.conftest import ROOT, need

JS = ROOT / "clients" / "js"


@pytest.fixture(scope="session")
def unity_harness(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What starts the harness of the Unity client's core, under Mono."""
    folder = tmp_path_factory.mktemp("unity")
    files = sources(CORE, UNITY / "Tests" / "Mono~" / "Harness.cs")
    return run_by_mono(compiled(folder / "harness.exe", files))


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What starts a program of the Unity client's core alone, without components."""
    folder = tmp_path_factory.mktemp("core")
    files = sources(CORE, UNITY / "Tests" / "Mono~" / "Core.cs")
    return run_by_mono(compiled(folder / "core.exe", files))


@pytest.fixture
def javascript(node: str) -> list[str]:
    """What starts the JavaScript client's harness."""
    built = JS / "dist" / "index.js"
    need(str(built) if built.exists() else None, "the JavaScript client's build")
    return [node, str(JS / "harness.mjs")]
