"""A link that lets somebody in: its token becomes a cookie that pages cannot read."""

from __future__ import annotations

from pathlib import Path

import jinja2
from aiohttp import web

from experiment_server.errors import ExperimentServerError, TokenInvalid, TokenMissing
from experiment_server.server.security import COOKIE, Gate

_PAGES = Path(__file__).parent / "pages"
_PAGE = jinja2.Environment(loader=jinja2.FileSystemLoader(_PAGES), autoescape=True).get_template(
    "login.html"
)

_WELCOME = (
    "Open the link that the server printed at its start, or the one that you were given, or paste "
    "its token here."
)


def add_login(app: web.Application, gate: Gate, *, has_app: bool) -> None:
    """Serve /login: with `?token=...` as a link, and as the form's target."""

    async def log_in(request: web.Request) -> web.Response:
        fields = await request.post() if request.method == "POST" else request.query
        token = fields.get("token", "")
        if not isinstance(token, str) or not token:
            return ask(_WELCOME, 200)
        try:
            target, text = _destination(gate, token, has_app=has_app)
        except TokenInvalid as error:
            return ask(error.detail, error.status)
        # Not a redirect: after a click in a mail, a browser keeps a strict cookie to itself until
        # a page of ours leads on.
        response = _html(title="You are in", text=text, target=target)
        response.set_cookie(
            COOKIE, token, httponly=True, samesite="Strict", secure=request.secure, path="/"
        )
        return response

    async def style(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGES / "login.css")

    app.router.add_get("/login", log_in)
    app.router.add_get("/login.css", style)
    app.router.add_post("/login", log_in)


def ask(text: str, status: int) -> web.Response:
    """The page that asks for a token."""
    return _html(status, title="This study asks for a token", text=text, target=None)


def ask_because(error: ExperimentServerError) -> web.Response:
    """The page that asks for a token, saying why another page was not shown."""
    return ask(_WELCOME if isinstance(error, TokenMissing) else error.detail, error.status)


def _destination(gate: Gate, token: str, *, has_app: bool) -> tuple[str | None, str]:
    if gate.tokens.is_admin(token):
        return "/", "The dashboard opens."
    index = gate.tokens.participant_of(token)
    if has_app:
        return f"/app/?participant={index}", f"You take part as participant {index}."
    return "/login", f"This browser now speaks for participant {index}."


def _html(status: int = 200, **fields: str | None) -> web.Response:
    return web.Response(
        status=status,
        text=_PAGE.render(**fields),
        content_type="text/html",
        headers={"Cache-Control": "no-store"},
    )
