"""What every example has to have."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/experiment.toml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_its_study_is_verified_without_a_warning(example):
    command = [sys.executable, "-m", "experiment_server", "verify-config-file", "--format", "json"]
    study = example / "experiment.toml"
    done = subprocess.run([*command, "--strict", study], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["diagnostics"]
    assert {item["severity"] for item in found} <= {"info"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_it_is_described_and_pictured_and_found(example):
    described = (example / "README.md").read_text(encoding="utf-8")
    assert f"experiment-server run examples/{example.name}/experiment.toml" in described
    assert "](screenshot.png)" in described
    assert (example / "screenshot.png").stat().st_size > 1000
    assert f"](examples/{example.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
