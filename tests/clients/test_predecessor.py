"""Programs written for release 0.3 run unchanged: its own client, as a black box."""

import json
import subprocess

from tests.conftest import ROOT, need, server_running

PYTHON = ROOT / ".venv-predecessor" / "bin" / "python"


def test_the_predecessors_client_gets_the_answers_it_expects(study_file):
    python = need(
        str(PYTHON) if PYTHON.exists() else None, "experiment-server 0.3.9 (make test installs it)"
    )
    with server_running(study_file) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        result = subprocess.run(
            [python, str(ROOT / "tests" / "clients" / "predecessor.py"), host, port],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=study_file.parent,
            env={},
        )
        server.process.wait(10)
    answers = iter(json.loads(line) for line in result.stdout.splitlines())

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
