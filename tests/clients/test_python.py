"""Our synchronous client and server_process, against each other."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from experiment_server import Client, server_process
from tests.conftest import server_running
from tests.waiting import PATIENCE


@pytest.fixture
def ours(study_file):
    with server_running(study_file) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        yield Client(host, port)


def test_a_walk_as_participants_programs_do_it(ours):
    assert ours.server_is_active() == (True, False)
    assert ours.get_blocks_count() == (True, 5)
    assert ours.move_to_next() == (True, {"name": "Hello"})
    assert ours.server_is_active() == (True, True)
    assert ours.get_config()[1]["text"] == "hi"
    assert ours.move_to_block(4) == (True, 4)
    assert ours.new_participant() == (True, 2)
    assert ours.add_participant(4) == (True, True)
    assert ours.move_to_block(2, participant_index=4) == (True, 2)
    assert ours.move_to_next(4) == (True, {"name": "A"})
    assert [config["name"] for config in ours.get_all_configs(2)[1]][1:] == ["C", "D", "A", "B"]


def test_a_program_waits_for_its_blocks(ours):
    ok, problem = ours.wait_for_block(timeout=0.3)
    assert (ok, problem["code"]) == (False, "timeout"), "the participant has not started"
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(ours.wait_for_block, timeout=PATIENCE)
        ours.move_to_block(3)
        ok, state = waiting.result()
        assert (ok, state["block_name"], state["config"]["speed"]) == (True, "C", 3)
        waiting = threads.submit(ours.wait_for_block, after=3, timeout=PATIENCE)
        ours.move_to_next()
        assert waiting.result()[1]["block_name"] == "D"
        waiting = threads.submit(ours.wait_for_block, after=4, timeout=PATIENCE)
        ours.move_to_next()
        assert waiting.result()[1]["block_name"] == "END"
    assert ours.wait_for_block(99, timeout=PATIENCE)[1]["code"] == "participant-unknown"


def test_a_token_lets_a_program_in(study_file):
    with server_running(study_file, "--admin-token", "the-experimenters-own") as server:
        address = urlsplit(server.url)
        strangers = Client(address.hostname, address.port)
        assert strangers.move_to_next()[1]["code"] == "token-missing"
        ours = Client(address.hostname, address.port, token="the-experimenters-own")
        assert ours.move_to_next() == (True, {"name": "Hello"})


def test_refusals_are_answers_with_a_code(ours):
    ok, problem = ours.get_config(9)
    assert ok is False
    assert (problem["code"], problem["status"]) == ("participant-unknown", 406)
    assert "not known" in problem["message"]
    assert ours.add_participant(1)[1]["code"] == "participant-exists"
    assert ours.get_config()[1]["code"] == "not-in-block"
    assert ours.move_to_block(99)[1]["status"] == 404


def test_a_server_that_is_not_there_is_an_answer_too():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ok, problem = Client("127.0.0.1", unused.getsockname()[1]).move_to_next()
    assert ok is False
    assert (problem["code"], problem["status"]) == ("unreachable", 0)
    assert "is the server running?" in problem["message"]


def test_a_server_in_a_process_serves_until_it_is_shut_down(study_file):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = server_process(study_file, default_participant_index=3, port=str(port))
    process.start()
    try:
        ours = Client("127.0.0.1", port)
        deadline = time.monotonic() + 20
        while not (answer := ours.get_state())[0]:
            assert answer[1]["code"] == "unreachable"
            assert time.monotonic() < deadline
        assert answer[1]["participant_index"] == 3
        assert ours.shutdown() == (True, None)
        process.join(10)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()
