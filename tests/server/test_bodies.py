"""What requests carry: UTF-8 alone, small where it is meant to be, and it holds nobody up."""

import asyncio
import gzip
import io

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from experiment_server.server.bodies import parse_content_type
from experiment_server.server.settings import Settings
from tests.conftest import SMALL_STUDY, server_running
from tests.waiting import PATIENCE, others_wait_less_than

SLOW = "punycode"
FORM = "application/x-www-form-urlencoded"
TOKEN = "the-experimenters-own"


def part(headers, name="data"):
    """A multipart form of one part, whose headers somebody chose."""
    lines = [b"--x", f'Content-Disposition: form-data; name="{name}"'.encode(), *headers]
    return b"\r\n".join([*lines, b"", b"-a" * 2000, b"--x--", b""])


REFUSED = [
    ("POST", "/login", f"{FORM}; charset={SLOW}", b"token=" + b"-a" * 2000),
    ("POST", "/login", f"{FORM}; CHARSET = 'utf-7'", b"token=x"),
    ("POST", "/login", f"{FORM}; charset*=utf-8''{SLOW}", b"token=x"),
    ("POST", "/login", "multipart/form-data; boundary=x", part([], "token")),
    ("POST", "/api/uxf", f"{FORM}; charset={SLOW}", b"filepath=a&data=-a"),
    ("POST", "/api/uxf", "application/json", b'{"filepath": "a", "data": ""}'),
    ("PATCH", "/api/config", f"application/json; charset={SLOW}", b"{}"),
    ("PUT", "/api/study/toml", "text/plain; charset=utf-16", b""),
    ("POST", "/socket.io/?EIO=4&transport=polling&sid=x", "text/plain; charset=idna", b"40"),
]


@pytest.mark.parametrize(("method", "path", "content_type", "body"), REFUSED)
async def test_bodies_in_another_charset_are_refused(http, method, path, content_type, body):
    headers = {"Content-Type": content_type, "If-Match": "*"}
    async with http.request(method, path, data=body, headers=headers) as response:
        assert response.status == 415
        assert (await response.json())["code"] == "media-type-unsupported"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/api/config"),
        ("POST", "/api/verify"),
        ("POST", "/api/uxf"),
        ("POST", "/login"),
        ("POST", "/socket.io/?EIO=4&transport=polling"),
        ("GET", "/healthz"),
    ],
)
async def test_a_compressed_body_is_refused_and_not_unpacked(http, method, path):
    # A megabyte can unpack to a thousand, while nobody else is served. What is no gzip shows that
    # nobody tries.
    for coding in ("gzip", "deflate", "br", "zstd", "identity, gzip"):
        for body in (gzip.compress(b"{}"), b"no gzip"):
            headers = {"Content-Encoding": coding, "Content-Type": FORM}
            async with http.request(method, path, data=body, headers=headers) as response:
                assert response.status == 415, await response.text()
                assert (await response.json())["code"] == "media-type-unsupported"


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8", "us-ascii"])
async def test_utf_8_may_be_named_in_many_ways(http, charset):
    headers = {"Content-Type": f"application/json;charset={charset}"}
    async with http.post("/api/move-to-next", headers=headers) as response:
        assert response.status == 200
    async with http.patch("/api/config", data=b'{"a": "\xc3\xa9"}', headers=headers) as response:
        assert response.status == 200
        assert (await response.json())["a"] == "\u00e9"


@pytest.mark.parametrize(
    ("method", "path", "content_type", "size"),
    [("POST", "/login", FORM, 20_000), ("PATCH", "/api/config", "application/json", 1_100_000)],
)
async def test_small_bodies_are_small(http, method, path, content_type, size):
    body = io.BytesIO(b" " * size)
    headers = {"Content-Type": content_type}
    async with http.request(method, path, data=body, headers=headers) as response:
        assert response.status == 413


