"""Login links: the token of a link becomes a cookie that scripts cannot read.

A page of another site could send a browser to a link and so log it in as somebody else. The browser
does not send its current cookie with such a request. So a page of this server redirects first. If
the browser is logged in as somebody else, the user has to confirm the change.
"""

from __future__ import annotations

from pathlib import Path

import jinja2
from aiohttp import web

from experiment_server.errors import ExperimentServerError, TokenInvalid, TokenMissing
from experiment_server.limits.network import LINK_CONFIRMATION_TIMEOUT_S, LOGIN_MAX_BYTES
from experiment_server.server.bodies import read_form
from experiment_server.server.security import COOKIE, Authenticator, log_refused_token

_PAGES = Path(__file__).parent / "pages"
_PAGE = jinja2.Environment(loader=jinja2.FileSystemLoader(_PAGES), autoescape=True).get_template(
    "login.html"
)

_WELCOME = (
    "Open the link that the server printed at its start, or the link that you received, or paste "
    "its token here."
)


_LINK_COOKIE = "experiment_server_link"
"""The cookie that holds the token of a link until the user is logged in."""

_FROM_LINK = "linked"
"""The query parameter of the page that a link redirects to."""


def add_login(app: web.Application, authenticator: Authenticator, *, has_app: bool) -> None:
    """Serve /login, for links with `?token=...` and for the login form."""

    async def log_in(request: web.Request) -> web.Response:
        posted = request.method == "POST"
        fields = await read_form(request, LOGIN_MAX_BYTES) if posted else request.query
        token = fields.get("token", "")
        link_token = request.cookies.get(_LINK_COOKIE, "") if _FROM_LINK in request.query else ""
        if not (token or link_token):
            return ask(_WELCOME, 200)
        try:
            if posted or request.headers.get("Sec-Fetch-Site") == "none":
                # The user typed or scanned the link, opened it from a mail, or sent the login form.
                return log_in_with(request, token or link_token)
            if link_token or request.headers.get("Sec-Fetch-Site") == "same-origin":
                return ask_before_switch(request, token or link_token)
            return redirect_from_link(request, token)
        except TokenInvalid as error:
            log_refused_token(request)
            return ask(error.detail, error.status)

    def log_in_with(request: web.Request, token: str) -> web.Response:
        target, text = _destination(authenticator, token, has_app=has_app)
        # An HTTP redirect would not work: after a click in a mail, a browser sends a strict
        # cookie only with requests that a page of this server makes.
        response = _html(title="You are logged in", text=text, target=target)
        _set_cookie(request, response, COOKIE, token, path="/")
        response.del_cookie(_LINK_COOKIE, path="/login")
        return response

    def ask_before_switch(request: web.Request, token: str) -> web.Response:
        before, after = (
            _token_owner(authenticator, request.cookies.get(COOKIE)),
            _token_owner(authenticator, token),
        )
        if before in (None, after):
            return log_in_with(request, token)
        response = _html(
            title="Somebody else?",
            text=f"This browser is logged in as {before}. The link that you opened is for {after}.",
            question=f"Continue as {after}",
            action=f"/login?{_FROM_LINK}",
        )
        _set_cookie(
            request,
            response,
            _LINK_COOKIE,
            token,
            path="/login",
            max_age=LINK_CONFIRMATION_TIMEOUT_S,
        )
        return response

    def redirect_from_link(request: web.Request, token: str) -> web.Response:
        _destination(authenticator, token, has_app=has_app)  # raises for an invalid token
        response = _html(
            title="One moment", text="You are being logged in.", target=f"/login?{_FROM_LINK}"
        )
        _set_cookie(
            request,
            response,
            _LINK_COOKIE,
            token,
            path="/login",
            max_age=LINK_CONFIRMATION_TIMEOUT_S,
        )
        return response

    async def style(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGES / "login.css")

    app.router.add_get("/login", log_in)
    app.router.add_get("/login.css", style)
    app.router.add_post("/login", log_in)


def ask(text: str, status: int) -> web.Response:
    """The page that asks for a token."""
    return _html(status, title="This study asks for a token", text=text, form="token")


def ask_because(error: ExperimentServerError) -> web.Response:
    """The page that asks for a token, with the reason why the requested page was refused."""
    return ask(_WELCOME if isinstance(error, TokenMissing) else error.detail, error.status)


def _destination(
    authenticator: Authenticator, token: str, *, has_app: bool
) -> tuple[str | None, str]:
    if authenticator.tokens.is_admin(token):
        return "/", "The dashboard opens."
    index = authenticator.tokens.participant_of(token)
    if has_app:
        return f"/app/?participant={index}", f"You take part as participant {index}."
    return None, f"This browser is now logged in as participant {index}."


def _token_owner(authenticator: Authenticator, token: str | None) -> str | None:
    """The owner of a token, None if it is invalid."""
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
