"""Socket.IO: participants' apps on `/`, the experimenter on `/dashboard`, in JSON and MessagePack.

Both speak the table of operations; what the hub publishes is pushed to the rooms here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import socketio
from aiohttp import web

from experiment_server.errors import (
    ExperimentServerError,
    NotAllowed,
    OperationUnknown,
    ParameterInvalid,
    TokenInvalid,
)
from experiment_server.limits import SHUTDOWN_NOTICE_TIMEOUT_S, TOKEN_EXPIRY_INTERVAL_S
from experiment_server.server.connection_counts import ConnectionCounter
from experiment_server.server.frames import JSON, MSGPACK, Dialect
from experiment_server.server.metrics import Metrics
from experiment_server.server.outgoing import OutgoingQueue
from experiment_server.server.security import Authenticated, Authenticator
from experiment_server.server.socket_server import Environ, SocketServer
from experiment_server.session.calls import Received, decoded_call, shown
from experiment_server.session.hub import DASHBOARD, PARTICIPANTS, Hub, Message, participant_room
from experiment_server.session.requests import BY_SERVER, Caller, Role
from experiment_server.session.session import OPERATIONS, StudySession
from experiment_server.session.tasks import Tasks
from experiment_server.wire.events import Actor
from experiment_server.wire.refusals import SERVER_FAILED, error_info
from experiment_server.wire.replies import Acknowledgement
from experiment_server.wire.values import JsonValue

log = logging.getLogger(__name__)

APP_NAMESPACE = "/"
DASHBOARD_NAMESPACE = "/dashboard"
PATHS = {"socket.io": JSON, "socket.io-msgpack": MSGPACK}
"""Where each dialect is spoken."""


@dataclass(frozen=True, slots=True)
class SocketContext:
    """What sockets are served with."""

    session: StudySession
    authenticator: Authenticator
    metrics: Metrics
    tasks: Tasks
    connection_counter: ConnectionCounter


class SocketEndpoints:
    """The Socket.IO endpoints of one application."""

    def __init__(self, app: web.Application, context: SocketContext, hub: Hub) -> None:
        self._endpoints = [
            _Endpoint(app, path, dialect, context) for path, dialect in PATHS.items()
        ]
        for endpoint in self._endpoints:
            hub.subscribe(endpoint)
        context.metrics.count_sockets(self.sockets)

    def sockets(self) -> dict[str, int]:
        """How many are connected: `{"apps", "dashboards"}`."""
        counts = [endpoint.sockets() for endpoint in self._endpoints]
        return {
            "apps": sum(apps for apps, _ in counts),
            "dashboards": sum(dashboards for _, dashboards in counts),
        }

    async def close(self) -> None:
        """Tell every socket that the server stops, and disconnect them."""
        for endpoint in self._endpoints:
            for room in (PARTICIPANTS, DASHBOARD):
                endpoint.deliver(Message(room, "server-shutdown", None))
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints))


@dataclass(slots=True)
class _Session:
    """Somebody who was let in, over which connection."""

    authenticated: Authenticated
    connection: str
    expiry: asyncio.TimerHandle | None = None

    @property
    def caller(self) -> Caller:
        """Who it is."""
        return self.authenticated.caller


class _Endpoint:
    """One Socket.IO server at one path."""

    def __init__(
        self, app: web.Application, path: str, dialect: Dialect, context: SocketContext
    ) -> None:
        self._session = context.session
        self._authenticator = context.authenticator
        self._metrics = context.metrics
        self._tasks = context.tasks
        self._sessions: dict[str, _Session] = {}
        self._rooms: dict[str, dict[str, OutgoingQueue]] = defaultdict(dict)
        self._dialect = dialect
        self._socket_server = SocketServer(
            dialect.packet_class, context.connection_counter, context.tasks
        )
        self._server = self._socket_server.server
        self._server.on("connect", self._connect_app, namespace=APP_NAMESPACE)
        self._server.on("connect", self._connect_dashboard, namespace=DASHBOARD_NAMESPACE)
        for namespace in (APP_NAMESPACE, DASHBOARD_NAMESPACE):
            self._server.on("disconnect", self._disconnect, namespace=namespace)
            self._server.on("*", self._ask, namespace=namespace)
        self._server.attach(app, socketio_path=path)

    def deliver(self, message: Message) -> None:
        """Push a message to the sockets of its room; never waits."""
        namespace = DASHBOARD_NAMESPACE if message.room == DASHBOARD else APP_NAMESPACE
        push = self._dialect.push(namespace, message.event, message.payload)
        for queue in list(self._rooms[message.room].values()):
            queue.push(push)

    def sockets(self) -> tuple[int, int]:
        """How many apps are connected, and how many dashboards."""
        return len(self._rooms[PARTICIPANTS]), len(self._rooms[DASHBOARD])

    def has_listeners(self, room: str) -> bool:
        """Whether any socket is in a room."""
        return bool(self._rooms.get(room))

    async def close(self) -> None:
        """Disconnect every socket once it has what was sent to it, and stop."""
        self._socket_server.refuse()
        sockets = list(self._server.eio.sockets.values())
        if sockets:
            # A polling client comes for its farewell by itself, but not to a closed socket; one
            # that has gone away never comes.
            await _within(SHUTDOWN_NOTICE_TIMEOUT_S, *(socket.queue.join() for socket in sockets))
            # Those that have gone meanwhile were forgotten, and perhaps that is all of them.
            if self._server.eio.sockets:
                await _within(SHUTDOWN_NOTICE_TIMEOUT_S, self._server.eio.disconnect())
        await self._server.shutdown()
        # Some clients leave the closing of their connection to us.
        self._socket_server.hang_up()

    async def _connect_app(self, sid: str, environ: Environ, auth: JsonValue = None) -> None:
        try:
            wanted, token = _participant_of(auth), _token_of(auth)
            authenticated = self._authenticator.authenticate(
                environ["aiohttp.request"], given=token
            )
            index = _spoken_for(
                authenticated.caller, wanted, self._session.default_participant_index
            )
            # An app whose blocks cannot be made hears so now, instead of waiting for its state.
            await self._session.state(BY_SERVER, index)
            await self._session.connected(index)
        except ExperimentServerError as error:
            raise _refusal(error) from None
        app = Caller(Role.PARTICIPANT, Actor.PARTICIPANT, index)
        self._let_in(sid, Authenticated(app, authenticated.token))
        # The greeting waits for its turn behind the packet that accepts the connection.
        self._tasks.start(self._greet_app(sid, index), "greet-app")

    async def _greet_app(self, sid: str, index: int) -> None:
        snapshot = await self._session.state(BY_SERVER, index)
        await self._server.emit("state", snapshot, to=sid, namespace=APP_NAMESPACE)

    async def _connect_dashboard(self, sid: str, environ: Environ, auth: JsonValue = None) -> None:
        try:
            authenticated = self._authenticator.authenticate_experimenter(
                environ["aiohttp.request"], _token_of(auth)
            )
        except ExperimentServerError as error:
            raise _refusal(error) from None
        self._let_in(sid, authenticated)
        self._tasks.start(self._greet_dashboard(sid), "greet-dashboard")

    async def _greet_dashboard(self, sid: str) -> None:
        event = "snapshot"
        async for part in self._session.overview():
            payload = part if event == "snapshot" else part.participants
            await self._server.emit(event, payload, to=sid, namespace=DASHBOARD_NAMESPACE)
            event = "participants-changed"
            if sid not in self._sessions:
                return
            await self._socket_server.taken(self._sessions[sid].connection)

    async def _disconnect(self, sid: str, _reason: object = None) -> None:
        session = self._sessions.pop(sid, None)
        if session is None:
            return
        caller = session.caller
        for room in _rooms_of(caller):
            self._rooms[room].pop(sid, None)
            if not self._rooms[room]:
                del self._rooms[room]
        if session.expiry is not None:
            session.expiry.cancel()
        if caller.participant_index is not None:
            await self._session.disconnected(caller.participant_index)

    def _let_in(self, sid: str, authenticated: Authenticated) -> None:
        namespace = _namespace(authenticated.caller)
        connection = self._server.manager.eio_sid_from_sid(sid, namespace)
        self._sessions[sid] = _Session(authenticated, connection)
        self._await_expiry(sid)
        if authenticated.caller.participant_index is None:
            self._socket_server.let_send_studies(connection)
        queue = self._socket_server.queue_of(connection)
        for room in _rooms_of(authenticated.caller):
            self._rooms[room][sid] = queue

    def _await_expiry(self, sid: str) -> None:
        """End a session when its token expires, also where the clock is set meanwhile."""
        session = self._sessions[sid]
        left = self._authenticator.valid_for(session.authenticated)
        if left is not None:
            # Not the whole time at once: the clock that says when may be set.
            wait = min(max(left, 0.0), TOKEN_EXPIRY_INTERVAL_S)
            session.expiry = asyncio.get_running_loop().call_later(wait, self._check_expiry, sid)

    def _check_expiry(self, sid: str) -> None:
        try:
            self._authenticator.check(self._sessions[sid].authenticated)
        except TokenInvalid:
            self._end(sid)
        else:
            self._await_expiry(sid)

    def _end(self, sid: str) -> None:
        session = self._sessions[sid]
        leaving = self._server.disconnect(sid, namespace=_namespace(session.caller))
        self._tasks.start(leaving, "end-session")
        self._socket_server.end(session.connection)

    async def _ask(self, event: str, sid: str, *payload: JsonValue) -> Acknowledgement | None:
        """Carry out an operation; what is returned is its acknowledgement."""
        session = self._sessions.get(sid)
        if session is None:
            return None  # it has gone before its turn came
        try:
            data = await self._carry_out(event, sid, session, payload)
        except ExperimentServerError as error:
            return Acknowledgement(ok=False, error=error_info(error))
        except Exception:
            log.exception("operation %s failed", event)
            return Acknowledgement(ok=False, error=SERVER_FAILED)
        return Acknowledgement(ok=True, data=data)

    async def _carry_out(
        self, event: str, sid: str, session: _Session, payload: Sequence[JsonValue]
    ) -> object:
        self._socket_server.require_allowed(session.connection)
        try:
            self._authenticator.check(session.authenticated)
        except TokenInvalid:
            self._end(sid)
            raise
        operation = OPERATIONS.get(event)
        if operation is None:
            raise OperationUnknown(
                f"there is no operation {shown(event)}; there are {', '.join(OPERATIONS)}"
            )
        with self._metrics.counting(operation.name, session.caller.actor):
            call = decoded_call(
                operation,
                session.caller,
                _received(event, payload),
                self._session.default_participant_index,
            )
            return await operation.handler(self._session, call.request, *call.values)


def _namespace(caller: Caller) -> str:
    return DASHBOARD_NAMESPACE if caller.participant_index is None else APP_NAMESPACE


def _rooms_of(caller: Caller) -> tuple[str, ...]:
    if caller.participant_index is None:
        return (DASHBOARD,)
    return (PARTICIPANTS, participant_room(caller.participant_index))


async def _within(seconds: float, *work: Awaitable[object]) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*work), seconds)


def _participant_of(auth: JsonValue) -> int | None:
    """The participant that a handshake names, None for the default one."""
    if auth is None:
        return None
    if not isinstance(auth, dict):
        raise ParameterInvalid('auth has to be an object like {"participant": 7}')
    index = auth.get("participant")
    if index is None or (isinstance(index, int) and not isinstance(index, bool)):
        return index
    raise ParameterInvalid(f"auth.participant has to be a whole number, got {index!r}")


def _token_of(auth: JsonValue) -> JsonValue:
    return auth.get("token") if isinstance(auth, dict) else None


def _spoken_for(caller: Caller, wanted: int | None, default: int) -> int:
    """The participant that an app speaks for; raises NotAllowed for another than its own."""
    own = caller.participant_index
    if wanted is None:
        return default if own is None else own
    if own not in (None, wanted):
        raise NotAllowed(f"this token is participant {own}'s, not participant {wanted}'s")
    return wanted


def _refusal(error: ExperimentServerError) -> socketio.exceptions.ConnectionRefusedError:
    told = error_info(error)
    return socketio.exceptions.ConnectionRefusedError(told.message, told)


def _received(event: str, payload: Sequence[JsonValue]) -> Received:
    given = payload[0] if payload and payload[0] is not None else {}
    if len(payload) > 1 or not isinstance(given, dict):
        raise ParameterInvalid(f"{event} takes one object with its parameters, or nothing")
    parameters = dict(given)
    key = parameters.pop("request_id", None)
    return Received(parameters, key)
