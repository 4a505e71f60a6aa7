"""Who may do what: every operation, over every transport, for every kind of caller."""

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone

import aiohttp
import pytest
import socketio

from experiment_server.server.app import serving
from experiment_server.server.rest import paths
from experiment_server.server.settings import Settings
from experiment_server.session.operations import Location, Requirement
from experiment_server.session.requests import BY_SERVER
from experiment_server.session.session import OPERATIONS
from experiment_server.session.tokens import login_path
from experiment_server.study.source import digest_of
from tests.conftest import SMALL_STUDY
from tests.server.conftest import Listener, PatientClient
from tests.waiting import PATIENCE

ADMIN = "an-admin-token-for-tests"
BY_HAND = {"Sec-Fetch-Site": "none"}
"""What a browser says of an address that was typed, or came from another program."""

HOST = "0.0.0.0"

# Every operation has its row here: whether a participant's own token is enough for it.
PARTICIPANTS_MAY = {
    "blocks-count": True,
    "block-id": True,
    "active": True,
    "config": True,
    "summary-data": True,
    "all-configs": True,
    "status-string": True,
    "state": True,
    "explain": False,
    "record": True,
    "result-tables": False,
    "results": False,
    "files": False,
    "participants": False,
    "move-to-next": True,
    "move-to-previous": True,
    "move-to-block": True,
    "move-all-to-block": False,
    "undo": False,
    "update-config": False,
    "reset-participant": False,
    "participant-link": False,
    "new-participant": False,
    "add-participant": False,
    "study": False,
    "study-text": False,
    "save-study": False,
    "study-version": False,
    "schema": False,
    "verify": False,
    "design": False,
    "events": False,
    "study-source": False,
    "timings": False,
    "shutdown": False,
}
CALLERS = ["none", "own", "another", "expired", "wrong", "experimenter"]
TRANSPORTS = ["rest", "socket.io", "socket.io-msgpack"]


def test_every_operation_has_a_row():
    assert PARTICIPANTS_MAY.keys() == OPERATIONS.keys()


@pytest.fixture
async def guarded(study_file):
    settings = Settings(study_file, port=0, host=HOST, admin_token=ADMIN)
    async with serving(settings) as running:
        await running.session.add_participant(BY_SERVER, 2)
        await running.session.move_to_next(BY_SERVER, 2)
        yield running


def token_of(running, caller):
    now = datetime.now(timezone.utc)
    tokens = running.session.tokens
    return {
        "none": None,
        "own": tokens.participant(2, now, timedelta(hours=1)),
        "another": tokens.participant(1, now, timedelta(hours=1)),
        "expired": tokens.participant(2, now - timedelta(hours=2), timedelta(hours=1)),
        "wrong": "x" * 40,
        "experimenter": ADMIN,
    }[caller]


def expected(name, caller):
    """The code of the refusal, None for none."""
    if caller in ("none", "expired", "wrong"):
        return "token-missing" if caller == "none" else "token-invalid"
    if caller == "experimenter":
        return None
    return None if PARTICIPANTS_MAY[name] and caller == "own" else "not-allowed"


def arguments_of(operation):
    values = {
        "participant_index": 9 if operation.name == "add-participant" else 2,
        "block_id": 1,
        "version": 1,
        "patch": {"speed": 5},
        "text": SMALL_STUDY,
        "made_from": digest_of(SMALL_STUDY),
        "table": "trials",
        "records": [{"record_id": "a-1", "block_id": 0, "revision": 1, "data": {"rt": 0.4}}],
    }
    wanted = {
        item.name
        for item in operation.parameters
        if item.requirement is not Requirement.OPTIONAL or item.location is Location.IF_MATCH
    }
    return {name: value for name, value in values.items() if name in wanted}


async def by_rest(running, operation, token):
    arguments = arguments_of(operation)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if "made_from" in arguments:
        headers["If-Match"] = f'"{arguments["made_from"]}"'
    path = next(iter(paths(operation))).format(**arguments)
    if "{participant_index}" in list(paths(operation))[-1]:
        path = list(paths(operation))[-1].format(**arguments)
    body = {"json": arguments["patch"]} if "patch" in arguments else {}
    if "records" in arguments:
        body = {"json": {"records": arguments["records"]}}
    if "text" in arguments:
        body = {"data": arguments["text"].encode()}
    async with aiohttp.request(
        operation.method, f"{running.url}{path}", headers=headers, **body
    ) as response:
        if response.status < 400:
            return None
        if response.status == 401:
            assert response.headers["WWW-Authenticate"] == "Bearer"
        return (await response.json())["code"]


