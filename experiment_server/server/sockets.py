"""Socket.IO: participants' apps on `/`, dashboards on `/dashboard`, in JSON and MessagePack.

Both namespaces offer the operations. This module also pushes the hub's messages to the rooms.
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
from experiment_server.limits.network import TOKEN_EXPIRY_INTERVAL_S
from experiment_server.limits.session import SHUTDOWN_NOTICE_TIMEOUT_S
from experiment_server.server.connection_counts import ConnectionCounter
from experiment_server.server.engine_io import Environ
from experiment_server.server.frames import JSON, MSGPACK, Dialect
from experiment_server.server.metrics import Metrics
from experiment_server.server.outgoing import InitialPushes
from experiment_server.server.security import Authenticated, Authenticator
from experiment_server.server.socket_server import SocketServer
from experiment_server.session.calls import Received, decoded_call, shown
from experiment_server.session.hub import DASHBOARD, PARTICIPANTS, Hub, Message, Room
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
"""The encodings, by their Socket.IO path."""


@dataclass(frozen=True, slots=True)
class SocketContext:
    """The services that the socket endpoints need."""

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
        """The number of connected sockets: `{"apps", "dashboards"}`."""
        counts = [endpoint.sockets() for endpoint in self._endpoints]
        return {
            "apps": sum(apps for apps, _ in counts),
            "dashboards": sum(dashboards for _, dashboards in counts),
        }

    async def close(self) -> None:
        """Send `server-shutdown` to every socket, and disconnect them."""
        for endpoint in self._endpoints:
            for room in (PARTICIPANTS, DASHBOARD):
                endpoint.deliver(Message(room, "server-shutdown", None))
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints))


@dataclass(slots=True)
class _Session:
    """An authenticated Socket.IO session, and its Engine.IO connection."""

    authenticated: Authenticated
    connection: str
    pushes: InitialPushes
    expiry: asyncio.TimerHandle | None = None

    @property
    def caller(self) -> Caller:
        """The caller."""
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
        self._rooms: dict[Room, dict[str, InitialPushes]] = defaultdict(dict)
        self._dialect = dialect
        self._socket_server = SocketServer(
            dialect.packet_class, context.connection_counter, context.tasks
        )
        self._server = self._socket_server.server
        self._server.on("connect", self._connect_app, namespace=APP_NAMESPACE)
        self._server.on("connect", self._connect_dashboard, namespace=DASHBOARD_NAMESPACE)
        for namespace in (APP_NAMESPACE, DASHBOARD_NAMESPACE):
            self._server.on("disconnect", self._disconnect, namespace=namespace)
            self._server.on("*", self._handle_event, namespace=namespace)
        self._server.attach(app, socketio_path=path)

    def deliver(self, message: Message) -> None:
        """Push a message to the sockets of its room; never waits."""
        namespace = DASHBOARD_NAMESPACE if message.room == DASHBOARD else APP_NAMESPACE
        push = self._dialect.push(namespace, message.event, message.payload)
        for pushes in list(self._rooms[message.room].values()):
            pushes.push(push)

    def sockets(self) -> tuple[int, int]:
        """The number of connected apps, and of connected dashboards."""
        return len(self._rooms[PARTICIPANTS]), len(self._rooms[DASHBOARD])

    def has_listeners(self, room: Room) -> bool:
        """Whether the room has any socket."""
        return bool(self._rooms.get(room))

    async def close(self) -> None:
        """Disconnect every socket after its queue is sent, and stop."""
        self._socket_server.refuse_connections()
        sockets = list(self._server.eio.sockets.values())
        if sockets:
            # A polling client has to fetch the last message before its socket is closed. A client
            # that has disappeared never fetches it.
            await _within(SHUTDOWN_NOTICE_TIMEOUT_S, *(socket.queue.join() for socket in sockets))
            # Some sockets, perhaps all, may have disconnected meanwhile.
            if self._server.eio.sockets:
                await _within(SHUTDOWN_NOTICE_TIMEOUT_S, self._server.eio.disconnect())
        await self._server.shutdown()
        # Some clients do not close their connection themselves.
        self._socket_server.close_websockets()

    async def _connect_app(self, sid: str, environ: Environ, auth: JsonValue = None) -> None:
        try:
            wanted, token = _participant_of(auth), _token_of(auth)
            authenticated = self._authenticator.authenticate(
                environ["aiohttp.request"], given=token
            )
            index = _participant_for(
                authenticated.caller, wanted, self._session.default_participant_index
            )
            # If the blocks cannot be expanded, this raises, and the connection is refused.
            await self._session.state(BY_SERVER, index)
            await self._session.connected(index)
        except ExperimentServerError as error:
            raise _refusal(error) from None
        app = Caller(Role.PARTICIPANT, Actor.PARTICIPANT, index)
        self._add_session(sid, Authenticated(app, authenticated.token))
        # A task, because the initial state has to follow the packet that accepts the connection.
        self._tasks.start(self._send_initial_state(sid, index), "send-initial-state")

    async def _send_initial_state(self, sid: str, index: int) -> None:
        snapshot = await self._session.state(BY_SERVER, index)
        await self._server.emit("state", snapshot, to=sid, namespace=APP_NAMESPACE)
        self._release(sid)

    async def _connect_dashboard(self, sid: str, environ: Environ, auth: JsonValue = None) -> None:
        try:
            authenticated = self._authenticator.authenticate_experimenter(
                environ["aiohttp.request"], _token_of(auth)
            )
        except ExperimentServerError as error:
            raise _refusal(error) from None
        self._add_session(sid, authenticated)
        self._tasks.start(self._send_overview(sid), "send-overview")

    async def _send_overview(self, sid: str) -> None:
        async for message in self._session.overview():
            await self._server.emit(
                message.event, message.payload, to=sid, namespace=DASHBOARD_NAMESPACE
            )
            self._release(sid)
            if sid not in self._sessions:
                return
            await self._socket_server.drained(self._sessions[sid].connection)

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

    def _add_session(self, sid: str, authenticated: Authenticated) -> None:
        namespace = _namespace(authenticated.caller)
        connection = self._server.manager.eio_sid_from_sid(sid, namespace)
        pushes = InitialPushes(self._socket_server.queue_of(connection))
        self._sessions[sid] = _Session(authenticated, connection, pushes)
        self._start_expiry_timer(sid)
        if authenticated.caller.participant_index is None:
            self._socket_server.allow_large_messages(connection)
        for room in _rooms_of(authenticated.caller):
            self._rooms[room][sid] = pushes

    def _release(self, sid: str) -> None:
        if sid in self._sessions:
            self._sessions[sid].pushes.release()

    def _start_expiry_timer(self, sid: str) -> None:
        """Start a timer that ends the session when its token expires."""
        session = self._sessions[sid]
        left = self._authenticator.seconds_valid(session.authenticated)
        if left is not None:
            # The timer checks at intervals, because the clock may be set in the meantime.
            wait = min(max(left, 0.0), TOKEN_EXPIRY_INTERVAL_S)
            session.expiry = asyncio.get_running_loop().call_later(wait, self._check_expiry, sid)

    def _check_expiry(self, sid: str) -> None:
        try:
            self._authenticator.check(self._sessions[sid].authenticated)
        except TokenInvalid:
            self._end_session(sid)
        else:
            self._start_expiry_timer(sid)

    def _end_session(self, sid: str) -> None:
        session = self._sessions[sid]
        leaving = self._server.disconnect(sid, namespace=_namespace(session.caller))
        self._tasks.start(leaving, "end-session")
        self._socket_server.end_soon(session.connection)

    async def _handle_event(
        self, event: str, sid: str, *payload: JsonValue
    ) -> Acknowledgement | None:
        """Execute an operation, and return its acknowledgement."""
        session = self._sessions.get(sid)
        if session is None:
            return None  # the client has disconnected
        try:
            data = await self._execute(event, sid, session, payload)
        except ExperimentServerError as error:
            return Acknowledgement(ok=False, error=error_info(error))
        except Exception:
            log.exception("operation %s failed", event)
            return Acknowledgement(ok=False, error=SERVER_FAILED)
        return Acknowledgement(ok=True, data=data)

    async def _execute(
        self, event: str, sid: str, session: _Session, payload: Sequence[JsonValue]
    ) -> object:
        self._socket_server.require_allowed(session.connection)
        try:
            self._authenticator.check(session.authenticated)
        except TokenInvalid:
            self._end_session(sid)
            raise
        operation = OPERATIONS.get(event)
        if operation is None:
            raise OperationUnknown(
                f"there is no operation {shown(event)}; the operations are {', '.join(OPERATIONS)}"
            )
        with self._metrics.counted(operation.name, session.caller.actor):
            call = decoded_call(
                operation,
                session.caller,
                _received(event, payload),
                self._session.default_participant_index,
            )
            return await operation.handler(self._session, call.request, *call.values)


def _namespace(caller: Caller) -> str:
    return DASHBOARD_NAMESPACE if caller.participant_index is None else APP_NAMESPACE


def _rooms_of(caller: Caller) -> tuple[Room, ...]:
    if caller.participant_index is None:
        return (DASHBOARD,)
    return (PARTICIPANTS, caller.participant_index)


async def _within(seconds: float, *work: Awaitable[object]) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*work), seconds)


def _participant_of(auth: JsonValue) -> int | None:
    """The participant index in a handshake, None for the default participant."""
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


def _participant_for(caller: Caller, wanted: int | None, default: int) -> int:
    """The participant that an app may act for; raises NotAllowed for another participant."""
    own = caller.participant_index
    if wanted is None:
        return default if own is None else own
    if own not in (None, wanted):
        raise NotAllowed(f"this token is participant {own}'s, not participant {wanted}'s")
    return wanted


def _refusal(error: ExperimentServerError) -> socketio.exceptions.ConnectionRefusedError:
    info = error_info(error)
    return socketio.exceptions.ConnectionRefusedError(info.message, info)


def _received(event: str, payload: Sequence[JsonValue]) -> Received:
    given = payload[0] if payload and payload[0] is not None else {}
    if len(payload) > 1 or not isinstance(given, dict):
        raise ParameterInvalid(f"{event} takes one object with its parameters, or nothing")
    parameters = dict(given)
    key = parameters.pop("request_id", None)
    return Received(parameters, key)
