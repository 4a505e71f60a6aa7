"""Serves the dashboard, the participants' web app, and the Socket.IO client."""

from __future__ import annotations

import secrets
from pathlib import Path

import jinja2
from aiohttp import web
from markupsafe import Markup

from experiment_server.errors import ExperimentServerError
from experiment_server.server.browsers import add_page_headers, page_policy
from experiment_server.server.login import ask_because
from experiment_server.server.security import Authenticator
from experiment_server.session.session import StudySession
from experiment_server.wire.encoding import to_json

BUILD_FOLDER = Path(__file__).parent / "dashboard"
"""The output folder of the build of web/; its index.html is a Jinja template."""

NOT_BUILT_MESSAGE = (
    "The dashboard is not built: run `python web/build_hook.py` (or `make install`). "
    "The API and the participants' apps work without it.\n"
)


def add_routes(app: web.Application, session: StudySession, authenticator: Authenticator) -> None:
    """Serve `/`, `/index`, the built files, and the scripts for participants' web apps.

    These are `/client.js` and `/socket.io/*.js`.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(BUILD_FOLDER), autoescape=True)

    async def page(request: web.Request) -> web.Response:
        try:
            authenticator.authenticate_experimenter(request)
        except ExperimentServerError as error:
            return ask_because(error)
        try:
            template = environment.get_template("index.html")
        except jinja2.TemplateNotFound:
            return web.Response(status=503, text=NOT_BUILT_MESSAGE)
        # The nonce allows the styles that the editor's and the plots' scripts create.
        nonce = secrets.token_urlsafe(16)
        html = template.render(
            title=f"{session.study_file.name} - experiment-server",
            # The socket sends the remaining participants.
            snapshot=markup_safe(to_json((await anext(session.overview())).payload)),
            nonce=nonce,
        )
        headers = {
            "Content-Security-Policy": page_policy(styles=f"'self' 'nonce-{nonce}'"),
            # The page contains the current state, so a cached page would be outdated.
            "Cache-Control": "no-store",
        }
        return web.Response(text=html, content_type="text/html", headers=headers)

    for path in ("/", "/index"):
        app.router.add_get(path, page)
    if (BUILD_FOLDER / "assets").is_dir():
        app.router.add_static("/assets", BUILD_FOLDER / "assets")
    if (BUILD_FOLDER / "client.js").is_file():
        app.router.add_get("/client.js", _file(BUILD_FOLDER / "client.js"))
    for script in sorted((BUILD_FOLDER / "socket.io").glob("*.js")):
        app.router.add_get(f"/socket.io/{script.name}", _file(script))


def markup_safe(json: str) -> Markup:
    """JSON, escaped so that it can stand in a script element."""
    for character in "<>&'\u2028\u2029":
        json = json.replace(character, f"\\u{ord(character):04x}")
    return Markup(json)  # noqa: S704 - nothing is left that HTML would read as markup


def add_headers(app: web.Application) -> None:
    """Add the security headers to every response."""

    async def guard(request: web.Request, response: web.StreamResponse) -> None:
        if f"{request.path}/".startswith("/app/"):
            # A participants' app may load anything; only this server's pages may frame it.
            response.headers["Content-Security-Policy"] = "frame-ancestors 'self'"
        add_page_headers(response)

    app.on_response_prepare.append(guard)


def add_app(app: web.Application, folder: Path) -> None:
    """Serve a participants' web app under /app/."""

    async def to_folder(request: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently(request.rel_url.with_path("/app/", keep_query=True))

    async def hidden(_request: web.Request) -> web.Response:
        # Hidden files, such as .git or .DS_Store, do not belong to the app.
        raise web.HTTPNotFound

    async def revalidate(request: web.Request, response: web.StreamResponse) -> None:
        # Apps change often, and a browser must not run an old script.
        if request.path.startswith("/app/"):
            response.headers["Cache-Control"] = "no-cache"

    app.router.add_get("/app", to_folder)
    app.router.add_get("/app/", _file(folder / "index.html"))
    app.router.add_get(r"/app/{before:(.*(/|%2F|%5C))?}.{rest:.*}", hidden)
    app.router.add_static("/app", folder)
    app.on_response_prepare.append(revalidate)


def _file(path: Path):  # type: ignore[no-untyped-def]
    async def handle(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    return handle
