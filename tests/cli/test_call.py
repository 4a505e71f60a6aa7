"""call: a running server is steered from the command line."""

import json

import pytest

from tests.cli.test_stored import cli
from tests.conftest import server_running
from tests.waiting import PATIENCE


def test_a_running_server_is_steered(study_file):
    with server_running(study_file) as server:
        at = ("--server", server.url)
        assert json.loads(cli("call", "new-participant", *at)) == 2
        moved = cli("call", "move-to-block", "participant_index=2", "block_id=1", *at)
        assert json.loads(moved) == 1
        changed = cli("call", "update-config", "participant_index=2", 'patch={"speed": 5}', *at)
        assert json.loads(changed)["speed"] == 5
        assert "Participant 2, block 1 / 5" in cli(
            "call", "status-string", "participant_index=2", *at
        )
        cli("call", "move-to-next", "participant_index=2", "reason=the headset froze", *at)
        log = json.loads(cli("call", "events", "participant=2", *at))
        assert (log[-1]["data"]["by"], log[-1]["data"]["reason"]) == ("cli", "the headset froze")
        message = cli("call", "move-to-block", "block_id=99", *at, code=1)
        assert message == "Error: participant 1 has no block 99; their blocks are 0 to 4\n"
        assert cli("call", "shutdown", *at) == ""
        server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 0
        assert "is the server running?" in cli("call", "participants", *at, code=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["move-to-nxt"], "there is no operation 'move-to-nxt'"),
        (
            ["move-to-next", "participant=7"],
            "participant_index=..., from_block=..., from_started_at=...",
        ),
        (["move-to-next", "7"], "got '7'"),
        (["move-to-block"], "move-to-block needs block_id"),
    ],
)
def test_a_wrong_call_is_named(arguments, message):
    assert message in " ".join(cli("call", *arguments, code=2).split())


def test_all_operations_are_listed():
    from experiment_server.session.session import OPERATIONS

    listed = [line.split()[0] for line in cli("call").splitlines()]
    assert listed == list(OPERATIONS)
