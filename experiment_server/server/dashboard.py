"""The dashboard's page and files, the participants' app, and the Socket.IO client for it."""

from __future__ import annotations

import secrets
from pathlib import Path

import jinja2
from aiohttp import web
from markupsafe import Markup

from experiment_server.errors import ExperimentServerError
from experiment_server.server.browsers import PAGE_HEADERS, page_policy
from experiment_server.server.login import ask_because
from experiment_server.server.security import Authenticator
from experiment_server.session.session import StudySession
from experiment_server.wire.encoding import to_json

BUILT = Path(__file__).parent / "dashboard"
"""Where the build of web/ puts its output; its index.html is a Jinja template."""

NOT_BUILT = (
    "This checkout has no dashboard yet: run `python web/build_hook.py` (or `make install`). "
    "The API and the participants' apps work without it.\n"
)


def add_routes(app: web.Application, session: StudySession, authenticator: Authenticator) -> None:
    """Serve `/`, `/index`, the built files, and what participants' web apps load.

    That is `/client.js`, and `/socket.io/socket.io.min.js` and its like.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(BUILT), autoescape=True)

    async def page(request: web.Request) -> web.Response:
        try:
            authenticator.authenticate_experimenter(request)
        except ExperimentServerError as error:
            return ask_because(error)
        try:
            template = environment.get_template("index.html")
        except jinja2.TemplateNotFound:
            return web.Response(status=503, text=NOT_BUILT)
        # What this answer's page may show styles with that scripts make: an editor's, a plot's.
        nonce = secrets.token_urlsafe(16)
        html = template.render(
            title=f"{session.study_file.name} - experiment-server",
            # What there is more comes over the socket.
            snapshot=markup_safe(to_json(await anext(session.overview()))),
            nonce=nonce,
        )
        headers = {
            "Content-Security-Policy": page_policy(styles=f"'self' 'nonce-{nonce}'"),
            # The page carries the state of this moment; a cached one would show a past one.
            "Cache-Control": "no-store",
        }
        return web.Response(text=html, content_type="text/html", headers=headers)

    for path in ("/", "/index"):
        app.router.add_get(path, page)
    if (BUILT / "assets").is_dir():
        app.router.add_static("/assets", BUILT / "assets")
    if (BUILT / "client.js").is_file():
        app.router.add_get("/client.js", _file(BUILT / "client.js"))
    for script in sorted((BUILT / "socket.io").glob("*.js")):
        app.router.add_get(f"/socket.io/{script.name}", _file(script))


def markup_safe(json: str) -> Markup:
    """JSON that cannot end the script element, or begin another, that it stands in."""
    for character in "<>&'\u2028\u2029":
        json = json.replace(character, f"\\u{ord(character):04x}")
    return Markup(json)  # noqa: S704 - nothing is left that HTML would read as markup


def add_headers(app: web.Application) -> None:
    """Tell browsers what our pages may do, and what is nobody else's business."""

    async def guard(request: web.Request, response: web.StreamResponse) -> None:
        if f"{request.path}/".startswith("/app/"):
            # Somebody's own app decides for itself what it loads; only we may frame it.
            response.headers["Content-Security-Policy"] = "frame-ancestors 'self'"
        for name, value in PAGE_HEADERS.items():
            response.headers.setdefault(name, value)

    app.on_response_prepare.append(guard)


def add_app(app: web.Application, folder: Path) -> None:
    """Serve a participants' web app under /app/."""

    async def to_folder(request: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently(request.rel_url.with_path("/app/", keep_query=True))

    async def hidden(_request: web.Request) -> web.Response:
        # A folder that was cloned, or edited on somebody's Mac, has files that are no app's.
        raise web.HTTPNotFound

    async def revalidate(request: web.Request, response: web.StreamResponse) -> None:
        # Studies are edited until the last evening; a browser must not run yesterday's script.
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
