"""Programs written for release 0.3 run unchanged: its own client, as a black box."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, need, server_running

PYTHON = ROOT / ".venv-predecessor" / "bin" / "python"


@pytest.fixture
def predecessor():
    """The Python that has experiment-server 0.3.9."""
    return need(
        str(PYTHON) if PYTHON.exists() else None, "experiment-server 0.3.9 (make test installs it)"
    )


def walk(study_file, python, environment):
    """What a client is answered, call by call, by a server of ours."""
    with server_running(study_file) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        result = subprocess.run(
            [python, str(ROOT / "tests" / "clients" / "predecessor.py"), host, port],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=study_file.parent,
            env=environment,
        )
        server.process.wait(10)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_our_client_answers_as_the_predecessors_does(study_file, tmp_path, predecessor):
    shutil.copytree(study_file.parent, tmp_path / "again")
    theirs = walk(study_file, predecessor, {})
    ours = walk(tmp_path / "again" / study_file.name, sys.executable, {"PYTHONPATH": str(ROOT)})
    assert [call for call, _ in ours] == [call for call, _ in theirs]
    for (call, (ok, data)), (_, (their_ok, their_data)) in zip(ours, theirs, strict=True):
        assert ok == their_ok, call
        if not ok:
            # "status 406 with text: ...", which programs look into.
            assert data["message"].split(" text: ")[0] == their_data["message"].split(" text: ")[0]
        elif their_data != "":
            assert data == their_data, call


def test_the_predecessors_client_gets_the_answers_it_expects(study_file, predecessor):
    answers = iter(walk(study_file, predecessor, {}))

    def told():
        (_call, (ok, data)) = next(answers)
        return ok, data

    def refused(status):
        ok, data = told()
        return ok is False and f"status {status}" in data["message"]

    hello = {"text": "hi", "participant_index": 1, "name": "Hello", "block_id": 0}
    assert told() == (True, False)
    assert told() == (True, 5)
    assert refused(406), "get_config before the first block"
    assert told() == (True, {"name": "Hello"})
    assert told() == (True, hello)
    assert told() == (True, True)
    assert [config["name"] for config in told()[1]] == ["Hello", "A", "B", "C", "D"]
    assert told() == (True, 3)
    assert refused(404), "move_to_block 99"
    assert told() == (True, 2)
    assert told() == (True, True)
    assert refused(406), "add_participant again"
    assert refused(406), "add_participant 0"
    assert told() == (True, {"name": "Hello"})
    assert told() == (True, 4)
    assert told() == (True, {"name": "END"})
    assert told() == (True, False)
    assert refused(406), "get_config of an unknown participant"
    assert refused(406), "move_to_next of an unknown participant"
    assert told()[0] is True, "shutdown"
    assert next(answers, None) is None
