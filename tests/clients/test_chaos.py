"""Each record arrives once and in its block, whatever fails: CHAOS_SEED says how it fails."""

import os
import random
import sys

import pytest

from tests.clients.chaos import chaos
from tests.conftest import ROOT

SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(10**6))))
PYTHON = [sys.executable, str(ROOT / "clients" / "python" / "harness.py")]


@pytest.fixture
def commands(javascript, unity_harness):
    """The programs of the clients."""
    return [javascript, PYTHON, unity_harness]


async def test_each_record_arrives_once_whatever_fails(tmp_path, commands):
    await chaos(tmp_path, commands, records=400, kills=2, seed=SEED)


@pytest.mark.soak
async def test_twenty_thousand_records_arrive_once_whatever_fails(tmp_path, commands):
    eight = [*commands, *commands, *commands[:2]]
    await chaos(tmp_path, eight, records=20_000, kills=30, seed=SEED)