async def test_a_token_may_be_typed_in(study_file):
    settings = Settings(study_file, port=0, admin_token=TOKEN)
    from experiment_server.server.app import serving

    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        async with http.post("/login", data={"token": TOKEN}) as response:
            assert "You are logged in" in await response.text()
        async with http.post("/login", data={"token": "caf\u00e9 wrong"}) as response:
            assert response.status == 401
        for body in (b"token=%ff%fe", b"token=\xff\xfe", b"%", b"", b"token", b"&" * 4000):
            headers = {"Content-Type": FORM}
            async with http.post("/login", data=body, headers=headers) as response:
                assert response.status in (200, 400, 401), await response.text()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Text/HTML", ("text/html", {})),
        ('a/b; Boundary="x y" ;charset=UTF-8', ("a/b", {"boundary": "x y", "charset": "UTF-8"})),
        ("a/b;;; =; c", ("a/b", {"": "", "c": ""})),
        ("", ("", {})),
    ],
)
def test_the_parts_of_a_content_type(header, expected):
    assert parse_content_type(header) == expected


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    study = tmp_path_factory.mktemp("bodies") / "study.toml"
    study.write_text(SMALL_STUDY, encoding="utf-8")
    with server_running(study, "--database", ":memory:", "--admin-token", TOKEN) as running:
        yield running
        running.process.terminate()
        running.process.communicate(timeout=PATIENCE)
        errors = running.errors
        assert "Traceback" not in errors, errors[errors.find("Traceback") - 200 :][:3000]


@pytest.mark.parametrize("content_type", [
    f"{FORM}; charset={SLOW}", f"multipart/form-data; boundary=x; charset={SLOW}",
    "text/plain;" + "a=b;" * 2000, "text/plain" + "(" * 7000, f"a/b; c*={SLOW}''" + "b" * 7000,
])  # fmt: skip
async def test_nobody_waits_for_what_a_stranger_sends(process, content_type):
    body = b'--x\r\nContent-Disposition: form-data; name="token"\r\n'
    body += f"Content-Type: text/plain; charset={SLOW}\r\n\r\n".encode()
    body += b"token=" + b"-a" * 110_000 + b"\r\n--x--\r\n"

    async def post():
        headers = {"Content-Type": content_type}
        for path in ("/login", "/api/uxf", "/api/move-to-next"):
            async with http.post(path, data=io.BytesIO(body), headers=headers) as response:
                assert 400 <= response.status < 500

    async with aiohttp.ClientSession(process.url.partition("/login")[0]) as http:
        assert await others_wait_less_than(1.0, http, post)


HEADERS = [
    "Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Accept", "Range",
    "Authorization", "Cookie", "Host", "Origin", "Sec-Fetch-Site", "X-Forwarded-For", "If-Match",
    "If-None-Match", "If-Modified-Since", "X-Request-ID", "Idempotency-Key", "User-Agent",
    "Upgrade", "Connection", "Expect",
]  # fmt: skip
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40) | (
    st.sampled_from(["multipart/form-data", "a/b; charset=\"", "=?punycode?q?x?=", "bytes=9-1",
                     "W/\"", "Basic ====", "Bearer \xff", "[::1", "a@b", "http://[", "gzip, br",
                     "chunked", "100-continue", "websocket", "-1", "9" * 30, "(" * 3000, "\"" * 999,
                     "experiment_server=\"\\377\"", f"x/y;c*={SLOW}''" + "b" * 3000])
)  # fmt: skip
PATHS = ["/", "/login", "/app/", "/api/uxf", "/api/config/1", "/api/move-to-next", "/assets/x",
         "/socket.io/?EIO=4&transport=polling", "/client.js", "/metrics", "/api/events.csv",
         "/api/study/toml"]  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "X"]),
    st.sampled_from(PATHS),
    st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), max_size=4),
    st.binary(max_size=40),
    st.booleans(),
)
@example("GET", "/", [("Expect", "100-continue")], b"", True)
@example("GET", "/", [("Expect", "\x82")], b"", True)
@example("POST", "/login", [("Origin", "\x82")], b"", False)
def test_any_headers(process, method, path, headers, body, authorized):
    """Every answer is below 500, and the log has no traceback (the fixture looks)."""

    async def ask():
        host, port = process.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [f"{method} {path} HTTP/1.1", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if authorized:
            lines.append(f"Authorization: Bearer {TOKEN}")
        if not any(name == "Host" for name, _ in headers):
            lines.append(f"Host: {host}:{port}")
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.readline(), PATIENCE)
        writer.close()
        assert not answer or int(answer.split()[1]) < 500, answer

    asyncio.run(ask())
