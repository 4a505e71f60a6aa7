"""The synchronous client where answers are lost: what a program calls for happens once."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from experiment_server import Client, StudyError
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session.requests import BY_SERVER
from tests.clients.conformance import Network, Stranger
from tests.conftest import need, server_running
from tests.waiting import PATIENCE

# Answers come sooner than this, also on a busy machine.
TOKEN = "the-experimenters-own"


@pytest.fixture
async def server(study_file):
    async with serving(Settings(study_file, port=0)) as running:
        yield running


@pytest.fixture
async def network(server):
    async with Network() as between:
        between.upstream = urlsplit(server.url).port
        yield between


async def of(call, *arguments, **more):
    """What a call answers that is made in a thread, as programs without a loop do."""
    return await asyncio.wait_for(asyncio.to_thread(call, *arguments, **more), 60)


async def at(server):
    """Where the participant is, and how often they were moved."""
    row = await server.session.row(1)
    return row.block_id, row.revision


def stands(server, *place):
    """Whether the participant is there, as `until` asks it."""

    async def holds():
        return await at(server) == place

    return holds


async def begun_anew(server, block):
    """The experimenter has the participant begin the same block once more."""
    # A snapshot tells milliseconds, and the machine may be faster.
    clock = server.session.clock
    server.session.clock = lambda: clock() + timedelta(seconds=1)
    await server.session.move_to_block(BY_SERVER, 1, block["block_id"])


async def until(holds):
    """Wait until something has happened elsewhere."""

    async def waited():
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(waited(), PATIENCE)


async def answer_lost(network, holds, call, *arguments):
    """What a call answers that the server carries out, but whose connection breaks then."""
    await network.become("mute")
    called = asyncio.create_task(of(call, *arguments))
    await until(holds)
    await network.become("cut")
    answer = await called
    await network.become("whole")
    return answer


async def test_a_move_whose_answer_is_lost_is_made_once(server, network):
    client = Client(network.url, timeout=PATIENCE)
    await network.become("mute")
    called = asyncio.create_task(of(client.move_to_next))
    await until(stands(server, 0, 1))
    await network.become("no-sockets")  # what is open breaks, what comes is let through
    assert await called == (True, {"name": "Hello"})
    assert await at(server) == (0, 1)


async def test_a_program_that_calls_again_gets_the_answer_that_it_missed(server, network):
    client = Client(network.url, timeout=PATIENCE, retries=0)
    made = stands(server, 0, 1)
    ok, problem = await answer_lost(network, made, client.move_to_next)
    assert (ok, problem["code"], problem["status"]) == (False, "unreachable", 0)
    assert await of(client.move_to_next) == (True, {"name": "Hello"})
    assert await at(server) == (0, 1)
    assert await of(client.move_to_next) == (True, {"name": "A"}), "that was another move"


@pytest.mark.parametrize("look", ["get_config", "get_state"])
async def test_who_has_seen_where_the_participant_is_moves_them_from_there(server, network, look):
    client = Client(network.url, timeout=PATIENCE, retries=0)
    await answer_lost(network, stands(server, 0, 1), client.move_to_next)
    assert (await of(getattr(client, look)))[1]["block_id"] == 0
    assert await of(client.move_to_next) == (True, {"name": "A"})
    assert await at(server) == (1, 2)


async def test_after_a_lost_answer_a_move_is_made_from_where_the_program_looked(server, network):
    """The server may have been too busy to make it by then: it would be made twice."""
    client = Client(network.url, timeout=PATIENCE, retries=0)
    await answer_lost(network, stands(server, 0, 1), client.move_to_next)
    assert (await of(client.get_state))[1]["block_id"] == 0
    await server.session.move_to_block(BY_SERVER, 1, 2)
    ok, problem = await of(client.move_to_next)
    assert (ok, problem["code"]) == (False, "participant-elsewhere")
    assert await at(server) == (2, 2)
    assert await of(client.move_to_next) == (True, {"name": "C"}), "now the program knows"


async def test_a_move_that_was_answered_ends_those_that_were_not(server, network):
    client = Client(network.url, timeout=PATIENCE, retries=0)
    await answer_lost(network, stands(server, 0, 1), client.move_to_next)
    assert await of(client.move_to_block, 2) == (True, 2)
    assert await of(client.move_to_next) == (True, {"name": "C"})


async def test_other_changes_are_made_once_too(server, network):
    client = Client(network.url, timeout=PATIENCE, retries=0)

    def has(index):
        async def holds():
            return index in [row.participant_index for row in await server.session.rows()]

        return holds

    assert not (await answer_lost(network, has(2), client.new_participant))[0]
    assert not (await answer_lost(network, has(7), client.add_participant, 7))[0]
    assert await of(client.new_participant) == (True, 2)
    assert await of(client.add_participant, 7) == (True, True)
    assert await of(client.new_participant) == (True, 8)
    assert await of(client.add_participant, 9) == (True, True)


async def test_a_move_names_the_block_that_it_is_made_from(server):
    client = Client(server.url)
    assert await of(client.move_to_next, from_block=-1) == (True, {"name": "Hello"})
    await server.session.move_to_block(BY_SERVER, 1, 3)
    ok, problem = await of(client.move_to_next, from_block=0)
    assert (ok, problem["code"], problem["status"]) == (False, "participant-elsewhere", 409)
    assert problem["snapshot"]["block_id"] == 3
    assert await of(client.move_to_block, 1, from_block=3) == (True, 1)
    assert not (await of(client.move_to_block, 1, 1, from_block=3))[0]


async def test_a_move_from_a_block_that_was_begun_anew_is_refused(server):
    client = Client(server.url)
    await of(client.move_to_next)
    _, shown = await of(client.wait_for_block)
    await begun_anew(server, shown)
    ok, problem = await of(client.move_to_next, from_block=shown)
    assert (ok, problem["code"]) == (False, "participant-elsewhere")
    assert await of(client.move_to_next, from_block=problem["snapshot"]) == (True, {"name": "A"})


@pytest.mark.parametrize("status", [502, 200])
async def test_what_is_not_the_server_is_not_believed(network, status):
    client = Client(network.url, timeout=PATIENCE, retries=1)
    await network.become(Stranger(status, "text/html", "<h1>Guests, log in</h1>"))
    twice = asyncio.create_task(network.misleads(2))
    ok, problem = await of(client.move_to_next)
    assert (ok, problem["code"], problem["status"]) == (False, "unreachable", status)
    assert "not the server" in problem["message"]
    await asyncio.wait_for(twice, PATIENCE)
    waiting = asyncio.create_task(of(client.wait_for_block))
    await asyncio.wait_for(network.misleads(1), PATIENCE)
    await network.become("whole")
    assert await of(client.move_to_next) == (True, {"name": "Hello"})
    assert (await waiting)[1]["block_name"] == "Hello"


async def test_a_redirection_gets_neither_the_move_nor_the_token(server, network):
    await network.become(Stranger(302, "text/html", "", leads_to=server.url))
    client = Client(network.url, token=TOKEN, timeout=PATIENCE, retries=0)
    ok, problem = await of(client.get_state)
    assert (ok, problem["code"], problem["status"]) == (False, "unreachable", 302)
    assert server.url in problem["message"], "it says where it was sent"


async def test_a_program_hears_of_the_same_block_begun_anew(server):
    client = Client(server.url)
    await of(client.move_to_next)
    _, block = await of(client.wait_for_block)
    waiting = asyncio.create_task(of(client.wait_for_block, after=block))
    assert (await of(client.wait_for_block, after=block, timeout=0))[1]["code"] == "timeout"
    await begun_anew(server, block)
    ok, again = await waiting
    assert (ok, again["block_name"]) == (True, "Hello")
    assert again["block_started_at"] > block["block_started_at"]


def test_a_client_takes_a_url(study_file):
    with server_running(study_file) as server:
        port = urlsplit(server.url).port
        for client in (Client(server.url), Client(f"{server.url}/"), Client(server_port=port)):
            assert client.get_blocks_count() == (True, 5)


def test_a_client_speaks_https(study_file, tmp_path, monkeypatch):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
               "-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", key, "-out", certificate]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        need(None, "openssl")
    with server_running(study_file, "--tls-cert", certificate, "--tls-key", key) as server:
        assert server.url.startswith("https://")
        ok, problem = Client(server.url, retries=0).move_to_next()
        assert (ok, problem["code"]) == (False, "unreachable"), "nobody vouches for it"
        assert "certificate" in problem["message"]
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert Client(server.url).move_to_next() == (True, {"name": "Hello"})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("http://127.0.0.1:5000/experiment",), "write http://127.0.0.1:5000"),
        (("http://127.0.0.1:5000/?participant=7",), "write http://127.0.0.1:5000"),
        (("ftp://127.0.0.1",), "write http://127.0.0.1"),
        (("http://",), "names no host"),
        (("http://lab:port",), "port is malformed"),
        (("http://me:secret@lab:5000",), "token"),
        (("lab/experiment",), "without /experiment:5000"),
        (("https://lab.example.org", 5000), "write the port into the URL"),
    ],
)
def test_what_is_no_address_is_refused_and_says_why(given, says):
    with pytest.raises(StudyError, match=says) as refused:
        Client(*given)
    assert refused.value.code == "address-invalid"