async def by_socket(running, operations, token, path):
    """As an app where a participant calls, as a dashboard where an experimenter does."""
    namespace = "/dashboard" if token == ADMIN else "/"
    listener = Listener(namespace, serializer="msgpack" if "msgpack" in path else "default")
    refusals = []
    listener.client.on("connect_error", refusals.append, namespace=namespace)
    try:
        await listener.client.connect(
            running.url,
            namespaces=[namespace],
            socketio_path=path,
            auth={"token": token} if token else None,
            transports=["websocket"],
        )
    except socketio.exceptions.ConnectionError:
        refusal = refusals[0].get("data", refusals[0])["code"]
        return dict.fromkeys((operation.name for operation in operations), refusal)
    outcomes = {}
    for operation in operations:
        answer = await listener.ask(operation.name, arguments_of(operation))
        outcomes[operation.name] = None if answer["ok"] else answer["error"]["code"]
    await listener.client.disconnect()
    return outcomes


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("caller", CALLERS)
async def test_the_outcome_of_every_operation_is_the_tables(guarded, transport, caller):
    # The one that stops the server comes last.
    operations = sorted(OPERATIONS.values(), key=lambda item: item.name == "shutdown")
    token = token_of(guarded, caller)
    if transport == "rest":
        outcomes = {item.name: await by_rest(guarded, item, token) for item in operations}
    else:
        outcomes = await by_socket(guarded, operations, token, transport)
    assert outcomes == {item.name: expected(item.name, caller) for item in operations}


@pytest.mark.parametrize(("caller", "code"), [("own", "not-allowed"), ("none", "token-missing")])
async def test_only_experimenters_get_a_dashboard(guarded, caller, code):
    client = PatientClient(reconnection=False)
    refusals = []
    client.on("connect_error", refusals.append, namespace="/dashboard")
    token = token_of(guarded, caller)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(
            guarded.url,
            namespaces=["/dashboard"],
            auth={"token": token} if token else None,
            transports=["websocket"],
        )
    assert code in str(refusals[0])


async def test_a_token_speaks_for_its_own_participant_in_the_handshake(guarded):
    client = PatientClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(
            guarded.url,
            auth={"token": token_of(guarded, "own"), "participant": 1},
            transports=["websocket"],
        )


@pytest.mark.parametrize(
    "path",
    ["/api/state/2", "/api/events.csv", "/assets/x.js", "/app/", "/socket.io/socket.io.min.js",
     "/no/such/thing", "/api/", "/socket.io/?x=1"],
)  # fmt: skip
async def test_nothing_is_there_for_who_has_no_token(guarded, path):
    async with aiohttp.request("GET", guarded.url + path) as response:
        assert response.status == 401


async def test_a_polling_handshake_without_token_gets_nothing(guarded):
    async with aiohttp.ClientSession() as http:
        url = f"{guarded.url}/socket.io/?EIO=4&transport=polling"
        async with http.get(url) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        async with http.post(f"{url}&sid={sid}", data='42["state"]\x1e40'):
            pass
        async with http.get(f"{url}&sid={sid}") as response:
            answer = await response.text()
            assert "token-missing" in answer
            assert "participant_index" not in answer


async def test_a_link_becomes_a_cookie_that_pages_cannot_read(guarded):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.get(f"{guarded.url}/", headers={"Accept": "text/html"}) as response:
            assert response.status == 401
            assert "asks for a token" in await response.text()
        async with http.get(f"{guarded.url}/login?token={ADMIN}", headers=BY_HAND) as response:
            assert response.status == 200
            assert ADMIN not in await response.text()
            cookie = response.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
        async with http.get(f"{guarded.url}/") as response:
            assert response.status == 200
        async with http.get(f"{guarded.url}/api/participants") as response:
            assert response.status == 200


def link_of(running, index):
    now = datetime.now(timezone.utc)
    return login_path(running.session.tokens.participant(index, now, timedelta(hours=1)))


