"""Unity programs written for release 0.3 send exactly these requests, and go on working.

They use UnityWebRequest: HTTP/1.1 with its own headers, a POST with an empty body, five seconds of
patience, and they read plain texts and JSON keys.
"""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tests.conftest import server_running
from tests.waiting import PATIENCE

HEADERS = {
    "User-Agent": "UnityPlayer/2021.3.16f1 (UnityWebRequest/1.0, libcurl/7.84.0-DEV)",
    "Accept": "*/*",
    "Accept-Encoding": "deflate, gzip",
    "X-Unity-Version": "2021.3.16f1",
}
# What UnityWebRequest.Post sends along when it is given an empty form.
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "0"}


@pytest.fixture
def unity(study_file):
    """Sends a request as a headset does; the answer's status and text."""
    with server_running(study_file) as server:
        address = urlsplit(server.url)

        def send(method, path, more=None):
            connection = http.client.HTTPConnection(
                address.hostname, address.port, timeout=PATIENCE
            )
            connection.putrequest(method, f"/{path}", skip_accept_encoding=True)
            for name, value in {**HEADERS, **(more or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            text = response.read().decode("utf-8")
            connection.close()
            return response.status, text

        yield send


def test_a_session_of_a_classic_headset(unity):
    # Waiting in a loop until the text is no longer "false".
    assert unity("GET", "api/active") == (200, "false")
    assert unity("GET", "api/config")[0] == 406
    status, summary = unity("GET", "api/summary-data")
    assert (status, json.loads(summary)["config_length"]) == (200, 5)
    assert json.loads(summary)["participant_index"] == 1
    names = []
    for _ in range(json.loads(summary)["config_length"]):
        status, reached = unity("POST", "api/move-to-next", FORM)
        assert status == 200
        assert unity("GET", "api/active") == (200, "true")
        # JsonUtility.FromJson into a typed class: the keys at the top, nothing around them.
        status, config = unity("GET", "api/config")
        assert status == 200
        assert json.loads(config)["name"] == json.loads(reached)["name"]
        names.append(json.loads(config)["name"])
        assert unity("GET", "api/block-id") == (200, str(json.loads(config)["block_id"]))
    assert names == ["Hello", "A", "B", "C", "D"]
    assert json.loads(unity("POST", "api/move-to-next", FORM)[1]) == {"name": "END"}
    assert unity("GET", "api/active") == (200, "false")
    assert unity("GET", "api/blocks-count") == (200, "5")


def test_a_headset_that_names_its_participant(unity):
    assert unity("PUT", "api/add-participant/7", {"Content-Length": "0"}) == (200, "true")
    # Without any Content-Type or length, as UnityWebRequest("...", "POST") does.
    assert json.loads(unity("POST", "api/move-to-next/7")[1]) == {"name": "Hello"}
    assert unity("POST", "api/move-to-block/7/2", FORM) == (200, "2")
    assert json.loads(unity("GET", "api/config/7")[1])["participant_index"] == 7
    status, problem = unity("GET", "api/config/8")
    assert status == 406
    assert "not known" in problem
    assert "Participant 7" in unity("GET", "api/status-string/7")[1]
    assert len(json.loads(unity("GET", "api/all-configs/7")[1])) == 5
