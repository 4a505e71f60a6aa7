"""What the tests of several clients need."""

import pytest

from tests.clients.mono import CORE, UNITY, compiled, run_by_mono, sources


@pytest.fixture(scope="session")
def unity_harness(tmp_path_factory):
    """What starts the harness of the Unity client's core, under Mono."""
    folder = tmp_path_factory.mktemp("unity")
    files = sources(CORE, UNITY / "Tests" / "Mono~" / "Harness.cs")
    return run_by_mono(compiled(folder / "harness.exe", files))
