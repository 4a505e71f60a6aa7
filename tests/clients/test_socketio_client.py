"""The official socket.io-client, under Node, as a participant's web app uses it."""

import json
import subprocess
from contextlib import contextmanager

import pytest

from experiment_server import Client
from tests.conftest import ROOT, need, server_running

FOLDER = ROOT / "tests" / "clients" / "node"
PARSERS = ["default", "msgpack"]


class App:
    """A running take_part.mjs."""

    def __init__(self, process):
        self._process = process

    def next(self):
        """What happened next: its name and what came with it."""
        line = self._process.stdout.readline()
        assert line, "the app ended"
        happening = json.loads(line)
        return happening["happening"], happening["payload"]

    def ask(self, operation, **payload):
        """Ask for an operation, without waiting for the acknowledgement."""
        self._process.stdin.write(json.dumps({"operation": operation, "payload": payload}) + "\n")
        self._process.stdin.flush()


@contextmanager
def app(node, url, parser, participant):
    installed = FOLDER / "node_modules" / "socket.io-client"
    need(str(installed) if installed.exists() else None, "socket.io-client (make test installs it)")
    process = subprocess.Popen(
        [node, str(FOLDER / "take_part.mjs"), url, parser, str(participant)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with process:
        try:
            yield App(process)
        finally:
            process.stdin.close()
            process.wait(10)


@pytest.fixture
def server(study_file):
    with server_running(study_file) as running:
        yield running


@pytest.fixture
def rest(server):
    host, _, port = server.url.removeprefix("http://").partition(":")
    return Client(host, port)


@pytest.mark.parametrize("parser", PARSERS)
def test_participant_3_takes_part(node, server, rest, parser):
    rest.add_participant(3)
    with app(node, server.url, parser, 3) as ours:
        happening, state = ours.next()
        assert (happening, state) == ("state", rest.get_state(3)[1])
        assert (state["participant_index"], state["block_id"]) == (3, -1)
        ours.ask("move-to-next")
        moved = dict([ours.next(), ours.next()])
        assert moved["acknowledged"] == {"ok": True, "data": moved["block-changed"]}
        assert moved["block-changed"]["config"]["text"] == "hi"
        assert rest.move_to_block(3, 3) == (True, 3)
        happening, pushed = ours.next()
        assert (happening, pushed) == ("block-changed", rest.get_state(3)[1])
        assert (pushed["block_id"], pushed["revision"]) == (3, 2)
        ours.ask("move-to-block", block_id=99)
        _, refused = ours.next()
        assert refused["error"]["code"] == "block-out-of-range"


@pytest.mark.parametrize("parser", PARSERS)
def test_an_unknown_participant_is_refused_with_a_reason(node, server, parser):
    with app(node, server.url, parser, 8) as ours:
        happening, refusal = ours.next()
        assert happening == "connect_error"
        assert refusal["data"] == {"code": "participant-unknown", "message": refusal["message"]}


@pytest.mark.parametrize("parser", PARSERS)
def test_the_end_of_the_server_is_told(node, server, rest, parser):
    with app(node, server.url, parser, 1) as ours:
        assert ours.next()[0] == "state"
        rest.shutdown()
        assert ours.next()[0] == "server-shutdown"
        assert ours.next()[0] == "disconnect"
