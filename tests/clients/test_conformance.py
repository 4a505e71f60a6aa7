"""Every client, through every scenario of clients/conformance."""

import sys

import pytest

from tests.clients.conformance import SCENARIOS, replay, scenarios_of
from tests.conftest import ROOT

# What depends on how messages are written.
WRITTEN = ["own-move", "config-change", "token-refused"]


def each(client):
    """Every scenario of a client."""
    return pytest.mark.parametrize("scenario", scenarios_of(client))


@each("javascript")
async def test_javascript(scenario, tmp_path, javascript):
    await replay(SCENARIOS[scenario], tmp_path, *javascript)


@pytest.mark.parametrize("scenario", WRITTEN)
async def test_javascript_in_messagepack(scenario, tmp_path, javascript):
    await replay(SCENARIOS[scenario], tmp_path, *javascript, "--msgpack")


@each("python")
async def test_python(scenario, tmp_path):
    program = ROOT / "clients" / "python" / "harness.py"
    await replay(SCENARIOS[scenario], tmp_path, sys.executable, str(program))


@each("unity")
async def test_unity(scenario, tmp_path, unity_harness):
    await replay(SCENARIOS[scenario], tmp_path, *unity_harness)
