"""A link that lets somebody in: its token becomes a cookie that pages cannot read.

A page of another site may lead somebody's browser to a link, to make it speak for somebody else.
Following it, the browser does not say yet whom it speaks for; so a page of ours leads on first, and
if the browser then turns out to be let in as another, its user is asked.
"""

from __future__ import annotations

from pathlib import Path

import jinja2
from aiohttp import web

from experiment_server.errors import ExperimentServerError, TokenInvalid, TokenMissing
from experiment_server.limits import LINK_CONFIRMATION_TIMEOUT_S, LOGIN_MAX_BYTES
from experiment_server.server.bodies import small_form
from experiment_server.server.security import COOKIE, Authenticator

_PAGES = Path(__file__).parent / "pages"
_PAGE = jinja2.Environment(loader=jinja2.FileSystemLoader(_PAGES), autoescape=True).get_template(
    "login.html"
)

_WELCOME = (
    "Open the link that the server printed at its start, or the one that you were given, or paste "
    "its token here."
)


_HELD = "experiment_server_link"
"""The cookie with the token of a link that was followed, and that lets nobody in yet."""

_HERE = "linked"
"""The query of the page that our own page leads to from a link."""


def add_login(app: web.Application, authenticator: Authenticator, *, has_app: bool) -> None:
    """Serve /login: with `?token=...` as a link, and as the form's target."""

    async def log_in(request: web.Request) -> web.Response:
        posted = request.method == "POST"
        fields = await small_form(request, LOGIN_MAX_BYTES) if posted else request.query
        token = fields.get("token", "")
        held = request.cookies.get(_HELD, "") if _HERE in request.query else ""
        if not (token or held):
            return ask(_WELCOME, 200)
        try:
            if posted or request.headers.get("Sec-Fetch-Site") == "none":
                # By hand: typed, scanned, from a mail program, or our own form.
                return enter(request, token or held)
            if held or request.headers.get("Sec-Fetch-Site") == "same-origin":
                return consider(request, token or held)
            return lead_on(request, token)
        except TokenInvalid as error:
            return ask(error.detail, error.status)

    def enter(request: web.Request, token: str) -> web.Response:
        target, text = _destination(authenticator, token, has_app=has_app)
        # Not a redirect: after a click in a mail, a browser keeps a strict cookie to itself until
        # a page of ours leads on.
        response = _html(title="You are in", text=text, target=target)
        _set_cookie(request, response, COOKIE, token, path="/")
        response.del_cookie(_HELD, path="/login")
        return response

    def consider(request: web.Request, token: str) -> web.Response:
        before, after = (
            _holder(authenticator, request.cookies.get(COOKIE)),
            _holder(authenticator, token),
        )
        if before in (None, after):
            return enter(request, token)
        response = _html(
            title="Somebody else?",
            text=f"This browser is let in as {before}. The link that you followed is for {after}.",
            question=f"Go on as {after}",
            action=f"/login?{_HERE}",
        )
        _set_cookie(
            request, response, _HELD, token, path="/login", max_age=LINK_CONFIRMATION_TIMEOUT_S
        )
        return response

    def lead_on(request: web.Request, token: str) -> web.Response:
        _destination(
            authenticator, token, has_app=has_app
        )  # or it is told now that it leads nowhere
        response = _html(title="One moment", text="You are let in.", target=f"/login?{_HERE}")
        _set_cookie(
            request, response, _HELD, token, path="/login", max_age=LINK_CONFIRMATION_TIMEOUT_S
        )
        return response

    async def style(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGES / "login.css")

    app.router.add_get("/login", log_in)
    app.router.add_get("/login.css", style)
    app.router.add_post("/login", log_in)


def ask(text: str, status: int) -> web.Response:
    """The page that asks for a token."""
    return _html(status, title="This study asks for a token", text=text, asks="a token")


def ask_because(error: ExperimentServerError) -> web.Response:
    """The page that asks for a token, saying why another page was not shown."""
    return ask(_WELCOME if isinstance(error, TokenMissing) else error.detail, error.status)


def _destination(
    authenticator: Authenticator, token: str, *, has_app: bool
) -> tuple[str | None, str]:
    if authenticator.tokens.is_admin(token):
        return "/", "The dashboard opens."
    index = authenticator.tokens.participant_of(token)
    if has_app:
        return f"/app/?participant={index}", f"You take part as participant {index}."
    return None, f"This browser now speaks for participant {index}."


def _holder(authenticator: Authenticator, token: str | None) -> str | None:
    """Whose token it is, None for nobody's."""
    if not token:
        return None
    if authenticator.tokens.is_admin(token):
        return "the experimenter"
    try:
        return f"participant {authenticator.tokens.participant_of(token)}"
    except TokenInvalid:
        return None


def _set_cookie(
    request: web.Request,
    response: web.Response,
    name: str,
    token: str,
    *,
    path: str,
    max_age: int | None = None,
) -> None:
    response.set_cookie(
        name,
        token,
        httponly=True,
        samesite="Strict",
        secure=request.secure,
        path=path,
        max_age=max_age,
    )


def _html(status: int = 200, **fields: str | None) -> web.Response:
    return web.Response(
        status=status,
        text=_PAGE.render(**fields),
        content_type="text/html",
        headers={"Cache-Control": "no-store"},
    )
