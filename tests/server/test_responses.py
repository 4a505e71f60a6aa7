"""Whole responses are what aiohttp would send, as clients see it."""

import asyncio
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from experiment_server.server.responses import WholeResponse, whole_response
from tests.waiting import PATIENCE


async def exchange(running, *requests):
    """Everything that a server sends in answer to requests on one connection."""
    address = urlsplit(running.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write("".join(requests).replace("HOST", address.netloc).encode())
    heard = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return heard.decode()


def get(path, version="1.1", connection="close"):
    return f"GET {path} HTTP/{version}\r\nHost: HOST\r\nConnection: {connection}\r\n\r\n"


def parts(response):
    head, _, body = response.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


async def test_it_has_the_headers_of_the_library_s_own_responses(server):
    status, headers, body = parts(await exchange(server, get("/api/blocks-count/1")))
    _, usual, _ = parts(await exchange(server, get("/healthz")))
    assert status == "HTTP/1.1 200 OK"
    assert headers["Content-Length"] == str(len(body))
    assert headers.keys() == usual.keys()
    varying = {"Content-Length", "Date", "X-Request-ID"}
    assert {name: headers[name] for name in headers.keys() - varying} == {
        name: usual[name] for name in usual.keys() - varying
    }
    assert headers["Date"].endswith(" GMT")
    assert len(headers["Date"]) == len(usual["Date"])


async def test_requests_on_one_connection_are_answered_in_their_order(server):
    ways = ["/api/blocks-count", "/healthz", "/api/block-id", "/api/active"]
    requests = [get(path, connection="keep-alive") for path in ways]
    heard = await exchange(server, *requests, get("/api/status-string"))
    bodies = [part.partition("\r\n\r\n")[2] for part in heard.split("HTTP/1.1 200 OK")[1:]]
    assert bodies[1:4] == ['{"status": "ok"}', "-1", "false"]
    assert bodies[4].startswith("Participant 1")


@pytest.mark.parametrize("path", ["block-id/1", "state/1", "state/404404", "block-id/x", "config"])
async def test_a_path_that_has_to_be_decoded_is_answered_alike(server, path):
    """`%` takes the way through aiohttp's matching, which other paths do not need."""
    name, slash, index = path.partition("/")
    status, headers, body = parts(await exchange(server, get(f"/api/{path}")))
    encoded = f"/api/{name.replace('o', '%6F')}{slash}{index.replace('1', '%31')}"
    status_2, headers_2, body_2 = parts(await exchange(server, get(encoded)))
    assert (status_2, headers_2.keys()) == (status, headers.keys())
    varying = headers["X-Request-ID"], headers_2["X-Request-ID"]
    assert body_2.replace(varying[1], varying[0]) == body
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_what_a_client_has_already_is_not_sent_again(server):
    _, headers, _ = parts(await exchange(server, get("/api/state/1")))
    again = get("/api/state/1").replace("\r\n\r\n", f"\r\nIf-None-Match: {headers['Etag']}\r\n\r\n")
    status, headers_2, body = parts(await exchange(server, again))
    assert (status, body) == ("HTTP/1.1 304 Not Modified", "")
    assert headers_2["Etag"] == headers["Etag"]
    assert headers_2["X-Content-Type-Options"] == "nosniff"


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(server):
    asks = get("/api/move-to-next/1").replace("GET", "POST")
    asks = asks.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
    heard = await exchange(server, asks)
    assert heard.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


async def test_a_client_of_http_1_0_is_answered_in_its_own_version(server):
    status, headers, body = parts(await exchange(server, get("/api/active", version="1.0")))
    assert (status, body) == ("HTTP/1.0 200 OK", "false")
    assert headers["Content-Type"] == "application/json; charset=utf-8"


async def test_a_client_that_has_gone_ends_its_request_only():
    request = make_mocked_request("GET", "/")
    response = whole_response(request, b"body", "text/plain")
    assert isinstance(response, WholeResponse)
    await response.prepare(request)
    assert response.prepared
    request.transport.is_closing.return_value = True
    with pytest.raises(ConnectionError):
        await response.write_eof()


async def test_the_library_asks_of_a_response_what_it_always_asked():
    """What `WholeResponse` overrides is what aiohttp calls; a new release may call other things."""
    assert {"prepare", "write_eof", "keep_alive", "prepared"} <= set(vars(web.StreamResponse))
