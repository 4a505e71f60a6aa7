"""Login links, from the command line to a guarded server."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

from tests.cli.test_stored import cli
from tests.conftest import server_running
from tests.waiting import PATIENCE

ADMIN = "an-admin-token-for-tests"


def get(url, token=None, context=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_link_lets_its_participant_in(study_file):
    with server_running(study_file, "--host", "0.0.0.0", "--admin-token", ADMIN) as server:
        url = server.url.partition("/login")[0]
        link = cli("link", study_file, 1, "--url", url).strip()
        assert get(link)[0] == 200
        token = link.partition("token=")[2]
        assert get(f"{url}/api/state", token)[0] == 200
        assert get(f"{url}/api/participants", token)[0] == 403
        assert get(f"{url}/api/state")[0] == 401
        at = ("--server", url, "--token", ADMIN)
        assert json.loads(cli("call", "participants", *at))[0]["participant_index"] == 1
        assert "requires a token" in cli("call", "participants", "--server", url, code=1)


def test_open_is_said_loudly(study_file):
    with server_running(study_file, "--host", "0.0.0.0", "--open") as server:
        url = server.url.partition("/login")[0]
        assert get(f"{url}/api/state")[0] == 200
        assert get(f"{url}/api/participants")[0] == 403
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)
        errors = server.errors
        assert "OPEN: everybody in this network" in errors


def test_https_with_a_certificate_of_ones_own(study_file, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        capture_output=True,
        check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is not on this machine")
    with server_running(study_file, "--tls-cert", certificate, "--tls-key", key) as server:
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=certificate)
        assert get(f"{server.url}/api/block-id", context=context) == (200, "-1")


def test_a_certificate_that_is_none_is_named(study_file, tmp_path):
    (tmp_path / "cert.pem").write_text("no certificate")
    message = cli("run", study_file, "-p", "0", "--tls-cert", tmp_path / "cert.pem", code=1)
    assert "cert.pem and its key cannot be used" in message
    message = cli("run", study_file, "-p", "0", "--tls-key", tmp_path / "cert.pem", code=1)
    assert "--tls-key needs --tls-cert" in message
