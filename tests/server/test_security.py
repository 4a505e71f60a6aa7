"""On loopback a browser's foreign pages are kept out, and programs are let in."""

import re
import socket

import aiohttp
import pytest

from experiment_server.errors import OriginForeign
from experiment_server.server.addresses import LOOPBACK_NAMES
from experiment_server.server.browsers import BrowserRules
from tests.waiting import PATIENCE

LOOPBACK = BrowserRules(names=LOOPBACK_NAMES)
ELSEWHERE = BrowserRules()

HANDSHAKES = [
    f"/{path}/?EIO=4&transport={transport}"
    for path in ("socket.io", "socket.io-msgpack")
    for transport in ("polling", "websocket")
]
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def status(http, method, path, **headers):
    async with http.request(method, path, headers=headers) as response:
        return response.status


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "x"])
async def test_a_foreign_page_can_neither_ask_nor_move(http, origin):
    assert await status(http, "POST", "/api/move-to-next", Origin=origin) == 403
    assert await status(http, "GET", "/api/state", Origin=origin) == 403
    assert await status(http, "PUT", "/api/new-participant", Origin=origin) == 403
    assert await status(http, "POST", "/api/shutdown", Origin=origin) == 403
    async with http.get("/api/participants") as response:
        assert [row["revision"] for row in await response.json()] == [0]


@pytest.mark.parametrize("path", HANDSHAKES)
async def test_a_foreign_page_gets_no_socket(http, path):
    upgrade = UPGRADE if "websocket" in path else {}
    headers = {**upgrade, "Origin": "http://evil.example"}
    assert await status(http, "GET", path, **headers) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", HANDSHAKES)
@pytest.mark.parametrize("more_settings", [{"max_connections_per_address": 2}])
async def test_images_of_a_foreign_page_take_nobody_s_place(http, path, site):
    # An image tag sends no Origin.
    image = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    upgrade = UPGRADE if "websocket" in path else {}
    for _ in range(5):
        assert await status(http, "GET", path, **upgrade, **image) == 403
    async with http.ws_connect("/socket.io/?EIO=4&transport=websocket") as ws:
        assert (await ws.receive(timeout=PATIENCE)).type is aiohttp.WSMsgType.TEXT


async def test_no_page_can_read_a_handshake_as_a_script(http):
    assert await status(http, "GET", f"{HANDSHAKES[0]}&j=0") == 400


@pytest.mark.parametrize("path", ["/", "/api/state", *HANDSHAKES])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "127.0.0.1.evil.example"])
async def test_a_foreign_host_is_refused(http, path, host):
    upgrade = UPGRADE if "websocket" in path else {}
    assert await status(http, "GET", path, **{**upgrade, "Host": host}) == 403


async def test_programs_without_origin_are_let_in(http):
    assert await status(http, "POST", "/api/move-to-next") == 200


async def test_our_own_page_may_do_everything(http, server):
    assert await status(http, "POST", "/api/move-to-next", Origin=server.url) == 200
    by_name = server.url.replace("127.0.0.1", "localhost")
    host = by_name.removeprefix("http://")
    assert await status(http, "POST", "/api/move-to-next", Origin=by_name, Host=host) == 200
    headers = {**UPGRADE, "Origin": server.url}
    async with http.ws_connect("/socket.io/?EIO=4&transport=websocket", headers=headers) as ws:
        assert (await ws.receive(timeout=PATIENCE)).type is aiohttp.WSMsgType.TEXT


async def test_a_cross_site_form_is_refused_also_without_origin(http):
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert await status(http, "POST", "/api/move-to-next", **headers) == 403
    assert await status(http, "GET", "/api/state", **headers) == 200, "a link may lead here"


def test_a_server_for_other_machines_has_any_name_but_only_its_own_pages():
    ELSEWHERE.check("http", "lab-pc:5000", "http://lab-pc:5000", None, "POST")
    ELSEWHERE.check("http", "192.168.1.20:5000", None, None, "POST")
    with pytest.raises(OriginForeign, match="may not call"):
        ELSEWHERE.check("http", "lab-pc:5000", "http://evil.example", None, "POST")


def test_without_tokens_a_name_has_to_mean_this_machine():
    rules = BrowserRules(only_own_names=True)
    for host in ("192.168.1.20:5000", "localhost", "[fe80::1]:5000", socket.gethostname()):
        rules.check("http", host, None, None, "POST")
    for host in ("evil.example", "192.168.1.20.evil.example", None):
        with pytest.raises(OriginForeign):
            rules.check("http", host, None, None, "POST")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5000", "https://localhost:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("127.0.0.1", "http://127.0.0.1:80"),
    ],
)
def test_the_same_address_may_be_written_in_several_ways(host, origin):
    LOOPBACK.check("http", host, origin, "same-origin", "POST")


@pytest.mark.parametrize("host", [None, "", "[::1", "a:b:c", "localhost:notaport"])
def test_a_broken_host_is_a_refusal_and_no_failure(host):
    if host == "localhost:notaport":
        LOOPBACK.check("http", host, None, None, "GET")
        with pytest.raises(OriginForeign):
            LOOPBACK.check("http", host, "http://localhost:5000", None, "GET")
    else:
        with pytest.raises(OriginForeign):
            LOOPBACK.check("http", host, None, None, "GET")


async def test_pages_forbid_scripts_and_styles_but_those_of_this_answer(http):
    policies = set()
    for _ in range(2):
        async with http.get("/") as response:
            policy, text = response.headers["Content-Security-Policy"], await response.text()
        (nonce,) = re.findall(r"style-src 'self' 'nonce-([^']+)'", policy)
        assert f'nonce="{nonce}"' in text
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        policies.add(policy)
    assert len(policies) == 2, "each answer has its own"
    for path in ("/api/state", "/application", "/login"):
        async with http.get(path) as response:
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