@pytest.mark.parametrize(
    "site", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
async def test_a_link_from_elsewhere_lets_in_by_a_page_of_ours(guarded, site):
    """A browser that is told by a foreign page to follow a link sends no cookies of ours."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        path = link_of(guarded, 2)
        async with http.get(guarded.url + path, headers=site) as response:
            page = await response.text()
            assert "url=/login?linked" in page
            assert path not in page
        async with http.get(f"{guarded.url}/api/state") as response:
            assert response.status == 401, "not let in yet"
        async with http.get(f"{guarded.url}/login?linked") as response:
            assert "participant 2" in await response.text()
        async with http.get(f"{guarded.url}/api/state") as response:
            assert (await response.json())["participant_index"] == 2


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
async def test_a_link_from_elsewhere_does_not_make_an_experimenter_a_participant(guarded, site):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.get(f"{guarded.url}/login?token={ADMIN}", headers=BY_HAND) as response:
            assert response.status == 200
        path = link_of(guarded, 2)
        # The browser keeps our strict cookies from a request that another site has made.
        elsewhere = {"Sec-Fetch-Site": site} if site else {}
        async with aiohttp.request("GET", guarded.url + path, headers=elsewhere) as response:
            assert "experiment_server=" not in response.headers["Set-Cookie"]
            http.cookie_jar.update_cookies(response.cookies, response.url)
        async with http.get(f"{guarded.url}/login?linked") as response:
            page = await response.text()
            assert "logged in as the experimenter" in page
            assert "Continue as participant 2" in page
        async with http.get(f"{guarded.url}/api/participants") as response:
            assert response.status == 200, "still the experimenter"
        # Who means it, says so.
        async with http.post(f"{guarded.url}/login?linked") as response:
            assert response.status == 200
        async with http.get(f"{guarded.url}/api/participants") as response:
            assert response.status == 403


async def test_a_participants_link_lets_in_that_participant_alone(guarded):
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.get(f"{guarded.url}/api/participant-link/2", headers=headers) as response:
            link = await response.json()
        async with http.get(guarded.url + link["path"], headers=BY_HAND) as response:
            assert response.status == 200
        for path, status in (("state", 200), ("state/2", 200), ("state/1", 403)):
            async with http.get(f"{guarded.url}/api/{path}") as response:
                assert response.status == status
        async with http.get(f"{guarded.url}/", headers={"Accept": "text/html"}) as response:
            assert response.status == 403


async def connected(running, token):
    """An app of participant 2."""
    app, gone = Listener("/"), asyncio.Event()
    app.client.on("disconnect", lambda *_: gone.set())
    await app.client.connect(running.url, auth={"token": token}, transports=["websocket"])
    return app, gone


def good_for(running, seconds):
    """A token of participant 2."""
    now = datetime.now(timezone.utc)
    return running.session.tokens.participant(2, now, timedelta(seconds=seconds))


async def test_a_socket_ends_when_its_token_expires(guarded):
    app, gone = await connected(guarded, good_for(guarded, 2))
    other, _ = await connected(guarded, good_for(guarded, 3600))
    assert (await app.ask("state"))["ok"]
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert (await other.ask("state"))["ok"]
    await other.client.disconnect()


async def test_an_expired_token_moves_nobody_over_a_socket_that_is_still_open(guarded, monkeypatch):
    # A clock that was set back: the socket does not end in time.
    monkeypatch.setattr("experiment_server.server.security.time", lambda: time.time() - 3600)
    token = good_for(guarded, 2)
    app, gone = await connected(guarded, token)

    async def until_expired():
        headers = {"Authorization": f"Bearer {token}"}
        status = 200
        while status == 200:
            async with aiohttp.request("GET", f"{guarded.url}/api/state", headers=headers) as ours:
                status = ours.status

    assert (await app.ask("move-to-next"))["ok"]
    await asyncio.wait_for(until_expired(), PATIENCE)
    assert (await app.ask("move-to-next"))["error"]["code"] == "token-invalid"
    await asyncio.wait_for(gone.wait(), PATIENCE)


async def test_a_wrong_token_is_told_and_never_repeated(guarded):
    async with aiohttp.request("GET", f"{guarded.url}/login?token=secret-but-wrong") as response:
        assert response.status == 401
        assert "secret-but-wrong" not in await response.text()


@pytest.mark.parametrize("path", ["/api/state", "/login"])
async def test_a_wrong_token_is_logged_with_its_address(guarded, caplog, path):
    data = {"token": "a guess"} if path == "/login" else None
    method = "POST" if data else "GET"
    headers = {"Authorization": "Bearer a-guess"}
    url = f"{guarded.url}{path}"
    async with aiohttp.request(method, url, data=data, headers=headers) as response:
        assert response.status == 401
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lines == ["127.0.0.1 sent a token that is wrong or has expired"]


async def test_tokens_never_get_into_logs(guarded, caplog):
    caplog.set_level("DEBUG")
    for token in (ADMIN, token_of(guarded, "own"), "wrong-" * 8):
        async with aiohttp.request("GET", f"{guarded.url}/login?token={token}"):
            pass
        async with aiohttp.request(
            "GET", f"{guarded.url}/api/state", headers={"Authorization": f"Bearer {token}"}
        ):
            pass
        assert token not in caplog.text


async def test_a_participants_link_outlives_a_restart(study_file):
    settings = Settings(study_file, port=0, host=HOST)
    async with serving(settings) as running:
        link = running.session.tokens.participant(1, datetime.now(timezone.utc), timedelta(hours=1))
        first_admin = running.admin_token
    async with serving(settings) as running:
        assert running.admin_token != first_admin, "made anew at each start"
        assert running.session.tokens.participant_of(link) == 1
        headers = {"Authorization": f"Bearer {link}"}
        async with aiohttp.request(
            "POST", f"{running.url}/api/move-to-next", headers=headers
        ) as response:
            assert response.status == 200
        [*_, moved] = await running.session.events(BY_SERVER, 0, None, None, 100)
        assert moved.data["by"] == "participant"


async def test_another_sessions_link_is_refused(study_file):
    now = datetime.now(timezone.utc)
    async with serving(Settings(study_file, port=0, host=HOST, session="pilot")) as running:
        link = running.session.tokens.participant(1, now, timedelta(hours=1))
    async with serving(Settings(study_file, port=0, host=HOST)) as running:
        headers = {"Authorization": f"Bearer {link}"}
        async with aiohttp.request("GET", f"{running.url}/api/state", headers=headers) as response:
            assert response.status == 401


async def test_open_lets_participants_in_and_nobody_else(study_file):
    async with serving(Settings(study_file, port=0, host=HOST, open=True)) as running:
        await running.session.add_participant(BY_SERVER, 2)
        for name, operation in OPERATIONS.items():
            wanted = None if PARTICIPANTS_MAY[name] else "not-allowed"
            outcome = await by_rest(running, operation, None)
            if outcome == "not-in-block":
                outcome = None
            assert outcome == wanted, name
        async with aiohttp.request("GET", f"{running.url}/") as response:
            assert response.status == 401


async def test_on_loopback_a_token_is_needed_only_when_one_was_given(study_file):
    async with serving(Settings(study_file, port=0)) as running:
        assert running.admin_token is None
        async with aiohttp.request("GET", f"{running.url}/api/participants") as response:
            assert response.status == 200
    async with (
        serving(Settings(study_file, port=0, admin_token=ADMIN)) as running,
        aiohttp.request("GET", f"{running.url}/api/participants") as response,
    ):
        assert response.status == 401


@pytest.mark.parametrize("path", ["/", "/login", "/api/state"])
async def test_pages_are_told_what_they_may_do(guarded, path):
    async with aiohttp.request("GET", guarded.url + path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"


async def test_pages_of_a_named_origin_may_talk_and_others_may_not(study_file):
    friend = "https://my-app.example"
    settings = Settings(study_file, port=0, admin_token=ADMIN, cors_origin=(friend,))
    async with serving(settings) as running:
        url = f"{running.url}/api/state"
        headers = {"Origin": friend, "Authorization": f"Bearer {ADMIN}"}
        async with aiohttp.request("GET", url, headers=headers) as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == friend
        async with aiohttp.request("OPTIONS", url, headers={"Origin": friend}) as response:
            assert response.status == 204
            assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        headers["Origin"] = "https://evil.example"
        async with aiohttp.request("GET", url, headers=headers) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_trusted_proxy_is_believed_and_others_are_not(study_file):
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "study.example"}
    page = {**forwarded, "Origin": "https://study.example", "Authorization": f"Bearer {ADMIN}"}
    for proxy, status in (("127.0.0.1", 200), ("10.0.0.1", 403)):
        settings = Settings(
            study_file, port=0, admin_token=ADMIN, trusted_proxy=(proxy,), database=":memory:"
        )
        async with serving(settings) as running:
            async with aiohttp.request("GET", f"{running.url}/api/state", headers=page) as response:
                assert response.status == status
            async with aiohttp.request(
                "GET", f"{running.url}/login?token={ADMIN}", headers={**forwarded, **BY_HAND}
            ) as response:
                assert ("Secure" in response.headers["Set-Cookie"]) is (status == 200)


async def test_a_short_admin_token_is_refused(study_file):
    from experiment_server.errors import StartRefused

    with pytest.raises(StartRefused, match="16 characters"):
        async with serving(Settings(study_file, port=0, admin_token="secret")):
            pass
