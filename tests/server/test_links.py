"""What is given to others leads them here: in the banner, from `link`, and in the dashboard."""

import ipaddress
import subprocess
import sys
import urllib.request
from urllib.parse import urlsplit

import aiohttp
import pytest

from experiment_server.server.addresses import are_only_local, urls_for_others
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from tests.cli.test_stored import cli
from tests.conftest import need, server_running
from tests.waiting import PATIENCE

ADMIN = "an-admin-token-for-tests"
PUBLIC = "https://study.example"


def has_network():
    return not are_only_local(urls_for_others("0.0.0.0", 5000))


@pytest.fixture
def network():
    need("network" if has_network() else None, "a network")


async def overview(url):
    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {ADMIN}"}) as http:
        async with http.get("/api/participant-link/1") as response:
            link = await response.json()
        async with http.ws_connect("/socket.io/?EIO=4&transport=websocket") as ws:
            await ws.receive()
            await ws.send_str(f'40/dashboard,{{"token":"{ADMIN}"}}')
            while not (packet := (await ws.receive()).data).startswith("42/dashboard,"):
                pass
    return link, packet


async def test_a_server_for_the_lab_names_its_addresses_there(study_file, network):
    settings = Settings(study_file, port=0, host="0.0.0.0", admin_token=ADMIN)
    async with serving(settings) as running:
        link, greeting = await overview(running.url)
        assert link["urls"] == [f"{url}{link['path']}" for url in running.urls]
        for url in running.urls:
            assert not ipaddress.ip_address(urlsplit(url).hostname).is_loopback
            assert url in greeting
            async with aiohttp.request("GET", f"{url}/healthz") as response:
                assert response.status == 200, "each of them leads here"


async def test_a_public_address_is_what_links_begin_with(study_file):
    settings = Settings(study_file, port=0, public_url=f"{PUBLIC}/", admin_token=ADMIN)
    async with serving(settings) as running:
        assert running.urls == [PUBLIC]
        link, greeting = await overview(running.url)
        assert link["urls"] == [f"{PUBLIC}{link['path']}"]
        assert f'"urls":["{PUBLIC}"]' in greeting


def test_the_banner_prints_links_that_a_headset_can_follow(study_file, tmp_path, network):
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_text("<p>take part</p>", encoding="utf-8")
    with server_running(study_file, "--host", "0.0.0.0", "--open", "--app", app) as server:
        assert urlsplit(server.url).hostname != "127.0.0.1"
        with urllib.request.urlopen(f"{server.url.partition('/login')[0]}/app/") as response:
            assert b"take part" in response.read()
        server.process.terminate()
        said, _ = server.process.communicate(timeout=PATIENCE)
        assert "127.0.0.1" not in said


def test_link_names_the_addresses_of_this_machine(study_file, network):
    with server_running(study_file):
        pass
    links = cli("link", study_file, 1, "--port", 5001).split()
    expected = urls_for_others("0.0.0.0", 5001)
    assert [link.partition("/login")[0] for link in links] == expected


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "http://localhost:5000"])
def test_a_link_that_leads_no_other_machine_here_is_warned_of(study_file, url):
    with server_running(study_file, "--admin-token", ADMIN) as server:
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)
        assert "Other machines cannot use these links" in server.errors
    made = subprocess.run(
        [sys.executable, "-m", "experiment_server", "link", study_file, "1", "--url", url],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert made.stdout.startswith(f"{url}/login?token=")
    assert "Other machines cannot use this link" in made.stderr


@pytest.mark.parametrize(
    ("host", "public_url", "urls"),
    [
        ("192.168.1.20", None, ["http://192.168.1.20:5000"]),
        ("fd00::2", None, ["http://[fd00::2]:5000"]),
        ("lab-pc", None, ["http://lab-pc:5000"]),
        ("0.0.0.0", PUBLIC, [PUBLIC]),
    ],
)
def test_an_address_that_was_chosen_is_the_one(host, public_url, urls):
    assert urls_for_others(host, 5000, public_url=public_url) == urls


@pytest.mark.parametrize(
    "url",
    ["study.example", "ftp://study.example", "https://study.example/x", "https://", "http://[x"],
)
def test_a_public_address_that_is_none_is_refused(study_file, url):
    message = cli("run", study_file, "-p", "0", "--public-url", url, code=1)
    assert "--public-url has to be like https://study.example" in message


async def test_with_a_proxy_and_open_only_its_own_names_are_answered(study_file):
    """A name that somebody else has pointed here reaches us through the proxy too."""
    settings = Settings(
        study_file,
        port=0,
        admin_token=ADMIN,
        open=True,
        trusted_proxy=("127.0.0.1",),
        public_url=PUBLIC,
    )
    statuses = {}
    async with serving(settings) as running:
        for name in ("study.example", "evil.example", "192.168.1.20"):
            for header in ("Host", "X-Forwarded-Host"):
                async with aiohttp.request(
                    "POST", f"{running.url}/api/move-to-next", headers={header: name}
                ) as response:
                    statuses[name, header] = response.status
    assert statuses == {
        (name, header): 403 if name == "evil.example" else 200
        for name in ("study.example", "evil.example", "192.168.1.20")
        for header in ("Host", "X-Forwarded-Host")
    }
